// Correlations of images with many channels as matrix products, output channels by positions:
//
//   out[e, m, o] = sum over k = (c, j, q) of weight[m, k] strip_k[position of (e, o)]
//
// for the forward map and, phase by phase, the gradient of the input. Included by convolution.cc
// once a target.
//
// The sum over k goes in index order, channels outermost, one chain an element, cut into chunks of
// whole channels between which the chain rests in memory. Outputs go in blocks of a few hundred
// positions: of a block, a chunk's strips are built in the second cache; of these the columns of
// one tile stay in the first while all output channels use them.
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_DENSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_DENSE_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_DENSE_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_DENSE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_strips-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Element (m, c, k, l) of the weights is data[m output + c channel + k row + l].
struct Weights {
  const float* data = nullptr;
  std::size_t output = 0;
  std::size_t channel = 0;
  std::size_t row = 0;
};

// Element (e, m, i, l) of the result is data[e example + m channel + i width + l], for output o of
// an axis at out_first + o out_step.
struct Results {
  float* data = nullptr;
  std::size_t example = 0;
  std::size_t channel = 0;
  std::size_t width = 0;
};

struct Correlation {
  std::size_t examples = 0;
  std::size_t outputs = 0;  // output channels
  Images x;
  Weights w;
  const float* packed = nullptr;  // PackWeights' or PackWinograd's, if not null
  Results y;
  Epilogue epilogue;
};

inline constexpr std::size_t kChunkElements = 192;  // of the sum in one tile
inline constexpr std::size_t kShortSum = 64;
inline constexpr std::size_t kBlockPositions = 480;  // of outputs in a block
inline constexpr std::size_t kBlockOutputs = 128;    // output channels of a block in scratch memory

// Weights are read by tiles as they lie where that is possible (elements of a row, or of a column,
// of the matrix [m, k] are neighbours) and too few positions would use a packed copy.
enum class WeightOrder : unsigned char { kPacked, kRows, kColumns };
inline constexpr std::size_t kPositionsWorthPacking = 3 * kTileColumns;

struct DensePlan {
  Block block;               // the largest
  std::size_t channels = 0;  // of a chunk
  std::size_t chunks = 0;
  bool in_place = false;  // positions of a block are neighbours in the result
  WeightOrder order = WeightOrder::kPacked;
  std::size_t outputs = 0;  // output channels at a time
  StripLayout layout;
  std::size_t offsets_at = 0;  // the parts of the scratch memory, in floats
  std::size_t strips_at = 0;
  std::size_t sums_at = 0;
  std::size_t floats = 0;
};

HWY_INLINE std::size_t EvenPart(std::size_t length, std::size_t at_most) {
  const std::size_t parts = (length + at_most - 1) / at_most;
  return (length + parts - 1) / parts;
}

// Input channels of a chunk: the same for any number of examples.
HWY_INLINE std::size_t ChannelsAtOnce(const Images& x) {
  return EvenPart(x.channels, HWY_MIN(x.channels, HWY_MAX(1, kChunkElements / x.taps())));
}

// Neighbouring rows of a block must be whole ones if there are several.
HWY_INLINE Block LargestBlock(const Images& x, std::size_t examples, std::size_t positions) {
  Block block;
  const auto rows = static_cast<std::size_t>(x.rows.out);
  block.columns = static_cast<std::size_t>(x.columns.out);
  if (block.columns > 2 * positions) block.columns = EvenPart(block.columns, positions);
  block.rows = EvenPart(rows, HWY_MIN(rows, HWY_MAX(1, positions / block.columns)));
  if (block.rows * block.columns == x.outputs()) {
    block.examples =
        EvenPart(examples, HWY_MIN(examples, HWY_MAX(1, positions / (block.rows * block.columns))));
  }
  return block;
}

// Elements k of a row are neighbours.
HWY_INLINE bool RowsInOrder(const Correlation& c) {
  const TapAxis& rows = c.x.rows;
  const TapAxis& columns = c.x.columns;
  return rows.kernel_first == 0 && columns.kernel_first == 0 &&
         (rows.taps == 1 || rows.kernel_step == 1) &&
         (columns.taps == 1 || columns.kernel_step == 1) &&
         (rows.taps == 1 || c.w.row == static_cast<std::size_t>(columns.taps)) &&
         c.w.channel == c.x.taps();
}

inline WeightOrder ChooseOrder(const Correlation& c) {
  if (c.packed != nullptr || c.examples * c.x.outputs() > kPositionsWorthPacking)
    return WeightOrder::kPacked;
  if (RowsInOrder(c)) return WeightOrder::kRows;
  if (c.w.output == 1 && c.x.taps() == 1) return WeightOrder::kColumns;
  return WeightOrder::kPacked;
}

inline DensePlan PlanDense(const Correlation& c) {
  DensePlan plan;
  plan.block = LargestBlock(c.x, c.examples, kBlockPositions);
  plan.channels = ChannelsAtOnce(c.x);
  plan.chunks = (c.x.channels + plan.channels - 1) / plan.channels;
  plan.in_place =
      plan.block.examples == 1 && c.x.rows.out_step == 1 && c.x.columns.out_step == 1 &&
      (plan.block.rows == 1 || plan.block.columns == static_cast<std::size_t>(c.x.columns.out));
  plan.outputs = plan.in_place || plan.chunks == 1 ? c.outputs : EvenPart(c.outputs, kBlockOutputs);
  plan.layout = LayOutStrips(c.x, plan.block);
  plan.order = ChooseOrder(c);
  if (plan.order == WeightOrder::kPacked && c.packed == nullptr) {
    plan.offsets_at = RoundUp(c.outputs * c.x.channels * c.x.taps(), 16);
  }
  plan.strips_at = plan.offsets_at + RoundUp(plan.channels * c.x.taps(), 16);
  plan.sums_at = plan.strips_at + StripFloats(plan.layout, plan.channels);
  plan.floats = plan.sums_at;
  if (!plan.in_place) plan.floats += plan.outputs * RoundUp(plan.block.positions(), kLanes);
  return plan;
}

// A tile's weights of channels [first, last): [element of the sum][output channel].
inline void PackTile(const Correlation& c, std::size_t m, std::size_t rows, std::size_t first,
                     std::size_t last, float* packed) {
  if (RowsInOrder(c)) {
    const float* const w = c.w.data + m * c.w.output + first * c.w.channel;
    for (std::size_t r = 0; r < rows; r += kLanes) {
      TransposeStripe([&](std::size_t row) { return w + (r + row) * c.w.output; },
                      HWY_MIN(kLanes, rows - r), (last - first) * c.x.taps(), false, packed + r,
                      rows);
    }
    return;
  }
  for (std::size_t channel = first; channel < last; ++channel) {
    const float* const w = c.w.data + m * c.w.output + channel * c.w.channel;
    for (std::int64_t j = 0; j < c.x.rows.taps; ++j) {
      const std::int64_t k = c.x.rows.kernel_first + j * c.x.rows.kernel_step;
      for (std::int64_t q = 0; q < c.x.columns.taps; ++q) {
        const std::int64_t l = c.x.columns.kernel_first + q * c.x.columns.kernel_step;
        const float* const element = w + static_cast<std::size_t>(k) * c.w.row + l;
        for (std::size_t r = 0; r < rows; ++r) packed[r] = element[r * c.w.output];
        packed += rows;
      }
    }
  }
}

// Weights in the order in which tiles read them: by chunk, by tile of output channels, by element
// of the sum, by output channel.
inline void PackWeights(const Correlation& c, std::size_t channels, float* packed) {
  const Pieces tiles(c.outputs, kTileRows);
  for (std::size_t first = 0; first < c.x.channels; first += channels) {
    const std::size_t last = HWY_MIN(c.x.channels, first + channels);
    for (std::size_t i = 0; i < tiles.parts; ++i) {
      const std::size_t rows = tiles.Begin(i + 1) - tiles.Begin(i);
      PackTile(c, tiles.Begin(i), rows, first, last, packed);
      packed += rows * (last - first) * c.x.taps();
    }
  }
}

// One chunk of the sums of output channels [first, last) at a block's positions.
struct Chunk {
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t inner = 0;
  const float* strips = nullptr;
  const std::uint32_t* offsets = nullptr;
  std::size_t positions = 0;
  bool whole = false;  // vectors of positions may be written as a whole
};

// weights(m, rows) is the operand A of a tile; `sums` says where the sums lie: MatrixSink of output
// channel `first`, first position.
template <class AOfTile>
HWY_INLINE void MultiplyTile(const Chunk& chunk, AOfTile weights, const MatrixSink& sums,
                             std::size_t m, std::size_t count, std::size_t p, std::size_t vectors) {
  Epilogue epilogue;
  MatrixSink sink = sums;
  sink.c += (m - chunk.first) * sums.ldc + p;
  sink.columns = vectors * kLanes;
  if (chunk.inner <= kShortSum) sink.ahead = 3 * kTileColumns;
  if (!chunk.whole) sink.columns = HWY_MIN(sink.columns, chunk.positions - p);
  if (sums.epilogue != nullptr) {
    epilogue = *sums.epilogue;
    if (epilogue.row_bias != nullptr) epilogue.row_bias += m;
    sink.epilogue = &epilogue;
  }
  RunGatherTile(count, vectors, chunk.inner, weights(m, count), chunk.strips + p, chunk.offsets,
                sink);
}

// Short sums are soon done, and then what counts is writing the results: along their rows. Longer
// ones stay at the positions whose strips are in the nearest cache.
template <class AOfTile>
HWY_INLINE void MultiplyChunk(const Correlation& c, const Chunk& chunk, AOfTile weights,
                              const MatrixSink& sums) {
  const Pieces rows(c.outputs, kTileRows);
  const Pieces columns((chunk.positions + kLanes - 1) / kLanes, kTileVectors);
  const auto tile = [&](std::size_t i, std::size_t v) HWY_ATTR {
    const std::size_t m = rows.Begin(i);
    if (m < chunk.first || m >= chunk.last) return;
    MultiplyTile(chunk, weights, sums, m, rows.Begin(i + 1) - m, columns.Begin(v) * kLanes,
                 columns.Begin(v + 1) - columns.Begin(v));
  };
  if (chunk.inner <= kShortSum) {
    for (std::size_t i = 0; i < rows.parts; ++i) {
      for (std::size_t v = 0; v < columns.parts; ++v) tile(i, v);
    }
  } else {
    for (std::size_t v = 0; v < columns.parts; ++v) {
      for (std::size_t i = 0; i < rows.parts; ++i) tile(i, v);
    }
  }
}

// The chunk that begins with input channel `channel`; `packed` are the packed weights, if any.
inline void MultiplyChannels(const Correlation& c, const DensePlan& plan, const Chunk& chunk,
                             std::size_t channel, const float* packed, const MatrixSink& sums) {
  const float* const w = c.w.data + channel * c.w.channel;
  if (plan.order == WeightOrder::kRows) {
    MultiplyChunk(
        c, chunk,
        [&](std::size_t m, std::size_t) {
          return ARows{w + m * c.w.output, c.w.output};
        },
        sums);
  } else if (plan.order == WeightOrder::kColumns) {
    MultiplyChunk(
        c, chunk,
        [&](std::size_t m, std::size_t) {
          return AInterleaved{w + m, c.w.channel};
        },
        sums);
  } else {
    const float* const at = packed + c.outputs * channel * c.x.taps();
    MultiplyChunk(
        c, chunk,
        [&](std::size_t m, std::size_t rows) {
          return APanel{at + m * chunk.inner, rows};
        },
        sums);
  }
}

// Sums in scratch memory, [output channel][position], to where they belong.
inline void ScatterSums(const Correlation& c, const Block& block, std::size_t first,
                        std::size_t last, const float* sums, std::size_t lds) {
  const TapAxis& rows = c.x.rows;
  const TapAxis& columns = c.x.columns;
  const auto step = static_cast<std::size_t>(columns.out_step);
  for (std::size_t m = first; m < last; ++m, sums += lds) {
    const float* from = sums;
    for (std::size_t t = 0; t < block.rows; ++t) {
      const std::size_t row = static_cast<std::size_t>(rows.out_first) +
                              (block.row + t) * static_cast<std::size_t>(rows.out_step);
      float* to = c.y.data + block.example * c.y.example + m * c.y.channel + row * c.y.width +
                  static_cast<std::size_t>(columns.out_first) + block.column * step;
      for (std::size_t e = 0; e < block.examples; ++e) {
        if (step == 1 && block.columns >= kLanes / 2) {
          CopyFloats(from, block.columns, to);
        } else {
          for (std::size_t u = 0; u < block.columns; ++u) to[u * step] = from[u];
        }
        from += block.columns;
        to += c.y.example;
      }
    }
  }
}

inline void CorrelateBlock(const Correlation& c, const DensePlan& plan, const Block& block,
                           const StripLayout& layout, std::size_t first, std::size_t last,
                           float* scratch) {
  const float* const packed = c.packed != nullptr ? c.packed : scratch;
  float* const strips = scratch + plan.strips_at;
  Chunk chunk;
  chunk.first = first;
  chunk.last = last;
  chunk.strips = strips;
  chunk.offsets = reinterpret_cast<const std::uint32_t*>(scratch + plan.offsets_at);
  chunk.positions = block.positions();
  chunk.whole = !plan.in_place;
  MatrixSink sums;
  sums.c = scratch + plan.sums_at;
  sums.ldc = RoundUp(block.positions(), kLanes);
  if (plan.in_place) {
    sums.c = c.y.data + block.example * c.y.example + first * c.y.channel + block.row * c.y.width +
             block.column;
    sums.ldc = c.y.channel;
  }
  for (std::size_t channel = 0; channel < c.x.channels; channel += plan.channels) {
    const std::size_t count = HWY_MIN(plan.channels, c.x.channels - channel);
    BuildStrips(c.x, block, layout, channel, count, strips);
    sums.load = channel > 0;
    sums.epilogue = channel + count == c.x.channels ? &c.epilogue : nullptr;
    chunk.inner = count * c.x.taps();
    MultiplyChannels(c, plan, chunk, channel, packed, sums);
  }
  if (!plan.in_place) ScatterSums(c, block, first, last, scratch + plan.sums_at, sums.ldc);
}

// Calls visit(block) for all blocks of at most the given sizes.
template <class Visit>
HWY_INLINE void ForEachBlock(const Images& x, std::size_t examples, const Block& largest,
                             Visit visit) {
  const auto rows = static_cast<std::size_t>(x.rows.out);
  const auto columns = static_cast<std::size_t>(x.columns.out);
  Block block;
  for (block.example = 0; block.example < examples; block.example += largest.examples) {
    block.examples = HWY_MIN(largest.examples, examples - block.example);
    for (block.row = 0; block.row < rows; block.row += largest.rows) {
      block.rows = HWY_MIN(largest.rows, rows - block.row);
      for (block.column = 0; block.column < columns; block.column += largest.columns) {
        block.columns = HWY_MIN(largest.columns, columns - block.column);
        visit(block);
      }
    }
  }
}

// Where no tap meets an input.
inline void ZeroResults(const Correlation& c) {
  for (std::size_t e = 0; e < c.examples; ++e) {
    for (std::size_t m = 0; m < c.outputs; ++m) {
      for (std::int64_t t = 0; t < c.x.rows.out; ++t) {
        const std::int64_t row = c.x.rows.out_first + t * c.x.rows.out_step;
        float* const to = c.y.data + e * c.y.example + m * c.y.channel +
                          static_cast<std::size_t>(row) * c.y.width + c.x.columns.out_first;
        for (std::int64_t u = 0; u < c.x.columns.out; ++u) to[u * c.x.columns.out_step] = 0;
      }
    }
  }
}

inline void Correlate(const Correlation& c, float* scratch) {
  if (c.examples == 0 || c.x.outputs() == 0) return;
  if (c.x.taps() == 0) return ZeroResults(c);
  const DensePlan plan = PlanDense(c);
  if (plan.order == WeightOrder::kPacked && c.packed == nullptr)
    PackWeights(c, plan.channels, scratch);
  auto* const offsets = reinterpret_cast<std::uint32_t*>(scratch + plan.offsets_at);
  // Blocks of output channels end where tiles do.
  const Pieces tiles(c.outputs, kTileRows);
  const std::size_t tiles_at_once =
      plan.outputs == c.outputs ? tiles.parts : HWY_MAX(1, plan.outputs / kTileRows);
  for (std::size_t i = 0; i < tiles.parts; i += tiles_at_once) {
    const std::size_t first = tiles.Begin(i);
    const std::size_t last = tiles.Begin(HWY_MIN(tiles.parts, i + tiles_at_once));
    Block previous;
    previous.examples = 0;
    StripLayout layout;
    ForEachBlock(c.x, c.examples, plan.block, [&](const Block& block) {
      if (!block.SameSizes(previous)) {
        layout = LayOutStrips(c.x, block);
        StripOffsets(c.x, layout, plan.channels, offsets);
        previous = block;
      }
      CorrelateBlock(c, plan, block, layout, first, last, scratch);
    });
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
