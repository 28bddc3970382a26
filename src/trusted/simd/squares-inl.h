// Sums of squares, for norms. Included by files that are compiled once a target (tables.h).
#if defined(ANCHORHOLD_SIMD_SQUARES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_SQUARES_INL_H_
#undef ANCHORHOLD_SIMD_SQUARES_INL_H_
#else
#define ANCHORHOLD_SIMD_SQUARES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "trusted/simd/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// Sums of squares: four chains of at most kChain vectors in float, then those, in order, in double.
// A chain of 16 squares of positive numbers has a relative error of at most 16 2^-24 = 2^-20, that
// of all additions in double is below 2^-30 for fewer than 2^22 vectors of chains.
inline constexpr std::size_t kChains = 4;
inline constexpr std::size_t kChain = 16;

struct SquareSum {
  using D = hn::ScalableTag<float>;
  using D64 = hn::ScalableTag<double>;
  using V = hn::Vec<D>;
  V chains[kChains];
  hn::Vec<D64> low;
  hn::Vec<D64> high;

  SquareSum() : low(hn::Zero(D64())), high(hn::Zero(D64())) { Clear(); }
  HWY_INLINE void Clear() {
    for (V& chain : chains) chain = hn::Zero(D());
  }
  HWY_INLINE void Add(std::size_t chain, V v) { chains[chain] = hn::MulAdd(v, v, chains[chain]); }
  HWY_INLINE void CloseChains() {
    const hn::Rebind<float, D64> dh;
    for (const V chain : chains) {
      low = hn::Add(low, hn::PromoteTo(D64(), hn::LowerHalf(dh, chain)));
      high = hn::Add(high, hn::PromoteTo(D64(), hn::UpperHalf(dh, chain)));
    }
    Clear();
  }
  HWY_INLINE double Total() const { return hn::GetLane(hn::SumOfLanes(D64(), hn::Add(low, high))); }
};

// Calls each(i, lanes, chain) for whole vectors and last(i, rest, chain) for what is left, closing
// the chains in time.
template <class Each, class Last>
HWY_INLINE double SumSquares(std::size_t n, const Each& each, const Last& last) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  SquareSum sum;
  std::size_t i = 0;
  for (; i + kChains * kChain * lanes <= n; i += kChains * kChain * lanes) {
    for (std::size_t k = 0; k < kChain; ++k) {
      for (std::size_t chain = 0; chain < kChains; ++chain) {
        sum.Add(chain, each(i + (k * kChains + chain) * lanes));
      }
    }
    sum.CloseChains();
  }
  // Chains are named, not chosen: otherwise they would be in memory.
  for (; i + kChains * lanes <= n; i += kChains * lanes) {
    for (std::size_t chain = 0; chain < kChains; ++chain) sum.Add(chain, each(i + chain * lanes));
  }
  const auto rest = [&](std::size_t chain) HWY_ATTR {
    if (i < n) sum.Add(chain, i + lanes <= n ? each(i) : last(i, n - i));
    i += lanes;
  };
  static_assert(kChains == 4);
  rest(0);
  rest(1);
  rest(2);
  rest(3);
  sum.CloseChains();
  return sum.Total();
}

inline double Squares(std::size_t n, const float* x) {
  const hn::ScalableTag<float> d;
  return SumSquares(
      n, [&](std::size_t i) HWY_ATTR { return hn::LoadU(d, x + i); },
      [&](std::size_t i, std::size_t rest) HWY_ATTR { return LoadPart(d, x + i, rest); });
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
