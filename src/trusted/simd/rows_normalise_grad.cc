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
// Where y was clipped, g is taken as zero in both. Behind a Silu g is the gradient behind it times
// the slope there; the first pass leaves it in dx, where the second finds it. Sums have
// rows_lanes-inl.h's bound; those over `positions` are chains.
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
#include "trusted/simd/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

using kernels::NormaliseMode;

// What became of z = scale_c x' + shift_c.
enum class Behind { kNothing, kClip, kSilu };

// A row's part of the arguments.
struct GradRow {
  std::size_t channels;
  std::size_t inner;
  NormaliseMode mode;
  const float* x;
  const float* y;  // of kClip
  const float* g;
  float* dx;
  const float* scale;  // of this row's channels, or null, as the next three
  const float* shift;  // of kSilu
  float* dscale;
  float* dshift;
  bool adds;  // to dscale and dshift: not an example's first row
  FloatVec mean;
  FloatVec factor;
  FloatVec low;
  FloatVec high;  // not a number: no bound

  std::size_t n() const { return channels * inner; }
};

// The gradient of z, from the row's element `first` on, as the second pass reads it.
template <Behind kBehind, class At>
HWY_INLINE FloatVec GradientAgain(const GradRow& row, At at, std::size_t first = 0) {
  if constexpr (kBehind == Behind::kSilu) return at.Load(row.dx + first);
  const FloatVec g = at.Load(row.g + first);
  if constexpr (kBehind == Behind::kClip) {
    const FloatVec y = at.Load(row.y + first);
    return hn::IfThenElseZero(hn::AndNot(hn::Ge(y, row.high), hn::Gt(y, row.low)), g);
  }
  return g;
}

// The same in the first pass. factor_scale: r scale.
template <Behind kBehind, class At>
HWY_INLINE FloatVec Gradient(const GradRow& row, At at, FloatVec factor_scale, FloatVec shift,
                             std::size_t first = 0) {
  if constexpr (kBehind != Behind::kSilu) return GradientAgain<kBehind>(row, at, first);
  const FloatVec t = hn::Sub(at.Load(row.x + first), row.mean);
  const FloatVec slope = SiluSlope(Floats(), hn::MulAdd(t, factor_scale, shift));
  const FloatVec g = hn::Mul(at.Load(row.g + first), slope);
  at.Store(g, row.dx + first);
  return g;
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
template <Behind kBehind>
HWY_INLINE void GradByElement(const GradRow& row) {
  const std::size_t n = row.n();
  const TwoSums sums =
      SumRowTwice(n, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
        const FloatVec scale = row.scale != nullptr ? at.Load(row.scale) : Broadcast(1.0F);
        const FloatVec shift = row.shift != nullptr ? at.Load(row.shift) : hn::Zero(Floats());
        const FloatVec g = Gradient<kBehind>(row, at, hn::Mul(row.factor, scale), shift);
        const FloatVec t = hn::Sub(at.Load(row.x), row.mean);
        const FloatVec slope = hn::Mul(g, scale);
        first = hn::Add(first, slope);
        second = hn::MulAdd(slope, t, second);
      });
  const Slope slope(row, sums);
  const auto write = [&](auto adds) ANCHORHOLD_LAMBDA {
    ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
      const FloatVec g = GradientAgain<kBehind>(row, at);
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
template <Behind kBehind>
HWY_INLINE void GradBySegment(const GradRow& row, const Segments& segments) {
  const std::size_t n = row.n();
  const auto spread = [&](const float* of_channels, std::size_t at,
                          float instead) ANCHORHOLD_LAMBDA {
    if (of_channels == nullptr) return Broadcast(instead);
    const std::size_t channel = at / row.inner;
    const std::size_t count = std::min(segments.per_vector(), row.channels - channel);
    return segments.Spread(LoadFirst(of_channels + channel, count));
  };
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec zero = hn::Zero(Floats());
    const FloatVec scale = spread(row.scale, at.at, 1);
    const FloatVec shift = spread(row.shift, at.at, 0);
    const FloatVec g = at.Or(Gradient<kBehind>(row, at, hn::Mul(row.factor, scale), shift), zero);
    const FloatVec along = at.Or(hn::Mul(g, hn::Sub(at.Load(row.x), row.mean)), zero);
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
    all = hn::MulAdd(scale, g, all);
    all_along = hn::MulAdd(scale, along, all_along);
  });
  const Slope slope(row, {all, all_along});
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec factor = hn::Mul(row.factor, spread(row.scale, at.at, 1));
    at.Store(slope(at.Load(row.x), GradientAgain<kBehind>(row, at), factor), row.dx);
  });
}

template <Behind kBehind>
HWY_INLINE void GradByChannel(const GradRow& row) {
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  const std::size_t inner = row.inner;
  for (std::size_t c = 0; c < row.channels; ++c) {
    const float* x = row.x + c * inner;
    const FloatVec scale = Broadcast(row.scale != nullptr ? row.scale[c] : 1.0F);
    const FloatVec factor_scale = hn::Mul(row.factor, scale);
    const FloatVec shift = Broadcast(row.shift != nullptr ? row.shift[c] : 0.0F);
    const TwoSums sums =
        SumRowTwice(inner, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
          const FloatVec v = Gradient<kBehind>(row, at, factor_scale, shift, c * inner);
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
      at.Store(slope(at.Load(x), GradientAgain<kBehind>(row, at, c * inner), factor), dx);
    });
  }
}

template <class Grad>
HWY_INLINE void GradRows(const NormaliseAffineShape& shape, GradRow row,
                         const NormaliseGradInputs& inputs, float* dscale, float* dshift,
                         Grad grad) {
  const float* stats = inputs.stats;
  const std::size_t width = shape.groups * shape.channels;
  const auto at = [](auto* p, std::size_t offset) { return p != nullptr ? p + offset : nullptr; };
  for (std::size_t o = 0; o < shape.outer; ++o) {
    const std::size_t example = o / shape.positions;
    row.adds = o % shape.positions != 0;
    row.dscale = at(dscale, example * width);
    row.dshift = at(dshift, example * width);
    row.scale = inputs.scale;
    row.shift = inputs.shift;
    for (std::size_t group = 0; group < shape.groups; ++group) {
      row.mean = Broadcast(*stats++);
      row.factor = Broadcast(*stats++);
      grad(row);
      row.x += row.n();
      row.y = at(row.y, row.n());
      row.g += row.n();
      row.dx += row.n();
      row.scale = at(row.scale, shape.channels);
      row.shift = at(row.shift, shape.channels);
      row.dscale = at(row.dscale, shape.channels);
      row.dshift = at(row.dshift, shape.channels);
    }
  }
}

template <Behind kBehind>
HWY_INLINE void Grad(const NormaliseAffineShape& shape, const GradRow& first,
                     const NormaliseGradInputs& inputs, float* dscale, float* dshift) {
  const auto rows_by = [&](auto grad) ANCHORHOLD_LAMBDA {
    GradRows(shape, first, inputs, dscale, dshift, grad);
  };
  if (shape.inner == 1) {
    rows_by([](const GradRow& row) ANCHORHOLD_LAMBDA { GradByElement<kBehind>(row); });
  } else if (Segments::Fits(shape.inner)) {
    const Segments segments(shape.inner);
    rows_by([&](const GradRow& row) ANCHORHOLD_LAMBDA { GradBySegment<kBehind>(row, segments); });
  } else {
    rows_by([](const GradRow& row) ANCHORHOLD_LAMBDA { GradByChannel<kBehind>(row); });
  }
}

}  // namespace

void NormaliseGrad(const NormaliseAffineShape& shape, const NormaliseGradInputs& inputs, float* dx,
                   float* dscale, float* dshift) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  GradRow row{};
  row.channels = shape.channels;
  row.inner = shape.inner;
  row.mode = shape.mode;
  row.x = inputs.x;
  row.y = inputs.y;
  row.g = inputs.g;
  row.dx = dx;
  row.low = Broadcast(shape.low);
  row.high =
      Broadcast(shape.high == kInfinity ? std::numeric_limits<float>::quiet_NaN() : shape.high);
  if (shape.silu) {
    Grad<Behind::kSilu>(shape, row, inputs, dscale, dshift);
  } else if (inputs.y != nullptr) {
    Grad<Behind::kClip>(shape, row, inputs, dscale, dshift);
  } else {
    Grad<Behind::kNothing>(shape, row, inputs, dscale, dshift);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
