#include "trusted/kernels/softmax.h"

#include <algorithm>
#include <cmath>

namespace anchorhold::kernels {
namespace {

// Calls line(offset, stride) for each line along the axis.
template <typename Line>
void ForEachLine(const SoftmaxShape& shape, Line line) {
  for (std::size_t o = 0; o < shape.outer; ++o) {
    for (std::size_t i = 0; i < shape.inner; ++i) line(o * shape.n * shape.inner + i, shape.inner);
  }
}

template <typename T>
T LineMax(const T* x, std::size_t n, std::size_t stride) {
  T max = x[0];
  for (std::size_t j = 1; j < n; ++j) max = std::max(max, x[j * stride]);
  return max;
}

}  // namespace

template <typename T>
void Softmax(const SoftmaxShape& shape, const T* x, T* y) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t stride) {
    const T max = LineMax(x + offset, shape.n, stride);
    T sum = 0;
    for (std::size_t j = 0; j < shape.n; ++j) {
      const T e = std::exp(x[offset + j * stride] - max);
      y[offset + j * stride] = e;
      sum += e;
    }
    for (std::size_t j = 0; j < shape.n; ++j) y[offset + j * stride] /= sum;
  });
}

template <typename T>
void LogSoftmax(const SoftmaxShape& shape, const T* x, T* y) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t stride) {
    const T max = LineMax(x + offset, shape.n, stride);
    T sum = 0;
    for (std::size_t j = 0; j < shape.n; ++j) sum += std::exp(x[offset + j * stride] - max);
    const T log_sum = std::log(sum);
    for (std::size_t j = 0; j < shape.n; ++j) {
      y[offset + j * stride] = x[offset + j * stride] - max - log_sum;
    }
  });
}

template <typename T>
void SoftmaxGrad(const SoftmaxShape& shape, const T* y, const T* g, T* dx) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t stride) {
    T dot = 0;
    for (std::size_t j = 0; j < shape.n; ++j) {
      dot += g[offset + j * stride] * y[offset + j * stride];
    }
    for (std::size_t j = 0; j < shape.n; ++j) {
      const std::size_t at = offset + j * stride;
      dx[at] = y[at] * (g[at] - dot);
    }
  });
}

template <typename T>
void LogSoftmaxGrad(const SoftmaxShape& shape, const T* y, const T* g, T* dx) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t stride) {
    T sum = 0;
    for (std::size_t j = 0; j < shape.n; ++j) sum += g[offset + j * stride];
    for (std::size_t j = 0; j < shape.n; ++j) {
      const std::size_t at = offset + j * stride;
      dx[at] = g[at] - std::exp(y[at]) * sum;
    }
  });
}

#define AH_INSTANTIATE(T)                                                 \
  template void Softmax(const SoftmaxShape&, const T*, T*);               \
  template void LogSoftmax(const SoftmaxShape&, const T*, T*);            \
  template void SoftmaxGrad(const SoftmaxShape&, const T*, const T*, T*); \
  template void LogSoftmaxGrad(const SoftmaxShape&, const T*, const T*, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
