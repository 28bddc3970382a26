#include "trusted/kernels/matmul.h"

#include <algorithm>

namespace anchorhold::kernels {
namespace {

// sum_k a[k] b[k] in 8 lanes: one AVX register of floats, or two of SSE.
template <typename T>
T Dot(const T* a, const T* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  T lanes[kLanes] = {};
  std::size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
  }
  T sum = 0;
  for (const T lane : lanes) sum += lane;
  for (; k < n; ++k) sum += a[k] * b[k];
  return sum;
}

template <typename T>
T StridedDot(const T* a, std::size_t stride_a, const T* b, std::size_t n) {
  T sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += a[k * stride_a] * b[k];
  return sum;
}

}  // namespace

template <typename T>
void MatMul(const MatMulShape& shape, const T* a, const T* b, T* c) {
  const auto [rows, inner, columns, transpose_a, transpose_b] = shape;
  const std::size_t row_stride = transpose_a ? 1 : inner;
  const std::size_t inner_stride = transpose_a ? rows : 1;
  for (std::size_t i = 0; i < rows; ++i) {
    const T* a_row = a + i * row_stride;
    T* c_row = c + i * columns;
    if (transpose_b) {
      // Rows of B lie along the inner axis: one dot product for each column of C.
      for (std::size_t j = 0; j < columns; ++j) {
        const T* b_row = b + j * inner;
        c_row[j] =
            transpose_a ? StridedDot(a_row, inner_stride, b_row, inner) : Dot(a_row, b_row, inner);
      }
      continue;
    }
    // Rows of B lie along the columns of C: a row of C is a weighted sum of rows of B.
    std::fill(c_row, c_row + columns, T(0));
    for (std::size_t k = 0; k < inner; ++k) {
      const T weight = a_row[k * inner_stride];
      const T* b_row = b + k * columns;
      for (std::size_t j = 0; j < columns; ++j) c_row[j] += weight * b_row[j];
    }
  }
}

template void MatMul(const MatMulShape&, const float*, const float*, float*);
template void MatMul(const MatMulShape&, const double*, const double*, double*);

}  // namespace anchorhold::kernels
