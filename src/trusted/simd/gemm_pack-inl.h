// Packing of matrix products' operands into panels (gemm_tile-inl.h), and transpositions in
// registers.
//
// A transposition goes by four elements of `kLanes` rows: a vector takes such four elements from
// every fourth row, one 128-bit block a row, and four of these vectors are then transposed within
// their blocks.
#if defined(ANCHORHOLD_SIMD_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_PACK_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_PACK_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_PACK_INL_H_
#endif

#include <cstring>

#include "trusted/simd/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

using HalfTag = hn::CappedTag<float, 8>;  // panels of A are at most 8 rows wide

// Rows of a matrix in memory, the last one standing in for those beyond it.
struct RowsOf {
  const float* data;
  std::size_t stride;
  std::size_t count;  // at least 1
  HWY_INLINE const float* Row(std::size_t i) const { return data + HWY_MIN(i, count - 1) * stride; }
};

// Block b of the result: the four floats at column k of row 4 b + r.
template <class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const RowsOf& rows, std::size_t r, std::size_t k) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, rows.Row(r) + k);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadBlocks(half, rows, hn::MaxLanes(D()) / 2 + r, k),
                       LoadBlocks(half, rows, r, k));
  }
}

// Transposes each of the 4 x 4 blocks of v.
template <class D>
HWY_INLINE void TransposeBlocks(D d, hn::Vec<D> (&v)[4]) {
  const auto even_low = hn::InterleaveLower(d, v[0], v[2]);
  const auto odd_low = hn::InterleaveLower(d, v[1], v[3]);
  const auto even_high = hn::InterleaveUpper(d, v[0], v[2]);
  const auto odd_high = hn::InterleaveUpper(d, v[1], v[3]);
  v[0] = hn::InterleaveLower(d, even_low, odd_low);
  v[1] = hn::InterleaveUpper(d, even_low, odd_low);
  v[2] = hn::InterleaveLower(d, even_high, odd_high);
  v[3] = hn::InterleaveUpper(d, even_high, odd_high);
}

// to[k stride + i] = row i, column k, for i < the lanes of D and k < inner. If the lanes are more
// than `stride`, the surplus of the last ones lies behind the panel. At least 4 columns.
template <class D>
HWY_INLINE void PackTransposed(D d, const RowsOf& rows, std::size_t inner, std::size_t stride,
                               float* to) {
  for (std::size_t next = 0; next < inner; next += 4) {
    const std::size_t k = HWY_MIN(next, inner - 4);
    hn::Vec<D> v[4] = {LoadBlocks(d, rows, 0, k), LoadBlocks(d, rows, 1, k),
                       LoadBlocks(d, rows, 2, k), LoadBlocks(d, rows, 3, k)};
    TransposeBlocks(d, v);
    hn::StoreU(v[0], d, to + k * stride);
    hn::StoreU(v[1], d, to + (k + 1) * stride);
    hn::StoreU(v[2], d, to + (k + 2) * stride);
    hn::StoreU(v[3], d, to + (k + 3) * stride);
  }
}

// The same for fewer than 4 columns.
HWY_INLINE void PackThin(const RowsOf& rows, std::size_t lanes, std::size_t inner,
                         std::size_t stride, float* to) {
  for (std::size_t k = 0; k < inner; ++k) {
    for (std::size_t i = 0; i < lanes; ++i) to[k * stride + i] = rows.Row(i)[k];
  }
}

// A panel of B, [inner][vectors kLanes], from B as it lies: b(k, j) = b[k ldb + j], j < columns.
HWY_INLINE void PackBRows(const float* b, std::size_t ldb, std::size_t inner, std::size_t columns,
                          std::size_t vectors, float* to) {
  const TileTag d;
  const std::size_t whole = columns / kLanes;
  const std::size_t part = columns % kLanes;
  for (std::size_t k = 0; k < inner; ++k) {
    for (std::size_t v = 0; v < whole; ++v) {
      hn::StoreU(hn::LoadU(d, b + v * kLanes), d, to + v * kLanes);
    }
    if (part != 0) hn::StoreU(LoadPart(part, b + whole * kLanes), d, to + whole * kLanes);
    b += ldb;
    to += vectors * kLanes;
  }
}

// A panel of B from its transpose in memory: b(k, j) = b[j ldb + k].
HWY_INLINE void PackBTransposed(const float* b, std::size_t ldb, std::size_t inner,
                                std::size_t columns, std::size_t vectors, float* to) {
  for (std::size_t v = 0; v < vectors; ++v) {
    const std::size_t first = v * kLanes;
    const RowsOf rows{b + first * ldb, ldb, HWY_MIN(columns - first, kLanes)};
    if (inner < 4) {
      PackThin(rows, kLanes, inner, vectors * kLanes, to + first);
    } else if (rows.count == kLanes) {
      const RowsOf all{rows.data, ldb, kLanes};
      PackTransposed(TileTag(), all, inner, vectors * kLanes, to + first);
    } else {
      PackTransposed(TileTag(), rows, inner, vectors * kLanes, to + first);
    }
  }
}

// Room for a panel of A, [inner][kTileRows], and the lanes beyond its last row.
HWY_INLINE constexpr std::size_t PanelFloatsA(std::size_t inner) {
  return inner * kTileRows + hn::MaxLanes(HalfTag());
}

// A panel of A from its rows: a(k, i) = a[i lda + k], i < rows.
HWY_INLINE void PackARows(const float* a, std::size_t lda, std::size_t inner, std::size_t rows,
                          float* to) {
  constexpr std::size_t kWidth = hn::MaxLanes(HalfTag());
  for (std::size_t first = 0; first < rows; first += kWidth) {
    const RowsOf from{a + first * lda, lda, HWY_MIN(rows - first, kWidth)};
    if (inner < 4) {
      PackThin(from, HWY_MIN(kTileRows - first, kWidth), inner, kTileRows, to + first);
    } else {
      PackTransposed(HalfTag(), from, inner, kTileRows, to + first);
    }
  }
}

// A panel of A from its transpose: a(k, i) = a[k lda + i].
HWY_INLINE void PackATransposed(const float* a, std::size_t lda, std::size_t inner,
                                std::size_t rows, float* to) {
  if (rows == kTileRows) {
    constexpr std::size_t kBytes = kTileRows * sizeof(float);
    for (std::size_t k = 0; k < inner; ++k) std::memcpy(to + k * kTileRows, a + k * lda, kBytes);
    return;
  }
  for (std::size_t k = 0; k < inner; ++k) {
    for (std::size_t i = 0; i < rows; ++i) to[k * kTileRows + i] = a[k * lda + i];
  }
}

// A number for each k, shared by `positions` k in a row: k counts from k0 on.
struct RowScale {
  const float* scale = nullptr;  // null: all are 1
  std::size_t positions = 1;
  std::size_t k0 = 0;
};

// PackATransposed of scale a, and zeros where the scale is 0, whatever a is.
HWY_INLINE void PackAScaled(const float* a, std::size_t lda, const RowScale& scale,
                            std::size_t inner, std::size_t rows, float* to) {
  const HalfTag d;
  constexpr std::size_t kWidth = hn::MaxLanes(HalfTag());
  HWY_ALIGN float row[kTileRows + kWidth] = {};
  const float* next = scale.scale + scale.k0 / scale.positions;
  std::size_t left = scale.positions - scale.k0 % scale.positions;
  for (std::size_t k = 0; k < inner; ++k) {
    if (rows == kTileRows) {
      std::memcpy(row, a, kTileRows * sizeof(float));
    } else {
      for (std::size_t i = 0; i < rows; ++i) row[i] = a[i];
    }
    const auto factor = hn::Set(d, *next);
    const auto keep = hn::Ne(factor, hn::Zero(d));
    for (std::size_t i = 0; i < kTileRows; i += kWidth) {
      const auto scaled = hn::Mul(hn::LoadU(d, row + i), factor);
      hn::StoreU(hn::IfThenElseZero(keep, scaled), d, to + i);
    }
    a += lda;
    to += kTileRows;
    if (--left == 0) {
      left = scale.positions;
      ++next;
    }
  }
}

// PackBRows with zeros where the scale is 0, whatever b is.
HWY_INLINE void PackBMasked(const float* b, std::size_t ldb, const RowScale& scale,
                            std::size_t inner, std::size_t columns, std::size_t vectors,
                            float* to) {
  const TileTag d;
  const float* next = scale.scale + scale.k0 / scale.positions;
  std::size_t left = scale.positions - scale.k0 % scale.positions;
  for (std::size_t k = 0; k < inner; ++k) {
    const auto keep = hn::Ne(hn::Set(d, *next), hn::Zero(d));
    for (std::size_t v = 0; v < vectors; ++v) {
      const auto row = LoadPart(PartOf(columns, v), b + v * kLanes);
      hn::StoreU(hn::IfThenElseZero(keep, row), d, to + v * kLanes);
    }
    b += ldb;
    to += vectors * kLanes;
    if (--left == 0) {
      left = scale.positions;
      ++next;
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
