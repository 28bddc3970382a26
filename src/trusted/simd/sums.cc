// The passes of sums.h. All are bound by memory: they read and write each number once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/sums.cc"
#include "trusted/simd/sums.h"

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/sums_update-inl.h"
#include "trusted/simd/tables.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// Sums of squares: four chains of at most kChain vectors in float, then those, in order, in double.
// A chain of 16 squares of positive numbers has a relative error of at most 16 2^-24 = 2^-20, that
// of all additions in double is below 2^-30 for fewer than 2^22 vectors of chains.
constexpr std::size_t kChains = 4;
constexpr std::size_t kChain = 16;

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
  std::size_t chain = 0;
  for (; i + lanes <= n; i += lanes, chain = (chain + 1) % kChains) sum.Add(chain, each(i));
  if (i < n) sum.Add(chain, last(i, n - i));
  sum.CloseChains();
  return sum.Total();
}

double Squares(std::size_t n, const float* x) {
  const hn::ScalableTag<float> d;
  return SumSquares(
      n, [&](std::size_t i) HWY_ATTR { return hn::LoadU(d, x + i); },
      [&](std::size_t i, std::size_t rest) HWY_ATTR { return LoadPart(d, x + i, rest); });
}

void AddScaled(std::size_t n, const float* x, float scale, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  const auto counts = hn::Ne(factor, hn::Zero(d));
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto kept = hn::IfThenElseZero(counts, hn::LoadU(d, x + i));
    hn::StoreU(hn::MulAdd(factor, kept, hn::LoadU(d, y + i)), d, y + i);
  }
  if (i == n) return;
  const auto kept = hn::IfThenElseZero(counts, LoadPart(d, x + i, n - i));
  StorePart(hn::MulAdd(factor, kept, LoadPart(d, y + i, n - i)), d, y + i, n - i);
}

double AddGrid(std::size_t n, const float* x, float scale, std::int32_t sign, std::int32_t* sum) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto factor = hn::Set(d, scale);
  const auto counts = hn::Ne(factor, hn::Zero(d));
  const auto negative = hn::Set(di, sign < 0 ? -1 : 0);
  // A float of 2^24 or more is a whole number, so the rounded product is v, as a float too.
  const auto whole = [&](auto v) HWY_ATTR {
    const auto product = hn::Round(hn::Mul(factor, hn::IfThenElseZero(counts, v)));
    return AtMost(hn::Set(d, 0x1.fffffep30F), AtLeast(hn::Set(d, -0x1p31F), product));
  };
  const auto signed_of = [&](auto v) HWY_ATTR {  // -v = ~v + 1
    return hn::Sub(hn::Xor(hn::ConvertTo(di, v), negative), negative);
  };
  return SumSquares(
      n,
      [&](std::size_t i) HWY_ATTR {
        const auto v = whole(hn::LoadU(d, x + i));
        hn::StoreU(hn::Add(hn::LoadU(di, sum + i), signed_of(v)), di, sum + i);
        return v;
      },
      [&](std::size_t i, std::size_t rest) HWY_ATTR {
        const auto v = whole(LoadPart(d, x + i, rest));
        StorePart(hn::Add(LoadPart(di, sum + i, rest), signed_of(v)), di, sum + i, rest);
        return v;
      });
}

void FlushGrid(std::size_t n, std::int32_t* sum, std::int64_t* total) {
  const hn::ScalableTag<std::int64_t> d;
  const hn::Rebind<std::int32_t, decltype(d)> dh;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto wide = hn::PromoteTo(d, hn::LoadU(dh, sum + i));
    hn::StoreU(hn::Add(hn::LoadU(d, total + i), wide), d, total + i);
    hn::StoreU(hn::Zero(dh), dh, sum + i);
  }
  for (; i < n; ++i) {
    total[i] += sum[i];
    sum[i] = 0;
  }
}

void FromGrid(std::size_t n, const std::int64_t* sum, const std::int64_t* noise, double unit,
              float* dst) {
  const hn::ScalableTag<double> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<float, decltype(d)> dh;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, unit);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto whole = hn::Add(hn::LoadU(di, sum + i), hn::LoadU(di, noise + i));
    hn::StoreU(hn::DemoteTo(dh, hn::Mul(factor, hn::ConvertTo(d, whole))), dh, dst + i);
  }
  for (; i < n; ++i) dst[i] = static_cast<float>(unit * static_cast<double>(sum[i] + noise[i]));
}

extern const SumKernels kSums;
const SumKernels kSums = {Squares, AddScaled, AddGrid, FlushGrid, FromGrid, Sgd, Adam};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(SumKernels, SumKernelsFor, kSums)
}  // namespace anchorhold::simd
#endif
