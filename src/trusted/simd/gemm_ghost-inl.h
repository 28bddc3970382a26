// Squared norms of per-example gradients of a matrix product, without the gradients:
//
//   |sum over t of g_t a_t^T|^2 = sum over s, t of (g_s . g_t)(a_s . a_t)
//
// By tiles of 4 x 4 pairs (s, t), of which those with t <= s are needed: the dot products run along
// the vectors, lane by lane in floats; the lanes are then added in a fixed tree, and the products
// of pairs are formed and added in double precision.
#if defined(ANCHORHOLD_SIMD_GEMM_GHOST_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_GHOST_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_GHOST_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_GHOST_INL_H_
#endif

#include "trusted/simd/gemm_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace ghost_detail {

inline constexpr std::size_t kPairs = 4;
using PairTile = Tile<kPairs, kPairs>;

// Four consecutive rows, the last of `count` standing in for those beyond it.
struct FourRows {
  const float* row[kPairs];
};

HWY_INLINE FourRows RowsAt(const float* x, std::size_t stride, std::size_t first,
                           std::size_t count) {
  FourRows rows;
  for (std::size_t i = 0; i < kPairs; ++i) {
    rows.row[i] = x + HWY_MIN(first + i, count - 1) * stride;
  }
  return rows;
}

template <std::size_t... I>
HWY_INLINE void AddPairs(const TileVector (&s)[kPairs], const TileVector (&t)[kPairs],
                         PairTile& tile, std::index_sequence<I...>) {
  ((tile.acc[I / kPairs][I % kPairs] =
        hn::MulAdd(s[I / kPairs], t[I % kPairs], tile.acc[I / kPairs][I % kPairs])),
   ...);
}

// The sums of the lanes of four vectors, as four lanes.
template <class D>
HWY_INLINE hn::Vec<hn::Simd<float, 4, 0>> AddBlocks(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return AddBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

HWY_INLINE void StoreSums(const TileVector (&v)[kPairs], float* to) {
  const TileTag d;
  const hn::RepartitionToWide<TileTag> wide;
  const auto first =
      hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1]));
  const auto second =
      hn::Add(hn::InterleaveLower(d, v[2], v[3]), hn::InterleaveUpper(d, v[2], v[3]));
  const auto a = hn::BitCast(wide, first);
  const auto b = hn::BitCast(wide, second);
  const auto sums = hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, a, b)),
                            hn::BitCast(d, hn::InterleaveUpper(wide, a, b)));
  hn::StoreU(AddBlocks(d, sums), hn::Simd<float, 4, 0>(), to);
}

// dots[4 i + j] = row i of s . row j of t, over n columns.
HWY_NOINLINE inline void PairDots(const FourRows& s, const FourRows& t, std::size_t n,
                                  float* dots) {
  const TileTag d;
  constexpr auto kAll = std::make_index_sequence<kPairs * kPairs>();
  PairTile tile;
  ZeroTile(tile);
  std::size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    const TileVector left[kPairs] = {hn::LoadU(d, s.row[0] + k), hn::LoadU(d, s.row[1] + k),
                                     hn::LoadU(d, s.row[2] + k), hn::LoadU(d, s.row[3] + k)};
    const TileVector right[kPairs] = {hn::LoadU(d, t.row[0] + k), hn::LoadU(d, t.row[1] + k),
                                      hn::LoadU(d, t.row[2] + k), hn::LoadU(d, t.row[3] + k)};
    AddPairs(left, right, tile, kAll);
  }
  if (k < n) {
    const std::size_t part = n - k;
    const TileVector left[kPairs] = {LoadPart(part, s.row[0] + k), LoadPart(part, s.row[1] + k),
                                     LoadPart(part, s.row[2] + k), LoadPart(part, s.row[3] + k)};
    const TileVector right[kPairs] = {LoadPart(part, t.row[0] + k), LoadPart(part, t.row[1] + k),
                                      LoadPart(part, t.row[2] + k), LoadPart(part, t.row[3] + k)};
    AddPairs(left, right, tile, kAll);
  }
  StoreSums(tile.acc[0], dots);
  StoreSums(tile.acc[1], dots + 4);
  StoreSums(tile.acc[2], dots + 8);
  StoreSums(tile.acc[3], dots + 12);
}

// |x|^2, in doubles throughout.
HWY_INLINE double SquaredNorm(const float* x, std::size_t n) {
  const hn::ScalableTag<double> wide;
  const hn::Half<TileTag> half;
  auto low = hn::Zero(wide);
  auto high = hn::Zero(wide);
  for (std::size_t k = 0; k < n; k += kLanes) {
    const std::size_t part = HWY_MIN(n - k, kLanes);
    const TileVector v = part == kLanes ? hn::LoadU(TileTag(), x + k) : LoadPart(part, x + k);
    const auto a = hn::PromoteTo(wide, hn::LowerHalf(half, v));
    const auto b = hn::PromoteTo(wide, hn::UpperHalf(half, v));
    low = hn::MulAdd(a, a, low);
    high = hn::MulAdd(b, b, high);
  }
  HWY_ALIGN double lanes[kLanes];
  hn::StoreU(low, wide, lanes);
  hn::StoreU(high, wide, lanes + kLanes / 2);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

// The pairs s0 .. s0 + 3, t0 .. t0 + 3 with t <= s < positions; those with t < s count twice.
HWY_INLINE double PairSum(std::size_t s0, std::size_t t0, std::size_t positions, const float* g,
                          const float* a) {
  double sum = 0;
  if (t0 + kPairs <= s0 && s0 + kPairs <= positions) {
    for (std::size_t i = 0; i < kPairs * kPairs; ++i) sum += double{g[i]} * double{a[i]};
    return 2 * sum;
  }
  for (std::size_t s = s0; s < HWY_MIN(s0 + kPairs, positions); ++s) {
    for (std::size_t t = t0; t < HWY_MIN(t0 + kPairs, s + 1); ++t) {
      const std::size_t i = (s - s0) * kPairs + (t - t0);
      sum += (t == s ? 1 : 2) * (double{g[i]} * double{a[i]});
    }
  }
  return sum;
}

HWY_INLINE double SquareOf(const OuterShape& shape, const float* g, const float* a) {
  if (shape.positions == 1) return SquaredNorm(g, shape.p) * SquaredNorm(a, shape.d);
  double sum = 0;
  for (std::size_t s = 0; s < shape.positions; s += kPairs) {
    const FourRows g_s = RowsAt(g, shape.ldg, s, shape.positions);
    const FourRows a_s = RowsAt(a, shape.lda, s, shape.positions);
    for (std::size_t t = 0; t <= s; t += kPairs) {
      float g_dots[kPairs * kPairs];
      float a_dots[kPairs * kPairs];
      PairDots(g_s, RowsAt(g, shape.ldg, t, shape.positions), shape.p, g_dots);
      PairDots(a_s, RowsAt(a, shape.lda, t, shape.positions), shape.d, a_dots);
      sum += PairSum(s, t, shape.positions, g_dots, a_dots);
    }
  }
  return sum;
}

}  // namespace ghost_detail

inline std::size_t OuterSquaresScratch(const OuterShape&) { return 0; }

inline void OuterSquares(const OuterShape& shape, const float* g, const float* a, double* squares,
                         float*) {
  for (std::size_t e = 0; e < shape.examples; ++e) {
    squares[e] = ghost_detail::SquareOf(shape, g, a);
    g += shape.positions * shape.ldg;
    a += shape.positions * shape.lda;
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
