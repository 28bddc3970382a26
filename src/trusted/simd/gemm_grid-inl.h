// Sums of per-example gradients on the grid of dp/clip.h, for matrix products: of
//
//   V_e = sum over t of g_et a_et^T      v_e = round(scale_e V_e)
//
// neither V_e nor v_e is ever in memory. A tile of V_e is computed in registers, scaled, rounded to
// whole numbers and added to the same tile of the sum, which stays in the first-level cache from
// one example to the next:
//
//   for each block of rows
//     for each lot of examples                   so that their part of `g`, packed, stays in L2
//       for each panel of columns
//         for each chunk of examples             so that their part of `a`, packed, stays in L1
//           for each tile of rows
//             for each example: V tile, v tile, sum tile += sign v, squares
//
// Unpacked, a tile would read a few numbers from each row of `g`, rows that a power of two or three
// times one apart fall on the same few lines of the first-level cache.
//
// The squares of a tile of v_e are added in floats lane by lane, those of every other vector apart
// and then together (13 additions at most, so the relative error is below 2^-20), and then in
// doubles, one for each example and lane.
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
#include <cstring>

#include "trusted/simd/gemm_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

using WholeTag = hn::RebindToSigned<TileTag>;
using WholeVector = hn::Vec<WholeTag>;
using WideTag = hn::ScalableTag<double>;  // half as many lanes

struct GridJob {
  OuterShape shape;
  const float* scale = nullptr;
  std::int32_t sign = 1;
  std::int32_t* sum = nullptr;
  float* panel = nullptr;  // [chunk of examples][positions][columns], packed
  float* block = nullptr;  // [tile of rows][examples of a lot][positions][kTileRows], packed
  std::size_t first = 0;   // the block's first row
  std::size_t lot = 0;     // the lot's first example
  std::size_t lot_end = 0;
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

HWY_INLINE void RoundOne(const Rounding& rounding, TileVector v, std::int32_t* sum,
                         TileVector& squares) {
  const WholeTag d;
  const TileVector scaled = ScaleOrZero(rounding.keep, v, rounding.scale);
  const WholeVector whole = RoundToWhole(hn::Min(scaled, rounding.high));
  const TileVector exact = hn::ConvertTo(TileTag(), whole);
  squares = hn::MulAdd(exact, exact, squares);
  hn::Store(hn::Add(hn::Load(d, sum), whole), d, sum);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void RoundTile(const Rounding& rounding, const Tile<kRows, kVectors>& tile,
                          std::int32_t* sum, TileVector (&squares)[2], std::index_sequence<I...>) {
  (RoundOne(rounding, tile.acc[I / kVectors][I % kVectors], sum + I * kLanes, squares[I % 2]), ...);
}

template <std::size_t... I>
HWY_INLINE void ZeroWhole(std::int32_t* sum, std::index_sequence<I...>) {
  (hn::Store(hn::Zero(WholeTag()), WholeTag(), sum + I * kLanes), ...);
}

// to = sum, or to += sum, or to -= sum.
HWY_INLINE void StoreOne(WholeVector sum, bool load, WholeVector sign, std::size_t n,
                         std::int32_t* to) {
  sum = hn::Sub(hn::Xor(sum, sign), sign);
  if (load) sum = hn::Add(sum, LoadWhole(n, to));
  StoreWhole(sum, n, to);
}

template <std::size_t kVectors, std::size_t... I>
HWY_INLINE void StoreSum(const std::int32_t* sum, const GridPlace& place, WholeVector sign,
                         std::int32_t* to, std::size_t stride, std::index_sequence<I...>) {
  (StoreOne(hn::Load(WholeTag(), sum + I * kLanes), place.load, sign,
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
  const float* g = job.block + (place.i - job.first) * (job.lot_end - job.lot) * positions +
                   (place.e - job.lot) * positions * kTileRows;
  const float* panel = job.panel;
  double* squares = job.squares + place.e * kLanes;
  HWY_ALIGN std::int32_t sum[kRows * kVectors * kLanes];
  ZeroWhole(sum, kAll);
  for (std::size_t e = place.e; e < place.end; ++e) {
    Tile<kRows, kVectors> tile;
    ZeroTile(tile);
    AccumulateTile(positions, AInterleaved{g, kTileRows}, panel, kVectors * kLanes, tile);
    Rounding rounding;
    rounding.scale = hn::Set(TileTag(), job.scale[e]);
    rounding.keep = hn::Ne(rounding.scale, hn::Zero(TileTag()));
    rounding.high = hn::Set(TileTag(), 2147483520.0F);
    TileVector square[2] = {hn::Zero(TileTag()), hn::Zero(TileTag())};
    RoundTile(rounding, tile, sum, square, kAll);
    AddSquares(hn::Add(square[0], square[1]), squares);
    g += positions * kTileRows;
    panel += positions * kVectors * kLanes;
    squares += kLanes;
  }
  const WholeVector sign = hn::Set(WholeTag(), job.sign < 0 ? -1 : 0);
  StoreSum<kVectors>(sum, place, sign, job.sum + place.i * job.shape.d + place.j, job.shape.d,
                     kAll);
}

namespace grid_detail {

using GridFunction = void (*)(const GridJob&, const GridPlace&);

template <class = std::make_index_sequence<kTileRows * kTileVectors>>
struct GridTiles;

template <std::size_t... I>
struct GridTiles<std::index_sequence<I...>> {
  static constexpr GridFunction kFunctions[] = {&GridTile<I % kTileRows + 1, I / kTileRows + 1>...};
};

// Floats of `a` that stay in the first-level cache beside the rest.
inline constexpr std::size_t kChunkFloats = HWY_TARGET == HWY_AVX3 ? 9216 : 4096;

// Positions of `g` that are packed at a time, and rows: a multiple of every target's kTileRows.
// Processors without AVX-512 have second-level caches from 256 KiB on, most with it 1 MiB or more.
inline constexpr std::size_t kLotPositions = HWY_TARGET == HWY_AVX3 ? 512 : 256;
inline constexpr std::size_t kBlockRows = 384;

// Examples whose part of a block fits into L2 together.
HWY_INLINE std::size_t LotOf(const OuterShape& shape) {
  const std::size_t most = kLotPositions / HWY_MAX(shape.positions, 1);
  return HWY_MAX(HWY_MIN(most, shape.examples), 1);
}

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

// Rows [job.first, end) of the lot's g^T into job.block. Two tiles at a time: a line's worth.
HWY_INLINE void PackBlock(const GridJob& job, std::size_t end, const float* g) {
  const OuterShape& shape = job.shape;
  const std::size_t all = (job.lot_end - job.lot) * shape.positions;
  constexpr std::size_t kBytes = kTileRows * sizeof(float);
  const float* from = g + job.lot * shape.positions * shape.ldg + job.first;
  float* to = job.block;
  std::size_t left = end - job.first;
  for (; left >= 2 * kTileRows; left -= 2 * kTileRows, from += 2 * kTileRows) {
    for (std::size_t t = 0; t < all; ++t) {
      std::memcpy(to + t * kTileRows, from + t * shape.ldg, kBytes);
      std::memcpy(to + (all + t) * kTileRows, from + t * shape.ldg + kTileRows, kBytes);
    }
    to += 2 * all * kTileRows;
  }
  for (; left != 0; left -= HWY_MIN(left, kTileRows), from += kTileRows) {
    PackATransposed(from, shape.ldg, all, HWY_MIN(left, kTileRows), to);
    to += all * kTileRows;
  }
}

// Fetches the rows that the next panel will be packed from, a few at a time: they lie far apart.
class RowsAhead {
 public:
  HWY_INLINE RowsAhead() = default;  // nothing to do
  HWY_INLINE RowsAhead(const float* from, std::size_t stride, std::size_t rows, std::size_t times)
      : from_(from), stride_(stride), left_(rows), share_(Quotient(rows, times)) {}

  HWY_INLINE void Fetch() {
    for (std::size_t n = HWY_MIN(share_, left_); n != 0; --n) {
      for (std::size_t j = 0; j < kTileColumns; j += kLineFloats) {
        __builtin_prefetch(from_ + j, 0, 2);
      }
      from_ += stride_;
      --left_;
    }
  }

 private:
  const float* from_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t left_ = 0;
  std::size_t share_ = 0;
};

// What comes after examples [place.e, place.end) of the panel.
HWY_INLINE RowsAhead AheadOf(const GridJob& job, const GridPlace& place, std::size_t end,
                             const float* a) {
  const OuterShape& shape = job.shape;
  const bool same = place.end < job.lot_end;
  const std::size_t j = same ? place.j : place.j + kTileColumns;
  if (j >= shape.d) return {};
  const std::size_t e = same ? place.end : job.lot;
  const std::size_t examples = HWY_MIN(ChunkOf(shape), job.lot_end - e);
  return {a + e * shape.positions * shape.lda + j, shape.lda, examples * shape.positions,
          Quotient(end - job.first, kTileRows)};
}

// Columns [place.j, place.j + place.columns) of the block's rows up to `end`.
HWY_INLINE void GridPanel(const GridJob& job, GridPlace place, std::size_t end, const float* a,
                          bool accumulate) {
  const OuterShape& shape = job.shape;
  const std::size_t chunk = ChunkOf(shape);
  const std::size_t vectors = Quotient(place.columns, kLanes);
  std::size_t e = job.lot;
  do {  // once at least: no examples add up to zero
    place.e = e;
    place.end = HWY_MIN(e + chunk, job.lot_end);
    place.load = accumulate || e != 0;
    PackBRows(a + e * shape.positions * shape.lda + place.j, shape.lda,
              (place.end - e) * shape.positions, place.columns, vectors, job.panel);
    RowsAhead ahead = AheadOf(job, place, end, a);
    for (place.i = job.first; place.i < end; place.i += kTileRows) {
      ahead.Fetch();
      const std::size_t rows = HWY_MIN(end - place.i, kTileRows);
      GridTiles<>::kFunctions[(vectors - 1) * kTileRows + rows - 1](job, place);
    }
    e = place.end;
  } while (e < job.lot_end);
}

// Rows [job.first, end).
HWY_INLINE void GridBlock(GridJob job, std::size_t end, const float* g, const float* a,
                          bool accumulate) {
  const OuterShape& shape = job.shape;
  do {  // as above
    job.lot_end = HWY_MIN(job.lot + LotOf(shape), shape.examples);
    PackBlock(job, end, g);
    for (std::size_t j = 0; j < shape.d; j += kTileColumns) {
      GridPlace place;
      place.j = j;
      place.columns = HWY_MIN(shape.d - j, kTileColumns);
      GridPanel(job, place, end, a, accumulate);
    }
    job.lot = job.lot_end;
  } while (job.lot < shape.examples);
}

}  // namespace grid_detail

inline std::size_t OuterGridScratch(const OuterShape& shape) {
  using namespace grid_detail;
  const std::size_t panel = ChunkOf(shape) * shape.positions * kTileColumns;
  const std::size_t rows = HWY_MIN(shape.p + kTileRows - 1, kBlockRows);
  return 2 * kLineFloats + 2 * shape.examples * kLanes + panel +
         rows * LotOf(shape) * shape.positions;
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
    GridBlock(job, HWY_MIN(end, job.first + kBlockRows), g, a, accumulate);
  }
  FoldSquares(shape.examples, job.squares, squares);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
