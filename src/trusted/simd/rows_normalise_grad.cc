// The gradients of a normalisation, in two passes over each row. With m the row's mean (0 but for
// kMeanVariance), r its divisor's reciprocal and x' = (x - m) r, the first pass sums by channel
//
//   dshift_c = sum g     dscale_c = r sum g (x - m)
//
// and, g' = g scale_c being the gradient of x', over the row
//
//   mean(g') = sum_c scale_c dshift_c / n     mean(g' x') = sum_c scale_c dscale_c / n.
//
// The second writes dx = r (g' - mean(g') - direction mean(g' x')), where direction is x', and the
// sign of x for kMeanAbsolute; mean(g') is left out but for kMeanVariance (kernels/normalise.h).
// Where y was clipped, g is taken as zero in both. Sums have rows_lanes-inl.h's bound; those over
// `positions` are chains.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_normalise_grad.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

using kernels::NormaliseMode;

// A row's part of the arguments.
struct GradRow {
  std::size_t channels;
  std::size_t inner;
  NormaliseMode mode;
  const float* x;
  const float* y;  // null: nothing was clipped
  const float* g;
  float* dx;
  const float* scale;  // of this row's channels, or null, as the next two
  float* dscale;
  float* dshift;
  bool adds;  // to dscale and dshift: not an example's first row
  FloatVec mean;
  FloatVec factor;
  FloatVec low;
  FloatVec high;  // not a number: no bound

  std::size_t n() const { return channels * inner; }
};

// The gradient of what was clipped, from the row's element `first` on.
template <bool kClipped, class At>
HWY_INLINE FloatVec LoadGradient(const GradRow& row, At at, std::size_t first = 0) {
  const FloatVec g = at.Load(row.g + first);
  if constexpr (kClipped) {
    const FloatVec y = at.Load(row.y + first);
    return hn::IfThenElseZero(hn::AndNot(hn::Ge(y, row.high), hn::Gt(y, row.low)), g);
  } else {
    return g;
  }
}

// dx = g (r scale) + (centre + direction along).
struct Slope {
  FloatVec centre;  // -r mean(g')
  FloatVec along;   // -r mean(g' x')
  FloatVec mean;
  FloatVec factor;
  bool signs;

  // The sums are those of g' and of g' (x - m), by lane.
  HWY_INLINE Slope(const GradRow& row, TwoSums sums)
      : mean(row.mean), factor(row.factor), signs(row.mode == NormaliseMode::kMeanAbsolute) {
    const FloatVec part = hn::Mul(hn::Neg(factor), Broadcast(1.0F / static_cast<float>(row.n())));
    centre = row.mode == NormaliseMode::kMeanVariance ? hn::Mul(part, AllLanes(sums.first))
                                                      : hn::Zero(Floats());
    along = hn::Mul(part, hn::Mul(AllLanes(sums.second), factor));
  }

  HWY_INLINE FloatVec Direction(FloatVec x) const {
    if (!signs) return hn::Mul(hn::Sub(x, mean), factor);
    const FloatVec zero = hn::Zero(Floats());
    const FloatVec one = Broadcast(1.0F);
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one),
                   hn::IfThenElseZero(hn::Lt(x, zero), one));
  }
  // factor_scale: r scale.
  HWY_INLINE FloatVec operator()(FloatVec x, FloatVec g, FloatVec factor_scale) const {
    return hn::MulAdd(g, factor_scale, hn::MulAdd(Direction(x), along, centre));
  }
};

// Layers of one number a channel.
template <bool kClipped>
HWY_INLINE void GradByElement(const GradRow& row) {
  const std::size_t n = row.n();
  const TwoSums sums =
      SumRowTwice(n, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
        const FloatVec g = LoadGradient<kClipped>(row, at);
        const FloatVec t = hn::Sub(at.Load(row.x), row.mean);
        const FloatVec slope = row.scale != nullptr ? hn::Mul(g, at.Load(row.scale)) : g;
        first = hn::Add(first, slope);
        second = hn::MulAdd(slope, t, second);
      });
  const Slope slope(row, sums);
  const auto write = [&](auto adds) ANCHORHOLD_LAMBDA {
    ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
      const FloatVec g = LoadGradient<kClipped>(row, at);
      const FloatVec x = at.Load(row.x);
      const auto put = [&](FloatVec sum, float* to) ANCHORHOLD_LAMBDA {
        if constexpr (adds()) sum = hn::Add(sum, at.Load(to));
        at.Store(sum, to);
      };
      if (row.dscale != nullptr) {
        put(hn::Mul(g, hn::Mul(hn::Sub(x, row.mean), row.factor)), row.dscale);
      }
      if (row.dshift != nullptr) put(g, row.dshift);
      const FloatVec factor =
          row.scale != nullptr ? hn::Mul(row.factor, at.Load(row.scale)) : row.factor;
      at.Store(slope(x, g, factor), row.dx);
    });
  };
  row.adds ? write(std::true_type()) : write(std::false_type());
}

// inner a power of two below kLanes: a vector holds several channels.
template <bool kClipped>
HWY_INLINE void GradBySegment(const GradRow& row, const Segments& segments) {
  const std::size_t n = row.n();
  const auto scales = [&](std::size_t at) ANCHORHOLD_LAMBDA {
    const std::size_t channel = at / row.inner;
    const std::size_t count = std::min(segments.per_vector(), row.channels - channel);
    return segments.Spread(LoadFirst(row.scale + channel, count));
  };
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec g = LoadGradient<kClipped>(row, at);
    const FloatVec along = at.Or(hn::Mul(g, hn::Sub(at.Load(row.x), row.mean)), hn::Zero(Floats()));
    const std::size_t channel = at.at / row.inner;
    const std::size_t count = std::min(segments.per_vector(), row.channels - channel);
    if (row.dscale != nullptr) {
      float* to = row.dscale + channel;
      const FloatVec sum = hn::Mul(segments.Sum(along), row.factor);
      StoreFirst(row.adds ? hn::Add(sum, LoadFirst(to, count)) : sum, to, count);
    }
    if (row.dshift != nullptr) {
      float* to = row.dshift + channel;
      const FloatVec sum = segments.Sum(g);
      StoreFirst(row.adds ? hn::Add(sum, LoadFirst(to, count)) : sum, to, count);
    }
    const FloatVec scale = row.scale != nullptr ? scales(at.at) : Broadcast(1.0F);
    all = hn::MulAdd(scale, g, all);
    all_along = hn::MulAdd(scale, along, all_along);
  });
  const Slope slope(row, {all, all_along});
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec factor = row.scale != nullptr ? hn::Mul(row.factor, scales(at.at)) : row.factor;
    at.Store(slope(at.Load(row.x), LoadGradient<kClipped>(row, at), factor), row.dx);
  });
}

template <bool kClipped>
HWY_INLINE void GradByChannel(const GradRow& row) {
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  const std::size_t inner = row.inner;
  for (std::size_t c = 0; c < row.channels; ++c) {
    const float* x = row.x + c * inner;
    const TwoSums sums =
        SumRowTwice(inner, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
          const FloatVec v = LoadGradient<kClipped>(row, at, c * inner);
          first = hn::Add(first, v);
          second = hn::MulAdd(v, hn::Sub(at.Load(x), row.mean), second);
        });
    if (row.dscale != nullptr) {
      const float sum = AllLanesScalar(sums.second) * hn::GetLane(row.factor);
      row.dscale[c] = row.adds ? row.dscale[c] + sum : sum;
    }
    if (row.dshift != nullptr) {
      const float sum = AllLanesScalar(sums.first);
      row.dshift[c] = row.adds ? row.dshift[c] + sum : sum;
    }
    const FloatVec scale = Broadcast(row.scale != nullptr ? row.scale[c] : 1.0F);
    all = hn::MulAdd(scale, sums.first, all);
    all_along = hn::MulAdd(scale, sums.second, all_along);
  }
  const Slope slope(row, {all, all_along});
  for (std::size_t c = 0; c < row.channels; ++c) {
    const float* x = row.x + c * inner;
    float* dx = row.dx + c * inner;
    const FloatVec factor =
        row.scale != nullptr ? hn::Mul(row.factor, Broadcast(row.scale[c])) : row.factor;
    ForEachVector(inner, [&](auto at) ANCHORHOLD_LAMBDA {
      at.Store(slope(at.Load(x), LoadGradient<kClipped>(row, at, c * inner), factor), dx);
    });
  }
}

template <class Grad>
HWY_INLINE void GradRows(const NormaliseAffineShape& shape, GradRow row, const float* stats,
                         const float* scale, float* dscale, float* dshift, Grad grad) {
  const std::size_t width = shape.groups * shape.channels;
  const auto at = [](auto* p, std::size_t offset) { return p != nullptr ? p + offset : nullptr; };
  for (std::size_t o = 0; o < shape.outer; ++o) {
    const std::size_t example = o / shape.positions;
    row.adds = o % shape.positions != 0;
    row.dscale = at(dscale, example * width);
    row.dshift = at(dshift, example * width);
    row.scale = scale;
    for (std::size_t group = 0; group < shape.groups; ++group) {
      row.mean = Broadcast(*stats++);
      row.factor = Broadcast(*stats++);
      grad(row);
      row.x += row.n();
      row.y = at(row.y, row.n());
      row.g += row.n();
      row.dx += row.n();
      row.scale = at(row.scale, shape.channels);
      row.dscale = at(row.dscale, shape.channels);
      row.dshift = at(row.dshift, shape.channels);
    }
  }
}

template <bool kClipped>
HWY_INLINE void Grad(const NormaliseAffineShape& shape, const GradRow& first, const float* stats,
                     const float* scale, float* dscale, float* dshift) {
  const auto rows_by = [&](auto grad) ANCHORHOLD_LAMBDA {
    GradRows(shape, first, stats, scale, dscale, dshift, grad);
  };
  if (shape.inner == 1) {
    rows_by([](const GradRow& row) ANCHORHOLD_LAMBDA { GradByElement<kClipped>(row); });
  } else if (Segments::Fits(shape.inner)) {
    const Segments segments(shape.inner);
    rows_by([&](const GradRow& row) ANCHORHOLD_LAMBDA { GradBySegment<kClipped>(row, segments); });
  } else {
    rows_by([](const GradRow& row) ANCHORHOLD_LAMBDA { GradByChannel<kClipped>(row); });
  }
}

}  // namespace

void NormaliseGrad(const NormaliseAffineShape& shape, const float* x, const float* stats,
                   const float* scale, const float* y, const float* g, float* dx, float* dscale,
                   float* dshift) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  GradRow row{};
  row.channels = shape.channels;
  row.inner = shape.inner;
  row.mode = shape.mode;
  row.x = x;
  row.y = y;
  row.g = g;
  row.dx = dx;
  row.low = Broadcast(shape.low);
  row.high =
      Broadcast(shape.high == kInfinity ? std::numeric_limits<float>::quiet_NaN() : shape.high);
  if (y != nullptr) {
    Grad<true>(shape, row, stats, scale, dscale, dshift);
  } else {
    Grad<false>(shape, row, stats, scale, dscale, dshift);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
