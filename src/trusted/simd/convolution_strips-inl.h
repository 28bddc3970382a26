// The operand of a dense convolution's matrix product, read from the image: strips. Included by
// files that are compiled once a target (tables.h).
//
// A block of outputs is rows [row, row + rows) x columns [column, column + columns) of `examples`
// neighbouring examples; position p of the block is (t examples + e) columns + u. For a channel and
// a column tap q, and a class of row taps (convolution_grid.h), the strip holds
//   strip[t][e][u] = input at row (row + t) step + first + residue, column (column + u) step +
//                    first + q increment,            zero outside of the image,
// so the im2col row of the tap (j, q) is the strip from Shift(j) on: neighbouring positions are
// neighbours in memory whatever the stride, and the rows' taps share one copy.
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_STRIPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_STRIPS_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_STRIPS_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_STRIPS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_grid.h"
#include "trusted/simd/convolution_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Images as an operand: element (e, c, i, l) is data[e example + c channel + i columns.in + l].
struct Images {
  TapAxis rows;
  TapAxis columns;
  std::size_t channels = 0;
  const float* data = nullptr;
  std::size_t example = 0;
  std::size_t channel = 0;

  std::size_t taps() const { return static_cast<std::size_t>(rows.taps * columns.taps); }
  std::size_t outputs() const { return static_cast<std::size_t>(rows.out * columns.out); }
};

struct Block {
  std::size_t example = 0;
  std::size_t examples = 1;
  std::size_t row = 0;
  std::size_t rows = 1;
  std::size_t column = 0;
  std::size_t columns = 1;
  std::size_t positions() const { return examples * rows * columns; }
  bool SameSizes(const Block& other) const {
    return examples == other.examples && rows == other.rows && columns == other.columns;
  }
};

struct StripLayout {
  std::size_t classes = 1;
  std::size_t width = 0;    // elements from t to t + 1
  std::size_t height = 0;   // rows t of a strip
  std::size_t plane = 0;    // elements from a strip to the next
  std::size_t channel = 0;  // elements from a channel to the next
};

// A strip is followed by a vector that copies of rows may write beyond it, and is an odd number of
// lines long: the same place of many strips, which a tile reads together, falls into different
// cache sets.
HWY_INLINE StripLayout LayOutStrips(const Images& x, const Block& block) {
  StripLayout layout;
  layout.classes = x.rows.classes();
  layout.width = block.examples * block.columns;
  layout.height = block.rows + x.rows.Reach();
  layout.plane = ((layout.width * layout.height + kLanes + 14) / 16 | 1) * 16;
  layout.channel = static_cast<std::size_t>(x.columns.taps) * layout.classes * layout.plane;
  return layout;
}

// Room for `channels` channels, with what tiles read beyond the last.
HWY_INLINE std::size_t StripFloats(const StripLayout& layout, std::size_t channels) {
  return RoundUp(layout.channel * channels + kTileColumns, 16);
}

// offsets[i]: where the im2col row of element i = (channel, row tap, column tap) begins. Channels
// repeat the first one's, further on.
inline void StripOffsets(const Images& x, const StripLayout& layout, std::size_t channels,
                         std::uint32_t* offsets) {
  std::size_t taps = 0;
  for (std::int64_t j = 0; j < x.rows.taps; ++j) {
    const std::size_t start = static_cast<std::size_t>(j) % layout.classes * layout.plane +
                              x.rows.Shift(j) * layout.width;
    for (std::int64_t q = 0; q < x.columns.taps; ++q) {
      offsets[taps++] = static_cast<std::uint32_t>(start + static_cast<std::size_t>(q) *
                                                               layout.classes * layout.plane);
    }
  }
  const auto channel = static_cast<std::uint32_t>(layout.channel);
  for (std::size_t i = taps; i < taps * channels; ++i) offsets[i] = offsets[i - taps] + channel;
}

// One strip; row t of it is row `first` + t step of the image, for t in `rows`. Rows are written in
// order, as a row's copy runs into the next.
HWY_INLINE void BuildStrip(const Images& x, const Block& block, const StripLayout& layout,
                           const kernels::Range& rows, std::int64_t first, const RowCopier& copier,
                           const float* image, float* strip) {
  const auto begin = static_cast<std::size_t>(rows.begin);
  const auto end = static_cast<std::size_t>(rows.end);
  if (begin > 0) ZeroFloats(strip, begin * layout.width);
  if (end > begin) {
    const float* from = image + (first + rows.begin * x.rows.step) * x.columns.in;
    const auto step = static_cast<std::size_t>(x.rows.step * x.columns.in);
    float* to = strip + begin * layout.width;
    if (block.examples == 1) {
      copier.Copy(end - begin, from, step, to, layout.width);
    } else {
      for (std::size_t t = begin; t < end; ++t, from += step, to += layout.width) {
        copier.Copy(block.examples, from, x.example, to, block.columns);
      }
    }
  }
  if (layout.height > end) {
    ZeroFloats(strip + end * layout.width, (layout.height - end) * layout.width);
  }
}

// The strips of channels [channel, channel + channels).
inline void BuildStrips(const Images& x, const Block& block, const StripLayout& layout,
                        std::size_t channel, std::size_t channels, float* strips) {
  const float* const images = x.data + block.example * x.example + channel * x.channel;
  for (std::int64_t q = 0; q < x.columns.taps; ++q) {
    const RowCopier copier(x.columns.in, x.columns.step,
                           static_cast<std::int64_t>(block.column) * x.columns.step +
                               x.columns.first + q * x.columns.increment,
                           block.columns);
    for (std::size_t k = 0; k < layout.classes; ++k) {
      const std::int64_t first =
          static_cast<std::int64_t>(block.row) * x.rows.step + x.rows.first + x.rows.Residue(k);
      const kernels::Range rows =
          Inside(x.rows.in, x.rows.step, first, static_cast<std::int64_t>(layout.height));
      float* strip = strips + (static_cast<std::size_t>(q) * layout.classes + k) * layout.plane;
      for (std::size_t c = 0; c < channels; ++c, strip += layout.channel) {
        BuildStrip(x, block, layout, rows, first, copier, images + c * x.channel, strip);
      }
    }
  }
}

// Rows of A that lie at offsets: a(k, i) = data[offsets[i] + k].
struct AOffsets {
  const float* data;
  const std::uint32_t* offsets;
  HWY_INLINE const float* At(std::size_t k, std::size_t i) const { return data + offsets[i] + k; }
};

// The tile's product (gemm_tile-inl.h) with rows of B at offsets: b(k, j) = b[offsets[k] + j].
template <std::size_t kRows, std::size_t kVectors, class A, class Sink>
HWY_NOINLINE void GatherProduct(std::size_t inner, A a, const float* b,
                                const std::uint32_t* offsets, const Sink& sink) {
  Tile<kRows, kVectors> tile;
  sink.Begin(tile);
  Tile<kRows, kVectors> sum = tile;
  for (std::size_t k = 0; k < inner; ++k) {
    FetchAhead(a, k);
    tile_detail::Step(a, k, b + offsets[k], sum, std::make_index_sequence<kRows>(),
                      std::make_index_sequence<kVectors>());
  }
  tile = sum;
  sink.End(tile);
}

template <class A, class Sink, class = std::make_index_sequence<kTileRows * kTileVectors>>
struct GatherTiles;

template <class A, class Sink, std::size_t... I>
struct GatherTiles<A, Sink, std::index_sequence<I...>> {
  using Function = void (*)(std::size_t, A, const float*, const std::uint32_t*, const Sink&);
  static constexpr Function kFunctions[] = {
      &GatherProduct<I % kTileRows + 1, I / kTileRows + 1, A, Sink>...};
};

template <class A, class Sink>
HWY_INLINE void RunGatherTile(std::size_t rows, std::size_t vectors, std::size_t inner, A a,
                              const float* b, const std::uint32_t* offsets, const Sink& sink) {
  GatherTiles<A, Sink>::kFunctions[(vectors - 1) * kTileRows + rows - 1](inner, a, b, offsets,
                                                                         sink);
}

// A length cut into `parts` nearly equal pieces: where piece i begins.
struct Pieces {
  std::size_t length = 0;
  std::size_t parts = 1;
  Pieces(std::size_t length_in, std::size_t at_most)
      : length(length_in), parts((length_in + at_most - 1) / at_most) {}
  HWY_INLINE std::size_t Begin(std::size_t i) const { return i * length / parts; }
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
