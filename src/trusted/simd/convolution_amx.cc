// Convolutions with windows of one position on Intel's matrix unit (amx_unit.h), for target kAmx.
// The gradients of weights are products by example (gemm_amx.cc). Here are, with weights that were
// packed, the forward map and the gradient of the input,
//
//   out[e, m, p] = sum over channels c of w(m, c) x[e, c, p],
//
// as one product of [outputs, channels] and [channels, positions of all examples]. The sum over
// channels is one slab, however many there are, and an element's bits depend on nothing but its own
// operands. A panel of 32 positions may be of several examples.
//
//   for each block of positions, packed                so that it stays in L2
//     for each panel of 32 outputs, packed ahead       read once, from wherever it is
//       for each panel of positions of the block       2 x 2 tiles of sums, or 1 x 2
//
// where weights that fit into L2 by themselves stay there and a block is a single panel. Sums go
// where they belong, and the next block is packed, in pieces between the unit's instructions.
//
// Other convolutions, and weights that are not packed, are AVX-512's.
#include "trusted/simd/convolution_amx.h"

#include <algorithm>
#include <utility>

#if defined(__x86_64__)

#include "trusted/simd/amx_positions.h"
#include "trusted/simd/sums.h"

namespace anchorhold::simd {
namespace amx {
namespace {

using kernels::ConvolutionShape;
using kernels::WindowAxis;

// Of the second cache: weights that stay there, and a block of positions.
constexpr std::size_t kWeightBytes = 512 << 10;
constexpr std::size_t kBlockBytes = 512 << 10;
// Beyond, a single panel is no part of a cache.
constexpr std::size_t kChannelsMost = 4096;

struct PointMap : ImageMap {
  PointMap(const ConvolutionShape& shape, ConvolutionMap map) {
    const bool forward = map == ConvolutionMap::kForward;
    examples = shape.batch;
    outputs = forward ? shape.out_channels : shape.in_channels;
    channels = forward ? shape.in_channels : shape.out_channels;
    positions = shape.windows.outputs();
  }

  std::size_t steps() const { return Quotient(channels, kStep); }
  std::size_t panel_bytes() const { return steps() * kStepBytes; }
  std::size_t weight_panels() const { return Quotient(outputs, kPanel); }
  bool weights_stay() const { return weight_panels() * panel_bytes() <= kWeightBytes; }
  // Panels of positions in a block.
  std::size_t block_panels() const {
    if (weights_stay()) return 1;
    const std::size_t panels = std::min(kBlockBytes / panel_bytes(), Quotient(columns(), kPanel));
    return std::max<std::size_t>(panels, 1);
  }
};

// A panel of 32 positions, by pairs of channels: 16 pieces to a step.
class ColumnPacking {
 public:
  static constexpr std::size_t kPieces = kHalf;

  ColumnPacking() = default;  // nothing to do
  ColumnPacking(const PointMap& map, const float* x, std::size_t column, char* to)
      : columns_{Columns(map, column), Columns(map, column + kHalf)},
        whole_(map.positions % kHalf == 0 && column + kPanel <= map.columns()),
        channel_(x),
        stride_(map.positions),
        left_(map.channels),
        to_(to) {}

  bool done() const { return left_ == 0; }

  // So many pieces, or all that are left.
  ANCHORHOLD_AMX_INLINE void Pieces(std::size_t n) {
    for (; n != 0 && left_ != 0; --n) {
      if (whole_ && left_ >= kStep) {
        Piece<true>();
      } else {
        PartOfPiece();
      }
      channel_ += stride_;
      if (++piece_ == kPieces) NextStep();
    }
  }

  ANCHORHOLD_AMX_APART void All() { Pieces(Quotient(left_, kStep) * kPieces); }

 private:
  template <bool kWhole>
  ANCHORHOLD_AMX_INLINE void Piece() const {
    for (std::size_t tile = 0; tile < 2; ++tile) {
      StorePairs(Line<kWhole>(tile, 0), Line<kWhole>(tile, kHalf),
                 to_ + tile * kTileBytes + piece_ * kLineBytes);
    }
  }

  ANCHORHOLD_AMX_APART void PartOfPiece() const { Piece<false>(); }

  // The channel that is so many beyond the piece's first. `kWhole`: it exists, and each tile's
  // columns are neighbours.
  template <bool kWhole>
  ANCHORHOLD_AMX_INLINE __m512 Line(std::size_t tile, std::size_t beyond) const {
    const Columns& columns = columns_[tile];
    const float* const from = channel_ + beyond * stride_;
    const float* const first = from + columns.run[0].x;
    __builtin_prefetch(first + kPanel, 0, 2);  // the next panel's; they need not exist
    if constexpr (kWhole) return _mm512_loadu_ps(first);
    if (piece_ + beyond >= left_) return _mm512_setzero_ps();
    __m512 x = _mm512_setzero_ps();
    for (std::size_t r = 0; r < columns.runs; ++r) {
      x = _mm512_mask_loadu_ps(x, columns.run[r].lanes, from + columns.run[r].x);
    }
    return x;
  }

  ANCHORHOLD_AMX_INLINE void NextStep() {
    piece_ = 0;
    channel_ += (kStep - kPieces) * stride_;
    left_ -= std::min(left_, kStep);
    to_ += kStepBytes;
  }

  Columns columns_[2];
  bool whole_ = false;
  const float* channel_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t left_ = 0;
  std::size_t piece_ = 0;
  char* to_ = nullptr;
};

struct Job {
  PointMap map;
  const float* x = nullptr;
  const char* weights = nullptr;
};

// The panels of a block of positions.
struct PanelsOfBlock {
  using Item = ColumnPacking;

  const Job* job = nullptr;
  std::size_t column = 0;
  std::size_t end = 0;
  char* to = nullptr;

  bool any() const { return column < end; }
  Item Take() {
    const Item item(job->map, job->x, column, to);
    column += kPanel;
    to += job->map.panel_bytes();
    return item;
  }
};

// What is done while the matrix unit works.
struct Meanwhile {
  Finishing finishing;
  Sequence<PanelsOfBlock> block;  // the next
  Fetching weights;               // the next panel
  // In a slot, of which a step has as many for these as for sums.
  static constexpr std::size_t kOfStep = kSlots - Finishing::kOfStep;
  std::size_t pieces = 0;
  std::size_t lines = 0;

  ANCHORHOLD_AMX_INLINE void Slot(std::size_t n) {
    if (n % 2 == 0) {
      finishing.Slot();
    } else {
      block.Pieces(pieces);
      weights.Some(lines);
    }
  }
};

ANCHORHOLD_AMX void Correlate(const Job& job, const Epilogue& epilogue, float* out,
                              float* scratch) {
  const PointMap& map = job.map;
  const std::size_t steps = map.steps();
  const std::size_t block = map.block_panels() * kPanel;
  float* const buffers = AlignToLine(scratch);
  char* packed = reinterpret_cast<char*>(buffers + 2 * kPanel * kPanel);
  char* next_packed = packed + map.block_panels() * map.panel_bytes();
  const auto panels = [&job, &map, block](std::size_t column, char* to) {
    return Sequence<PanelsOfBlock>({&job, column, std::min(map.columns(), column + block), to});
  };
  const std::size_t ahead = map.weights_stay() ? kPanel * map.positions : kPanel;
  Meanwhile other{Finishing({map, epilogue, out}, buffers, ahead, steps), {}, {}};
  other.pieces = Quotient(ColumnPacking::kPieces, map.weight_panels() * Meanwhile::kOfStep);
  const std::size_t panel_lines = map.panel_bytes() / kLineBytes;
  other.lines = Quotient(kStepBytes / kLineBytes, map.block_panels() * Meanwhile::kOfStep);
  other.block = panels(0, packed);
  other.block.All();
  const Unit unit;
  for (std::size_t first = 0; first < map.columns(); first += block) {
    const std::size_t end = std::min(map.columns(), first + block);
    other.block = panels(end, next_packed);
    const char* a = job.weights;
    for (std::size_t m = 0; m < map.outputs; m += kPanel, a += map.panel_bytes()) {
      const char* b = packed;
      if (!map.weights_stay()) {
        other.weights = Fetching(a + map.panel_bytes(), kLineBytes, panel_lines);
      }
      for (std::size_t column = first; column < end; column += kPanel, b += map.panel_bytes()) {
        other.finishing.Run(m, column, steps, a, b, other);
      }
    }
    other.block.All();
    std::swap(packed, next_packed);
  }
  other.finishing.End();
}

std::size_t PackedFloats(const PointMap& map) {
  return (kLineBytes + map.weight_panels() * map.panel_bytes()) / sizeof(float);
}

ANCHORHOLD_AMX void PackPoints(const PointMap& map, ConvolutionMap kind, const float* w,
                               float* packed) {
  const bool forward = kind == ConvolutionMap::kForward;
  const std::size_t one = 1;
  const Factor factor{w, forward ? map.channels : one, forward ? one : map.outputs, nullptr};
  char* to = reinterpret_cast<char*>(AlignToLine(packed));
  for (std::size_t m = 0; m < map.outputs; m += kPanel, to += map.panel_bytes()) {
    const std::size_t count = std::min(kPanel, map.outputs - m);
    Packing<Side::kA>(factor, m, count, 0, map.channels, to).All();
  }
}

std::size_t CorrelateFloats(const PointMap& map) {
  return (kLineBytes + 2 * map.block_panels() * map.panel_bytes()) / sizeof(float) +
         2 * kPanel * kPanel;
}

bool IsPoint(const ConvolutionShape& shape) {
  if (shape.groups != 1 || shape.windows.axes > 2) return false;
  for (std::size_t a = 0; a < shape.windows.axes; ++a) {
    const WindowAxis& axis = shape.windows.axis[a];
    if (axis.kernel != 1 || axis.stride != 1 || axis.pad != 0 || axis.in != axis.out) return false;
  }
  return true;
}

// Channels are turned, which only many of them are worth.
bool TakesWeight(const ConvolutionShape& shape) {
  return shape.in_channels >= 96 &&
         WorthTiles(shape.out_channels, shape.windows.outputs(), shape.in_channels);
}

const ConvolutionKernels& Vectors() { return *VectorConvolutionKernelsFor(Target::kAvx512); }

}  // namespace

bool TakesConvolution(const ConvolutionShape& shape, ConvolutionMap map) {
  if (!IsPoint(shape)) return false;
  if (map == ConvolutionMap::kWeight) return TakesWeight(shape);
  const PointMap points(shape, map);
  return points.positions >= kPositionsLeast && points.channels <= kChannelsMost &&
         points.channels >= kStep && points.outputs >= kPanel &&
         5 * points.channels * points.outputs >=
             3 * points.steps() * kStep * Quotient(points.outputs, kHalf) * kHalf;
}

namespace {

// dw [outputs, channels] of an example = dy [outputs, positions] x^T [positions, channels].
GemmShape WeightProduct(const ConvolutionShape& shape) {
  const std::size_t positions = shape.windows.outputs();
  return {.rows = shape.out_channels,
          .inner = positions,
          .columns = shape.in_channels,
          .transpose_b = true,
          .lda = positions,
          .ldb = positions,
          .ldc = shape.in_channels,
          .tiles = true};
}

bool Serves(const ConvolutionShape& shape) { return Vectors().serves(shape); }

bool Minimal(const ConvolutionShape& shape, ConvolutionMap map) {
  return Vectors().minimal(shape, map);
}

std::size_t Scratch(const ConvolutionShape& shape) {
  std::size_t floats = Vectors().scratch(shape);
  for (const ConvolutionMap map : {ConvolutionMap::kForward, ConvolutionMap::kInput}) {
    if (!TakesConvolution(shape, map)) continue;
    floats = std::max(floats, CorrelateFloats(PointMap(shape, map)));
  }
  if (TakesConvolution(shape, ConvolutionMap::kWeight)) {
    floats = std::max(floats, AmxGemmKernels()->scratch(WeightProduct(shape)));
  }
  return floats;
}

std::size_t Packed(const ConvolutionShape& shape, ConvolutionMap map) {
  const bool ours = map != ConvolutionMap::kWeight && TakesConvolution(shape, map);
  return ours ? PackedFloats(PointMap(shape, map)) : Vectors().packed(shape, map);
}

void Pack(const ConvolutionShape& shape, ConvolutionMap map, const float* w, float* packed) {
  if (!TakesConvolution(shape, map)) return Vectors().pack(shape, map, w, packed);
  PackPoints(PointMap(shape, map), map, w, packed);
}

void RunMap(const ConvolutionShape& shape, ConvolutionMap map, const float* x, const float* weights,
            const Epilogue& epilogue, float* out, float* scratch) {
  const char* const packed = reinterpret_cast<const char*>(AlignToLine(weights));
  const PointMap points(shape, map);
  if (points.columns() != 0) Correlate({points, x, packed}, epilogue, out, scratch);
}

void Forward(const ConvolutionShape& shape, const float* x, const Filter& w,
             const Epilogue& epilogue, float* y, float* scratch) {
  if (!w.packed || !TakesConvolution(shape, ConvolutionMap::kForward)) {
    return Vectors().forward(shape, x, w, epilogue, y, scratch);
  }
  RunMap(shape, ConvolutionMap::kForward, x, w.weights, epilogue, y, scratch);
}

void Input(const ConvolutionShape& shape, const float* y, const Filter& w, float* x,
           float* scratch) {
  if (!w.packed || !TakesConvolution(shape, ConvolutionMap::kInput)) {
    return Vectors().input(shape, y, w, x, scratch);
  }
  RunMap(shape, ConvolutionMap::kInput, y, w.weights, Epilogue{}, x, scratch);
}

// Windows of one position have nothing to sort.
bool WeightByTaps(const ConvolutionShape& shape) { return Vectors().weight_by_taps(shape); }

void Weight(const ConvolutionShape& shape, const float* x, const float* y,
            const WeightResults& results, double* squares, float* scratch) {
  if (!TakesConvolution(shape, ConvolutionMap::kWeight)) {
    return Vectors().weight(shape, x, y, results, squares, scratch);
  }
  float* w = results.data;
  const GemmShape product = WeightProduct(shape);
  const auto measure = SumKernelsFor(Target::kAvx512)->squares;
  for (std::size_t e = 0; e < shape.batch; ++e) {
    AmxGemmKernels()->multiply(product, y, x, Epilogue{}, w, scratch);
    if (squares != nullptr) squares[e] = measure(product.rows * product.columns, w);
    y += product.rows * product.inner;
    x += product.columns * product.inner;
    w += results.stride;
  }
}

}  // namespace
}  // namespace amx

const ConvolutionKernels* AmxConvolutionKernels() {
  static constexpr ConvolutionKernels kTable = {amx::Serves, amx::Minimal,      amx::Scratch,
                                                amx::Packed, amx::Pack,         amx::Forward,
                                                amx::Input,  amx::WeightByTaps, amx::Weight};
  return &kTable;
}

}  // namespace anchorhold::simd

#else

namespace anchorhold::simd {

const ConvolutionKernels* AmxConvolutionKernels() { return nullptr; }

namespace amx {

bool TakesConvolution(const kernels::ConvolutionShape& /*shape*/, ConvolutionMap /*map*/) {
  return false;
}

}  // namespace amx
}  // namespace anchorhold::simd

#endif
