// Reductions other than the sum (strided.h has it): y[k] = f(all x at k), where k runs over the
// axes that are kept, in row-major order, and y is contiguous. Sums and products are taken in
// double.
//
//   Max, Min    of the largest and smallest; a NaN makes the result NaN
//   Prod        product; integers wrap
//   Norm        sqrt(sum x^2)
//   LogSumExp   m + ln(sum e^(x - m)), m the largest: no overflow
//   ProdGrad    dx = g * (product of the others at k); exact where one of them is zero
#pragma once

#include <cstdint>

#include "trusted/kernels/strided.h"

namespace anchorhold::kernels {

// Strides a are those of x.
struct Reduction {
  IndexSpace kept;
  IndexSpace reduced;
};

// From x to y, of the same rank, with size 1 along the axes that are reduced.
Reduction ReduceTo(Dims x, Dims y);

// T is float, double, std::int64_t or std::uint64_t.
enum class FoldOp { kMax, kMin, kProd };
template <typename T>
void Fold(FoldOp op, const Reduction& reduction, const T* x, T* y);

// T is float or double.
template <typename T>
void Norm(const Reduction& reduction, const T* x, T* y);
template <typename T>
void LogSumExp(const Reduction& reduction, const T* x, T* y);
template <typename T>
void ProdGrad(const Reduction& reduction, const T* x, const T* g, T* dx);

}  // namespace anchorhold::kernels
