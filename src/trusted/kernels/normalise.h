// Normalisation of each row of an array seen as [rows, n], with eps >= 0:
//
//   kMeanVariance     mu = mean(x)   s = mean((x - mu)^2)   y = (x - mu) / sqrt(s + eps)
//   kRootMeanSquare                  s = mean(x^2)          y = x / sqrt(s + eps)
//   kMeanAbsolute                    s = mean(|x|)          y = x / (s + eps)
//
// The variance is taken in a second pass, from the differences: mean(x^2) - mean(x)^2 would cancel.
// A row whose divisor is 0 gives zeros, and its gradient is 0. With r the divisor's reciprocal and
// g the gradient of y:
//
//   kMeanVariance     dx = r (g - mean(g) - y mean(g y))
//   kRootMeanSquare   dx = r (g - y mean(g y))
//   kMeanAbsolute     dx = r (g - sign(x) mean(g y))
#pragma once

#include <cstddef>

namespace anchorhold::kernels {

enum class NormaliseMode : int { kMeanVariance = 0, kRootMeanSquare = 1, kMeanAbsolute = 2 };

// Precondition: n >= 1.
struct NormaliseShape {
  std::size_t rows = 0;
  std::size_t n = 0;
};

// T is float or double. y and x may be the same array.
template <typename T>
void Normalise(NormaliseMode mode, const NormaliseShape& shape, T eps, const T* x, T* y);

// dx may be the same array as x or g.
template <typename T>
void NormaliseGrad(NormaliseMode mode, const NormaliseShape& shape, T eps, const T* x, const T* g,
                   T* dx);

}  // namespace anchorhold::kernels
