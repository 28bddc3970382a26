// Maxima over windows, and where their gradients go: to the first maximum in the window's order, a
// NaN being more than any number (kernels/pooling.h). Which input that is shows in masks alone:
// every input of a window is written, most of them with 0 added, so that no address depends on the
// numbers. Gradients of overlapping windows are added in the order of the outputs' tiles, then of
// the taps. Without padding, windows of 2 x 2 that are 2 or 1 apart, and the whole image as a
// window, have paths of their own, which keep the same rules.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_max_pool.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>
#include <limits>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"
#include "trusted/simd/rows_windows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

HWY_INLINE FloatVec Least() { return Broadcast(-std::numeric_limits<float>::infinity()); }

// Where x is to take the place of `best`, which came before it: more, or a NaN, and the first one.
HWY_INLINE FloatMask Beats(FloatVec x, FloatVec best) {
  return hn::AndNot(hn::Le(x, best), hn::Eq(best, best));
}

template <std::int64_t kStride>
HWY_INLINE void MaxPlane(const Image& image, const float* x, float* y) {
  ForEachTile(image, [&](std::int64_t o, const Tile& tile) ANCHORHOLD_LAMBDA {
    FloatVec best = Least();
    ForEachTap<kStride>(
        image, o, tile,
        [&](std::int64_t, const TapLanes& lanes, std::int64_t row) ANCHORHOLD_LAMBDA {
          FloatVec v = LoadTap<kStride>(image.columns, lanes, x + row);
          if (lanes.end - lanes.begin != kLanes) {
            v = hn::IfThenElse(LanesBetween(lanes.begin, lanes.end), v, Least());
          }
          best = hn::IfThenElse(Beats(v, best), v, best);
        });
    StoreFirst(best, y + o * image.columns.out + tile.first, tile.count);
  });
}

template <std::int64_t kStride>
HWY_INLINE void MaxGradPlane(const Image& image, const float* x, const float* g, float* dx) {
  const Whole whole;
  std::memset(dx, 0, image.inputs() * sizeof(float));
  ForEachTile(image, [&](std::int64_t o, const Tile& tile) ANCHORHOLD_LAMBDA {
    const auto none = hn::Set(whole, -1);
    FloatVec best = Least();
    auto chosen = none;  // the tap of the first maximum
    ForEachTap<kStride>(
        image, o, tile,
        [&](std::int64_t tap, const TapLanes& lanes, std::int64_t row) ANCHORHOLD_LAMBDA {
          const FloatVec v = LoadTap<kStride>(image.columns, lanes, x + row);
          const auto is_first = hn::RebindMask(Floats(), hn::Eq(chosen, none));
          const FloatMask takes =
              hn::And(LanesBetween(lanes.begin, lanes.end), hn::Or(Beats(v, best), is_first));
          best = hn::IfThenElse(takes, v, best);
          chosen = hn::IfThenElse(hn::RebindMask(whole, takes),
                                  hn::Set(whole, static_cast<std::int32_t>(tap)), chosen);
        });
    const FloatVec gradient = LoadFirst(g + o * image.columns.out + tile.first, tile.count);
    ForEachTap<kStride>(
        image, o, tile,
        [&](std::int64_t tap, const TapLanes& lanes, std::int64_t row) ANCHORHOLD_LAMBDA {
          const auto here = hn::Eq(chosen, hn::Set(whole, static_cast<std::int32_t>(tap)));
          AddTap<kStride>(image.columns, lanes,
                          hn::IfThenElseZero(hn::RebindMask(Floats(), here), gradient), dx + row);
        });
  });
}

// Windows of 2 x 2, 2 apart.

bool IsHalving(const kernels::WindowAxis& a) {
  return a.kernel == 2 && a.stride == 2 && a.dilation == 1 && a.pad == 0 && 2 * a.out <= a.in;
}

// Numbers 2 k and 2 k + 1 of a row, k by lane.
struct Halves {
  FloatVec even;
  FloatVec odd;
};
HWY_INLINE Halves LoadHalves(const float* p, WholeVector at) {
  Halves halves;
  hn::LoadInterleaved2(Floats(), p + 2 * at.at, halves.even, halves.odd);
  return halves;
}
HWY_INLINE Halves LoadHalves(const float* p, PartVector at) {
  const std::size_t floats = 2 * at.count;
  const std::size_t low_count = std::min(floats, kLanes);
  const FloatVec low = LoadFirst(p + 2 * at.at, low_count);
  const FloatVec high =
      floats > kLanes ? LoadFirst(p + 2 * at.at + kLanes, floats - kLanes) : hn::Zero(Floats());
  return {hn::ConcatEven(Floats(), high, low), hn::ConcatOdd(Floats(), high, low)};
}
HWY_INLINE void StoreHalves(const Halves& halves, float* p, WholeVector at) {
  hn::StoreInterleaved2(halves.even, halves.odd, Floats(), p + 2 * at.at);
}
HWY_INLINE void StoreHalves(const Halves& halves, float* p, PartVector at) {
  HWY_ALIGN float pairs[2 * kLanes];
  hn::StoreInterleaved2(halves.even, halves.odd, Floats(), pairs);
  const std::size_t floats = 2 * at.count;
  StoreFirst(hn::Load(Floats(), pairs), p + 2 * at.at, std::min(floats, kLanes));
  if (floats > kLanes) {
    StoreFirst(hn::Load(Floats(), pairs + kLanes), p + 2 * at.at + kLanes, floats - kLanes);
  }
}

HWY_INLINE void MaxHalvedPlane(const Image& image, const float* x, float* y) {
  const auto in = static_cast<std::size_t>(image.columns.in);
  const auto out = static_cast<std::size_t>(image.columns.out);
  for (std::int64_t o = 0; o < image.rows.out; ++o, x += 2 * in, y += out) {
    ForEachVector(out, [&](auto at) ANCHORHOLD_LAMBDA {
      const Halves upper = LoadHalves(x, at);
      const Halves lower = LoadHalves(x + in, at);
      FloatVec best = hn::IfThenElse(Beats(upper.odd, upper.even), upper.odd, upper.even);
      best = hn::IfThenElse(Beats(lower.even, best), lower.even, best);
      at.Store(hn::IfThenElse(Beats(lower.odd, best), lower.odd, best), y);
    });
  }
}

HWY_INLINE void MaxHalvedGradPlane(const Image& image, const float* x, const float* g, float* dx) {
  const auto in = static_cast<std::size_t>(image.columns.in);
  const auto out = static_cast<std::size_t>(image.columns.out);
  for (std::int64_t o = 0; o < image.rows.out; ++o, x += 2 * in, dx += 2 * in, g += out) {
    ForEachVector(out, [&](auto at) ANCHORHOLD_LAMBDA {
      const Halves upper = LoadHalves(x, at);
      const Halves lower = LoadHalves(x + in, at);
      const FloatMask second = Beats(upper.odd, upper.even);
      FloatVec best = hn::IfThenElse(second, upper.odd, upper.even);
      const FloatMask third = Beats(lower.even, best);
      best = hn::IfThenElse(third, lower.even, best);
      const FloatMask fourth = Beats(lower.odd, best);
      const FloatVec zero = hn::Zero(Floats());
      // What is left of the gradient as later inputs take theirs away.
      const FloatVec first_three = hn::IfThenElse(fourth, zero, at.Load(g));
      const FloatVec first_two = hn::IfThenElse(third, zero, first_three);
      StoreHalves({hn::IfThenElse(second, zero, first_two), hn::IfThenElseZero(second, first_two)},
                  dx, at);
      StoreHalves({hn::IfThenElseZero(third, first_three), hn::IfThenElseZero(fourth, at.Load(g))},
                  dx + in, at);
    });
    if (in > 2 * out) {
      std::memset(dx + 2 * out, 0, (in - 2 * out) * sizeof(float));
      std::memset(dx + in + 2 * out, 0, (in - 2 * out) * sizeof(float));
    }
  }
  const auto rows_left = static_cast<std::size_t>(image.rows.in - 2 * image.rows.out);
  std::memset(dx, 0, rows_left * in * sizeof(float));
}

// Windows of 2 x 2, 1 apart: each row's neighbours are compared once, and met by the row below.

bool IsStepping(const kernels::WindowAxis& a) {
  return a.kernel == 2 && a.stride == 1 && a.dilation == 1 && a.pad == 0 && a.out + 1 == a.in;
}

// The first maximum of p[k] and p[k + 1], k by lane, and where it is the second.
struct Neighbours {
  HWY_INLINE Neighbours(const float* p, std::size_t count) {
    const FloatVec left = LoadFirst(p, count);
    const FloatVec right = LoadFirst(p + 1, count);
    second = Beats(right, left);
    best = hn::IfThenElse(second, right, left);
  }
  FloatVec best;
  FloatMask second;
};

HWY_INLINE void MaxSteppedPlane(const Image& image, const float* x, float* y) {
  const auto in = static_cast<std::size_t>(image.columns.in);
  const auto out = static_cast<std::size_t>(image.columns.out);
  for (std::size_t first = 0; first < out; first += kLanes) {
    const std::size_t count = std::min(kLanes, out - first);
    Neighbours upper(x + first, count);
    for (std::int64_t o = 0; o < image.rows.out; ++o) {
      const auto row = static_cast<std::size_t>(o);
      const Neighbours lower(x + (row + 1) * in + first, count);
      const FloatMask below = Beats(lower.best, upper.best);
      StoreFirst(hn::IfThenElse(below, lower.best, upper.best), y + row * out + first, count);
      upper = lower;
    }
  }
}

// v, zero where the second neighbour is the maximum, plus what those get, one lane further.
class Spread {
 public:
  HWY_INLINE Spread() {
    HWY_ALIGN std::int32_t lanes[kLanes];
    for (std::size_t k = 0; k < kLanes; ++k) {
      lanes[k] = static_cast<std::int32_t>((k + kLanes - 1) % kLanes);
    }
    before_ = hn::SetTableIndices(Floats(), lanes);
  }
  HWY_INLINE FloatVec Of(FloatVec v, FloatMask second) const {
    const FloatVec right = hn::TableLookupLanes(hn::IfThenElseZero(second, v), before_);
    return hn::Add(hn::IfThenElse(second, hn::Zero(Floats()), v), right);
  }

 private:
  decltype(hn::SetTableIndices(Floats(), static_cast<const std::int32_t*>(nullptr))) before_;
};

// A tile of kLanes - 1 outputs writes kLanes columns; the first of them is also the last of the
// tile before, and is added to.
HWY_INLINE void MaxSteppedGradPlane(const Image& image, const Spread& spread, const float* x,
                                    const float* g, float* dx) {
  const auto in = static_cast<std::size_t>(image.columns.in);
  const auto out = static_cast<std::size_t>(image.columns.out);
  const auto rows = static_cast<std::size_t>(image.rows.out);
  for (std::size_t first = 0; first < out; first += kLanes - 1) {
    const std::size_t count = std::min(kLanes - 1, out - first);
    const auto add_row = [&](FloatVec v, float* to) ANCHORHOLD_LAMBDA {
      if (first > 0) v = hn::Add(LoadFirst(to, 1), v);
      StoreFirst(v, to, count + 1);
    };
    Neighbours upper(x + first, count);
    FloatVec from_above = hn::Zero(Floats());
    for (std::size_t row = 0; row < rows; ++row) {
      const Neighbours lower(x + (row + 1) * in + first, count);
      const FloatMask below = Beats(lower.best, upper.best);
      const FloatVec gradient = LoadFirst(g + row * out + first, count);
      const FloatVec here = hn::IfThenElse(below, hn::Zero(Floats()), gradient);
      add_row(hn::Add(from_above, spread.Of(here, upper.second)), dx + row * in + first);
      from_above = spread.Of(hn::IfThenElseZero(below, gradient), lower.second);
      upper = lower;
    }
    add_row(from_above, dx + rows * in + first);
  }
}

// The whole image as the only window: the lanes run through it.

HWY_INLINE float MaxOfPlane(std::size_t n, const float* x) {
  FloatVec best = Least();
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec v = at.Or(at.Load(x), Least());
    best = hn::IfThenElse(Beats(v, best), v, best);
  });
  const FloatVec is_nan = hn::IfThenElse(hn::Eq(best, best), hn::Zero(Floats()), best);
  // A NaN in any lane makes the sum NaN; otherwise it adds zero.
  return hn::GetLane(hn::Add(hn::MaxOfLanes(Floats(), best), AllLanes(is_nan)));
}

// The first place that holds the maximum, in lanes: a NaN counts as equal to a NaN.
HWY_INLINE void MaxGlobalGradPlane(std::size_t n, const float* x, float g, float* dx) {
  const Whole whole;
  const FloatVec max = Broadcast(MaxOfPlane(n, x));
  const auto is_number = hn::Eq(max, max);
  const auto places = hn::Iota(whole, 0);
  const auto beyond = hn::Set(whole, std::numeric_limits<std::int32_t>::max());
  const auto place = [&](std::size_t at) ANCHORHOLD_LAMBDA {
    return hn::Add(places, hn::Set(whole, static_cast<std::int32_t>(at)));
  };
  auto first = beyond;
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec v = at.Or(at.Load(x), Least());
    const auto matches = hn::Or(hn::Eq(v, max), hn::AndNot(is_number, hn::Not(hn::Eq(v, v))));
    first = hn::Min(first, hn::IfThenElse(hn::RebindMask(whole, matches), place(at.at), beyond));
  });
  first = hn::MinOfLanes(whole, first);
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const auto here = hn::RebindMask(Floats(), hn::Eq(first, place(at.at)));
    at.Store(hn::IfThenElseZero(here, Broadcast(g)), dx);
  });
}

}  // namespace

void MaxPool(std::size_t planes, const kernels::Windows& windows, const float* x, float* y) {
  const Image image(windows);
  const auto each = [&](auto plane) ANCHORHOLD_LAMBDA {
    for (std::size_t p = 0; p < planes; ++p) {
      plane(x + p * image.inputs(), y + p * image.outputs());
    }
  };
  if (IsHalving(image.rows) && IsHalving(image.columns)) {
    return each([&](const float* from, float* to)
                    ANCHORHOLD_LAMBDA { MaxHalvedPlane(image, from, to); });
  }
  if (IsStepping(image.rows) && IsStepping(image.columns)) {
    return each([&](const float* from, float* to)
                    ANCHORHOLD_LAMBDA { MaxSteppedPlane(image, from, to); });
  }
  if (image.IsGlobal()) {
    return each([&](const float* from, float* to)
                    ANCHORHOLD_LAMBDA { *to = MaxOfPlane(image.inputs(), from); });
  }
  ByStride(image, [&](auto stride) ANCHORHOLD_LAMBDA {
    each([&](const float* from, float* to)
             ANCHORHOLD_LAMBDA { MaxPlane<stride()>(image, from, to); });
  });
}

void MaxPoolGrad(std::size_t planes, const kernels::Windows& windows, const float* x,
                 const float* g, float* dx) {
  const Image image(windows);
  const auto each = [&](auto plane) ANCHORHOLD_LAMBDA {
    for (std::size_t p = 0; p < planes; ++p) {
      plane(x + p * image.inputs(), g + p * image.outputs(), dx + p * image.inputs());
    }
  };
  if (IsHalving(image.rows) && IsHalving(image.columns)) {
    return each([&](const float* from, const float* gradient, float* to)
                    ANCHORHOLD_LAMBDA { MaxHalvedGradPlane(image, from, gradient, to); });
  }
  if (IsStepping(image.rows) && IsStepping(image.columns)) {
    const Spread spread;
    return each([&](const float* from, const float* gradient, float* to)
                    ANCHORHOLD_LAMBDA { MaxSteppedGradPlane(image, spread, from, gradient, to); });
  }
  if (image.IsGlobal()) {
    return each([&](const float* from, const float* gradient, float* to)
                    ANCHORHOLD_LAMBDA { MaxGlobalGradPlane(image.inputs(), from, *gradient, to); });
  }
  ByStride(image, [&](auto stride) ANCHORHOLD_LAMBDA {
    each([&](const float* from, const float* gradient, float* to)
             ANCHORHOLD_LAMBDA { MaxGradPlane<stride()>(image, from, gradient, to); });
  });
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
