// The arithmetic of gaussian.h in vectors of 64-bit lanes, behind a screen of 32-bit ones where
// gaussian_screen-inl.h has one.
#include "trusted/simd/gaussian.h"

#include <bit>

#include "trusted/simd/gaussian_scalar.h"

// Highway's own assertions need its library, which is not linked.
#undef HWY_IS_DEBUG_BUILD
#define HWY_IS_DEBUG_BUILD 0

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/gaussian.cc"
#include "trusted/simd/tables.h"
// After tables.h, which chooses the targets.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/gaussian_screen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<std::uint64_t>;
using DSigned = hn::RebindToSigned<D>;
using DHalf = hn::Repartition<std::uint32_t, D>;
using V = hn::Vec<D>;

// The product of the lanes' lower halves; what their upper halves hold does not matter.
HWY_INLINE V MulLow(V a, V b) {
  const DHalf half;
  return hn::MulEven(hn::BitCast(half, a), hn::BitCast(half, b));
}

// The lanes' upper halves as lower ones. The upper ones of the result do not matter: as a shuffle
// this is done by other units of the processor than the products.
HWY_INLINE V Upper(V a) {
  const DHalf half;
  return hn::BitCast(D(), hn::Shuffle2301(hn::BitCast(half, a)));
}

// a < b for lanes below 2^63.
HWY_INLINE hn::Mask<D> Less(V a, V b) {
  const DSigned d;
  return hn::RebindMask(D(), hn::Lt(hn::BitCast(d, a), hn::BitCast(d, b)));
}

// table[index] in each lane's lower half, index < 16; the upper half is undefined. Without an
// address that depends on the index, but for 128-bit vectors, which stay within the table's line.
HWY_INLINE V Lookup(const std::uint32_t* table, V index) {
  const D d;
  const DHalf half;
  if constexpr (hn::MaxLanes(DHalf()) >= 16) {
    const auto places = hn::IndicesFromVec(half, hn::BitCast(half, index));
    return hn::BitCast(d, hn::TableLookupLanes(hn::LoadU(half, table), places));
  } else if constexpr (hn::MaxLanes(DHalf()) == 8) {
    const V below8 = hn::And(index, hn::Set(d, 7));
    const auto places = hn::IndicesFromVec(half, hn::BitCast(half, below8));
    const V low = hn::BitCast(d, hn::TableLookupLanes(hn::LoadU(half, table), places));
    const V high = hn::BitCast(d, hn::TableLookupLanes(hn::LoadU(half, table + 8), places));
    return hn::IfThenElse(Less(hn::Set(d, 7), index), high, low);
  } else {
    const hn::RebindToSigned<DHalf> places;
    return hn::BitCast(d, hn::GatherIndex(half, table, hn::BitCast(places, index)));
  }
}

#if HWY_TARGET == HWY_AVX2
// For each choice of lanes, as bits, the halves of the chosen lanes in order.
struct Orders {
  alignas(32) std::uint32_t halves[16][8];
};
constexpr Orders MakeOrders() {
  Orders orders{};
  for (std::uint32_t bits = 0; bits < 16; ++bits) {
    std::uint32_t count = 0;
    for (std::uint32_t lane = 0; lane < 4; ++lane) {
      if ((bits >> lane & 1) == 0) continue;
      orders.halves[bits][count++] = 2 * lane;
      orders.halves[bits][count++] = 2 * lane + 1;
    }
  }
  return orders;
}
constexpr Orders kOrders = MakeOrders();

// Writes the lanes that `bits` chooses to `out`, in order, and others behind them, a vector in all.
HWY_INLINE void StoreByBits(hn::Vec<DSigned> v, std::size_t bits, std::int64_t* out) {
  const DHalf half;
  const auto order = hn::SetTableIndices(half, kOrders.halves[bits]);
  const auto chosen = hn::TableLookupLanes(hn::BitCast(half, v), order);
  hn::StoreU(hn::BitCast(DSigned(), chosen), DSigned(), out);
}
#endif

// Writes the chosen lanes to `out`, in order, and perhaps others behind them, a vector at most;
// returns how many were chosen. Highway 1.0.3's Compress copies its tables to the stack every time.
HWY_INLINE std::size_t StoreChosen(hn::Vec<DSigned> v, hn::Mask<DSigned> chosen,
                                   std::int64_t* out) {
  const DSigned d;
#if HWY_TARGET == HWY_AVX3
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(chosen.raw, v.raw));
  return hn::CountTrue(d, chosen);
#else
  std::uint8_t bits[8];
  hn::StoreMaskBits(d, chosen, bits);
#if HWY_TARGET == HWY_AVX2
  StoreByBits(v, bits[0], out);
  return hn::CountTrue(d, chosen);
#else
  out[0] = hn::ExtractLane(v, 0);
  std::size_t count = bits[0] & 1U;
  out[count] = hn::ExtractLane(v, 1);
  return count + (bits[0] >> 1 & 1U);
#endif
#endif
}

// A vector of gaussian.h's candidates.
struct Candidates {
  V block;
  V sign;  // -1 or 0
  V low;
};

HWY_INLINE Candidates Read(const GaussianRule& rule, V word) {
  const D d;
  const DSigned signed_lanes;
  const std::uint64_t unit = std::uint64_t{1} << (rule.sigma_log2 - 2);
  const V column = hn::And(word, hn::Set(d, 15));
  const V entry = Lookup(rule.table->columns, column);
  const V r = hn::And(word, hn::Set(d, 0xff0));
  const V threshold = hn::And(entry, hn::Set(d, 0xff0));
  Candidates c;
  c.block = hn::IfThenElse(Less(r, threshold), column, hn::And(entry, hn::Set(d, 15)));
  c.sign = hn::BitCast(d, hn::BroadcastSignBit(hn::BitCast(signed_lanes, word)));
  const V mask =
      hn::IfThenElse(Less(hn::Set(d, kGaussianBlocks - 2), c.block),
                     hn::Set(d, unit * kGaussianLastBlockUnits - 1), hn::Set(d, unit - 1));
  c.low = hn::And(hn::ShiftRight<12>(word), mask);
  return c;
}

// P. Products by powers of two stand for shifts by amounts that a program knows only when it runs.
HWY_INLINE V Probability(const GaussianRule& rule, const Candidates& c) {
  using internal::kLog2E;
  using internal::kPowerOfTwo;
  const D d;
  const std::uint64_t scale = std::uint64_t{1} << (kGaussianSigmaLog2Max - rule.sigma_log2);
  const V scaled = MulLow(hn::Sub(c.low, c.sign), hn::Set(d, scale));
  const V product = MulLow(scaled, hn::Add(scaled, hn::ShiftLeft<25>(c.block)));
  const V q = MulLow(hn::ShiftRight<26>(product), hn::Set(d, kLog2E));
  const V f = hn::ShiftRight<26>(q);
  V g = hn::Set(d, kPowerOfTwo[6]);
  g = hn::Sub(hn::Set(d, kPowerOfTwo[5]), Upper(MulLow(g, f)));
  g = hn::Sub(hn::Set(d, kPowerOfTwo[4]), Upper(MulLow(g, f)));
  g = hn::Sub(hn::Set(d, kPowerOfTwo[3]), Upper(MulLow(g, f)));
  g = hn::Sub(hn::Set(d, kPowerOfTwo[2]), Upper(MulLow(g, f)));
  g = hn::Sub(hn::Set(d, kPowerOfTwo[1]), Upper(MulLow(g, f)));
  g = hn::Sub(hn::Set(d, kPowerOfTwo[0]), Upper(MulLow(g, f)));
  return MulLow(Lookup(rule.table->heights, c.block), g) >> hn::ShiftRight<58>(q);
}

// GaussianAccept without the screen.
HWY_INLINE GaussianProgress AcceptUnscreened(const GaussianRule& rule, std::size_t n,
                                             const std::uint64_t* words, std::int64_t* out) {
  const D d;
  const DSigned signed_lanes;
  const std::size_t lanes = hn::Lanes(d);
  const GaussianRule local = rule;  // nothing that `out` could overwrite
  const V unit = hn::Set(d, std::uint64_t{1} << (rule.sigma_log2 - 2));
  const std::int64_t slack = internal::GaussianSlack(rule);
  GaussianProgress progress;
  for (; progress.words + lanes <= n; progress.words += lanes) {
    const V word = hn::LoadU(d, words + progress.words);
    const Candidates c = Read(local, word);
    const V u = hn::And(word, hn::Set(d, ~std::uint64_t{0} >> 1));
    const auto distance = hn::BitCast(signed_lanes, hn::Sub(Probability(local, c), u));
    const auto accepted = hn::Gt(distance, hn::Set(signed_lanes, slack - 1));
    const auto not_rejected = hn::Gt(distance, hn::Set(signed_lanes, -slack));
    // Whatever is accepted is not rejected, so the two differ where a word is undecided.
    if (!hn::AllFalse(signed_lanes, hn::Xor(accepted, not_rejected))) break;
    const V magnitude = hn::Add(MulLow(c.block, unit), c.low);
    // A whole vector is written at or before the place of its words, so within out[0 .. n).
    progress.draws += StoreChosen(hn::BitCast(signed_lanes, hn::Xor(magnitude, c.sign)), accepted,
                                  out + progress.draws);
  }
  // The vector with an undecided word up to that word, or what is left of the words.
  const std::size_t left = n - progress.words;
  const GaussianProgress rest = internal::AcceptGaussianScalar(
      rule, left < lanes ? left : lanes, words + progress.words, out + progress.draws);
  return {progress.words + rest.words, progress.draws + rest.draws};
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
constexpr std::size_t kScreenLanes = hn::MaxLanes(screen::DBits());

// Writes the accepted lanes' y to `out`, in order, and perhaps others behind them, as many as there
// are lanes at most; returns how many were accepted.
HWY_INLINE std::size_t StoreAccepted(const screen::Judged& judged, std::int64_t* out) {
#if HWY_TARGET == HWY_AVX3
  const __m512i y = _mm512_maskz_compress_epi32(judged.accepted.raw, judged.y.raw);
  _mm512_storeu_si512(out, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(y)));
  _mm512_storeu_si512(out + 8, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(y, 1)));
  return hn::CountTrue(screen::DFloat(), judged.accepted);
#else
  const DSigned d;
  const auto bits = static_cast<unsigned>(_mm256_movemask_ps(judged.accepted.raw));
  const hn::Half<screen::DInt> half;
  StoreByBits(hn::PromoteTo(d, hn::LowerHalf(half, judged.y)), bits & 15, out);
  const auto count = static_cast<std::size_t>(std::popcount(bits & 15));
  StoreByBits(hn::PromoteTo(d, hn::UpperHalf(half, judged.y)), bits >> 4, out + count);
  return count + static_cast<std::size_t>(std::popcount(bits >> 4));
#endif
}

HWY_INLINE void Fetch(GaussianAhead& ahead) {
  if (ahead.lines == 0) return;
  --ahead.lines;
  for (const char*& at : ahead.at) {
    __builtin_prefetch(at, 0, 2);
    at += 64;
  }
}

// Whole vectors of words, up to the first vector with a word that the screen leaves open.
HWY_INLINE GaussianProgress Screen(const screen::Tables& tables, std::size_t n,
                                   const std::uint64_t* words, std::int64_t* out,
                                   GaussianAhead& ahead) {
  const screen::DFloat d;
  GaussianProgress progress;
  for (; progress.words + kScreenLanes <= n; progress.words += kScreenLanes) {
    Fetch(ahead);
    const screen::Judged judged = screen::Judge(tables, words + progress.words);
    // Whatever is accepted is not rejected.
    if (!hn::AllFalse(d, hn::Xor(judged.accepted, judged.not_rejected))) break;
    // All lanes are written at or before the place of their words, so within out[0 .. n).
    progress.draws += StoreAccepted(judged, out + progress.draws);
  }
  return progress;
}

GaussianProgress Accept(const GaussianRule& rule, std::size_t n, const std::uint64_t* words,
                        std::int64_t* out, GaussianAhead& ahead) {
  if (n < kScreenLanes) return AcceptUnscreened(rule, n, words, out);
  const screen::Tables tables = screen::MakeTables(rule);
  GaussianProgress progress;
  const auto add = [&progress](const GaussianProgress& more) {
    progress.words += more.words;
    progress.draws += more.draws;
  };
  while (progress.words < n) {
    add(Screen(tables, n - progress.words, words + progress.words, out + progress.draws, ahead));
    const std::size_t left = n - progress.words;
    const std::size_t count = left < kScreenLanes ? left : kScreenLanes;
    const GaussianProgress rest =
        AcceptUnscreened(rule, count, words + progress.words, out + progress.draws);
    add(rest);
    if (rest.words < count) break;
  }
  return progress;
}
#else
GaussianProgress Accept(const GaussianRule& rule, std::size_t n, const std::uint64_t* words,
                        std::int64_t* out, GaussianAhead& /*ahead*/) {
  return AcceptUnscreened(rule, n, words, out);
}
#endif

extern const internal::GaussianKernels kGaussian;
const internal::GaussianKernels kGaussian = {Accept};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
namespace {

ANCHORHOLD_SIMD_TABLE(internal::GaussianKernels, GaussianKernelsFor, kGaussian)

GaussianProgress AcceptScalar(const GaussianRule& rule, std::size_t n, const std::uint64_t* words,
                              std::int64_t* out, GaussianAhead& /*ahead*/) {
  return internal::AcceptGaussianScalar(rule, n, words, out);
}

}  // namespace

GaussianAccept GaussianAcceptFor(Target target) {
  const internal::GaussianKernels* kernels = GaussianKernelsFor(target);
  return kernels == nullptr ? AcceptScalar : kernels->accept;
}

}  // namespace anchorhold::simd
#endif
