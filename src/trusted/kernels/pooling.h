// Poolings: each output is made of the inputs that its window holds (window.h), plane by plane.
//
//   MaxPool         y[o] = max of x[i]; a window that holds no input has the least value of T. NaN
//                   wins over everything, as in max of IEEE 754-2019.
//   MaxPoolIndices  where the maximum lies, the first one in window order: the input's place in the
//                   whole array, or, column_major, its plane's first place plus its place in the
//                   plane counted with the first axis fastest. -1 for a window without an input.
//   MaxPoolGrad     dx[i] = sum of g[o] over the windows whose first maximum is at i
//   SumPool         y[o] = sum of x[i] / d(o)
//   SumPoolGrad     dx[i] = sum of g[o] / d(o) over the windows that hold i
//
// The divisor d(o) is 1, the number of inputs in the window, or the number of its taps that lie in
// the padded axis [-pad, in + pad_end). A window without an input sums to 0.
#pragma once

#include "trusted/kernels/window.h"

namespace anchorhold::kernels {

enum class Divisor : unsigned char { kOne, kInputs, kPadded };

struct PoolingShape {
  std::size_t planes = 1;
  Windows windows;
  Divisor divisor = Divisor::kInputs;  // of SumPool
  bool column_major = false;           // of MaxPoolIndices
};

// T is float, double or int64.
template <typename T>
void MaxPool(const PoolingShape& shape, const T* x, T* y);
template <typename T>
void MaxPoolIndices(const PoolingShape& shape, const T* x, std::int64_t* y);
// T is float or double.
template <typename T>
void MaxPoolGrad(const PoolingShape& shape, const T* x, const T* g, T* dx);
template <typename T>
void SumPool(const PoolingShape& shape, const T* x, T* y);
template <typename T>
void SumPoolGrad(const PoolingShape& shape, const T* g, T* dx);

}  // namespace anchorhold::kernels
