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
// Where z was clipped, g is taken as zero in both; z comes of x again, in the forward kernel's
// order and so to its bits, since y would have to come from memory as x and g do. Behind a Silu g
// is the gradient behind it times the slope there; the first pass leaves it in dx, where the second
// finds it. Sums have rows_lanes-inl.h's bound; those over `positions` are chains.
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
  const float* g;
  float* dx;
  const float* scale;  // of this row's channels, or null, as the next three
  const float* shift;
  float* dscale;
  float* dshift;
  bool adds;  // to dscale and dshift: not an example's first row
  FloatVec mean;
  FloatVec factor;
  FloatVec low;
  FloatVec high;  // not a number: no bound

  std::size_t n() const { return channels * inner; }
};

// A channel's part in z = t (r scale) + shift, t being x - m.
struct Line {
  FloatVec factor_scale;
  FloatVec shift;
};

// The gradient of z, from the row's element `first` on, as the second pass reads it.
template <Behind kBehind, class At>
HWY_INLINE FloatVec GradientAgain(const GradRow& row, At at, FloatVec x, const Line& line,
                                  std::size_t first = 0) {
  if constexpr (kBehind == Behind::kSilu) return at.Load(row.dx + first);
  const FloatVec g = at.Load(row.g + first);
  if constexpr (kBehind == Behind::kClip) {
    const FloatVec z = hn::MulAdd(hn::Sub(x, row.mean), line.factor_scale, line.shift);
    return hn::IfThenElseZero(hn::AndNot(hn::Ge(z, row.high), hn::Gt(z, row.low)), g);
  }
  return g;
}

// The same in the first pass.
template <Behind kBehind, class At>
HWY_INLINE FloatVec Gradient(const GradRow& row, At at, FloatVec x, const Line& line,
                             std::size_t first = 0) {
  if constexpr (kBehind != Behind::kSilu) return GradientAgain<kBehind>(row, at, x, line, first);
  const FloatVec z = hn::MulAdd(hn::Sub(x, row.mean), line.factor_scale, line.shift);
  const FloatVec g = hn::Mul(at.Load(row.g + first), SiluSlope(Floats(), z));
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
  HWY_INLINE FloatVec operator()(FloatVec x, FloatVec g, const Line& line) const {
    return hn::MulAdd(g, line.factor_scale, hn::MulAdd(Direction(x), along, centre));
  }
};

// Layers of one number a channel.
template <Behind kBehind>
HWY_INLINE void GradByElement(const GradRow& row) {
  const std::size_t n = row.n();
  const auto scale_at = [&](auto at) ANCHORHOLD_LAMBDA {
    return row.scale != nullptr ? at.Load(row.scale) : Broadcast(1.0F);
  };
  const auto line_at = [&](auto at, FloatVec scale) ANCHORHOLD_LAMBDA {
    return Line{hn::Mul(row.factor, scale),
                row.shift != nullptr ? at.Load(row.shift) : hn::Zero(Floats())};
  };
  const TwoSums sums =
      SumRowTwice(n, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
        const FloatVec x = at.Load(row.x);
        const FloatVec scale = scale_at(at);
        const FloatVec g = Gradient<kBehind>(row, at, x, line_at(at, scale));
        const FloatVec slope = hn::Mul(g, scale);
        first = hn::Add(first, slope);
        second = hn::MulAdd(slope, hn::Sub(x, row.mean), second);
      });
  const Slope slope(row, sums);
  const auto write = [&](auto adds) ANCHORHOLD_LAMBDA {
    ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
      const FloatVec x = at.Load(row.x);
      const Line line = line_at(at, scale_at(at));
      const FloatVec g = GradientAgain<kBehind>(row, at, x, line);
      const auto put = [&](FloatVec sum, float* to) ANCHORHOLD_LAMBDA {
        if constexpr (adds()) sum = hn::Add(sum, at.Load(to));
        at.Store(sum, to);
      };
      if (row.dscale != nullptr) {
        put(hn::Mul(g, hn::Mul(hn::Sub(x, row.mean), row.factor)), row.dscale);
      }
      if (row.dshift != nullptr) put(g, row.dshift);
      at.Store(slope(x, g, line), row.dx);
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
  const auto line_at = [&](std::size_t at) ANCHORHOLD_LAMBDA {
    return Line{hn::Mul(row.factor, spread(row.scale, at, 1)), spread(row.shift, at, 0)};
  };
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec zero = hn::Zero(Floats());
    const FloatVec x = at.Load(row.x);
    const FloatVec scale = spread(row.scale, at.at, 1);
    const FloatVec g = at.Or(Gradient<kBehind>(row, at, x, line_at(at.at)), zero);
    const FloatVec along = at.Or(hn::Mul(g, hn::Sub(x, row.mean)), zero);
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
    const FloatVec x = at.Load(row.x);
    const Line line = line_at(at.at);
    at.Store(slope(x, GradientAgain<kBehind>(row, at, x, line), line), row.dx);
  });
}

template <Behind kBehind>
HWY_INLINE void GradByChannel(const GradRow& row) {
  FloatVec all = hn::Zero(Floats());
  FloatVec all_along = all;
  const std::size_t inner = row.inner;
  const auto line_of = [&](std::size_t c) ANCHORHOLD_LAMBDA {
    return Line{hn::Mul(row.factor, Broadcast(row.scale != nullptr ? row.scale[c] : 1.0F)),
                Broadcast(row.shift != nullptr ? row.shift[c] : 0.0F)};
  };
  for (std::size_t c = 0; c < row.channels; ++c) {
    const FloatVec scale = Broadcast(row.scale != nullptr ? row.scale[c] : 1.0F);
    const Line line = line_of(c);
    const TwoSums sums =
        SumRowTwice(inner, [&](FloatVec& first, FloatVec& second, auto at) ANCHORHOLD_LAMBDA {
          const FloatVec x = at.Load(row.x + c * inner);
          const FloatVec v = Gradient<kBehind>(row, at, x, line, c * inner);
          first = hn::Add(first, v);
          second = hn::MulAdd(v, hn::Sub(x, row.mean), second);
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
    const Line line = line_of(c);
    ForEachVector(inner, [&](auto at) ANCHORHOLD_LAMBDA {
      const FloatVec x = at.Load(row.x + c * inner);
      if constexpr (kBehind != Behind::kSilu) {
        // The next row's, while this one's come from near; they need not exist.
        __builtin_prefetch(row.x + (row.n() + c * inner + at.at), 0, 2);
        __builtin_prefetch(row.g + (row.n() + c * inner + at.at), 0, 2);
      }
      const FloatVec g = GradientAgain<kBehind>(row, at, x, line, c * inner);
      at.Store(slope(x, g, line), row.dx + c * inner);
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
  row.g = inputs.g;
  row.dx = dx;
  row.low = Broadcast(shape.low);
  row.high =
      Broadcast(shape.high == kInfinity ? std::numeric_limits<float>::quiet_NaN() : shape.high);
  if (shape.silu) {
    Grad<Behind::kSilu>(shape, row, inputs, dscale, dshift);
  } else if (shape.clip) {
    Grad<Behind::kClip>(shape, row, inputs, dscale, dshift);
  } else {
    Grad<Behind::kNothing>(shape, row, inputs, dscale, dshift);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
