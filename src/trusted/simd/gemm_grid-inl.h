// Sums of per-example gradients on the grid of dp/clip.h, for matrix products: of
//
//   V_e = sum over t of g_et a_et^T      v_e = round(scale_e V_e)
//
// neither V_e nor v_e is ever in memory. A tile of V_e is computed in registers, scaled, rounded to
// whole numbers and added to the same tile of the sum, which stays in registers from one example to
// the next:
//
//   for each block of rows                       its part of `g` is packed, tile by tile
//     for each panel of columns
//       for each chunk of examples               so that their part of `a` is packed into L1
//         for each tile of rows
//           for each example: V tile, v tile, sum tile += sign v, squares
//
// Unpacked, a tile would read a few numbers from each row of `g`, rows that a power of two or three
// times one apart fall on the same few lines of the first-level cache.
//
// A tile of v_e has at most 12 vectors; its squares are added in floats lane by lane (12 terms, so
// the relative error is below 2^-20) and then in doubles, one for each example and lane.
//
// Rounding saturates at -2^31 and 2^31 - 128, the outermost floats within 32 bits; a NaN becomes
// the latter. Neither can be a part of a contribution: each alone is longer than any norm.
#if defined(ANCHORHOLD_SIMD_GEMM_GRID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_GRID_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_GRID_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_GRID_INL_H_
#endif

#include <cstdint>

#include "trusted/simd/gemm_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

using WholeTag = hn::RebindToSigned<TileTag>;
using WholeVector = hn::Vec<WholeTag>;
using WideTag = hn::ScalableTag<double>;  // half as many lanes

// Accumulators of V and of the sum together fill the registers.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr std::size_t kGridRows = 4;
#elif HWY_TARGET == HWY_AVX2
inline constexpr std::size_t kGridRows = 3;
#else
inline constexpr std::size_t kGridRows = 2;
#endif

template <std::size_t kRows, std::size_t kVectors>
struct WholeTile {
  WholeVector acc[kRows][kVectors];
};

struct GridJob {
  OuterShape shape;
  const float* scale = nullptr;
  std::int32_t sign = 1;
  std::int32_t* sum = nullptr;
  float* panel = nullptr;     // [chunk of examples][positions][columns], packed
  float* block = nullptr;     // [tile of rows][examples][positions][kGridRows], packed
  std::size_t first = 0;      // the block's first row
  double* squares = nullptr;  // [examples][kLanes]
};

// A tile's place: rows from i on, columns j .. j + columns - 1, examples e .. end - 1.
struct GridPlace {
  std::size_t i = 0;
  std::size_t j = 0;
  std::size_t columns = 0;
  std::size_t e = 0;
  std::size_t end = 0;
  bool load = false;
};

namespace grid_detail {

// To the nearest whole number, ties to even; v <= 2^31 - 128 and not NaN. (Highway's NearestInt
// spends three more instructions on larger numbers.)
HWY_INLINE WholeVector RoundToWhole(TileVector v) {
#if HWY_TARGET == HWY_AVX3
  return WholeVector{_mm512_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_AVX2
  return WholeVector{_mm256_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_SSE4
  return WholeVector{_mm_cvtps_epi32(v.raw)};
#else
  return hn::NearestInt(v);
#endif
}

// v scale, or 0 where the mask (scale != 0) is not set.
HWY_INLINE TileVector ScaleOrZero(hn::Mask<TileTag> keep, TileVector v, TileVector scale) {
#if HWY_TARGET == HWY_AVX3
  return TileVector{_mm512_maskz_mul_ps(keep.raw, v.raw, scale.raw)};
#else
  return hn::IfThenElseZero(keep, hn::Mul(v, scale));
#endif
}

HWY_INLINE WholeVector LoadWhole(std::size_t n, const std::int32_t* p) {
  const WholeTag d;
  if (n == kLanes) return hn::LoadU(d, p);
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN std::int32_t lanes[kLanes] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return hn::Load(d, lanes);
#endif
}

HWY_INLINE void StoreWhole(WholeVector v, std::size_t n, std::int32_t* p) {
  const WholeTag d;
  if (n == kLanes) return hn::StoreU(v, d, p);
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN std::int32_t lanes[kLanes];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

struct Rounding {
  TileVector scale;
  hn::Mask<TileTag> keep;
  TileVector high;
  WholeVector sign;  // -1 or 0: (v ^ sign) - sign
};

HWY_INLINE void RoundOne(const Rounding& rounding, TileVector v, WholeVector& sum,
                         TileVector& squares) {
  const TileVector scaled = ScaleOrZero(rounding.keep, v, rounding.scale);
  const WholeVector whole = RoundToWhole(hn::Min(scaled, rounding.high));
  const TileVector exact = hn::ConvertTo(TileTag(), whole);
  squares = hn::MulAdd(exact, exact, squares);
  sum = hn::Add(sum, whole);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void RoundTile(const Rounding& rounding, const Tile<kRows, kVectors>& tile,
                          WholeTile<kRows, kVectors>& sum, TileVector& squares,
                          std::index_sequence<I...>) {
  (RoundOne(rounding, tile.acc[I / kVectors][I % kVectors], sum.acc[I / kVectors][I % kVectors],
            squares),
   ...);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void ZeroWhole(WholeTile<kRows, kVectors>& sum, std::index_sequence<I...>) {
  ((sum.acc[I / kVectors][I % kVectors] = hn::Zero(WholeTag())), ...);
}

// to = sum, or to += sum, or to -= sum.
HWY_INLINE void StoreOne(WholeVector sum, bool load, WholeVector sign, std::size_t n,
                         std::int32_t* to) {
  sum = hn::Sub(hn::Xor(sum, sign), sign);
  if (load) sum = hn::Add(sum, LoadWhole(n, to));
  StoreWhole(sum, n, to);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void StoreSum(const WholeTile<kRows, kVectors>& sum, const GridPlace& place,
                         WholeVector sign, std::int32_t* to, std::size_t stride,
                         std::index_sequence<I...>) {
  (StoreOne(sum.acc[I / kVectors][I % kVectors], place.load, sign,
            PartOf(place.columns, I % kVectors),
            to + I / kVectors * stride + I % kVectors * kLanes),
   ...);
}

HWY_INLINE void AddSquares(TileVector squares, double* to) {
  const WideTag wide;
  const hn::Half<TileTag> half;
  const auto low = hn::PromoteTo(wide, hn::LowerHalf(half, squares));
  const auto high = hn::PromoteTo(wide, hn::UpperHalf(half, squares));
  hn::StoreU(hn::Add(hn::LoadU(wide, to), low), wide, to);
  hn::StoreU(hn::Add(hn::LoadU(wide, to + kLanes / 2), high), wide, to + kLanes / 2);
}

}  // namespace grid_detail

template <std::size_t kRows, std::size_t kVectors>
HWY_NOINLINE void GridTile(const GridJob& job, const GridPlace& place) {
  using namespace grid_detail;
  constexpr auto kAll = std::make_index_sequence<kRows * kVectors>();
  const std::size_t positions = job.shape.positions;
  const std::size_t all = job.shape.examples * positions;
  const float* g = job.block + (place.i - job.first) * all + place.e * positions * kGridRows;
  const float* panel = job.panel;
  double* squares = job.squares + place.e * kLanes;
  WholeTile<kRows, kVectors> sum;
  ZeroWhole(sum, kAll);
  for (std::size_t e = place.e; e < place.end; ++e) {
    Tile<kRows, kVectors> tile;
    ZeroTile(tile);
    AccumulateTile(positions, AInterleaved{g, kGridRows}, panel, kVectors * kLanes, tile);
    Rounding rounding;
    rounding.scale = hn::Set(TileTag(), job.scale[e]);
    rounding.keep = hn::Ne(rounding.scale, hn::Zero(TileTag()));
    rounding.high = hn::Set(TileTag(), 2147483520.0F);
    TileVector square = hn::Zero(TileTag());
    RoundTile(rounding, tile, sum, square, kAll);
    AddSquares(square, squares);
    g += positions * kGridRows;
    panel += positions * kVectors * kLanes;
    squares += kLanes;
  }
  const WholeVector sign = hn::Set(WholeTag(), job.sign < 0 ? -1 : 0);
  StoreSum(sum, place, sign, job.sum + place.i * job.shape.d + place.j, job.shape.d, kAll);
}

namespace grid_detail {

using GridFunction = void (*)(const GridJob&, const GridPlace&);

template <class = std::make_index_sequence<kGridRows * kTileVectors>>
struct GridTiles;

template <std::size_t... I>
struct GridTiles<std::index_sequence<I...>> {
  static constexpr GridFunction kFunctions[] = {&GridTile<I % kGridRows + 1, I / kGridRows + 1>...};
};

// Floats of `a` that stay in the first-level cache beside the rest.
inline constexpr std::size_t kChunkFloats = HWY_TARGET == HWY_AVX3 ? 9216 : 4096;

// Examples whose part of a panel fits into L1 together.
HWY_INLINE std::size_t ChunkOf(const OuterShape& shape) {
  const std::size_t most = kChunkFloats / (kTileColumns * HWY_MAX(shape.positions, 1));
  return HWY_MAX(HWY_MIN(most, shape.examples), 1);
}

// squares[e] += the lanes of example e.
HWY_INLINE void FoldSquares(std::size_t examples, const double* lanes, double* squares) {
  for (std::size_t e = 0; e < examples; ++e) {
    double sum = 0;
    for (std::size_t i = 0; i < kLanes; ++i) sum += lanes[e * kLanes + i];
    squares[e] += sum;
  }
}

}  // namespace grid_detail

namespace grid_detail {

// Rows of `g` that are packed at a time: a multiple of every target's kGridRows.
inline constexpr std::size_t kBlockRows = 192;

// Rows [job.first, end) of g^T into job.block.
HWY_INLINE void PackBlock(const GridJob& job, std::size_t end, const float* g) {
  const std::size_t all = job.shape.examples * job.shape.positions;
  for (std::size_t i = job.first; i < end; i += kGridRows) {
    float* to = job.block + (i - job.first) * all;
    const float* from = g + i;
    const std::size_t rows = HWY_MIN(end - i, kGridRows);
    if (rows == kGridRows) {
      for (std::size_t t = 0; t < all; ++t, to += kGridRows, from += job.shape.ldg) {
        for (std::size_t r = 0; r < kGridRows; ++r) to[r] = from[r];
      }
    } else {
      for (std::size_t t = 0; t < all; ++t, to += kGridRows, from += job.shape.ldg) {
        for (std::size_t r = 0; r < rows; ++r) to[r] = from[r];
      }
    }
  }
}

// Columns [place.j, place.j + place.columns) of the block's rows up to `end`.
HWY_INLINE void GridPanel(const GridJob& job, GridPlace place, std::size_t end, const float* a,
                          bool accumulate) {
  const OuterShape& shape = job.shape;
  const std::size_t chunk = ChunkOf(shape);
  const std::size_t vectors = Quotient(place.columns, kLanes);
  std::size_t e = 0;
  do {  // once at least: no examples add up to zero
    place.e = e;
    place.end = HWY_MIN(e + chunk, shape.examples);
    place.load = accumulate || e != 0;
    PackBRows(a + e * shape.positions * shape.lda + place.j, shape.lda,
              (place.end - e) * shape.positions, place.columns, vectors, job.panel);
    for (place.i = job.first; place.i < end; place.i += kGridRows) {
      const std::size_t rows = HWY_MIN(end - place.i, kGridRows);
      GridTiles<>::kFunctions[(vectors - 1) * kGridRows + rows - 1](job, place);
    }
    e = place.end;
  } while (e < shape.examples);
}

}  // namespace grid_detail

inline std::size_t OuterGridScratch(const OuterShape& shape) {
  const std::size_t panel = grid_detail::ChunkOf(shape) * shape.positions * kTileColumns;
  const std::size_t rows = HWY_MIN(shape.p + kGridRows - 1, grid_detail::kBlockRows);
  return 2 * kLineFloats + 2 * shape.examples * kLanes + panel +
         rows * shape.examples * shape.positions;
}

inline void OuterGrid(const OuterShape& shape, std::size_t begin, std::size_t end, const float* g,
                      const float* a, const float* scale, std::int32_t sign, bool accumulate,
                      std::int32_t* sum, double* squares, float* scratch) {
  using namespace grid_detail;
  GridJob job{shape, scale, sign, sum};
  job.squares = reinterpret_cast<double*>(AlignToLine(scratch));
  job.panel = AlignToLine(scratch) + 2 * shape.examples * kLanes;
  job.block = AlignToLine(job.panel + ChunkOf(shape) * shape.positions * kTileColumns);
  for (std::size_t i = 0; i < shape.examples * kLanes; ++i) job.squares[i] = 0;
  for (job.first = begin; job.first < end; job.first += kBlockRows) {
    const std::size_t block_end = HWY_MIN(end, job.first + kBlockRows);
    PackBlock(job, block_end, g);
    for (std::size_t j = 0; j < shape.d; j += kTileColumns) {
      GridPlace place;
      place.j = j;
      place.columns = HWY_MIN(shape.d - j, kTileColumns);
      GridPanel(job, place, block_end, a, accumulate);
    }
  }
  FoldSquares(shape.examples, job.squares, squares);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
