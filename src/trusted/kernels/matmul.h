// Matrix product C = op(A) op(B), op(X) = X or its transpose; everything row-major and dense.
//
//   op(A): [rows, inner]    op(B): [inner, columns]    C: [rows, columns], overwritten
//   stored A: [rows, inner], or [inner, rows] if transposed; B likewise.
//
// Each element of C is a sum of `inner` products in a fixed order, so the result is the same on
// each run; its error is at most inner ulp of sum_k |a_ik b_kj|.
#pragma once

#include <cstddef>

namespace anchorhold::kernels {

struct MatMulShape {
  std::size_t rows = 0;
  std::size_t inner = 0;
  std::size_t columns = 0;
  bool transpose_a = false;
  bool transpose_b = false;
};

template <typename T>
void MatMul(const MatMulShape& shape, const T* a, const T* b, T* c);

}  // namespace anchorhold::kernels
