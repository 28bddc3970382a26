// Windows of poolings over images, a row of outputs at a time: the lanes hold neighbouring outputs,
// and a tap reads (or adds to) a row of inputs at the windows' stride. Included by files that are
// compiled once a target (tables.h), inside no namespace.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_WINDOWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_WINDOWS_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_WINDOWS_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_WINDOWS_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/kernels/window.h"
#include "trusted/simd/rows_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// One or two axes; one is an image of height 1.
struct Image {
  HWY_INLINE explicit Image(const kernels::Windows& windows) {
    if (windows.axes > 1) rows = windows.axis[0];
    if (windows.axes > 0) columns = windows.axis[windows.axes - 1];
  }
  std::size_t inputs() const { return static_cast<std::size_t>(rows.in * columns.in); }
  std::size_t outputs() const { return static_cast<std::size_t>(rows.out * columns.out); }
  // The only window is the whole image.
  bool IsGlobal() const { return IsWhole(rows) && IsWhole(columns); }

  kernels::WindowAxis rows;
  kernels::WindowAxis columns;

 private:
  static bool IsWhole(const kernels::WindowAxis& a) {
    return a.out == 1 && a.kernel == a.in && a.dilation == 1 && a.pad == 0;
  }
};

// Outputs [first, first + count) of a row, count <= kLanes.
struct Tile {
  std::int64_t first;
  std::size_t count;
};

// A tap's inputs along a row of inputs: lane k meets input at + k kStride, if it lies in the row,
// which it does for lanes [begin, end). kStride 0: any stride.
struct TapLanes {
  std::int64_t at;
  std::size_t begin;
  std::size_t end;
};

template <std::int64_t kStride>
HWY_INLINE std::int64_t StrideOf(const kernels::WindowAxis& a) {
  return kStride == 0 ? a.stride : kStride;
}

template <std::int64_t kStride>
HWY_INLINE TapLanes LanesOfTap(const kernels::WindowAxis& a, const Tile& tile, std::int64_t tap) {
  const std::int64_t stride = StrideOf<kStride>(a);
  const std::int64_t at = tile.first * stride + tap * a.dilation - a.pad;
  const auto count = static_cast<std::int64_t>(tile.count);
  const std::int64_t begin = std::min(count, kernels::FirstAtLeast(-at, stride));
  const std::int64_t end = std::min(count, kernels::FirstAtLeast(a.in - at, stride));
  return {at, static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(begin, end))};
}

// Floats [2 begin, 2 end - 1) of two vectors that start at p: every second one is a lane's.
struct Pairs {
  HWY_INLINE explicit Pairs(std::size_t begin, std::size_t end)
      : from(end > begin ? 2 * begin : 0), to(end > begin ? 2 * end - 1 : 0) {}
  HWY_INLINE FloatVec Low(const float* p) const {
    return LoadBetween(p, std::min(from, kLanes), std::min(to, kLanes));
  }
  HWY_INLINE FloatVec High(const float* p) const {
    return LoadBetween(p + kLanes, High(from), High(to));
  }
  HWY_INLINE void StoreLow(FloatVec v, float* p) const {
    StoreBetween(v, p, std::min(from, kLanes), std::min(to, kLanes));
  }
  HWY_INLINE void StoreHigh(FloatVec v, float* p) const {
    StoreBetween(v, p + kLanes, High(from), High(to));
  }
  HWY_INLINE static std::size_t High(std::size_t i) { return i > kLanes ? i - kLanes : 0; }

  std::size_t from;
  std::size_t to;
};

// The tap's inputs of `row`, by lane; 0 in lanes outside [begin, end).
template <std::int64_t kStride>
HWY_INLINE FloatVec LoadTap(const kernels::WindowAxis& a, const TapLanes& lanes, const float* row) {
  const Floats d;
  if constexpr (kStride == 1) {
    if (lanes.begin == 0 && lanes.end == kLanes) return hn::LoadU(d, row + lanes.at);
    return LoadBetween(row + lanes.at, lanes.begin, lanes.end);
  } else if constexpr (kStride == 2) {
    const Pairs pairs(lanes.begin, lanes.end);
    return hn::ConcatEven(d, pairs.High(row + lanes.at), pairs.Low(row + lanes.at));
  } else {
    HWY_ALIGN float values[kLanes] = {};
    for (std::size_t k = lanes.begin; k < lanes.end; ++k) {
      values[k] = row[lanes.at + static_cast<std::int64_t>(k) * a.stride];
    }
    return hn::Load(d, values);
  }
}

// Adds v to the tap's inputs of `row`. Lanes meet different inputs.
template <std::int64_t kStride>
HWY_INLINE void AddTap(const kernels::WindowAxis& a, const TapLanes& lanes, FloatVec v,
                       float* row) {
  const Floats d;
  if constexpr (kStride == 1) {
    float* p = row + lanes.at;
    const FloatVec old = LoadBetween(p, lanes.begin, lanes.end);
    StoreBetween(hn::Add(old, v), p, lanes.begin, lanes.end);
  } else if constexpr (kStride == 2) {
    const Pairs pairs(lanes.begin, lanes.end);
    float* p = row + lanes.at;
    HWY_ALIGN float spread[2 * kLanes];
    hn::StoreInterleaved2(v, hn::Zero(d), d, spread);
    pairs.StoreLow(hn::Add(pairs.Low(p), hn::Load(d, spread)), p);
    pairs.StoreHigh(hn::Add(pairs.High(p), hn::Load(d, spread + kLanes)), p);
  } else {
    HWY_ALIGN float values[kLanes];
    hn::Store(v, d, values);
    for (std::size_t k = lanes.begin; k < lanes.end; ++k) {
      row[lanes.at + static_cast<std::int64_t>(k) * a.stride] += values[k];
    }
  }
}

// visit(output row, tile) for each tile of an image, row by row.
template <class Visit>
HWY_INLINE void ForEachTile(const Image& image, Visit visit) {
  const auto step = static_cast<std::int64_t>(kLanes);
  for (std::int64_t o = 0; o < image.rows.out; ++o) {
    for (std::int64_t first = 0; first < image.columns.out; first += step) {
      visit(o, Tile{first, static_cast<std::size_t>(std::min(step, image.columns.out - first))});
    }
  }
}

// visit(tap, lanes, input row's offset) for each tap, in the windows' order, of a tile of output
// row o, whose row of inputs is there. Taps count through the whole kernel.
template <std::int64_t kStride, class Visit>
HWY_INLINE void ForEachTap(const Image& image, std::int64_t o, const Tile& tile, Visit visit) {
  const kernels::WindowAxis& rows = image.rows;
  for (std::int64_t i = 0; i < rows.kernel; ++i) {
    const std::int64_t at = o * rows.stride + i * rows.dilation - rows.pad;
    if (at < 0 || at >= rows.in) continue;
    for (std::int64_t j = 0; j < image.columns.kernel; ++j) {
      visit(i * image.columns.kernel + j, LanesOfTap<kStride>(image.columns, tile, j),
            at * image.columns.in);
    }
  }
}

// Calls run(stride), the stride between neighbouring outputs being a constant: 1, 2, or 0 for any.
template <class Run>
HWY_INLINE void ByStride(const Image& image, Run run) {
  switch (image.columns.stride) {
    case 1:
      return run(std::integral_constant<std::int64_t, 1>());
    case 2:
      return run(std::integral_constant<std::int64_t, 2>());
    default:
      return run(std::integral_constant<std::int64_t, 0>());
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
