// y [outer, inner] = sum over n of x [outer, n, inner], or of x z.
//
// inner = 1: a row's sum has rows_lanes-inl.h's order and bound; rows of 2, 4, .. numbers fewer
// than the lanes are taken several to a vector, each summed as a tree. Otherwise the lanes hold
// neighbouring columns, and a column is summed in chains of kChainLength terms, the chains' sums in
// a chain: n terms pass through at most kChainLength + n / kChainLength + 1 additions. Where a row
// is much shorter than a vector, k rows side by side are taken as one, and the k sums added last.
//
// A sum of a table's rows goes as that of columns does, so it has the bits of the rows gathered
// first and then summed (where they are no shorter than a vector).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_sum.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

// What is summed: x, or x z.
struct Terms {
  const float* x;
  HWY_INLINE Terms From(std::size_t offset) const { return {x + offset}; }
  template <class Place>
  HWY_INLINE FloatVec AddTo(FloatVec sum, Place at) const {
    return hn::Add(sum, at.Load(x));
  }
  HWY_INLINE float One(std::size_t i) const { return x[i]; }
  HWY_INLINE Terms Row(std::size_t j, std::size_t stride) const { return From(j * stride); }
};
struct Products {
  const float* x;
  const float* z;
  HWY_INLINE Products From(std::size_t offset) const { return {x + offset, z + offset}; }
  template <class Place>
  HWY_INLINE FloatVec AddTo(FloatVec sum, Place at) const {
    return hn::MulAdd(at.Load(x), at.Load(z), sum);
  }
  HWY_INLINE float One(std::size_t i) const { return x[i] * z[i]; }
  HWY_INLINE Products Row(std::size_t j, std::size_t stride) const { return From(j * stride); }
};
// Rows of a table, at indices that are in its range or, from its end, negative.
struct Gathered {
  const float* table;
  const std::int64_t* indices;
  std::int64_t rows;
  HWY_INLINE Terms Row(std::size_t j, std::size_t stride) const {
    const std::int64_t row = indices[j] < 0 ? indices[j] + rows : indices[j];
    return {table + static_cast<std::size_t>(row) * stride};
  }
};

template <class Of>
HWY_INLINE void SumSegments(std::size_t outer, std::size_t n, Of of, float* y) {
  const Segments segments(n);
  ForEachVector(outer * n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec sums = segments.Sum(of.AddTo(hn::Zero(Floats()), at));
    const std::size_t row = at.at / n;
    StoreFirst(sums, y + row, std::min(segments.per_vector(), outer - row));
  });
}

template <class Of>
HWY_INLINE void SumContiguous(std::size_t outer, std::size_t n, Of of, float* y) {
  if (n > 1 && Segments::Fits(n)) return SumSegments(outer, n, of, y);
  for (std::size_t o = 0; o < outer; ++o) {
    const Of row = of.From(o * n);
    y[o] = AllLanesScalar(
        SumRow(n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA { return row.AddTo(s, at); }));
  }
}

// Columns [at, at + kVectors kLanes) of rows `stride` apart.
template <std::size_t kVectors, class Of>
HWY_INLINE void SumColumnsWhole(std::size_t n, std::size_t stride, std::size_t at, Of of,
                                float* y) {
  const FloatVec zero = hn::Zero(Floats());
  FloatVec total[kVectors];
  for (std::size_t k = 0; k < kVectors; ++k) total[k] = zero;
  for (std::size_t j = 0; j < n;) {
    FloatVec sum[kVectors];
    for (std::size_t k = 0; k < kVectors; ++k) sum[k] = zero;
    for (const std::size_t end = std::min(n, j + kChainLength); j < end; ++j) {
      const auto row = of.Row(j, stride).From(at);
      for (std::size_t k = 0; k < kVectors; ++k) {
        sum[k] = row.AddTo(sum[k], WholeVector{k * kLanes});
      }
    }
    for (std::size_t k = 0; k < kVectors; ++k) total[k] = hn::Add(total[k], sum[k]);
  }
  for (std::size_t k = 0; k < kVectors; ++k) WholeVector{at + k * kLanes}.Store(total[k], y);
}

template <class Of>
HWY_INLINE void SumColumnsPart(std::size_t n, std::size_t stride, std::size_t at, std::size_t count,
                               Of of, float* y) {
  FloatVec total = hn::Zero(Floats());
  for (std::size_t j = 0; j < n;) {
    FloatVec sum = hn::Zero(Floats());
    for (const std::size_t end = std::min(n, j + kChainLength); j < end; ++j) {
      sum = of.Row(j, stride).From(at).AddTo(sum, PartVector{0, count});
    }
    total = hn::Add(total, sum);
  }
  StoreFirst(total, y + at, count);
}

// kVectors: as many vectors as `width` may fill and are worth taking at once.
template <std::size_t kVectors, class Of>
HWY_INLINE void SumColumns(std::size_t n, std::size_t width, Of of, float* y) {
  std::size_t at = 0;
  for (; at + kVectors * kLanes <= width; at += kVectors * kLanes) {
    SumColumnsWhole<kVectors>(n, width, at, of, y);
  }
  constexpr std::size_t kHalf = kVectors / 2;
  if (at + kHalf * kLanes <= width) {
    SumColumnsWhole<kHalf>(n, width, at, of, y);
    at += kHalf * kLanes;
  }
  for (; at + kLanes <= width; at += kLanes) SumColumnsWhole<1>(n, width, at, of, y);
  if (at < width) SumColumnsPart(n, width, at, width - at, of, y);
}

// inner below kLanes: k rows side by side make one of a few vectors.
template <class Of>
HWY_INLINE void SumShortRows(std::size_t n, std::size_t inner, Of of, float* y) {
  constexpr std::size_t kWidthMax = 2 * kLanes;
  const std::size_t k = kWidthMax / inner;
  float sums[kWidthMax] = {};
  const std::size_t rows = n / k;
  if (rows > 0) SumColumns<2>(rows, k * inner, of, sums);
  const Of rest = of.From(rows * k * inner);
  for (std::size_t i = 0; i < (n - rows * k) * inner; ++i) sums[i] += rest.One(i);
  for (std::size_t i = 0; i < inner; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < k; ++j) sum += sums[j * inner + i];
    y[i] = sum;
  }
}

template <class Of>
HWY_INLINE void SumAll(std::size_t outer, std::size_t n, std::size_t inner, Of of, float* y) {
  if (inner == 1) return SumContiguous(outer, n, of, y);
  for (std::size_t o = 0; o < outer; ++o, y += inner) {
    const Of rows = of.From(o * n * inner);
    if (inner < kLanes) {
      SumShortRows(n, inner, rows, y);
    } else {
      SumColumns<8>(n, inner, rows, y);
    }
  }
}

}  // namespace

void Sum(std::size_t outer, std::size_t n, std::size_t inner, const float* x, const float* z,
         float* y) {
  z == nullptr ? SumAll(outer, n, inner, Terms{x}, y) : SumAll(outer, n, inner, Products{x, z}, y);
}

// Addresses follow the indices: docs/side-channels.md.
void SumRows(const TableOfRows& table, std::size_t n, const std::int64_t* indices, float* y) {
  const auto rows = static_cast<std::int64_t>(table.rows);
  bool within = true;
  for (std::size_t j = 0; j < n; ++j) within &= indices[j] >= -rows && indices[j] < rows;
  if (within) return SumColumns<8>(n, table.width, Gathered{table.data, indices, rows}, y);
  const FloatVec nan = hn::Set(Floats(), std::numeric_limits<float>::quiet_NaN());
  ForEachVector(table.width, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(nan, y); });
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
