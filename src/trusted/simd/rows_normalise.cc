// A row is normalised while it lies in the nearest cache that holds it. With m the mean (0 but for
// kMeanVariance) and r the divisor's reciprocal (kernels/normalise.h):
//
//   y = f((x - m) (r scale_c) + shift_c), f clipping, Silu or nothing
//
// The mean comes from one pass, the variance from a second over the differences, as in the naive
// kernel, and y from a third. Sums have rows_lanes-inl.h's bound. With d the additions that a term
// passes through at most, the variance has a relative error of at most (d + 4) 2^-24, to first
// order, and the mean one of d 2^-24 mean(|x|).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_normalise.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"
#include "trusted/simd/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

using kernels::NormaliseMode;

// A row's statistics, in every lane.
struct Row {
  FloatVec mean;
  FloatVec factor;  // r
};

// 1 / sqrt(v), or 1 / v; 0 where that divides by 0.
HWY_INLINE FloatVec Reciprocal(FloatVec v, bool root) {
  const hn::CappedTag<float, 4> d;  // one number in every lane: the narrowest vector is quickest
  const float x = hn::GetLane(v);
  auto divisor = hn::Set(d, x);
  if (root) divisor = hn::Sqrt(divisor);
  const auto r = hn::Div(hn::Set(d, 1.0F), divisor);
  return Broadcast(hn::GetLane(hn::IfThenElse(hn::Eq(divisor, hn::Zero(d)), hn::Zero(d), r)));
}

// kFetch: y comes from memory meanwhile, in the last pass over x, which then lies near as a rule.
template <bool kFetch>
HWY_INLINE Row Statistics(NormaliseMode mode, std::size_t n, float eps, const float* x,
                          const float* y) {
  const FloatVec per_n = Broadcast(1.0F / static_cast<float>(n));
  Row row{hn::Zero(Floats()), hn::Zero(Floats())};
  if (mode == NormaliseMode::kMeanAbsolute) {
    const FloatVec sum = SumRow(
        n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA { return hn::Add(s, hn::Abs(at.Load(x))); });
    row.factor = Reciprocal(hn::MulAdd(AllLanes(sum), per_n, Broadcast(eps)), false);
    return row;
  }
  if (mode == NormaliseMode::kMeanVariance) {
    const FloatVec sum =
        SumRow(n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA { return hn::Add(s, at.Load(x)); });
    row.mean = hn::Mul(AllLanes(sum), per_n);
  }
  const FloatVec mean = row.mean;
  const FloatVec squares = SumRow(n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA {
    if constexpr (kFetch) __builtin_prefetch(y + at.at, 1, 2);
    const FloatVec t = hn::Sub(at.Load(x), mean);
    return hn::MulAdd(t, t, s);
  });
  row.factor = Reciprocal(hn::MulAdd(AllLanes(squares), per_n, Broadcast(eps)), true);
  return row;
}

// How numbers of which each channel has one are read for a vector of a row [channels, inner]:
// ChannelAt(place).Of(p).
struct ByElement {  // inner = 1
  HWY_INLINE explicit ByElement(std::size_t /*inner*/) {}
  struct Channel {
    std::size_t at;
    std::size_t count;
    HWY_INLINE FloatVec Of(const float* p) const {
      return count == kLanes ? hn::LoadU(Floats(), p + at) : LoadFirst(p + at, count);
    }
  };
  HWY_INLINE Channel ChannelAt(WholeVector v) const { return {v.at, kLanes}; }
  HWY_INLINE Channel ChannelAt(PartVector v) const { return {v.at, v.count}; }
};

struct BySegment {  // inner a power of two below kLanes
  HWY_INLINE explicit BySegment(std::size_t inner) : segments(inner), inner_(inner) {}
  struct Channel {
    const Segments* segments;
    std::size_t at;
    std::size_t count;
    HWY_INLINE FloatVec Of(const float* p) const {
      return segments->Spread(LoadFirst(p + at, count));
    }
  };
  HWY_INLINE Channel ChannelAt(WholeVector v) const {
    return {&segments, v.at / inner_, segments.per_vector()};
  }
  HWY_INLINE Channel ChannelAt(PartVector v) const {
    return {&segments, v.at / inner_, v.count / inner_};
  }
  Segments segments;

 private:
  std::size_t inner_;
};

// y = f((x - mean) (factor scale) + shift).
template <bool kSilu>
struct Affine {
  static constexpr bool kFetchesNext = kSilu;  // its arithmetic leaves lines time to arrive
  Row row;
  FloatVec low;
  FloatVec high;
  bool clip;
  HWY_INLINE FloatVec operator()(FloatVec x, FloatVec factor, FloatVec shift) const {
    const FloatVec z = hn::MulAdd(hn::Sub(x, row.mean), factor, shift);
    if constexpr (kSilu) return Silu(Floats(), z);
    return clip ? AtMost(high, AtLeast(low, z)) : z;
  }
};

template <class Channels, class F>
HWY_INLINE void WriteRow(const Channels& channels, std::size_t n, const F& affine, const float* x,
                         const float* scale, const float* shift, float* y) {
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const auto channel = channels.ChannelAt(at);
    FloatVec factor = affine.row.factor;
    if (scale != nullptr) factor = hn::Mul(factor, channel.Of(scale));
    const FloatVec add = shift != nullptr ? channel.Of(shift) : hn::Zero(Floats());
    at.Store(affine(at.Load(x), factor, add), y);
  });
}

// The same, channel by channel: inner numbers share their scale.
template <class F>
HWY_INLINE void WriteChannels(std::size_t channels, std::size_t inner, const F& affine,
                              const float* x, const float* scale, const float* shift, float* y) {
  for (std::size_t c = 0; c < channels; ++c, x += inner, y += inner) {
    const FloatVec factor =
        scale != nullptr ? hn::Mul(affine.row.factor, Broadcast(scale[c])) : affine.row.factor;
    const FloatVec add = Broadcast(shift != nullptr ? shift[c] : 0.0F);
    ForEachVector(inner, [&](auto at) ANCHORHOLD_LAMBDA {
      if constexpr (F::kFetchesNext) __builtin_prefetch(x + (channels * inner + at.at), 0, 2);
      at.Store(affine(at.Load(x), factor, add), y);
    });
  }
}

// Calls row(outer, group) for each row in order.
template <class Visit>
HWY_INLINE void ForEachRow(const NormaliseAffineShape& shape, Visit visit) {
  for (std::size_t o = 0; o < shape.outer; ++o) {
    for (std::size_t g = 0; g < shape.groups; ++g) visit(o, g);
  }
}

template <class F, class Write>
HWY_INLINE void NormaliseRows(const NormaliseAffineShape& shape, const float* x, const float* scale,
                              const float* shift, float* y, float* stats, Write write) {
  const std::size_t n = shape.channels * shape.inner;
  ForEachRow(shape, [&](std::size_t, std::size_t group) ANCHORHOLD_LAMBDA {
    const Row row = Statistics<!F::kFetchesNext>(shape.mode, n, shape.eps, x, y);
    *stats++ = hn::GetLane(row.mean);
    *stats++ = hn::GetLane(row.factor);
    const std::size_t first = group * shape.channels;
    const F affine{row, Broadcast(shape.low), Broadcast(shape.high), shape.clip};
    write(affine, x, scale != nullptr ? scale + first : nullptr,
          shift != nullptr ? shift + first : nullptr, y);
    x += n;
    y += n;
  });
}

template <class F>
HWY_INLINE void NormaliseBehind(const NormaliseAffineShape& shape, const float* x,
                                const float* scale, const float* shift, float* y, float* stats) {
  const std::size_t n = shape.channels * shape.inner;
  const auto rows_by = [&](const auto& channels) ANCHORHOLD_LAMBDA {
    NormaliseRows<F>(
        shape, x, scale, shift, y, stats,
        [&](const F& affine, const float* row, const float* scales, const float* shifts, float* out)
            ANCHORHOLD_LAMBDA { WriteRow(channels, n, affine, row, scales, shifts, out); });
  };
  if (shape.inner == 1 || (scale == nullptr && shift == nullptr)) return rows_by(ByElement(1));
  if (Segments::Fits(shape.inner)) return rows_by(BySegment(shape.inner));
  NormaliseRows<F>(shape, x, scale, shift, y, stats,
                   [&](const F& affine, const float* row, const float* scales, const float* shifts,
                       float* out) ANCHORHOLD_LAMBDA {
                     WriteChannels(shape.channels, shape.inner, affine, row, scales, shifts, out);
                   });
}

}  // namespace

void Normalise(const NormaliseAffineShape& shape, const float* x, const float* scale,
               const float* shift, float* y, float* stats) {
  if (shape.silu) {
    NormaliseBehind<Affine<true>>(shape, x, scale, shift, y, stats);
  } else {
    NormaliseBehind<Affine<false>>(shape, x, scale, shift, y, stats);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
