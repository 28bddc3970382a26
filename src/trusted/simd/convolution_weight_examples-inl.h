// The gradients of a dense convolution's weights, by example, with examples in the lanes:
//
//   dw[m, k] = sum over positions p of dy[m, p] plane_k[p],    k = (c, j, q)
//
// on vectors of examples: nothing is broadcast, and taps read the planes where they lie
// (convolution_examples-inl.h). The output channels of a tile have all their sums, [m][k], in
// scratch memory before these are transposed. A sum goes over the positions in index order, one
// chain an element, cut into bands of rows: the bits of convolution_weight-inl.h.
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_EXAMPLES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_EXAMPLES_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_EXAMPLES_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_EXAMPLES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "trusted/simd/convolution_examples-inl.h"
#include "trusted/simd/convolution_weight-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Output channels and taps of a tile of sums: as many as leave registers for the former's dy.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr std::size_t kOuterRows = 4;
inline constexpr std::size_t kOuterTaps = 6;
#elif HWY_TARGET == HWY_AVX2
inline constexpr std::size_t kOuterRows = 3;
inline constexpr std::size_t kOuterTaps = 4;
#else
inline constexpr std::size_t kOuterRows = 2;
inline constexpr std::size_t kOuterTaps = 4;
#endif
// Of a band: dy of a tile's output channels and what its taps read share the first cache.
inline constexpr std::size_t kOuterPositions = 112;

// A band of positions for a tile.
struct OuterBand {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t pitch = 0;     // floats from a row of the planes to the next
  const float* y = nullptr;  // [position][output channel of the tile]
  const float* x = nullptr;  // the planes' first vector for the band
  bool load = false;         // the sums go on from what is there
};

namespace outer_detail {

template <std::size_t kTaps, std::size_t... Q>
HWY_INLINE void LoadSums(const float* sums, TileVector (&acc)[kTaps], std::index_sequence<Q...>) {
  ((acc[Q] = hn::LoadU(TileTag(), sums + Q * kLanes)), ...);
}

template <std::size_t kTaps, std::size_t... Q>
HWY_INLINE void StoreSums(const TileVector (&acc)[kTaps], float* sums, std::index_sequence<Q...>) {
  (hn::StoreU(acc[Q], TileTag(), sums + Q * kLanes), ...);
}

template <std::size_t kRows, std::size_t kTaps, std::size_t... R>
HWY_INLINE void StepTap(const float* x, const TileVector (&y)[kRows], std::size_t q,
                        Tile<kRows, kTaps>& tile, std::index_sequence<R...>) {
  const TileVector v = hn::LoadU(TileTag(), x);
  ((tile.acc[R][q] = hn::MulAdd(y[R], v, tile.acc[R][q])), ...);
}

template <std::size_t kRows, std::size_t kTaps, std::size_t... R, std::size_t... Q>
HWY_INLINE void Step(const float* y, const float* const (&x)[kTaps], std::size_t at,
                     Tile<kRows, kTaps>& tile, std::index_sequence<R...> rows,
                     std::index_sequence<Q...>) {
  const TileVector row[kRows] = {hn::LoadU(TileTag(), y + R * kLanes)...};
  (StepTap(x[Q] + at, row, Q, tile, rows), ...);
}

template <std::size_t kRows, std::size_t kTaps, std::size_t... R>
HWY_INLINE void Run(const OuterBand& band, const std::uint32_t* offsets, float* sums,
                    std::size_t lds, std::index_sequence<R...> rows) {
  constexpr auto kAll = std::make_index_sequence<kTaps>();
  Tile<kRows, kTaps> tile;
  if (band.load) {
    (LoadSums(sums + R * lds, tile.acc[R], kAll), ...);
  } else {
    ZeroTile(tile);
  }
  const float* x[kTaps];
  for (std::size_t q = 0; q < kTaps; ++q) x[q] = band.x + offsets[q];
  const float* y = band.y;
  for (std::size_t t = 0; t < band.rows; ++t) {
    std::size_t at = t * band.pitch;
    for (const std::size_t end = at + band.columns * kLanes; at < end; at += kLanes) {
      Step(y, x, at, tile, rows, kAll);
      y += kRows * kLanes;
    }
  }
  (StoreSums(tile.acc[R], sums + R * lds, kAll), ...);
}

template <std::size_t kRows, std::size_t kTaps>
HWY_NOINLINE void Product(const OuterBand& band, const std::uint32_t* offsets, float* sums,
                          std::size_t lds) {
  Run<kRows, kTaps>(band, offsets, sums, lds, std::make_index_sequence<kRows>());
}

template <class = std::make_index_sequence<kOuterRows * kOuterTaps>>
struct Products;

template <std::size_t... I>
struct Products<std::index_sequence<I...>> {
  using Function = void (*)(const OuterBand&, const std::uint32_t*, float*, std::size_t);
  static constexpr Function kFunctions[] = {&Product<I / kOuterTaps + 1, I % kOuterTaps + 1>...};
};

}  // namespace outer_detail

struct LaneWeightPlan {
  bool used = false;
  Planes planes;
  std::size_t inner = 0;       // K
  std::size_t band = 0;        // rows
  std::size_t offsets_at = 0;  // the parts of the scratch memory, in floats; input places begin it
  std::size_t planes_at = 0;
  std::size_t panels_at = 0;  // dy by tiles of output channels, [position][channel of the tile]
  std::size_t sums_at = 0;    // [output channel of a tile][k]
  std::size_t floats = 0;
};

inline LaneWeightPlan PlanLaneWeight(const WeightGradient& g) {
  LaneWeightPlan plan;
  if (g.x.outputs() == 0) return plan;
  plan.planes.Cover(g.x);
  plan.inner = g.x.channels * g.x.taps();
  const auto rows = static_cast<std::size_t>(g.x.rows.out);
  const auto columns = static_cast<std::size_t>(g.x.columns.out);
  plan.band = EvenPart(rows, HWY_MIN(rows, HWY_MAX(1, kOuterPositions / columns)));
  const std::size_t planes = g.x.channels * plan.planes.channel();
  const std::size_t panels = g.outputs * g.x.outputs();
  const std::size_t sums = HWY_MIN(g.outputs, kOuterRows) * plan.inner;
  plan.used = g.x.taps() > 1 && FillsLanes(g.examples) && planes + panels + sums <= kLaneVectorsMax;
  if (!plan.used) return plan;
  plan.offsets_at = RoundUp(static_cast<std::size_t>(g.x.rows.in * g.x.columns.in), 16);
  plan.planes_at = plan.offsets_at + RoundUp(plan.inner, 16);
  plan.panels_at = plan.planes_at + RoundUp(planes * kLanes, 16);
  plan.sums_at = plan.panels_at + RoundUp(panels * kLanes, 16);
  plan.floats = plan.sums_at + sums * kLanes;
  return plan;
}

// dy of examples [first, first + count), count <= kLanes, to panels.
inline void FillPanels(const WeightGradient& g, std::size_t first, std::size_t count,
                       float* panels) {
  const std::size_t outputs = g.x.outputs();
  const Pieces tiles(g.outputs, kOuterRows);
  for (std::size_t i = 0; i < tiles.parts; ++i) {
    const std::size_t begin = tiles.Begin(i);
    const std::size_t rows = tiles.Begin(i + 1) - begin;
    for (std::size_t m = 0; m < rows; ++m) {
      const float* const y = g.y + first * g.y_example + (begin + m) * outputs;
      TransposeStripe([&](std::size_t e) { return y + e * g.y_example; }, count, outputs, true,
                      panels + m * kLanes, rows * kLanes);
    }
    panels += rows * outputs * kLanes;
  }
}

// The sums of a tile of `rows` output channels; `panel` is its dy.
inline void MultiplyOuter(const WeightGradient& g, const LaneWeightPlan& plan, std::size_t rows,
                          const float* panel, float* scratch) {
  const auto* const offsets = reinterpret_cast<const std::uint32_t*>(scratch + plan.offsets_at);
  float* const sums = scratch + plan.sums_at;
  const Pieces taps(plan.inner, kOuterTaps);
  const auto height = static_cast<std::size_t>(g.x.rows.out);
  OuterBand band;
  band.columns = static_cast<std::size_t>(g.x.columns.out);
  band.pitch = plan.planes.columns.size * kLanes;
  for (std::size_t t = 0; t < height; t += plan.band) {
    band.rows = HWY_MIN(plan.band, height - t);
    band.y = panel + t * band.columns * rows * kLanes;
    band.x = scratch + plan.planes_at + t * band.pitch;
    band.load = t > 0;
    for (std::size_t i = 0; i < taps.parts; ++i) {
      const std::size_t k = taps.Begin(i);
      outer_detail::Products<>::kFunctions[(rows - 1) * kOuterTaps + taps.Begin(i + 1) - k - 1](
          band, offsets + k, sums + k * kLanes, plan.inner * kLanes);
    }
  }
}

inline void WeightsInLanes(const WeightGradient& g, const LaneWeightPlan& plan, float* scratch) {
  float* const planes = scratch + plan.planes_at;
  float* const panels = scratch + plan.panels_at;
  const float* const sums = scratch + plan.sums_at;
  const std::size_t channel = plan.planes.channel() * kLanes;
  const InputTable inputs =
      TabulateInputs(g.x, plan.planes, reinterpret_cast<std::uint32_t*>(scratch));
  TabulateTaps(g.x, plan.planes, g.x.channels,
               reinterpret_cast<std::uint32_t*>(scratch + plan.offsets_at));
  if (!inputs.complete) ZeroFloats(planes, g.x.channels * channel);
  const Pieces tiles(g.outputs, kOuterRows);
  for (std::size_t first = 0; first < g.examples; first += kLanes) {
    const std::size_t count = HWY_MIN(kLanes, g.examples - first);
    FillPlanes(g.x, inputs, channel, first, count, planes);
    FillPanels(g, first, count, panels);
    for (std::size_t i = 0; i < tiles.parts; ++i) {
      const std::size_t m = tiles.Begin(i);
      const std::size_t rows = tiles.Begin(i + 1) - m;
      MultiplyOuter(g, plan, rows, panels + m * g.x.outputs() * kLanes, scratch);
      float* const w = g.w + first * g.w_example + m * plan.inner;
      for (std::size_t k = 0; k < rows * plan.inner; k += kLanes) {
        TransposeStripe([&](std::size_t r) { return sums + (k + r) * kLanes; },
                        HWY_MIN(kLanes, rows * plan.inner - k), count, false, w + k, g.w_example);
      }
    }
    for (std::size_t e = first; g.squares != nullptr && e < first + count; ++e) {
      g.squares[e] += Squares(g.outputs * plan.inner, g.w + e * g.w_example);
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
