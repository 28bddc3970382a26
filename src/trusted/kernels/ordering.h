// Kernels that compare or accumulate along one axis of an array seen as [outer, n, inner], the axis
// being the middle one. Elements are float, double or int64.
//
// Order: before means larger (or smaller, when the smallest are asked for); a NaN comes after every
// number, and of equal elements the one of lower index comes first. That is a total order, so
// results do not depend on how the elements are sorted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anchorhold::kernels {

// Precondition: n >= 1.
struct AxisShape {
  std::size_t outer = 0;
  std::size_t n = 0;
  std::size_t inner = 0;
};

// y [outer, 1, inner]: the index of the element that comes first; `last`: of equal ones, the last.
template <typename E>
void ArgExtreme(const AxisShape& shape, bool smallest, bool last, const E* x, std::int64_t* y);

// y [outer, k, inner]: the indices of the first k elements, in order. Precondition: 1 <= k <= n.
template <typename E>
void TopKIndices(const AxisShape& shape, std::size_t k, bool smallest, const E* x, std::int64_t* y);

// y_j = 1 where j is the first of the largest elements, 0 elsewhere.
template <typename E>
void Hardmax(const AxisShape& shape, const E* x, E* y);

// y_j = sum of x_i over i <= j; exclusive: i < j; reverse: i >= j, i > j. Integers wrap.
template <typename E>
void CumSum(const AxisShape& shape, bool exclusive, bool reverse, const E* x, E* y);

// Matrices [count, rows, columns]. y = x where column - row <= k (upper: >= k), 0 elsewhere.
struct TriangleShape {
  std::size_t count = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
};
template <typename E>
void Triangle(const TriangleShape& shape, bool upper, std::int64_t k, const E* x, E* y);

}  // namespace anchorhold::kernels
