// The gradient of one plane's weights:
//
//   dw(j, q) = sum over positions (t, u) of dy(t, u) image(t, j; u, q)
//
// with the lanes of depthwise-inl.h: `sums` gets a vector a tap, [j][q][lane]; where lanes are
// columns, its lanes are still to be added. Included by depthwise.cc once a target.
#if defined(ANCHORHOLD_SIMD_DEPTHWISE_WEIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_DEPTHWISE_WEIGHT_INL_H_
#undef ANCHORHOLD_SIMD_DEPTHWISE_WEIGHT_INL_H_
#else
#define ANCHORHOLD_SIMD_DEPTHWISE_WEIGHT_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/depthwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Adds rows [t, end) of outputs, kCount at a time, of one vector of columns (the first `part` lanes
// of it) to the sums of kColumns column taps. frame and y point at the vector's first column.
template <std::size_t kTaps, std::size_t kColumns, std::size_t kStep, std::size_t kCount>
HWY_INLINE void AddColumns(const Frame& f, const float* frame, const float* y, std::size_t part,
                           const std::size_t (&shift)[kColumns], std::size_t t, std::size_t end,
                           TileVector (&acc)[kTaps * kColumns]) {
  const std::size_t floats = f.out_columns() * f.unit;
  const std::size_t stride = f.stride;
  const LaneRange lanes(0, static_cast<std::int64_t>(part));
  TileVector sum[kTaps * kColumns];
  for (std::size_t i = 0; i < kTaps * kColumns; ++i) sum[i] = acc[i];
  y += t * floats;
  frame += t * kStep * stride;
  for (; t < end; t += kCount, y += kCount * floats, frame += kCount * kStep * stride) {
    TileVector g[kCount];
    for (std::size_t o = 0; o < kCount; ++o) g[o] = lanes.Load(y + o * floats);
    for (std::size_t q = 0; q < kColumns; ++q) {
      const float* at = frame + shift[q];
      for (std::size_t i = 0; i < (kCount - 1) * kStep + kTaps; ++i, at += stride) {
        const TileVector x = hn::LoadU(TileTag(), at);
        for (std::size_t o = 0; o < kCount; ++o) {
          if (i < o * kStep || i - o * kStep >= kTaps) continue;
          const std::size_t tap = (i - o * kStep) * kColumns + q;
          sum[tap] = hn::MulAdd(x, g[o], sum[tap]);
        }
      }
    }
  }
  for (std::size_t i = 0; i < kTaps * kColumns; ++i) acc[i] = sum[i];
}

// As many column taps at once as leave registers for their sums.
template <std::size_t kTaps, std::size_t kColumns, std::size_t kStep>
inline void WeightColumns(const Frame& f, const float* frame, const float* y, std::size_t q,
                          float* sums) {
  constexpr std::size_t kCount = kTaps == 3 ? 4 : 2;
  std::size_t shift[kColumns];
  for (std::size_t i = 0; i < kColumns; ++i) {
    shift[i] = f.shift[q + i];
  }
  TileVector acc[kTaps * kColumns];
  for (TileVector& a : acc) a = hn::Zero(TileTag());
  const std::size_t rows = f.out_rows();
  const std::size_t even = rows - rows % kCount;
  const std::size_t floats = f.out_columns() * f.unit;
  for (std::size_t n = 0; n < floats; n += kLanes) {
    const std::size_t part = HWY_MIN(kLanes, floats - n);
    AddColumns<kTaps, kColumns, kStep, kCount>(f, frame + n, y + n, part, shift, 0, even, acc);
    AddColumns<kTaps, kColumns, kStep, 1>(f, frame + n, y + n, part, shift, even, rows, acc);
  }
  for (std::size_t j = 0; j < kTaps; ++j) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      hn::StoreU(acc[j * kColumns + i], TileTag(), sums + (j * kTaps + q + i) * kLanes);
    }
  }
}

template <std::size_t kTaps, std::size_t kStep>
inline void WeightSquare(const Frame& f, const float* frame, const float* y, float* sums) {
  if constexpr (kTaps == 3) {
    WeightColumns<3, 3, kStep>(f, frame, y, 0, sums);
  } else {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
    WeightColumns<kTaps, kTaps, kStep>(f, frame, y, 0, sums);
#else
    WeightColumns<kTaps, 2, kStep>(f, frame, y, 0, sums);
    WeightColumns<kTaps, 2, kStep>(f, frame, y, 2, sums);
    WeightColumns<kTaps, 1, kStep>(f, frame, y, 4, sums);
#endif
  }
}

// Any taps, one at a time.
inline void WeightAny(const Frame& f, const float* frame, const float* y, float* sums) {
  const std::size_t floats = f.out_columns() * f.unit;
  const std::size_t step = static_cast<std::size_t>(f.rows.step) * f.stride;
  for (std::int64_t j = 0; j < f.rows.taps; ++j) {
    for (std::int64_t q = 0; q < f.columns.taps; ++q, sums += kLanes) {
      const float* const at = frame + f.Shift(q) + f.RowTap(j);
      TileVector acc = hn::Zero(TileTag());
      for (std::size_t t = 0; t < f.out_rows(); ++t) {
        for (std::size_t n = 0; n < floats; n += kLanes) {
          const TileVector g = LoadPart(HWY_MIN(kLanes, floats - n), y + t * floats + n);
          acc = hn::MulAdd(hn::LoadU(TileTag(), at + t * step + n), g, acc);
        }
      }
      hn::StoreU(acc, TileTag(), sums);
    }
  }
}

inline void WeightOfPlane(const Frame& f, const float* frame, const float* y, float* sums) {
  const bool square = f.rows.taps == f.columns.taps && f.rows.increment == 1;
  if (square && f.rows.taps == 3 && f.rows.step == 1) return WeightSquare<3, 1>(f, frame, y, sums);
  if (square && f.rows.taps == 3 && f.rows.step == 2) return WeightSquare<3, 2>(f, frame, y, sums);
  if (square && f.rows.taps == 5 && f.rows.step == 1) return WeightSquare<5, 1>(f, frame, y, sums);
  if (square && f.rows.taps == 5 && f.rows.step == 2) return WeightSquare<5, 2>(f, frame, y, sums);
  WeightAny(f, frame, y, sums);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
