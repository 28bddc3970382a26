// Softmax along one axis of an array seen as [outer, n, inner], the axis being the middle one.
//
//   m = max_j x_j    Softmax     y_j = e^(x_j - m) / sum_k e^(x_k - m)
//                    LogSoftmax  y_j = x_j - m - ln sum_k e^(x_k - m)
//
// Subtracting m makes every exponent at most 0: nothing overflows and the sum is at least 1.
// Derivatives, from the output y and its gradient g:
//   SoftmaxGrad     dx_j = y_j (g_j - sum_k g_k y_k)
//   LogSoftmaxGrad  dx_j = g_j - e^y_j sum_k g_k
// Output and input may be the same array.
#pragma once

#include <cstddef>

namespace anchorhold::kernels {

struct SoftmaxShape {
  std::size_t outer = 0;
  std::size_t n = 0;
  std::size_t inner = 0;
};

template <typename T>
void Softmax(const SoftmaxShape& shape, const T* x, T* y);
template <typename T>
void LogSoftmax(const SoftmaxShape& shape, const T* x, T* y);
template <typename T>
void SoftmaxGrad(const SoftmaxShape& shape, const T* y, const T* g, T* dx);
template <typename T>
void LogSoftmaxGrad(const SoftmaxShape& shape, const T* y, const T* g, T* dx);

}  // namespace anchorhold::kernels
