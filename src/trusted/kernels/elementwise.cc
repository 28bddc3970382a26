#include "trusted/kernels/elementwise.h"

#include <cmath>
#include <numbers>

namespace anchorhold::kernels {
namespace {

template <typename T, typename F>
void Map(const T* x, std::size_t n, T* y, F f) {
  for (std::size_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <typename T, typename F>
void Map2(const T* a, const T* b, std::size_t n, T* y, F f) {
  for (std::size_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
}

template <typename T>
T StableSigmoid(T x) {
  const T e = std::exp(-std::abs(x));  // in (0, 1]: never overflows
  return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

template <typename T>
T Sign(T x) {
  if (std::isnan(x)) return x;
  return static_cast<T>((x > T(0) ? 1 : 0) - (x < T(0) ? 1 : 0));
}

template <typename T>
T Softplus(T x) {
  const T part = std::log1p(std::exp(-std::abs(x)));  // NaN for NaN, which is then added
  return x > T(0) ? x + part : part;
}

template <typename T>
T ErfSlope(T x) {
  constexpr T kFactor = T(2) * std::numbers::inv_sqrtpi_v<T>;
  return kFactor * std::exp(-x * x);
}

// The normal distribution's function, P(X <= x), and its density.
template <typename T>
T NormalBelow(T x) {
  return std::erfc(-x / std::numbers::sqrt2_v<T>) / T(2);
}
template <typename T>
T NormalDensity(T x) {
  constexpr T kFactor = std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
  return kFactor * std::exp(-x * x / T(2));
}

// 2u of GeluTanh = kRate (x + kCubic x^3), and its derivative.
template <typename T>
constexpr T kRate = T(2) * std::numbers::sqrt2_v<T>* std::numbers::inv_sqrtpi_v<T>;
template <typename T>
constexpr T kCubic = T(0.044715L);
template <typename T>
T TwiceU(T x) {
  return kRate<T> * x * (T(1) + kCubic<T> * x * x);
}
template <typename T>
T TwiceUSlope(T x) {
  return kRate<T> * (T(1) + T(3) * kCubic<T> * x * x);
}

}  // namespace

template <typename T>
void Neg(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return -v; });
}

template <typename T>
void Exp(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return std::exp(v); });
}

template <typename T>
void Log(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return std::log(v); });
}

template <typename T>
void Sqrt(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return std::sqrt(v); });
}

template <typename T>
void Tanh(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return std::tanh(v); });
}

template <typename T>
void Sigmoid(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return StableSigmoid(v); });
}

template <typename T>
void Scale(const T* x, std::size_t n, T scale, T shift, T* y) {
  // Without a shift nothing is added, so that -0 stays.
  if (shift == T(0)) return Map(x, n, y, [scale](T v) { return scale * v; });
  Map(x, n, y, [scale, shift](T v) { return scale * v + shift; });
}

template <typename T>
void LeakyRelu(const T* x, std::size_t n, T slope, T* y) {
  // The comparisons are false for NaN, and slope * NaN is NaN, so a NaN is not hidden. Without a
  // slope nothing is multiplied: 0 * -infinity would be NaN.
  if (slope == T(0)) return Map(x, n, y, [](T v) { return v < T(0) ? T(0) : v; });
  Map(x, n, y, [slope](T v) { return v > T(0) ? v : slope * v; });
}

template <typename T>
void Clip(const T* x, std::size_t n, T low, T high, T* y) {
  // A NaN fails both comparisons and stays. ONNX: if low > high, the result is high.
  Map(x, n, y, [low, high](T v) {
    const T raised = v < low ? low : v;
    return raised > high ? high : raised;
  });
}

template <typename T>
void Elu(const T* x, std::size_t n, T a, T b, T* y) {
  Map(x, n, y, [a, b](T v) { return v > T(0) ? v : a * std::expm1(v / b); });
}

template <typename T>
void Gelu(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return v * NormalBelow(v); });
}

template <typename T>
void GeluTanh(const T* x, std::size_t n, T* y) {
  Map(x, n, y, [](T v) { return v * StableSigmoid(TwiceU(v)); });
}

template <typename T>
void Apply(Function function, const T* x, std::size_t n, T* y) {
  switch (function) {
    case Function::kAbs:
      return Map(x, n, y, [](T v) { return std::abs(v); });
    case Function::kSign:
      return Map(x, n, y, [](T v) { return Sign(v); });
    case Function::kFloor:
      return Map(x, n, y, [](T v) { return std::floor(v); });
    case Function::kCeil:
      return Map(x, n, y, [](T v) { return std::ceil(v); });
    case Function::kRound:  // in the default rounding mode, which nothing changes
      return Map(x, n, y, [](T v) { return std::nearbyint(v); });
    case Function::kSin:
      return Map(x, n, y, [](T v) { return std::sin(v); });
    case Function::kCos:
      return Map(x, n, y, [](T v) { return std::cos(v); });
    case Function::kAsin:
      return Map(x, n, y, [](T v) { return std::asin(v); });
    case Function::kAcos:
      return Map(x, n, y, [](T v) { return std::acos(v); });
    case Function::kAtan:
      return Map(x, n, y, [](T v) { return std::atan(v); });
    case Function::kSinh:
      return Map(x, n, y, [](T v) { return std::sinh(v); });
    case Function::kCosh:
      return Map(x, n, y, [](T v) { return std::cosh(v); });
    case Function::kAsinh:
      return Map(x, n, y, [](T v) { return std::asinh(v); });
    case Function::kAcosh:
      return Map(x, n, y, [](T v) { return std::acosh(v); });
    case Function::kAtanh:
      return Map(x, n, y, [](T v) { return std::atanh(v); });
    case Function::kErf:
      return Map(x, n, y, [](T v) { return std::erf(v); });
    case Function::kErfSlope:
      return Map(x, n, y, [](T v) { return ErfSlope(v); });
    case Function::kSoftplus:
      return Map(x, n, y, [](T v) { return Softplus(v); });
  }
}

template <typename T>
void LeakyReluGrad(const T* x, const T* g, std::size_t n, T slope, T* dx) {
  if (slope == T(0)) {
    return Map2(x, g, n, dx, [](T v, T gradient) { return v > T(0) ? gradient : T(0); });
  }
  Map2(x, g, n, dx, [slope](T v, T gradient) { return v > T(0) ? gradient : slope * gradient; });
}

template <typename T>
void ClipGrad(const T* x, const T* g, std::size_t n, T low, T high, T* dx) {
  Map2(x, g, n, dx, [low, high](T v, T gradient) { return v > low && v < high ? gradient : T(0); });
}

template <typename T>
void EluGrad(const T* x, const T* g, std::size_t n, T a, T b, T* dx) {
  Map2(x, g, n, dx, [a, b](T v, T gradient) {
    return v > T(0) ? gradient : gradient * (a / b) * std::exp(v / b);
  });
}

template <typename T>
void GeluGrad(const T* x, const T* g, std::size_t n, T* dx) {
  Map2(x, g, n, dx,
       [](T v, T gradient) { return gradient * (NormalBelow(v) + v * NormalDensity(v)); });
}

template <typename T>
void GeluTanhGrad(const T* x, const T* g, std::size_t n, T* dx) {
  Map2(x, g, n, dx, [](T v, T gradient) {
    const T s = StableSigmoid(TwiceU(v));
    const T steepness = s * (T(1) - s);  // where it vanishes, the factor beside it may overflow
    return gradient * (steepness == T(0) ? s : s + v * steepness * TwiceUSlope(v));
  });
}

template <typename T>
void SigmoidGrad(const T* y, const T* g, std::size_t n, T* dx) {
  Map2(y, g, n, dx, [](T v, T gradient) { return gradient * v * (T(1) - v); });
}

template <typename T>
void TanhGrad(const T* y, const T* g, std::size_t n, T* dx) {
  Map2(y, g, n, dx, [](T v, T gradient) { return gradient * (T(1) - v * v); });
}

#define AH_INSTANTIATE(T)                                              \
  template void Neg(const T*, std::size_t, T*);                        \
  template void Exp(const T*, std::size_t, T*);                        \
  template void Log(const T*, std::size_t, T*);                        \
  template void Sqrt(const T*, std::size_t, T*);                       \
  template void Tanh(const T*, std::size_t, T*);                       \
  template void Sigmoid(const T*, std::size_t, T*);                    \
  template void Scale(const T*, std::size_t, T, T, T*);                \
  template void LeakyRelu(const T*, std::size_t, T, T*);               \
  template void Clip(const T*, std::size_t, T, T, T*);                 \
  template void Elu(const T*, std::size_t, T, T, T*);                  \
  template void Gelu(const T*, std::size_t, T*);                       \
  template void GeluTanh(const T*, std::size_t, T*);                   \
  template void Apply(Function, const T*, std::size_t, T*);            \
  template void LeakyReluGrad(const T*, const T*, std::size_t, T, T*); \
  template void ClipGrad(const T*, const T*, std::size_t, T, T, T*);   \
  template void EluGrad(const T*, const T*, std::size_t, T, T, T*);    \
  template void GeluGrad(const T*, const T*, std::size_t, T*);         \
  template void GeluTanhGrad(const T*, const T*, std::size_t, T*);     \
  template void SigmoidGrad(const T*, const T*, std::size_t, T*);      \
  template void TanhGrad(const T*, const T*, std::size_t, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
