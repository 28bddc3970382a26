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
#include <utility>

#include "trusted/simd/depthwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// The sums of kColumns column taps, as constants index them, so that they stay in registers.
template <std::size_t kTaps, std::size_t kColumns>
struct TapSums {
  TileVector of[kTaps * kColumns];
};

namespace depthwise_detail {

// The product of an input row, kRow below the first, with output row kOut, if a tap joins them.
template <std::size_t kRow, std::size_t kColumn, std::size_t kOut, std::size_t kStep,
          std::size_t kTaps, std::size_t kColumns>
HWY_INLINE void AddProduct(TileVector x, TileVector g, TapSums<kTaps, kColumns>& sums) {
  if constexpr (kRow >= kOut * kStep && kRow - kOut * kStep < kTaps) {
    constexpr std::size_t kTap = (kRow - kOut * kStep) * kColumns + kColumn;
    sums.of[kTap] = hn::MulAdd(x, g, sums.of[kTap]);
  }
}

template <std::size_t kRow, std::size_t kColumn, std::size_t kStep, std::size_t kCount,
          std::size_t kTaps, std::size_t kColumns, std::size_t... Out>
HWY_INLINE void AddInput(const float* at, const TileVector (&g)[kCount],
                         TapSums<kTaps, kColumns>& sums, std::index_sequence<Out...>) {
  const TileVector x = hn::LoadU(TileTag(), at);
  (AddProduct<kRow, kColumn, Out, kStep>(x, g[Out], sums), ...);
}

// kCount rows of outputs, one vector of each; I counts through column taps and rows of inputs.
template <std::size_t kStep, std::size_t kCount, std::size_t kTaps, std::size_t kColumns,
          std::size_t... Out, std::size_t... I>
HWY_INLINE void AddRows(const float* frame, std::size_t stride,
                        const std::size_t (&shift)[kColumns], const LaneRange& lanes,
                        const float* y, std::size_t floats, TapSums<kTaps, kColumns>& sums,
                        std::index_sequence<Out...> out, std::index_sequence<I...>) {
  constexpr std::size_t kRows = (kCount - 1) * kStep + kTaps;
  const TileVector g[kCount] = {lanes.Load(y + Out * floats)...};
  (AddInput<I % kRows, I / kRows, kStep>(frame + shift[I / kRows] + I % kRows * stride, g, sums,
                                         out),
   ...);
}

template <std::size_t kTaps, std::size_t kColumns, std::size_t... I>
HWY_INLINE void Zero(TapSums<kTaps, kColumns>& sums, std::index_sequence<I...>) {
  ((sums.of[I] = hn::Zero(TileTag())), ...);
}

template <std::size_t kTaps, std::size_t kColumns, std::size_t... I>
HWY_INLINE void Store(const TapSums<kTaps, kColumns>& sums, float* to, std::index_sequence<I...>) {
  (hn::StoreU(sums.of[I], TileTag(), to + (I / kColumns * kTaps + I % kColumns) * kLanes), ...);
}

}  // namespace depthwise_detail

// As many column taps at once, from tap q on, as leave registers for their sums.
template <std::size_t kTaps, std::size_t kColumns, std::size_t kStep>
inline void WeightColumns(const Frame& f, const float* frame, const float* y, std::size_t q,
                          float* to) {
  constexpr std::size_t kCount = kTaps == 3 ? 4 : 2;
  constexpr std::size_t kInputs = kColumns * ((kCount - 1) * kStep + kTaps);
  constexpr auto kAll = std::make_index_sequence<kTaps * kColumns>();
  std::size_t shift[kColumns];
  for (std::size_t i = 0; i < kColumns; ++i) shift[i] = f.shift[q + i];
  TapSums<kTaps, kColumns> sums;
  depthwise_detail::Zero(sums, kAll);
  const std::size_t rows = f.out_rows();
  const std::size_t floats = f.out_columns() * f.unit;
  const std::size_t down = kStep * f.stride;
  for (std::size_t n = 0; n < floats; n += kLanes) {
    const LaneRange lanes(0, static_cast<std::int64_t>(floats - n));
    const float* at = frame + n;
    std::size_t t = 0;
    for (; t + kCount <= rows; t += kCount, at += kCount * down) {
      depthwise_detail::AddRows<kStep, kCount>(at, f.stride, shift, lanes, y + t * floats + n,
                                               floats, sums, std::make_index_sequence<kCount>(),
                                               std::make_index_sequence<kInputs>());
    }
    for (; t < rows; ++t, at += down) {
      depthwise_detail::AddRows<kStep, 1>(at, f.stride, shift, lanes, y + t * floats + n, floats,
                                          sums, std::make_index_sequence<1>(),
                                          std::make_index_sequence<kColumns * kTaps>());
    }
  }
  depthwise_detail::Store(sums, to + q * kLanes, kAll);
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
