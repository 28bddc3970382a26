// The gradients of a dense convolution's weights, by example:
//
//   dw[m, k] = sum over positions p of dy[m, p] strip_k[p],    k = (c, j, q)
//
// (convolution_strips-inl.h), positions in index order, one chain an element, cut into bands of
// rows. Two ways, of which the shape chooses the cheaper:
//  * k in the lanes: a panel [position][k] is transposed from the strips, and rows of dy are
//    broadcast; dw is written where it belongs. A transposed element serves M products.
//  * m in the lanes: dy is transposed, and the strips are broadcast; the result, [k][m], is
//    transposed at the end. An element of dy serves K products, one of dw P.
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_WEIGHT_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_dense-inl.h"
#include "trusted/simd/squares-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

struct WeightGradient {
  std::size_t examples = 0;
  std::size_t outputs = 0;  // M
  Images x;
  const float* y = nullptr;  // element (e, m, p): y[e y_example + m P + p]
  std::size_t y_example = 0;
  float* w = nullptr;  // element (e, m, k): w[e w_example + m K + k]
  std::size_t w_example = 0;
  // WeightResults; by minimal filtering alone.
  bool by_taps = false;
  bool far = false;
  double* squares = nullptr;  // [examples]: what is written is added to, unless null
};

inline constexpr std::size_t kBandPositions = 256;

struct WeightPlan {
  Block band;
  std::size_t inner = 0;     // K
  std::size_t channels = 0;  // of a chunk
  bool outputs_in_lanes = false;
  StripLayout layout;
  std::size_t strips_at = 0;  // the parts of the scratch memory, in floats; offsets begin it
  std::size_t panel_at = 0;   // [position][k], or dy transposed by tiles of output channels
  std::size_t sums_at = 0;    // [k][m]
  std::size_t floats = 0;
};

// In products of a lane: waste by lanes that are not filled, and about sixteen for an element that
// is transposed.
HWY_INLINE bool OutputsInLanes(const WeightGradient& g) {
  const std::size_t k = g.x.channels * g.x.taps();
  const std::size_t m = g.outputs;
  const std::size_t p = g.x.outputs();
  const std::size_t by_m = RoundUp(m, kLanes) * k * p + 16 * m * (p + k);
  const std::size_t by_k = RoundUp(k, kLanes) * m * p + 16 * k * p;
  return by_m < by_k;
}

inline WeightPlan PlanWeight(const WeightGradient& g) {
  WeightPlan plan;
  plan.inner = g.x.channels * g.x.taps();
  plan.band = LargestBlock(g.x, 1, kBandPositions);
  plan.channels = HWY_MAX(1, kChunkElements / g.x.taps());
  if (plan.channels > 16) plan.channels -= plan.channels % 16;
  plan.channels = HWY_MIN(plan.channels, g.x.channels);
  plan.outputs_in_lanes = OutputsInLanes(g);
  plan.layout = LayOutStrips(g.x, plan.band);
  plan.strips_at = RoundUp(plan.channels * g.x.taps(), 16);
  plan.panel_at = plan.strips_at + StripFloats(plan.layout, plan.channels);
  const std::size_t positions = plan.band.positions();
  const std::size_t lanes = RoundUp(g.outputs, kLanes);
  plan.sums_at =
      plan.panel_at + RoundUp(positions * (plan.outputs_in_lanes ? lanes : kTileColumns), 16);
  plan.floats = plan.sums_at + (plan.outputs_in_lanes ? lanes * plan.inner : 0);
  return plan;
}

// One chunk's part of dw with k in the lanes; w is the chunk's first element of row 0, y the
// band's first one.
inline void MultiplyByK(const WeightGradient& g, const WeightPlan& plan, std::size_t inner,
                        std::size_t positions, bool load, const float* y, float* w,
                        float* scratch) {
  const auto* const offsets = reinterpret_cast<const std::uint32_t*>(scratch);
  const float* const strips = scratch + plan.strips_at;
  float* const panel = scratch + plan.panel_at;
  const Pieces rows(g.outputs, kTileRows);
  const Pieces tiles((inner + kLanes - 1) / kLanes, kTileVectors);
  for (std::size_t v = 0; v < tiles.parts; ++v) {
    const std::size_t k = tiles.Begin(v) * kLanes;
    const std::size_t vectors = tiles.Begin(v + 1) - tiles.Begin(v);
    for (std::size_t i = 0; i < vectors; ++i) {
      const std::uint32_t* const at = offsets + k + i * kLanes;
      const std::size_t count = HWY_MIN(kLanes, inner - k - i * kLanes);
      TransposeStripe([&](std::size_t r) { return strips + at[r]; }, count, positions, true,
                      panel + i * kLanes, vectors * kLanes);
    }
    MatrixSink sink;
    sink.ldc = plan.inner;
    sink.columns = HWY_MIN(vectors * kLanes, inner - k);
    sink.load = load;
    for (std::size_t i = 0; i < rows.parts; ++i) {
      const std::size_t m = rows.Begin(i);
      sink.c = w + m * plan.inner + k;
      RunTile(rows.Begin(i + 1) - m, vectors, positions,
              ARows{y + m * g.x.outputs(), g.x.outputs()}, panel, vectors * kLanes, sink);
    }
  }
}

// dy of a band, by tiles of output channels, [position][output channel of the tile].
inline void TransposeOutputs(const WeightGradient& g, const float* y, std::size_t positions,
                             float* panel) {
  const Pieces tiles(RoundUp(g.outputs, kLanes) / kLanes, kTileVectors);
  for (std::size_t v = 0; v < tiles.parts; ++v) {
    const std::size_t vectors = tiles.Begin(v + 1) - tiles.Begin(v);
    for (std::size_t i = 0; i < vectors; ++i) {
      const std::size_t m = (tiles.Begin(v) + i) * kLanes;
      TransposeStripe([&](std::size_t r) { return y + (m + r) * g.x.outputs(); },
                      HWY_MIN(kLanes, g.outputs - m), positions, true,
                      panel + tiles.Begin(v) * kLanes * positions + i * kLanes, vectors * kLanes);
    }
  }
}

// One chunk's part of the sums [k][m].
inline void MultiplyByM(const WeightGradient& g, const WeightPlan& plan, std::size_t inner,
                        std::size_t positions, bool load, float* sums, float* scratch) {
  const auto* const offsets = reinterpret_cast<const std::uint32_t*>(scratch);
  const float* const strips = scratch + plan.strips_at;
  const float* const panel = scratch + plan.panel_at;
  const std::size_t lanes = RoundUp(g.outputs, kLanes);
  const Pieces rows(inner, kTileRows);
  const Pieces tiles(lanes / kLanes, kTileVectors);
  for (std::size_t v = 0; v < tiles.parts; ++v) {
    const std::size_t m = tiles.Begin(v) * kLanes;
    const std::size_t vectors = tiles.Begin(v + 1) - tiles.Begin(v);
    MatrixSink sink;
    sink.ldc = lanes;
    sink.columns = vectors * kLanes;
    sink.load = load;
    for (std::size_t i = 0; i < rows.parts; ++i) {
      const std::size_t k = rows.Begin(i);
      sink.c = sums + k * lanes + m;
      RunTile(rows.Begin(i + 1) - k, vectors, positions, AOffsets{strips, offsets + k},
              panel + m * positions, vectors * kLanes, sink);
    }
  }
}

inline void WeightOfExample(const WeightGradient& g, const WeightPlan& plan, std::size_t example,
                            float* scratch) {
  auto* const offsets = reinterpret_cast<std::uint32_t*>(scratch);
  const float* const y = g.y + example * g.y_example;
  float* const w = g.w + example * g.w_example;
  float* const sums = scratch + plan.sums_at;
  Block previous;
  previous.examples = 0;
  StripLayout layout;
  bool load = false;
  Images x = g.x;
  x.data += example * x.example;
  ForEachBlock(x, 1, plan.band, [&](const Block& band) {
    if (!band.SameSizes(previous)) {
      layout = LayOutStrips(x, band);
      StripOffsets(x, layout, plan.channels, offsets);
      previous = band;
    }
    const float* const y_band =
        y + band.row * static_cast<std::size_t>(x.columns.out) + band.column;
    if (plan.outputs_in_lanes) {
      TransposeOutputs(g, y_band, band.positions(), scratch + plan.panel_at);
    }
    for (std::size_t channel = 0; channel < x.channels; channel += plan.channels) {
      const std::size_t count = HWY_MIN(plan.channels, x.channels - channel);
      const std::size_t k = channel * x.taps();
      BuildStrips(x, band, layout, channel, count, scratch + plan.strips_at);
      if (plan.outputs_in_lanes) {
        MultiplyByM(g, plan, count * x.taps(), band.positions(), load,
                    sums + k * RoundUp(g.outputs, kLanes), scratch);
      } else {
        MultiplyByK(g, plan, count * x.taps(), band.positions(), load, y_band, w + k, scratch);
      }
    }
    load = true;
  });
  if (!plan.outputs_in_lanes) return;
  const std::size_t lanes = RoundUp(g.outputs, kLanes);
  for (std::size_t k = 0; k < plan.inner; k += kLanes) {
    TransposeStripe([&](std::size_t r) { return sums + (k + r) * lanes; },
                    HWY_MIN(kLanes, plan.inner - k), g.outputs, false, w + k, plan.inner);
  }
}

inline void WeightsOfExamples(const WeightGradient& g, float* scratch) {
  const WeightPlan plan = PlanWeight(g);
  for (std::size_t e = 0; e < g.examples; ++e) {
    WeightOfExample(g, plan, e, scratch);
    if (g.squares != nullptr) {
      g.squares[e] += Squares(g.outputs * plan.inner, g.w + e * g.w_example);
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
