// A screen before gaussian.h's arithmetic, for AVX-512 and AVX2: nearly every word is accepted or
// rejected by 32-bit lanes, of which a vector has twice as many, and by floats. A word that the
// screen leaves open is judged as if there were none; so the screen changes no draw, provided that
// what it accepts (rejects) is accepted (rejected) by gaussian.h's rule.
//
// In units of 2^-31, with m = |y| = block h + low + negative, N the block's height and k the block,
//
//   2^31 p = (N / 2) e^(k^2 / 32) 2^-E,   E = m^2 log2(e) / (2 sigma^2) <= 43.4,
//
// for (k h)^2 / (2 sigma^2) = k^2 / 32. Let n be -E rounded to a whole number and f = -E - n, which
// is from -1/2 to 1/2: 2^-E = 2^n 2^f, and 2^f is the Chebyshev series up to degree 4: with
// b = ln(2) / 2, 2^f = I_0(b) + 2 sum_k I_k(b) T_k(2 f). Let D be what the floats make of
// 2^31 p - U / 2^32. How far is it from (P - U) / 2^32? With e = 2^-24, rounding to nearest is off
// by e of the result at most.
//
//   E        m, m^2 (m's error twice), log2(e) / (2 sigma^2) in it: 4 e E. That is 4 e E ln(2) of
//            2^31 p, where p E <= 10.15: E is at most 1 / ln(2), or 225 / 32 log2(e) for k = 15,
//            where p can be near 1, and beyond p E decreases.                               3603
//   f        The product is fused with the difference from n: e / 4, ln(2) of that of p.      23
//   2^f      What the series leaves out is less than 2.695e-6, of 2^-1/2 at least.          8185
//            Rounding: e for the first coefficient and e for the last sum, e / 4 for the second
//            coefficient's product with f and e / 4 for the sum before, e / 8 for all the others;
//            of 2^-1/2 at least.                                                             476
//   factor   N / 2 rounded down (0.5) and then to a float, e^(k^2 / 32), their product: 3 e. 385
//   D        2^31 p - U / 2^32 is fused: e of 2^31.                                          128
//   U        Its lowest 32 bits (1), and the others' rounding to a float.                     65
//   P        gaussian.h: |P - 2^63 p| < 64 2^31.                                              32
//
// Together 12897; products of the errors add less than 1. The screen's slack is S = 2^14 +
// (gaussian.h's slack) / 2^32, rounded down and then to a float, which is 65 at most (for the
// largest margin). So D >= S gives P - U >= slack, and D <= -S gives U - P >= slack: accepted and
// rejected. Between them the word is open: once in 2^16 words for s = 24, which is once in 2^12
// vectors of AVX-512.
//
// It does not matter whether subnormal floats are flushed to zero, as there are none: m^2 is a
// whole number, E is 0 or above 2^-53, f is a multiple of 2^-76, 2^-E is above 2^-44, the factor is
// a whole number's product with at least 1, and D is a multiple of 2^-90.
#if defined(ANCHORHOLD_SIMD_GAUSSIAN_SCREEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GAUSSIAN_SCREEN_INL_H_
#undef ANCHORHOLD_SIMD_GAUSSIAN_SCREEN_INL_H_
#else
#define ANCHORHOLD_SIMD_GAUSSIAN_SCREEN_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
#include <cstdint>

#include "trusted/simd/gaussian_screen.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
namespace screen {
namespace hn = hwy::HWY_NAMESPACE;

using DFloat = hn::ScalableTag<float>;
using DBits = hn::RebindToUnsigned<DFloat>;
using DInt = hn::RebindToSigned<DFloat>;
using VFloat = hn::Vec<DFloat>;
using VBits = hn::Vec<DBits>;
using VInt = hn::Vec<DInt>;

// What depends on the rule alone; by blocks but for `columns`.
struct Tables {
  alignas(64) std::uint32_t columns[kGaussianBlocks];
  alignas(64) std::uint32_t bases[kGaussianBlocks];    // block h
  alignas(64) std::uint32_t masks[kGaussianBlocks];    // the bits of `low`
  alignas(64) std::uint32_t factors[kGaussianBlocks];  // the bits of N / 2 e^(k^2 / 32)
  float exponent;                                      // -log2(e) / (2 sigma^2)
  float slack;
  int unit_log2;
};

HWY_INLINE Tables MakeTables(const GaussianRule& rule) {
  Tables tables;
  tables.unit_log2 = rule.sigma_log2 - 2;
  const std::uint32_t unit = std::uint32_t{1} << tables.unit_log2;
  for (std::uint32_t k = 0; k < kGaussianBlocks; ++k) {
    tables.columns[k] = rule.table->columns[k];
    tables.bases[k] = k * unit;
    tables.masks[k] = (k == kGaussianBlocks - 1 ? unit * kGaussianLastBlockUnits : unit) - 1;
    const auto half = static_cast<std::int32_t>(rule.table->heights[k] >> 1);
    tables.factors[k] =
        std::bit_cast<std::uint32_t>(static_cast<float>(half) * internal::kScreenEdges[k]);
  }
  // 2 sigma^2 is 2^53 at most, a power of two: the quotient is exact.
  const auto divisor = static_cast<float>(std::uint64_t{2} << (2 * rule.sigma_log2));
  tables.exponent = -internal::kScreenLog2E / divisor;
  tables.slack = internal::GaussianScreenSlack(rule);
  return tables;
}

// Where to look in a table: the lowest four bits of each lane.
struct Places {
  VBits index;
#if HWY_TARGET == HWY_AVX3
  explicit HWY_INLINE Places(VBits places) : index(places) {}
#else
  VBits upper;  // the highest bit: whether in the table's upper half
  explicit HWY_INLINE Places(VBits places) : index(places), upper(hn::ShiftLeft<28>(places)) {}
#endif

  // Without addresses that depend on the index.
  HWY_INLINE VBits In(const std::uint32_t* table) const {
    const DBits d;
#if HWY_TARGET == HWY_AVX3
    return VBits{_mm512_permutexvar_epi32(index.raw, hn::Load(d, table).raw)};
#else
    const __m256i low = _mm256_permutevar8x32_epi32(hn::Load(d, table).raw, index.raw);
    const __m256i high = _mm256_permutevar8x32_epi32(hn::Load(d, table + 8).raw, index.raw);
    return VBits{_mm256_castps_si256(_mm256_blendv_ps(
        _mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _mm256_castsi256_ps(upper.raw)))};
#endif
  }
};

// block h + low, `low` being the lowest bits of `from_low`.
HWY_INLINE VBits Magnitude(const Tables& tables, const Places& block, VBits from_low) {
#if HWY_TARGET == HWY_AVX3
  return hn::Add(block.In(tables.bases), hn::And(from_low, block.In(tables.masks)));
#else
  // Lookups are dearer here.
  const DInt d;
  const VInt k = hn::BitCast(d, hn::And(block.index, hn::Set(DBits(), kGaussianBlocks - 1)));
  const VInt base{_mm256_sllv_epi32(k.raw, _mm256_set1_epi32(tables.unit_log2))};
  const VInt last = hn::VecFromMask(d, hn::Gt(k, hn::Set(d, kGaussianBlocks - 2)));
  const VInt first_mask = hn::BitCast(d, hn::Set(DBits(), tables.masks[0]));
  const VInt last_mask = hn::BitCast(d, hn::Set(DBits(), tables.masks[kGaussianBlocks - 1]));
  const VInt mask = hn::Or(first_mask, hn::And(last, last_mask));
  return hn::BitCast(DBits(), hn::Add(base, hn::And(hn::BitCast(d, from_low), mask)));
#endif
}

struct Halves {
  VBits lower;
  VBits upper;
};

// Of as many words as VBits has lanes, in their order.
HWY_INLINE Halves LoadHalves(const std::uint64_t* words) {
  const DBits bits;
  const hn::Repartition<std::uint64_t, DBits> d;
#if HWY_TARGET == HWY_AVX3
  const VBits first = hn::BitCast(bits, hn::LoadU(d, words));
  const VBits second = hn::BitCast(bits, hn::LoadU(d, words + hn::Lanes(d)));
  return {hn::ConcatEven(bits, second, first), hn::ConcatOdd(bits, second, first)};
#else
  // Loaded so that shuffles within 128 bits leave the words' halves in order.
  const hn::Half<decltype(d)> pair;
  const auto load = [&](const std::uint64_t* from) HWY_ATTR {
    return _mm256_castsi256_ps(
        hn::Combine(d, hn::LoadU(pair, from + 4), hn::LoadU(pair, from)).raw);
  };
  const __m256 first = load(words);
  const __m256 second = load(words + 2);
  return {VBits{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88))},
          VBits{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd))}};
#endif
}

struct Judged {
  VInt y;
  hn::Mask<DFloat> accepted;
  hn::Mask<DFloat> not_rejected;  // where the two differ the word is open
};

// D, as the comment at the top has it, from y and the block's factor.
HWY_INLINE VFloat Distance(VInt y, VFloat factor, VFloat exponent, VBits upper) {
  using internal::kScreenPowerOfTwo;
  const DFloat d;
  const DInt ints;
  // 1.5 2^23: a sum with it is rounded to a whole number, which its lowest bits are.
  const VFloat whole = hn::Set(d, 12582912.0F);
  const VFloat size = hn::ConvertTo(d, y);
  const VFloat square = hn::Mul(size, size);
  const VFloat shifted = hn::MulAdd(square, exponent, whole);
  const VFloat f = hn::MulSub(square, exponent, hn::Sub(shifted, whole));
  VFloat g = hn::MulAdd(hn::Set(d, kScreenPowerOfTwo[4]), f, hn::Set(d, kScreenPowerOfTwo[3]));
  g = hn::MulAdd(g, f, hn::Set(d, kScreenPowerOfTwo[2]));
  g = hn::MulAdd(g, f, hn::Set(d, kScreenPowerOfTwo[1]));
  g = hn::MulAdd(g, f, hn::Set(d, kScreenPowerOfTwo[0]));
  // 2^n, n >= -43, by way of the float's exponent.
  const VInt power = hn::ShiftLeft<23>(hn::BitCast(ints, shifted));
  const VFloat p = hn::BitCast(d, hn::Add(hn::BitCast(ints, g), power));
  const VBits u = hn::And(upper, hn::Set(DBits(), 0x7fffffff));
  return hn::MulSub(p, factor, hn::ConvertTo(d, hn::BitCast(ints, u)));
}

// As many words as VBits has lanes, in their order.
HWY_INLINE Judged Judge(const Tables& tables, const std::uint64_t* words) {
  const DFloat d;
  const DBits bits;
  const DInt ints;
  const auto [lower, upper] = LoadHalves(words);
  const VBits entry = Places(lower).In(tables.columns);
  const VInt r = hn::BitCast(ints, hn::And(lower, hn::Set(bits, 0xff0)));
  const VInt threshold = hn::BitCast(ints, hn::And(entry, hn::Set(bits, 0xff0)));
  // The block in the lowest four bits, and other things above.
  const Places block(hn::IfThenElse(hn::RebindMask(bits, hn::Lt(r, threshold)), lower, entry));
  const VBits from_low = hn::Or(hn::ShiftRight<12>(lower), hn::ShiftLeft<20>(upper));
  const VInt magnitude = hn::BitCast(ints, Magnitude(tables, block, from_low));
  Judged judged;
  judged.y = hn::Xor(magnitude, hn::BroadcastSignBit(hn::BitCast(ints, upper)));
  const VFloat factor = hn::BitCast(d, block.In(tables.factors));
  const VFloat distance = Distance(judged.y, factor, hn::Set(d, tables.exponent), upper);
  judged.accepted = hn::Ge(distance, hn::Set(d, tables.slack));
  judged.not_rejected = hn::Gt(distance, hn::Set(d, -tables.slack));
  return judged;
}

}  // namespace screen
#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
