// Elementwise kernels over contiguous arrays of n numbers. Inputs and outputs may be the same
// array; they may not overlap otherwise. NaN and infinity pass through as IEEE 754 arithmetic makes
// them.
//
//   Neg       y = -x                Exp       y = e^x              Log   y = ln x
//   Sqrt      y = sqrt(x)           Scale     y = s x              Tanh  y = tanh x
//   Sigmoid   y = 1 / (1 + e^-x), from e^-|x| so that nothing overflows
//   LeakyRelu y = x if x > 0, else s x; Relu is s = 0
//   Clip      y = min(max(x, low), high)
//
// Derivatives take the gradient g of the output and what the forward pass left (x or y):
//   LeakyReluGrad  g (x > 0 ? 1 : s)      ClipGrad     g (low < x < high ? 1 : 0)
//   SigmoidGrad    g y (1 - y)            TanhGrad     g (1 - y^2)
// At the kinks of Relu, LeakyRelu and Clip the derivative is that of the flat (or lower) side.
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
void Scale(const T* x, std::size_t n, T scale, T* y);
template <typename T>
void LeakyRelu(const T* x, std::size_t n, T slope, T* y);
template <typename T>
void Clip(const T* x, std::size_t n, T low, T high, T* y);

template <typename T>
void LeakyReluGrad(const T* x, const T* g, std::size_t n, T slope, T* dx);
template <typename T>
void ClipGrad(const T* x, const T* g, std::size_t n, T low, T high, T* dx);
template <typename T>
void SigmoidGrad(const T* y, const T* g, std::size_t n, T* dx);
template <typename T>
void TanhGrad(const T* y, const T* g, std::size_t n, T* dx);

}  // namespace anchorhold::kernels
