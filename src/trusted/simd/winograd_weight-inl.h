// The gradients of the weights of windows of 3 x 3 and step 1, by example and by minimal filtering
// (winograd_transform-inl.h has the formulas):
//
//   S_z[m, c] = sum over tiles t, in index order, of D_z[t, m] V_z[t, c]           z = 0 .. 15
//
// with D = H A dy A^T H and V = B^T d B, then dw[m, c] = G^T H^-1 S[m, c] H^-1 G. Channels are in
// the lanes throughout: planes are transposed to [position][channel] before they are transformed,
// a fourth of what there would be to transpose afterwards.
#if defined(ANCHORHOLD_SIMD_WINOGRAD_WEIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_WINOGRAD_WEIGHT_INL_H_
#undef ANCHORHOLD_SIMD_WINOGRAD_WEIGHT_INL_H_
#else
#define ANCHORHOLD_SIMD_WINOGRAD_WEIGHT_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_weight-inl.h"
#include "trusted/simd/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// `count` <= kLanes planes [rows, columns], `plane` floats apart, to [row][column][kLanes] with
// rows `width` columns long; lanes beyond `count` become zeros.
inline void ToLanes(const float* planes, std::size_t plane, std::size_t count, std::size_t rows,
                    std::size_t columns, std::size_t width, float* to) {
  const TileTag d;
  const std::size_t positions = rows * columns;
  std::size_t column = 0;
  for (std::size_t p = 0; p < positions; p += kLanes) {
    const std::size_t part = HWY_MIN(kLanes, positions - p);
    TileVector v[kLanes];
    if (count == kLanes && part == kLanes) {
      for (std::size_t r = 0; r < kLanes; ++r) v[r] = hn::LoadU(d, planes + r * plane + p);
    } else {
      for (std::size_t r = 0; r < kLanes; ++r) {
        v[r] = r < count ? LoadPart(part, planes + r * plane + p) : hn::Zero(d);
      }
    }
    TransposeLanes(v);
    for (std::size_t r = 0; r < kLanes; ++r) {
      if (r < part) hn::StoreU(v[r], d, to + column * kLanes);
      if (++column == columns) {
        column = 0;
        to += width * kLanes;
      }
    }
  }
}

// B^T d B of all tiles: `planes` [2 rows + 2][2 columns + 2][kLanes]; place z of tile t to
// v[z place + t stride].
inline void TransformInputLanes(const TileGrid& grid, const float* planes, std::size_t place,
                                std::size_t stride, float* v) {
  const TileTag d;
  const std::size_t row = (2 * grid.columns + 2) * kLanes;
  for (std::size_t i = 0; i < grid.rows; ++i) {
    for (std::size_t j = 0; j < grid.columns; ++j, v += stride) {
      TileVector h[4][4];
      const float* from = planes + 2 * i * row + 2 * j * kLanes;
      for (std::size_t a = 0; a < 4; ++a, from += row) {
        const TileVector d0 = hn::LoadU(d, from);
        const TileVector d1 = hn::LoadU(d, from + kLanes);
        const TileVector d2 = hn::LoadU(d, from + 2 * kLanes);
        const TileVector d3 = hn::LoadU(d, from + 3 * kLanes);
        h[a][0] = hn::Sub(d0, d2);
        h[a][1] = hn::Add(d1, d2);
        h[a][2] = hn::Sub(d2, d1);
        h[a][3] = hn::Sub(d1, d3);
      }
      for (std::size_t b = 0; b < 4; ++b) {
        hn::StoreU(hn::Sub(h[0][b], h[2][b]), d, v + b * place);
        hn::StoreU(hn::Add(h[1][b], h[2][b]), d, v + (4 + b) * place);
        hn::StoreU(hn::Sub(h[2][b], h[1][b]), d, v + (8 + b) * place);
        hn::StoreU(hn::Sub(h[1][b], h[3][b]), d, v + (12 + b) * place);
      }
    }
  }
}

// H A dy A^T H of all tiles, H = diag(1, h, h, 1) being the halves of G^T: `planes`
// [2 rows][2 columns][kLanes]; place z of tile t to v[z place + t stride].
inline void TransformOutputLanes(const TileGrid& grid, const float* planes, std::size_t place,
                                 std::size_t stride, float* v) {
  const TileTag d;
  const TileVector h = hn::Set(d, 0.5F);
  const std::size_t row = 2 * grid.columns * kLanes;
  for (std::size_t i = 0; i < grid.rows; ++i) {
    for (std::size_t j = 0; j < grid.columns; ++j, v += stride) {
      const float* from = planes + 2 * i * row + 2 * j * kLanes;
      TileVector rows[4][2];
      for (std::size_t l = 0; l < 2; ++l) {
        const TileVector d0 = hn::LoadU(d, from + l * kLanes);
        const TileVector d1 = hn::LoadU(d, from + row + l * kLanes);
        rows[0][l] = d0;
        rows[1][l] = hn::Mul(h, hn::Add(d0, d1));
        rows[2][l] = hn::Mul(h, hn::Sub(d0, d1));
        rows[3][l] = hn::Neg(d1);
      }
      for (std::size_t a = 0; a < 4; ++a) {
        hn::StoreU(rows[a][0], d, v + 4 * a * place);
        hn::StoreU(hn::Mul(h, hn::Add(rows[a][0], rows[a][1])), d, v + (4 * a + 1) * place);
        hn::StoreU(hn::Mul(h, hn::Sub(rows[a][0], rows[a][1])), d, v + (4 * a + 2) * place);
        hn::StoreU(hn::Neg(rows[a][1]), d, v + (4 * a + 3) * place);
      }
    }
  }
}

// All tiles of an example are transformed at once: what the second cache can hold of them.
inline constexpr std::size_t kTransformedFloats = std::size_t{1} << 19;

// What is saved against what the transforms take, in multiply-adds: 20 for each tile and pair of
// channels; measured, 200 for each pair, whose dw is put together from 16 places, and 100 for each
// channel of each tile. Panels of V are `width` channels wide.
HWY_INLINE bool PaysForWeights(const WeightGradient& g, std::size_t width) {
  if (!SuitsWinograd(g.x)) return false;
  const std::size_t tiles = AllTiles(g.x).tiles();
  return kPlaces * tiles <= kTransformedFloats / (width + g.outputs) &&
         20 * tiles * g.outputs * g.x.channels >
             200 * g.outputs * g.x.channels + 100 * tiles * (g.outputs + g.x.channels);
}

HWY_INLINE bool UsesWinograd(const WeightGradient& g) {
  return PaysForWeights(g, HWY_MIN(RoundUp(g.x.channels, kLanes), kTileColumns));
}

// With the widest panels that any target has, so that all do.
HWY_INLINE bool ComesByTaps(const WeightGradient& g) {
  constexpr std::size_t kWidest = 3 * kTapChannels;
  static_assert(kTileColumns <= kWidest && kTapChannels % kLanes == 0);
  return PaysForWeights(g, HWY_MIN(RoundUp(g.x.channels, kTapChannels), kWidest));
}

// Of FinishWeights' own scratch memory: taps, twice as many sorted ones, and a result in part.
inline constexpr std::size_t kFinishFloats = (9 + 18 + 9) * kLanes;

struct WinogradWeightPlan {
  TileGrid grid;
  std::size_t stride_d = 0;   // from D[t, .] to D[t + 1, .]
  std::size_t place_d = 0;    // from D_z to D_z+1
  std::size_t d_at = 0;       // the parts of the scratch memory, in floats
  std::size_t panel_at = 0;   // V of a tile's channels
  std::size_t sums_at = 0;    // [place][output channels of a tile][channels of a tile]
  std::size_t inputs_at = 0;  // planes of kLanes channels, with the zeros around them
  std::size_t outputs_at = 0;
  std::size_t floats = 0;

  // From V_z to V_z+1. Sixteen places are written together: each begins on a line of its own.
  std::size_t PlaceV(std::size_t width) const { return grid.tiles() * width + kLanes; }
};

inline WinogradWeightPlan PlanWinogradWeight(const WeightGradient& g) {
  WinogradWeightPlan plan;
  plan.grid = AllTiles(g.x);
  plan.stride_d = OddVectors(g.outputs);
  plan.place_d = plan.grid.tiles() * plan.stride_d + kLanes;
  plan.d_at = kFinishFloats;
  plan.panel_at = plan.d_at + kPlaces * plan.place_d;
  plan.sums_at = plan.panel_at + kPlaces * plan.PlaceV(kTileColumns);
  plan.inputs_at = plan.sums_at + kPlaces * kTileRows * kTileColumns;
  plan.outputs_at = plan.inputs_at + plan.grid.height() * plan.grid.width() * kLanes;
  plan.floats = plan.outputs_at + 4 * plan.grid.tiles() * kLanes;
  return plan;
}

// Nine taps of kLanes channels, one vector a tap, to [channel][tap], N = kLanes:
//
//   element k = N j + i of the result, j < 9, i < N, is tap k mod 9 of channel k / 9.
//
// For one tap q, channel c belongs into lane (9 c + q) mod N, another one for each channel as 9 is
// odd: one permutation brings all of a tap's to their lanes, with c = 9 (i - q) mod N as 81 = 1
// modulo 4, 8 and 16. Lane i of vector j then is tap (N j + i) mod 9's: with s = i mod 9, that of
// tap (N j + s) mod 9, by the same nine masks for every j.
class TapInterleaver {
 public:
  TapInterleaver() {
    for (std::size_t i = 0; i < kLanes; ++i) classes_[i] = static_cast<std::int32_t>(i % 9);
    for (std::size_t q = 0; q < 9; ++q) {
      for (std::size_t i = 0; i < kLanes; ++i) {
        sources_[q][i] = static_cast<std::int32_t>(9 * (i + 9 * kLanes - q) % kLanes);
      }
    }
  }

  // `memory`: room for 18 vectors.
  HWY_INLINE void Store(const float* taps, float* memory, float* to) const {
    const TileTag d;
    const hn::RebindToSigned<TileTag> whole;
    const auto classes = hn::LoadU(whole, classes_);
    for (std::size_t q = 0; q < 9; ++q) {
      const TileVector v = hn::TableLookupLanes(hn::LoadU(d, taps + q * kLanes),
                                                hn::SetTableIndices(d, sources_[q]));
      // Twice, so that taps go round.
      hn::StoreU(v, d, memory + q * kLanes);
      hn::StoreU(v, d, memory + (q + 9) * kLanes);
    }
    for (std::size_t j = 0; j < 9; ++j) {
      const float* const first = memory + kLanes * j % 9 * kLanes;
      TileVector v = hn::LoadU(d, first);
      for (std::size_t s = 1; s < 9; ++s) {
        const auto mine = hn::Eq(classes, hn::Set(whole, static_cast<std::int32_t>(s)));
        v = hn::IfThenElse(hn::RebindMask(d, mine), hn::LoadU(d, first + s * kLanes), v);
      }
      hn::StoreU(v, d, to + j * kLanes);
    }
  }

 private:
  // Numbers, not vectors (convolution_lanes-inl.h, LaneRange).
  std::int32_t classes_[kLanes];
  std::int32_t sources_[9][kLanes];
};

// Squares, if wanted, of what is written: at most three vectors of a chain for each vector of
// channels.
static_assert((9 + kChains - 1) / kChains * kTileVectors <= kChain);

// dw of an output channel and the input channels [first, first + count) of `channels`, from their
// S, places `place` apart, in the order of kTapChannels; `row` is the output channel's. `kFar`:
// past the caches.
template <bool kFar>
HWY_INLINE void FinishByTaps(const float* s, std::size_t place, std::size_t first,
                             std::size_t count, std::size_t channels, float* row, float* scratch,
                             SquareSum* squares) {
  const TileTag d;
  for (const std::size_t end = first + count; first < end; first += kLanes, s += kLanes) {
    const std::size_t block = first / kTapChannels * kTapChannels;
    const std::size_t step = HWY_MIN(kTapChannels, channels - block);
    const std::size_t part = HWY_MIN(kLanes, end - first);
    float* const w = row + 9 * block + (first - block);
    WeightsOfPlaces(s, place, scratch);
    for (std::size_t k = 0; k < 9; ++k) {
      const TileVector tap = hn::Load(d, scratch + k * kLanes);
      if constexpr (kFar) {
        hn::Stream(tap, d, w + k * step);
      } else if (part == kLanes) {
        hn::StoreU(tap, d, w + k * step);
      } else {
        StorePart(tap, part, w + k * step);
      }
      if (squares != nullptr) {
        squares->Add(k % kChains, part == kLanes ? tap : LoadPart(part, scratch + k * kLanes));
      }
    }
  }
  if (squares != nullptr) squares->CloseChains();
}

// The same, channel by channel.
inline void FinishWeights(const TapInterleaver& interleaver, const float* s, std::size_t place,
                          std::size_t count, float* w, float* scratch) {
  float* const memory = scratch + 9 * kLanes;
  float* const rest = memory + 18 * kLanes;
  for (std::size_t c = 0; c < count; c += kLanes, w += 9 * kLanes) {
    const bool whole = count - c >= kLanes;
    WeightsOfPlaces(s + c, place, scratch);
    interleaver.Store(scratch, memory, whole ? w : rest);
    if (!whole) CopyFloats(rest, 9 * (count - c), w);
  }
}

// S_z of so many output channels: a tile's, or twice as many where channels are a single vector,
// whose tile would be too few chains to hide the latency of a multiply-add.
inline constexpr std::size_t kTallRows = 2 * kTileRows;
// S has room for the largest tile.
static_assert(kTallRows * kLanes <= kTileRows * kTileColumns);

HWY_INLINE void RunRows(std::size_t rows, std::size_t vectors, std::size_t tiles,
                        const AInterleaved& a, const float* v, const ScratchSink& sink) {
  const std::size_t width = vectors * kLanes;
  if (rows == kTallRows && vectors == 1) {
    TileProduct<kTallRows, 1>(tiles, a, v, width, sink);
    return;
  }
  for (std::size_t r = 0; r < rows; r += kTileRows) {
    ScratchSink part = sink;
    part.c += r * sink.ldc;
    RunTile(HWY_MIN(kTileRows, rows - r), vectors, tiles, AInterleaved{a.data + r, a.stride}, v,
            width, part);
  }
}

// D of an example.
inline void TransformGradients(const WeightGradient& g, const WinogradWeightPlan& plan,
                               std::size_t example, float* scratch) {
  const std::size_t plane = g.x.outputs();
  const auto rows = static_cast<std::size_t>(g.x.rows.out);
  const auto columns = static_cast<std::size_t>(g.x.columns.out);
  float* const planes = scratch + plan.outputs_at;
  const float* y = g.y + example * g.y_example;
  for (std::size_t m = 0; m < g.outputs; m += kLanes, y += kLanes * plane) {
    ToLanes(y, plane, HWY_MIN(kLanes, g.outputs - m), rows, columns, 2 * plan.grid.columns, planes);
    TransformOutputLanes(plan.grid, planes, plan.place_d, plan.stride_d, scratch + plan.d_at + m);
  }
}

// V of channels [first, first + channels) of an example, a panel `width` channels wide.
inline void TransformPanel(const WeightGradient& g, const WinogradWeightPlan& plan,
                           std::size_t example, std::size_t first, std::size_t channels,
                           std::size_t width, float* scratch) {
  const Images& x = g.x;
  const auto rows = static_cast<std::size_t>(x.rows.in);
  const auto columns = static_cast<std::size_t>(x.columns.in);
  const std::size_t wide = plan.grid.width();
  float* const planes = scratch + plan.inputs_at;
  float* const image = planes + (static_cast<std::size_t>(-x.rows.first) * wide +
                                 static_cast<std::size_t>(-x.columns.first)) *
                                    kLanes;
  for (std::size_t c = 0; c < channels; c += kLanes) {
    ToLanes(x.data + example * x.example + (first + c) * x.channel, x.channel,
            HWY_MIN(kLanes, channels - c), rows, columns, wide, image);
    TransformInputLanes(plan.grid, planes, plan.PlaceV(width), width, scratch + plan.panel_at + c);
  }
}

// Only whole vectors are written past the caches.
HWY_INLINE bool WritesFar(const WeightGradient& g, std::size_t example) {
  const auto address = reinterpret_cast<std::uintptr_t>(g.w + example * g.w_example);
  return g.far && g.x.channels % kTapChannels == 0 && address % (kLanes * sizeof(float)) == 0;
}

inline void WinogradWeightOfExample(const WeightGradient& g, const WinogradWeightPlan& plan,
                                    const TapInterleaver& interleaver, std::size_t example,
                                    float* scratch) {
  TransformGradients(g, plan, example, scratch);
  SquareSum squares;
  SquareSum* const wanted = g.squares == nullptr ? nullptr : &squares;
  const bool far = WritesFar(g, example);
  float* const sums = scratch + plan.sums_at;
  const Pieces columns((g.x.channels + kLanes - 1) / kLanes, kTileVectors);
  for (std::size_t k = 0; k < columns.parts; ++k) {
    const std::size_t first = columns.Begin(k) * kLanes;
    const std::size_t vectors = columns.Begin(k + 1) - columns.Begin(k);
    const std::size_t width = vectors * kLanes;
    const std::size_t channels = HWY_MIN(width, g.x.channels - first);
    TransformPanel(g, plan, example, first, channels, width, scratch);
    ScratchSink sink;
    sink.ldc = width;
    const Pieces outputs(g.outputs, vectors == 1 ? kTallRows : kTileRows);
    for (std::size_t i = 0; i < outputs.parts; ++i) {
      const std::size_t m = outputs.Begin(i);
      const std::size_t count = outputs.Begin(i + 1) - m;
      for (std::size_t z = 0; z < kPlaces; ++z) {
        sink.c = sums + z * count * width;
        RunRows(count, vectors, plan.grid.tiles(),
                {scratch + plan.d_at + z * plan.place_d + m, plan.stride_d},
                scratch + plan.panel_at + z * plan.PlaceV(width), sink);
      }
      for (std::size_t r = 0; r < count; ++r) {
        float* const row = g.w + example * g.w_example + (m + r) * g.x.channels * 9;
        const float* const from = sums + r * width;
        const std::size_t place = count * width;
        if (!g.by_taps) {
          float* const w = row + first * 9;
          FinishWeights(interleaver, from, place, channels, w, scratch);
          if (g.squares != nullptr) g.squares[example] += Squares(9 * channels, w);
        } else if (far) {
          FinishByTaps<true>(from, place, first, channels, g.x.channels, row, scratch, wanted);
        } else {
          FinishByTaps<false>(from, place, first, channels, g.x.channels, row, scratch, wanted);
        }
      }
    }
  }
  if (g.by_taps && g.squares != nullptr) g.squares[example] += squares.Total();
}

inline void WinogradWeightsOfExamples(const WeightGradient& g, float* scratch) {
  const WinogradWeightPlan plan = PlanWinogradWeight(g);
  const TapInterleaver interleaver;
  // The zeros around the planes, which stay.
  ZeroFloats(scratch + plan.inputs_at, plan.floats - plan.inputs_at);
  for (std::size_t e = 0; e < g.examples; ++e) {
    WinogradWeightOfExample(g, plan, interleaver, e, scratch);
  }
  if (g.far) hwy::FlushStream();
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
