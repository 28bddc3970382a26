// Means (or sums) over windows and their gradients (kernels/pooling.h: SumPool). A window's inputs
// are added in the window's order and the sum divided; a window that is the whole image is summed
// as a row (rows_lanes-inl.h). Gradients of overlapping windows are added in the order of the
// outputs' tiles, then of the taps.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_average_pool.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"
#include "trusted/simd/rows_windows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

using kernels::Divisor;
using kernels::WindowAxis;

// How many of an axis's taps count for output o.
HWY_INLINE std::int64_t TapsCounted(WindowAxis a, Divisor divisor, std::int64_t o) {
  if (divisor == Divisor::kOne) return 1;
  if (divisor == Divisor::kPadded) {
    a.in += a.pad + a.pad_end;
    a.pad = 0;
  }
  const kernels::Range taps = TapsOfOutput(a, o);
  return taps.empty() ? 1 : taps.end - taps.begin;
}

// The divisors of a tile of output row o, a number a lane. Where every window is whole there is
// one divisor, found once.
class Divisors {
 public:
  HWY_INLINE Divisors(const Image& image, Divisor divisor)
      : image_(image),
        divisor_(divisor),
        rows_whole_(IsWhole(image.rows)),
        columns_whole_(IsWhole(image.columns)),
        row_(static_cast<float>(TapsCounted(image.rows, divisor, 0))),
        column_(static_cast<float>(TapsCounted(image.columns, divisor, 0))) {}

  HWY_INLINE FloatVec Of(std::int64_t o, const Tile& tile) const {
    const float rows =
        rows_whole_ ? row_ : static_cast<float>(TapsCounted(image_.rows, divisor_, o));
    if (columns_whole_) return Broadcast(rows * column_);
    HWY_ALIGN float counts[kLanes];
    for (std::size_t k = 0; k < kLanes; ++k) counts[k] = 1;
    for (std::size_t k = 0; k < tile.count; ++k) {
      const std::int64_t output = tile.first + static_cast<std::int64_t>(k);
      counts[k] = rows * static_cast<float>(TapsCounted(image_.columns, divisor_, output));
    }
    return hn::Load(Floats(), counts);
  }

 private:
  // The first and the last window hold all their taps; so do those between.
  bool IsWhole(const WindowAxis& a) const {
    return divisor_ == Divisor::kOne || (TapsCounted(a, divisor_, 0) == a.kernel &&
                                         TapsCounted(a, divisor_, a.out - 1) == a.kernel);
  }
  const Image& image_;
  Divisor divisor_;
  bool rows_whole_;
  bool columns_whole_;
  float row_;
  float column_;
};

template <std::int64_t kStride>
HWY_INLINE void AveragePlane(const Image& image, const Divisors& divisors, const float* x,
                             float* y) {
  ForEachTile(image, [&](std::int64_t o, const Tile& tile) ANCHORHOLD_LAMBDA {
    FloatVec sum = hn::Zero(Floats());
    ForEachTap<kStride>(image, o, tile,
                        [&](std::int64_t, const TapLanes& lanes, std::int64_t row)
                            ANCHORHOLD_LAMBDA {
                              sum = hn::Add(sum, LoadTap<kStride>(image.columns, lanes, x + row));
                            });
    StoreFirst(hn::Div(sum, divisors.Of(o, tile)), y + o * image.columns.out + tile.first,
               tile.count);
  });
}

template <std::int64_t kStride>
HWY_INLINE void AverageGradPlane(const Image& image, const Divisors& divisors, const float* g,
                                 float* dx) {
  std::memset(dx, 0, image.inputs() * sizeof(float));
  ForEachTile(image, [&](std::int64_t o, const Tile& tile) ANCHORHOLD_LAMBDA {
    const FloatVec gradient = LoadFirst(g + o * image.columns.out + tile.first, tile.count);
    const FloatVec share = hn::Div(gradient, divisors.Of(o, tile));
    ForEachTap<kStride>(
        image, o, tile,
        [&](std::int64_t, const TapLanes& lanes, std::int64_t row)
            ANCHORHOLD_LAMBDA { AddTap<kStride>(image.columns, lanes, share, dx + row); });
  });
}

HWY_INLINE float GlobalDivisor(const Image& image, Divisor divisor) {
  return static_cast<float>(TapsCounted(image.rows, divisor, 0) *
                            TapsCounted(image.columns, divisor, 0));
}

}  // namespace

void AveragePool(std::size_t planes, const kernels::Windows& windows, Divisor divisor,
                 const float* x, float* y) {
  const Image image(windows);
  if (image.IsGlobal()) {
    Sum(planes, image.inputs(), 1, x, nullptr, y);
    const FloatVec by = Broadcast(GlobalDivisor(image, divisor));
    ForEachVector(planes, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(hn::Div(at.Load(y), by), y); });
    return;
  }
  const Divisors divisors(image, divisor);
  ByStride(image, [&](auto stride) ANCHORHOLD_LAMBDA {
    for (std::size_t p = 0; p < planes; ++p) {
      AveragePlane<stride()>(image, divisors, x + p * image.inputs(), y + p * image.outputs());
    }
  });
}

void AveragePoolGrad(std::size_t planes, const kernels::Windows& windows, Divisor divisor,
                     const float* g, float* dx) {
  const Image image(windows);
  if (image.IsGlobal()) {
    const float by = GlobalDivisor(image, divisor);
    for (std::size_t p = 0; p < planes; ++p) {
      const FloatVec share = Broadcast(g[p] / by);
      ForEachVector(image.inputs(),
                    [&](auto at) ANCHORHOLD_LAMBDA { at.Store(share, dx + p * image.inputs()); });
    }
    return;
  }
  const Divisors divisors(image, divisor);
  ByStride(image, [&](auto stride) ANCHORHOLD_LAMBDA {
    for (std::size_t p = 0; p < planes; ++p) {
      AverageGradPlane<stride()>(image, divisors, g + p * image.outputs(), dx + p * image.inputs());
    }
  });
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
