// Kernels that walk an index space i = (i_0, ..., i_{r-1}) of sizes `dims` and address each operand
// by its own strides: operand[offset(i)], offset(i) = sum_k i_k stride_k. A stride of 0 repeats the
// operand along that axis (broadcasting), or sums into it (reduction).
//
//   CopyStrided  y[i] = x[i]                     y contiguous; transposes, broadcasts, slices
//   SumStrided   y[i] = sum of x over the axes where y's stride is 0; x contiguous
//
// Sums run in index order in a fixed number of lanes, so the result is the same on each run; its
// error is at most (n - 1) ulp of the sum of the magnitudes of its n terms.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace anchorhold::kernels {

inline constexpr std::size_t kRankMax = 8;
using Dims = std::span<const std::int64_t>;

// Sizes and the strides of two operands. Axes of size 1 are dropped and neighbouring axes that are
// walked alike are joined, so that the innermost loop is as long as it can be.
struct IndexSpace {
  std::size_t rank = 0;
  std::array<std::int64_t, kRankMax> dims{};
  std::array<std::int64_t, kRankMax> a{};  // strides of the first operand
  std::array<std::int64_t, kRankMax> b{};  // strides of the second operand

  // An axis inside all axes added before.
  void Add(std::int64_t size, std::int64_t stride_a, std::int64_t stride_b);
};

// The space of `out`, with the strides at which arrays of shapes `a` and `b` broadcast to it
// (NumPy's rule: aligned at the last axis, size 1 repeats). Precondition: they do, rank <=
// kRankMax.
IndexSpace Broadcast(Dims a, Dims b, Dims out);

// The space of `y` = `x` with axes permuted: axis k of y is axis permutation[k] of x. Strides a
// are x's, strides b are y's.
IndexSpace Permute(Dims x, Dims permutation);

// T is float, double or int64 below; integers wrap.

// y[space.b] = x[space.a]
template <typename T>
void CopyStrided(const IndexSpace& space, const T* x, T* y);

// y[space.b] += x[space.a], y having been zeroed first; `y_size` is the number of y's elements.
template <typename T>
void SumStrided(const IndexSpace& space, const T* x, T* y, std::size_t y_size);

template <>
void SumStrided(const IndexSpace& space, const std::int64_t* x, std::int64_t* y,
                std::size_t y_size);

}  // namespace anchorhold::kernels
