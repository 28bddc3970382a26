// Elementwise kernels over contiguous arrays of n numbers. Inputs and outputs may be the same
// array; they may not overlap otherwise. NaN and infinity pass through as IEEE 754 arithmetic makes
// them.
//
//   Neg       y = -x                Exp       y = e^x              Log   y = ln x
//   Sqrt      y = sqrt(x)           Scale     y = s x + t          Tanh  y = tanh x
//   Sigmoid   y = 1 / (1 + e^-x), from e^-|x| so that nothing overflows
//   LeakyRelu y = x if x > 0, else s x; Relu is s = 0
//   Clip      y = min(max(x, low), high)
//   Elu       y = x if x > 0, else a (e^(x/b) - 1); by expm1, accurate near 0
//   Gelu      y = x P(X <= x) for a normal X, by erfc, accurate far below 0
//   GeluTanh  y = x (1 + tanh u) / 2, u = sqrt(2/pi) (x + 0.044715 x^3), as x sigmoid(2u)
//
// Derivatives take the gradient g of the output and what the forward pass left (x or y):
//   LeakyReluGrad  g (x > 0 ? 1 : s)      ClipGrad     g (low < x < high ? 1 : 0)
//   SigmoidGrad    g y (1 - y)            TanhGrad     g (1 - y^2)
//   EluGrad        g (x > 0 ? 1 : a/b e^(x/b))
//   GeluGrad, GeluTanhGrad  g times the derivative of the formula above
// At the kinks of Relu, LeakyRelu, Elu and Clip the derivative is that of the flat (or lower) side.
#pragma once

#include <cstddef>

namespace anchorhold::kernels {

template <typename T>
void Neg(const T* x, std::size_t n, T* y);
template <typename T>
void Exp(const T* x, std::size_t n, T* y);
template <typename T>
void Log(const T* x, std::size_t n, T* y);
template <typename T>
void Sqrt(const T* x, std::size_t n, T* y);
template <typename T>
void Tanh(const T* x, std::size_t n, T* y);
template <typename T>
void Sigmoid(const T* x, std::size_t n, T* y);
template <typename T>
void Scale(const T* x, std::size_t n, T scale, T shift, T* y);
template <typename T>
void LeakyRelu(const T* x, std::size_t n, T slope, T* y);
template <typename T>
void Clip(const T* x, std::size_t n, T low, T high, T* y);

template <typename T>
void Elu(const T* x, std::size_t n, T a, T b, T* y);
template <typename T>
void Gelu(const T* x, std::size_t n, T* y);
template <typename T>
void GeluTanh(const T* x, std::size_t n, T* y);

// The other functions of one number, without parameters: the standard library's, and
//   Sign  -1, 0 or 1 (NaN: NaN)       Round     to the nearest integer, halves to the even one
//   Softplus  ln(1 + e^x), as max(x, 0) + log1p(e^-|x|): no overflow
//   ErfSlope  2 / sqrt(pi) e^(-x^2), the derivative of erf
enum class Function {
  kAbs,
  kSign,
  kFloor,
  kCeil,
  kRound,
  kSin,
  kCos,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kErf,
  kErfSlope,
  kSoftplus,
};
template <typename T>
void Apply(Function function, const T* x, std::size_t n, T* y);

template <typename T>
void LeakyReluGrad(const T* x, const T* g, std::size_t n, T slope, T* dx);
template <typename T>
void ClipGrad(const T* x, const T* g, std::size_t n, T low, T high, T* dx);
template <typename T>
void EluGrad(const T* x, const T* g, std::size_t n, T a, T b, T* dx);
template <typename T>
void GeluGrad(const T* x, const T* g, std::size_t n, T* dx);
template <typename T>
void GeluTanhGrad(const T* x, const T* g, std::size_t n, T* dx);
template <typename T>
void SigmoidGrad(const T* y, const T* g, std::size_t n, T* dx);
template <typename T>
void TanhGrad(const T* y, const T* g, std::size_t n, T* dx);

}  // namespace anchorhold::kernels
