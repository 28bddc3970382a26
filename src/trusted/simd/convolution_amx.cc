// Convolutions with windows of one position on Intel's matrix unit (amx_unit.h), for target kAmx:
// with weights that were packed, the forward map and the gradient of the input,
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

#include "trusted/simd/amx_pack.h"
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
constexpr std::size_t kPositionsLeast = 4;
// 16 neighbouring positions are of so many examples at most.
constexpr std::size_t kRunsMost = (kHalf - 1) / kPositionsLeast + 2;

// x [examples, channels, positions], out [examples, outputs, positions].
struct PointMap {
  std::size_t examples = 0;
  std::size_t outputs = 0;
  std::size_t channels = 0;
  std::size_t positions = 0;

  std::size_t columns() const { return examples * positions; }
  std::size_t steps() const { return Quotient(channels, kStep); }
  std::size_t panel_bytes() const { return steps() * kStepBytes; }
  std::size_t weight_panels() const { return Quotient(outputs, kPanel); }
  bool weights_stay() const { return weight_panels() * panel_bytes() <= kWeightBytes; }
  // Panels of positions in a block.
  std::size_t block_panels() const {
    if (weights_stay()) return 1;
    return std::clamp<std::size_t>(kBlockBytes / panel_bytes(), 1, Quotient(columns(), kPanel));
  }
};

PointMap MapOfShape(const ConvolutionShape& shape, ConvolutionMap map) {
  const bool forward = map == ConvolutionMap::kForward;
  return {shape.batch, forward ? shape.out_channels : shape.in_channels,
          forward ? shape.in_channels : shape.out_channels, shape.windows.outputs()};
}

// Neighbouring positions of one example among the 16 columns of a tile: lane i's are data[x + i]
// and data[out + i], channels aside.
struct Run {
  __mmask16 lanes = 0;
  std::ptrdiff_t x = 0;
  std::ptrdiff_t out = 0;
};

// Columns [column, column + 16), as far as they exist.
struct Columns {
  std::size_t runs = 0;
  Run run[kRunsMost];

  Columns() = default;
  Columns(const PointMap& map, std::size_t column) {
    const std::size_t end = std::min(map.columns(), column + kHalf);
    for (std::size_t lane = 0; column < end; ++runs) {
      const std::size_t example = column / map.positions;
      const std::size_t last = std::min(end, (example + 1) * map.positions);
      const std::size_t lanes = last - column;
      const std::size_t position = column - example * map.positions;
      run[runs].lanes = static_cast<__mmask16>(FirstOf(lanes) << lane);
      run[runs].x = At(example * map.channels * map.positions + position, lane);
      run[runs].out = At(example * map.outputs * map.positions + position, lane);
      column = last;
      lane += lanes;
    }
  }

 private:
  static std::ptrdiff_t At(std::size_t place, std::size_t lane) {
    return static_cast<std::ptrdiff_t>(place) - static_cast<std::ptrdiff_t>(lane);
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
  Epilogue epilogue;
  float* out = nullptr;
};

// 32 x 32 sums on their way from a buffer to where they belong, a few rows at a time.
class Delivery {
 public:
  Delivery() = default;  // nothing to do
  // `ahead`: from a row to one of the next tiles', which are fetched.
  Delivery(const Job& job, std::size_t output, std::size_t column, std::size_t ahead,
           const float* buffer)
      : columns_{Columns(job.map, column), Columns(job.map, column + kHalf)},
        from_(buffer),
        row_(job.out + output * job.map.positions),
        stride_(job.map.positions),
        ahead_(ahead),
        rows_(std::min(kPanel, job.map.outputs - output)),
        epilogue_(job.epilogue) {
    if (epilogue_.row_bias != nullptr) epilogue_.row_bias += output;
  }

  ANCHORHOLD_AMX_INLINE void Some(std::size_t n) {
    for (n = std::min(n, rows_); n != 0; --n) {
      for (std::size_t tile = 0; tile < 2; ++tile) HalfRow(tile);
      from_ += kPanel;
      row_ += stride_;
      --rows_;
      if (epilogue_.row_bias != nullptr) ++epilogue_.row_bias;
    }
  }

  ANCHORHOLD_AMX_APART void All() { Some(kPanel); }

 private:
  ANCHORHOLD_AMX_INLINE void HalfRow(std::size_t tile) const {
    const Columns& columns = columns_[tile];
    const __m512 y = Finished(_mm512_load_ps(from_ + tile * kHalf));
    for (std::size_t r = 0; r < columns.runs; ++r) {
      float* const to = row_ + columns.run[r].out;
      __builtin_prefetch(to + ahead_, 1, 2);
      _mm512_mask_storeu_ps(to, columns.run[r].lanes, y);
    }
  }

  // As kernels in registers have it (FinishTile).
  ANCHORHOLD_AMX_INLINE __m512 Finished(__m512 y) const {
    if (epilogue_.row_bias != nullptr) y = _mm512_add_ps(y, _mm512_set1_ps(*epilogue_.row_bias));
    if (epilogue_.clip) {  // the second operand is the result where one is a NaN
      y = _mm512_max_ps(_mm512_set1_ps(epilogue_.low), y);
      y = _mm512_min_ps(_mm512_set1_ps(epilogue_.high), y);
    }
    return y;
  }

  Columns columns_[2];
  const float* from_ = nullptr;
  float* row_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t ahead_ = 0;
  std::size_t rows_ = 0;
  Epilogue epilogue_;
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

// Lines that are far away, fetched some at a time before they are needed.
class Fetching {
 public:
  Fetching() = default;  // nothing to do
  Fetching(const void* from, std::size_t stride, std::size_t lines)
      : from_(static_cast<const char*>(from)), stride_(stride), lines_(lines) {}

  ANCHORHOLD_AMX_INLINE void Some(std::size_t n) {
    for (n = std::min(n, lines_); n != 0; --n, --lines_, from_ += stride_) {
      __builtin_prefetch(from_, 0, 2);
    }
  }

 private:
  const char* from_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t lines_ = 0;
};

// Sums that are whole tiles and are not to be changed are stored where they belong by the unit.
bool Direct(const Job& job, std::size_t output, std::size_t column) {
  const PointMap& map = job.map;
  const bool as_they_are = job.epilogue.row_bias == nullptr && !job.epilogue.clip;
  return as_they_are && map.positions % kHalf == 0 && column + kPanel <= map.columns() &&
         std::min(kPanel, map.outputs - output) % kHalf == 0;
}

SumsPlace DirectPlace(const Job& job, std::size_t output, std::size_t column) {
  const PointMap& map = job.map;
  SumsPlace place;
  place.stride = map.positions;
  for (float*& half : place.half) {
    const std::size_t row = column / map.positions * map.outputs + output;
    half = job.out + row * map.positions + column % map.positions;
    column += kHalf;
  }
  return place;
}

// What is done while the matrix unit works.
struct Meanwhile {
  Delivery delivery;
  Fetching sums[2];               // the lines of a place, by halves
  Fetching weights;               // the next panel
  Sequence<PanelsOfBlock> block;  // the next
  // In a slot, of which a step has as many for each.
  static constexpr std::size_t kOfEach = kSlots / 2;
  std::size_t rows = 0;
  std::size_t pieces = 0;
  std::size_t lines = 0;

  ANCHORHOLD_AMX_INLINE void Slot(std::size_t n) {
    if (n % 2 == 0) {
      delivery.Some(rows);
      for (Fetching& half : sums) half.Some(rows);
    } else {
      block.Pieces(pieces);
      weights.Some(lines);
    }
  }
};

ANCHORHOLD_AMX void Correlate(const Job& job, float* scratch) {
  const PointMap& map = job.map;
  const std::size_t steps = map.steps();
  const std::size_t block = map.block_panels() * kPanel;
  float* buffer = AlignToLine(scratch);
  float* other_buffer = buffer + kPanel * kPanel;
  char* packed = reinterpret_cast<char*>(other_buffer + kPanel * kPanel);
  char* next_packed = packed + map.block_panels() * map.panel_bytes();
  const auto panels = [&job, &map, block](std::size_t column, char* to) {
    return Sequence<PanelsOfBlock>({&job, column, std::min(map.columns(), column + block), to});
  };
  Meanwhile other;
  other.rows = Quotient(kPanel, steps * Meanwhile::kOfEach);
  other.pieces = Quotient(ColumnPacking::kPieces, map.weight_panels() * Meanwhile::kOfEach);
  const std::size_t panel_lines = map.panel_bytes() / kLineBytes;
  other.lines = Quotient(kStepBytes / kLineBytes, map.block_panels() * Meanwhile::kOfEach);
  other.block = panels(0, packed);
  other.block.All();
  const std::size_t ahead = map.block_panels() == 1 ? kPanel * map.positions : kPanel;
  const Unit unit;
  for (std::size_t first = 0; first < map.columns(); first += block) {
    const std::size_t end = std::min(map.columns(), first + block);
    other.block = panels(end, next_packed);
    const char* a = job.weights;
    for (std::size_t m = 0; m < map.outputs; m += kPanel, a += map.panel_bytes()) {
      const char* b = packed;
      if (!map.weights_stay())
        other.weights = Fetching(a + map.panel_bytes(), kLineBytes, panel_lines);
      for (std::size_t column = first; column < end; column += kPanel, b += map.panel_bytes()) {
        const bool direct = Direct(job, m, column);
        const SumsPlace place = direct ? DirectPlace(job, m, column) : PlaceInBuffer(buffer);
        for (std::size_t half = 0; direct && half < 2; ++half) {
          const std::size_t rows = std::min(kPanel, map.outputs - m);
          other.sums[half] = Fetching(place.half[half], map.positions * sizeof(float), rows);
        }
        if (map.outputs - m > kHalf) {
          RunTiles(steps, a, b, other, place);
        } else {
          RunTiles<TilesA::kOne>(steps, a, b, other, place);
        }
        other.delivery.All();
        if (direct) continue;
        other.delivery = Delivery(job, m, column, ahead, buffer);
        std::swap(buffer, other_buffer);
      }
    }
    other.block.All();
    std::swap(packed, next_packed);
  }
  other.delivery.All();
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
  if (shape.groups != 1) return false;
  for (std::size_t a = 0; a < shape.windows.axes; ++a) {
    const WindowAxis& axis = shape.windows.axis[a];
    if (axis.kernel != 1 || axis.stride != 1 || axis.pad != 0 || axis.in != axis.out) return false;
  }
  return true;
}

const ConvolutionKernels& Vectors() { return *VectorConvolutionKernelsFor(Target::kAvx512); }

}  // namespace

bool TakesConvolution(const ConvolutionShape& shape, ConvolutionMap map) {
  if (!IsPoint(shape) || !Vectors().serves(shape)) return false;
  if (map == ConvolutionMap::kWeight) {
    // Channels are turned, which only many of them are worth.
    return shape.in_channels >= 96 &&
           WorthTiles(shape.out_channels, shape.windows.outputs(), shape.in_channels);
  }
  const PointMap points = MapOfShape(shape, map);
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
    floats = std::max(floats, CorrelateFloats(MapOfShape(shape, map)));
  }
  if (TakesConvolution(shape, ConvolutionMap::kWeight)) {
    floats = std::max(floats, AmxGemmKernels()->scratch(WeightProduct(shape)));
  }
  return floats;
}

std::size_t Packed(const ConvolutionShape& shape, ConvolutionMap map) {
  return TakesConvolution(shape, map) ? PackedFloats(MapOfShape(shape, map))
                                      : Vectors().packed(shape, map);
}

void Pack(const ConvolutionShape& shape, ConvolutionMap map, const float* w, float* packed) {
  if (!TakesConvolution(shape, map)) return Vectors().pack(shape, map, w, packed);
  PackPoints(MapOfShape(shape, map), map, w, packed);
}

void RunPoints(const PointMap& map, const float* x, const Filter& w, const Epilogue& epilogue,
               float* out, float* scratch) {
  if (map.columns() == 0) return;
  Correlate({map, x, reinterpret_cast<const char*>(AlignToLine(w.weights)), epilogue, out},
            scratch);
}

void Forward(const ConvolutionShape& shape, const float* x, const Filter& w,
             const Epilogue& epilogue, float* y, float* scratch) {
  if (!w.packed || !TakesConvolution(shape, ConvolutionMap::kForward)) {
    return Vectors().forward(shape, x, w, epilogue, y, scratch);
  }
  RunPoints(MapOfShape(shape, ConvolutionMap::kForward), x, w, epilogue, y, scratch);
}

void Input(const ConvolutionShape& shape, const float* y, const Filter& w, float* x,
           float* scratch) {
  if (!w.packed || !TakesConvolution(shape, ConvolutionMap::kInput)) {
    return Vectors().input(shape, y, w, x, scratch);
  }
  RunPoints(MapOfShape(shape, ConvolutionMap::kInput), y, w, Epilogue{}, x, scratch);
}

void Weight(const ConvolutionShape& shape, const float* x, const float* y, std::size_t stride_w,
            float* w, double* squares, float* scratch) {
  if (!TakesConvolution(shape, ConvolutionMap::kWeight)) {
    return Vectors().weight(shape, x, y, stride_w, w, squares, scratch);
  }
  const GemmShape product = WeightProduct(shape);
  const auto measure = SumKernelsFor(Target::kAvx512)->squares;
  for (std::size_t e = 0; e < shape.batch; ++e) {
    AmxGemmKernels()->multiply(product, y, x, Epilogue{}, w, scratch);
    if (squares != nullptr) squares[e] = measure(product.rows * product.columns, w);
    y += product.rows * product.inner;
    x += product.columns * product.inner;
    w += stride_w;
  }
}

}  // namespace
}  // namespace amx

const ConvolutionKernels* AmxConvolutionKernels() {
  static constexpr ConvolutionKernels kTable = {amx::Serves, amx::Minimal, amx::Scratch,
                                                amx::Packed, amx::Pack,    amx::Forward,
                                                amx::Input,  amx::Weight};
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
