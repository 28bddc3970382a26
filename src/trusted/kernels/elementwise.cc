#include "trusted/kernels/elementwise.h"

#include <cmath>

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
void Scale(const T* x, std::size_t n, T scale, T* y) {
  Map(x, n, y, [scale](T v) { return scale * v; });
}

template <typename T>
void LeakyRelu(const T* x, std::size_t n, T slope, T* y) {
  // The comparison is false for NaN, and slope * NaN is NaN, so a NaN is not hidden.
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
void LeakyReluGrad(const T* x, const T* g, std::size_t n, T slope, T* dx) {
  Map2(x, g, n, dx, [slope](T v, T gradient) { return v > T(0) ? gradient : slope * gradient; });
}

template <typename T>
void ClipGrad(const T* x, const T* g, std::size_t n, T low, T high, T* dx) {
  Map2(x, g, n, dx, [low, high](T v, T gradient) { return v > low && v < high ? gradient : T(0); });
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
  template void Scale(const T*, std::size_t, T, T*);                   \
  template void LeakyRelu(const T*, std::size_t, T, T*);               \
  template void Clip(const T*, std::size_t, T, T, T*);                 \
  template void LeakyReluGrad(const T*, const T*, std::size_t, T, T*); \
  template void ClipGrad(const T*, const T*, std::size_t, T, T, T*);   \
  template void SigmoidGrad(const T*, const T*, std::size_t, T*);      \
  template void TanhGrad(const T*, const T*, std::size_t, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
