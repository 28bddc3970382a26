// Movements of floats for convolutions: transposition, and copies with a stride. Included by files
// that are compiled once a target (tables.h).
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_LANES_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_LANES_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_grid.h"
#include "trusted/simd/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

HWY_INLINE std::size_t RoundUp(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

HWY_INLINE void ZeroFloats(float* p, std::size_t n) {
  const TileTag d;
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Zero(d), d, p + i);
  if (i < n) StorePart(hn::Zero(d), n - i, p + i);
}

HWY_INLINE void CopyFloats(const float* from, std::size_t n, float* to) {
  const TileTag d;
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < n) StorePart(LoadPart(n - i, from + i), n - i, to + i);
}

// The lanes [begin, end) of a vector in memory; the others are zero, and are not read. Kept as
// numbers: a mask that is a whole vector would make everything that holds one over-aligned, and
// GCC 12 with -ftrivial-auto-var-init has been seen to clear live parts of such a variable.
class LaneRange {
 public:
  LaneRange() : LaneRange(0, 0) {}
  LaneRange(std::int64_t begin, std::int64_t end) {
    const auto lanes = static_cast<std::int64_t>(kLanes);
    begin_ = static_cast<std::size_t>(HWY_MIN(HWY_MAX(begin, 0), lanes));
    end_ = static_cast<std::size_t>(HWY_MIN(HWY_MAX(end, 0), lanes));
  }

  HWY_INLINE TileVector Load(const float* p) const {
    const TileTag d;
#if HWY_TARGET <= HWY_AVX2
    return hn::MaskedLoad(hn::AndNot(hn::FirstN(d, begin_), hn::FirstN(d, end_)), d, p);
#else
    if (begin_ == 0 && end_ == kLanes) return hn::LoadU(d, p);
    HWY_ALIGN float lanes[kLanes] = {};
    for (std::size_t i = begin_; i < end_; ++i) lanes[i] = p[i];
    return hn::Load(d, lanes);
#endif
  }

 private:
  std::size_t begin_;
  std::size_t end_;
};

// Rows of an image as rows of outputs: to[u] = row[u step + at] for u in 0 .. count - 1, zero where
// that lies outside of 0 .. in - 1. Whole vectors are written: up to kLanes - 1 floats more.
class RowCopier {
 public:
  RowCopier(std::int64_t in, std::int64_t step, std::int64_t at, std::size_t count)
      : step_(step), at_(at), count_(count), range_(Inside(in, step, at, ToInt(count))) {
    vectors_ = (count + kLanes - 1) / kLanes;
    const std::int64_t last = ToInt((vectors_ - 1) * kLanes);
    // Between the first vector and the last one, all is inside.
    simple_ = step <= 2 && (vectors_ == 1 || (range_.begin <= ToInt(kLanes) && range_.end >= last));
    const std::int64_t begin = range_.begin * step;
    const std::int64_t end = range_.empty() ? begin : (range_.end - 1) * step + 1;
    for (std::int64_t half = 0; half < step && step <= 2; ++half) {
      const std::int64_t skipped = half * ToInt(kLanes);
      first_[half] = LaneRange(begin - skipped, end - skipped);
      last_[half] = LaneRange(begin - last * step - skipped, end - last * step - skipped);
    }
  }

  // `rows` of them, `stride` floats apart in the image and `to_stride` in the result, in order.
  HWY_INLINE void Copy(std::size_t rows, const float* row, std::size_t stride, float* to,
                       std::size_t to_stride) const {
    const TileTag d;
    if (!simple_) {
      for (std::size_t i = 0; i < rows; ++i) CopyAny(row + i * stride, to + i * to_stride);
      return;
    }
    row += at_;
    const LaneRange first = first_[0];
    const LaneRange last = last_[0];
    if (step_ == 2) {
      for (std::size_t i = 0; i < rows; ++i) CopyEven(row + i * stride, to + i * to_stride);
    } else if (vectors_ == 1) {
      for (; rows > 0; --rows, row += stride, to += to_stride) hn::StoreU(first.Load(row), d, to);
    } else if (vectors_ == 2) {
      for (; rows > 0; --rows, row += stride, to += to_stride) {
        const TileVector low = first.Load(row);
        const TileVector high = last.Load(row + kLanes);
        hn::StoreU(low, d, to);
        hn::StoreU(high, d, to + kLanes);
      }
    } else {
      const std::size_t end = (vectors_ - 1) * kLanes;
      for (; rows > 0; --rows, row += stride, to += to_stride) {
        hn::StoreU(first.Load(row), d, to);
        for (std::size_t n = kLanes; n < end; n += kLanes) {
          hn::StoreU(hn::LoadU(d, row + n), d, to + n);
        }
        hn::StoreU(last.Load(row + end), d, to + end);
      }
    }
  }

 private:
  static std::int64_t ToInt(std::size_t n) { return static_cast<std::int64_t>(n); }
  static HWY_INLINE TileVector Even(TileVector low, TileVector high) {
    return hn::ConcatEven(TileTag(), high, low);
  }
  HWY_INLINE void CopyEven(const float* row, float* to) const {
    const TileTag d;
    hn::StoreU(Even(first_[0].Load(row), first_[1].Load(row + kLanes)), d, to);
    if (vectors_ == 1) return;
    const std::size_t end = (vectors_ - 1) * kLanes;
    for (std::size_t n = kLanes; n < end; n += kLanes) {
      hn::StoreU(Even(hn::LoadU(d, row + 2 * n), hn::LoadU(d, row + 2 * n + kLanes)), d, to + n);
    }
    hn::StoreU(Even(last_[0].Load(row + 2 * end), last_[1].Load(row + 2 * end + kLanes)), d,
               to + end);
  }
  void CopyAny(const float* row, float* to) const {
    std::int64_t u = 0;
    for (; u < range_.begin; ++u) to[u] = 0;
    for (; u < range_.end; ++u) to[u] = row[u * step_ + at_];
    for (; u < ToInt(count_); ++u) to[u] = 0;
  }

  std::int64_t step_;
  std::int64_t at_;
  std::size_t count_;
  kernels::Range range_;
  std::size_t vectors_ = 1;
  bool simple_ = false;
  LaneRange first_[2];
  LaneRange last_[2];
};

// Where two phases of columns meet: to[2 u] = even[u], to[2 u + 1] = odd[u], `count` floats in all.
HWY_INLINE void InterleaveFloats(const float* even, const float* odd, std::size_t count,
                                 float* to) {
  const TileTag d;
  std::size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    hn::StoreInterleaved2(hn::LoadU(d, even + i / 2), hn::LoadU(d, odd + i / 2), d, to + i);
  }
  for (; i < count; ++i) to[i] = i % 2 == 0 ? even[i / 2] : odd[i / 2];
}

// Within 128-bit blocks, the 4 x 4 elements of rows 4 i .. 4 i + 3 are transposed.
HWY_INLINE void TransposeBlocks(TileVector (&v)[kLanes]) {
  const TileTag d;
  const hn::Repartition<double, TileTag> pairs;
  for (std::size_t i = 0; i < kLanes; i += 4) {
    const auto a = hn::BitCast(pairs, hn::InterleaveLower(d, v[i], v[i + 1]));
    const auto b = hn::BitCast(pairs, hn::InterleaveUpper(d, v[i], v[i + 1]));
    const auto c = hn::BitCast(pairs, hn::InterleaveLower(d, v[i + 2], v[i + 3]));
    const auto e = hn::BitCast(pairs, hn::InterleaveUpper(d, v[i + 2], v[i + 3]));
    v[i] = hn::BitCast(d, hn::InterleaveLower(pairs, a, c));
    v[i + 1] = hn::BitCast(d, hn::InterleaveUpper(pairs, a, c));
    v[i + 2] = hn::BitCast(d, hn::InterleaveLower(pairs, b, e));
    v[i + 3] = hn::BitCast(d, hn::InterleaveUpper(pairs, b, e));
  }
}

// Rows v[0 .. kLanes) become columns.
HWY_INLINE void TransposeLanes(TileVector (&v)[kLanes]) {
  TransposeBlocks(v);
#if HWY_TARGET == HWY_AVX2
  const TileTag d;
  for (std::size_t i = 0; i < 4; ++i) {
    const TileVector low = hn::ConcatLowerLower(d, v[i + 4], v[i]);
    v[i + 4] = hn::ConcatUpperUpper(d, v[i + 4], v[i]);
    v[i] = low;
  }
#elif HWY_TARGET == HWY_AVX3
  const TileTag d;
  // A 4 x 4 matrix of blocks: v[4 r + i] holds blocks 0 .. 3 of rows 4 r .. 4 r + 3.
  for (std::size_t i = 0; i < 4; ++i) {
    const TileVector low02 = hn::ConcatLowerLower(d, v[8 + i], v[i]);
    const TileVector high02 = hn::ConcatUpperUpper(d, v[8 + i], v[i]);
    const TileVector low13 = hn::ConcatLowerLower(d, v[12 + i], v[4 + i]);
    const TileVector high13 = hn::ConcatUpperUpper(d, v[12 + i], v[4 + i]);
    v[i] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(low13), low02);
    v[4 + i] = hn::OddEvenBlocks(low13, hn::SwapAdjacentBlocks(low02));
    v[8 + i] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(high13), high02);
    v[12 + i] = hn::OddEvenBlocks(high13, hn::SwapAdjacentBlocks(high02));
  }
#endif
}

// to[c ldt + r] = from(r)[c] for r < rows <= kLanes, c < columns; from(r) is a pointer. Rows of the
// result are written as whole vectors (zeros from `rows` on) if `whole`, else `rows` floats each.
template <class From>
HWY_INLINE void TransposeStripe(From from, std::size_t rows, std::size_t columns, bool whole,
                                float* to, std::size_t ldt) {
  const TileTag d;
  for (std::size_t c = 0; c < columns; c += kLanes) {
    const std::size_t part = HWY_MIN(kLanes, columns - c);
    TileVector v[kLanes];
    if (rows == kLanes && part == kLanes) {
      for (std::size_t r = 0; r < kLanes; ++r) v[r] = hn::LoadU(d, from(r) + c);
    } else {
      for (std::size_t r = 0; r < kLanes; ++r) {
        v[r] = r < rows ? LoadPart(part, from(r) + c) : hn::Zero(d);
      }
    }
    TransposeLanes(v);
    if (whole || rows == kLanes) {
      if (part == kLanes) {
        for (std::size_t r = 0; r < kLanes; ++r) hn::StoreU(v[r], d, to + (c + r) * ldt);
      } else {
        for (std::size_t r = 0; r < kLanes; ++r) {
          if (r < part) hn::StoreU(v[r], d, to + (c + r) * ldt);
        }
      }
    } else {
      for (std::size_t r = 0; r < kLanes; ++r) {
        if (r < part) StorePart(v[r], rows, to + (c + r) * ldt);
      }
    }
  }
}

// Planes of `count` <= kLanes channels, one behind the other, to [position][channel].
HWY_INLINE void ToChannels(const float* planes, std::size_t plane, std::size_t count, float* to) {
  if (plane == 4 && count == kLanes) {
    const TileTag d;
    TileVector v[4];
    hn::LoadInterleaved4(d, planes, v[0], v[1], v[2], v[3]);
    for (std::size_t i = 0; i < 4; ++i) hn::StoreU(v[i], d, to + i * kLanes);
    return;
  }
  TransposeStripe([&](std::size_t r) { return planes + r * plane; }, count, plane, true, to,
                  kLanes);
}

// The way back.
HWY_INLINE void FromChannels(const float* from, std::size_t plane, std::size_t count,
                             float* planes) {
  if (plane == 4 && count == kLanes) {
    const TileTag d;
    hn::StoreInterleaved4(hn::LoadU(d, from), hn::LoadU(d, from + kLanes),
                          hn::LoadU(d, from + 2 * kLanes), hn::LoadU(d, from + 3 * kLanes), d,
                          planes);
    return;
  }
  for (std::size_t at = 0; at < plane; at += kLanes) {
    TransposeStripe([&](std::size_t r) { return from + (at + r) * kLanes; },
                    HWY_MIN(kLanes, plane - at), count, false, planes + at, plane);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
