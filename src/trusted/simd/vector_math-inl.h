// Elementary functions of vectors of floats, without branches or tables. Included by files that are
// compiled once a target (tables.h), inside no namespace.
//
// Bounds are in units in the last place (ulp) of the true result, wherever that is a normal number;
// the test tries them on a dense sample of all floats on every target. NaN gives NaN, infinities
// and zeros what libm gives. No approximate reciprocal is used: processors differ in it.
//
//   Exp, ExpSum 1.1   Log 1   Expm1OfNegative 1.5   Sigmoid 3   Tanh 3   ErfSlope 2.5   Softplus 3
//   Erf, GeluErf 5, and 7 on targets without fused multiply-adds   Silu 4 + 3/4 |x|, or 2^-119
// and GeluErfSlope and SiluSlope 2^-21, absolutely.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/simd/bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class D, class V>
HWY_INLINE V Polynomial(D d, V /*x*/, float c0) {
  return hn::Set(d, c0);
}
template <class D, class V, class... Rest>
HWY_INLINE V Polynomial(D d, V x, float c0, Rest... rest) {
  return hn::MulAdd(Polynomial(d, x, rest...), x, hn::Set(d, c0));
}

// A whole number n, as a float and as the bits of n + kShift, whose low bits are n.
template <class V>
struct WholeNumber {
  V value;
  V shifted;
};
inline constexpr float kWholeShift = 0x1.8p23F;

// 2^n for -126 <= n <= 127.
template <class D, class V>
HWY_INLINE V PowerOfTwo(D d, WholeNumber<V> n) {
  const hn::RebindToSigned<D> di;
  const auto one = hn::BitCast(di, hn::Set(d, 1.0F));
  return hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(hn::BitCast(di, n.shifted)), one));
}

// p 2^n for |n| <= 152, rounded once: the first factor of the general form leaves a normal number.
template <class D, class V>
HWY_INLINE V TimesPowerOfTwo(D d, V p, WholeNumber<V> n) {
  const hn::RebindToSigned<D> di;
  const auto whole = hn::Sub(hn::BitCast(di, n.shifted), hn::BitCast(di, hn::Set(d, kWholeShift)));
  const auto half = hn::ShiftRight<1>(whole);
  const auto bias = hn::Set(di, 127);
  const V first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(whole, half), bias)));
  return hn::Mul(hn::Mul(p, first), second);
}
#if HWY_TARGET == HWY_AVX3
template <class D>
HWY_INLINE hn::Vec512<float> TimesPowerOfTwo(D /*d*/, hn::Vec512<float> p,
                                             WholeNumber<hn::Vec512<float>> n) {
  return hn::Vec512<float>{_mm512_scalef_ps(p.raw, n.value.raw)};
}
#endif

// x = n ln 2 + r with |r| <= (ln 2) / 2 (1 + 2^-20), for |x| <= 105, |n| <= 152. ln 2 is split into
// 15 bits, whose product with n is exact, and the rest.
template <class D, class V>
HWY_INLINE WholeNumber<V> ReduceByLn2(D d, V x, V& r) {
  constexpr float kLog2E = 0x1.715476p+0F;
  constexpr float kLn2High = 0x1.62e4p-1F;
  constexpr float kLn2Low = 0x1.7f7d1cp-20F;
  const V shift = hn::Set(d, kWholeShift);
  const V shifted = hn::MulAdd(x, hn::Set(d, kLog2E), shift);
  const V n = hn::Sub(shifted, shift);
  r = hn::NegMulAdd(n, hn::Set(d, kLn2High), x);
  r = hn::NegMulAdd(n, hn::Set(d, kLn2Low), r);
  return {n, shifted};
}

// e^r - 1 = r + r^2 q(r) on the reduced range, q of degree 4 by Remez' algorithm: relative error
// 2^-26.1.
template <class D, class V>
HWY_INLINE V ReducedExpm1(D d, V r) {
  const V q =
      Polynomial(d, r, 0x1p-1F, 0x1.5554b0p-3F, 0x1.555486p-5F, 0x1.122838p-7F, 0x1.6d995cp-10F);
  return hn::MulAdd(hn::Mul(r, r), q, r);
}

// e^(x + y) with |y| < 2^-10: `y` is the part of the argument that a float has no room for. Beyond
// the bounds of the clamp the result is infinite, or below half of the least subnormal.
template <class D, class V>
HWY_INLINE V ExpSum(D d, V x, V y) {
  x = AtMost(hn::Set(d, 89.0F), AtLeast(hn::Set(d, -104.5F), x));
  V r;
  const WholeNumber<V> n = ReduceByLn2(d, x, r);
  const V p = hn::Add(ReducedExpm1(d, hn::Add(r, y)), hn::Set(d, 1.0F));
  return TimesPowerOfTwo(d, p, n);
}

template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  x = AtMost(hn::Set(d, 89.0F), AtLeast(hn::Set(d, -104.5F), x));
  V r;
  const WholeNumber<V> n = ReduceByLn2(d, x, r);
  const V p = hn::Add(ReducedExpm1(d, r), hn::Set(d, 1.0F));
  return TimesPowerOfTwo(d, p, n);
}

// ln x = k ln 2 + ln(1 + f), x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), so that k = 0 around 1.
// ln(1 + f) = f - f^2 / 2 + f^3 p(f), p of degree 8 by Remez' algorithm: relative error 2^-30.
template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  constexpr float kLn2High = 0x1.62e4p-1F;
  constexpr float kLn2Low = 0x1.7f7d1cp-20F;
  const auto tiny = hn::Lt(x, hn::Set(d, 0x1p-126F));  // subnormals are scaled to normal numbers
  const V normal = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p24F)), x);
  // Subtracting the bits of sqrt(1/2) makes the exponent field k; the fraction is 1 + f's.
  const auto root = hn::Set(di, 0x3f3504f3);
  const auto bits = hn::Sub(hn::BitCast(di, normal), root);
  const auto exponent = hn::ShiftRight<23>(bits);
  const auto fraction = hn::Add(hn::And(bits, hn::Set(di, 0x007fffff)), root);
  const V k = hn::Sub(hn::ConvertTo(d, exponent), hn::IfThenElseZero(tiny, hn::Set(d, 24.0F)));
  const V f = hn::Sub(hn::BitCast(d, fraction), hn::Set(d, 1.0F));
  const V f2 = hn::Mul(f, f);
  const V p =
      Polynomial(d, f, 0x1.555548p-2F, -0x1.000006p-2F, 0x1.99a4c0p-3F, -0x1.555c54p-3F,
                 0x1.23368cp-3F, -0x1.fc1fa6p-4F, 0x1.e6fbbcp-4F, -0x1.de5110p-4F, 0x1.145774p-4F);
  V low = hn::MulAdd(hn::Mul(f2, f), p, hn::Mul(k, hn::Set(d, kLn2Low)));
  low = hn::NegMulAdd(f2, hn::Set(d, 0.5F), low);
  const V result = hn::MulAdd(k, hn::Set(d, kLn2High), hn::Add(f, low));
  // Of zero, of infinity and NaN, and of negative numbers.
  const V finite = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(hn::Inf(d)), result);
  const V proper = hn::IfThenElse(hn::Lt(x, hn::Inf(d)), finite, x);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::NaN(d), proper);
}

// e^x - 1 for x <= 0, relative to itself: 2^n (e^r - 1) + (2^n - 1), n >= -26 after the clamp; the
// second term is exact down to n = -24, and below that the result is -1 to half an ulp.
template <class D, class V>
HWY_INLINE V Expm1OfNegative(D d, V x) {
  const V bounded = AtLeast(hn::Set(d, -18.0F), x);
  V r;
  const WholeNumber<V> n = ReduceByLn2(d, bounded, r);
  const V power = PowerOfTwo(d, n);
  const V result = hn::MulAdd(power, ReducedExpm1(d, r), hn::Sub(power, hn::Set(d, 1.0F)));
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, result);  // -0 stays
}

// With e = e^-|x|, in (0, 1], which never overflows: 1 / (1 + e), or e / (1 + e) below 0, accurate
// down to the least of floats.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  const V e = Exp(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// e^x for x <= 0, quicker than Exp: 2^n 2^f with x log2(e) = n + f, |f| <= 1/2, rounded as one
// number (a relative error of |x| 2^-26, and on targets without fused multiply-adds |x| 2^-24), and
// 2^f of degree 5, fitted to 2^-23.3. It ends in zero: at e^-87, or below the least of floats.
template <class D, class V>
HWY_INLINE V QuickExpOfNegative(D d, V x) {
  const V log2_e = hn::Set(d, 0x1.715476p+0F);
  const V shift = hn::Set(d, kWholeShift);
#if HWY_TARGET == HWY_AVX3
  const V bounded = AtLeast(hn::Set(d, -150.0F), x);
#else
  const V bounded = AtLeast(hn::Set(d, -87.0F), x);
#endif
  const V shifted = hn::MulAdd(bounded, log2_e, shift);
  const V n = hn::Sub(shifted, shift);
  const V f = hn::MulSub(bounded, log2_e, n);
  const V p = Polynomial(d, f, 1.0F, 0x1.62e42ap-1F, 0x1.ebf9c2p-3F, 0x1.c6b6d8p-5F, 0x1.3ce8acp-7F,
                         0x1.5bda40p-10F);
#if HWY_TARGET == HWY_AVX3
  return TimesPowerOfTwo(d, p, WholeNumber<V>{n, shifted});
#else
  const V power = PowerOfTwo(d, WholeNumber<V>{n, shifted});
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Mul(p, power));
#endif
}

// 1 / x for 1 <= x <= 2, to 1.5 ulp: a polynomial of degree 3, with a relative error u of 2^-9.2 at
// most, and one step that leaves u^3. Of divisions a processor does one in the time of several
// such.
template <class D, class V>
HWY_INLINE V ReciprocalOfOneToTwo(D d, V x) {
  const V r = Polynomial(d, x, 0x1.6a09c2p+1F, -0x1.783c56p+1F, 0x1.54bde4p+0F, -0x1.c65286p-3F);
  const V u = hn::NegMulAdd(x, r, hn::Set(d, 1.0F));
  return hn::MulAdd(r, hn::MulAdd(u, u, u), r);
}

// sigmoid(|x|) and sigmoid(-|x|).
template <class V>
struct SigmoidEnds {
  V large;
  V small;
};
template <class D, class V>
HWY_INLINE SigmoidEnds<V> SigmoidEndsAt(D d, V x) {
  const V e = QuickExpOfNegative(d, hn::Or(x, hn::SignBit(d)));
  const V large = ReciprocalOfOneToTwo(d, hn::Add(hn::Set(d, 1.0F), e));
  return {large, hn::Mul(e, large)};
}

// x sigmoid(x); not a number at -infinity, as the product.
template <class D, class V>
HWY_INLINE V Silu(D d, V x) {
  const SigmoidEnds<V> ends = SigmoidEndsAt(d, x);
  return hn::Mul(x, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), ends.small, ends.large));
}

// s + x s (1 - s), s = sigmoid(x); not a number at infinities, where x times 0 is not.
template <class D, class V>
HWY_INLINE V SiluSlope(D d, V x) {
  const SigmoidEnds<V> ends = SigmoidEndsAt(d, x);
  const V s = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), ends.small, ends.large);
  return hn::MulAdd(x, hn::Mul(ends.small, ends.large), s);
}

// tanh |x| = -t / (2 + t) with t = e^(-2|x|) - 1, which is accurate near 0.
template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  const V size = hn::Abs(x);
  const V t = Expm1OfNegative(d, hn::Mul(size, hn::Set(d, -2.0F)));
  const V quotient = hn::Div(hn::Neg(t), hn::Add(t, hn::Set(d, 2.0F)));
  return hn::CopySign(quotient, x);
}

// x P(x^2) / Q(x^2) on |x| <= 3.95, beyond which erf is 1 to half an ulp: degrees 5 and 5, fitted
// to a relative error of 2^-25.4; all coefficients are positive, so that no digits cancel, and
// their common factor is such that P(0) / Q(0) is 2 / sqrt(pi) to 2^-35.
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  const V size = AtMost(hn::Set(d, 3.95F), hn::Abs(x));
  const V z = hn::Mul(size, size);
  const V p = Polynomial(d, z, 0x1.4226fap+0F, 0x1.b4336ap-3F, 0x1.e2613ap-5F, 0x1.148516p-8F,
                         0x1.4c30aep-12F, 0x1.2fcddcp-19F);
  const V q = Polynomial(d, z, 0x1.1d8p+0F, 0x1.1ef9f0p-1F, 0x1.051da4p-3F, 0x1.123052p-6F,
                         0x1.547720p-10F, 0x1.61fae4p-15F);
  const V quotient = hn::Mul(size, hn::Div(p, q));
  return hn::CopySign(AtMost(hn::Set(d, 1.0F), quotient), x);
}

// e^(-x^2 / divisor) for divisor 1 or 2. The square is taken in two floats: a relative error of
// 2^-24 in an argument of 88 would be one of 2^-18 in the result.
template <class D, class V>
HWY_INLINE V ExpOfMinusSquare(D d, V x, float divisor) {
  const V size = AtMost(hn::Set(d, 16.0F), hn::Abs(x));
  const V square = hn::Mul(size, size);
#if !HWY_NATIVE_FMA  // no fused multiply-add: halves of 12 bits, whose products are exact
  const hn::RebindToUnsigned<D> du;
  const V high = hn::BitCast(d, hn::And(hn::BitCast(du, size), hn::Set(du, 0xfffff000U)));
  const V low = hn::Sub(size, high);
  const V cross = hn::Mul(hn::Add(size, high), low);  // size^2 - high^2
  const V rest = hn::Add(hn::Sub(hn::Mul(high, high), square), cross);
#else
  const V rest = hn::MulSub(size, size, square);
#endif
  const V scale = hn::Set(d, -1.0F / divisor);
  return ExpSum(d, hn::Mul(square, scale), hn::Mul(rest, scale));
}

template <class D, class V>
HWY_INLINE V ErfSlope(D d, V x) {
  return hn::Mul(ExpOfMinusSquare(d, x, 1), hn::Set(d, 0x1.20dd76p+0F));  // 2 / sqrt(pi)
}

// max(x, 0) + ln(1 + e), e = e^-|x|: no overflow. ln(1 + e) = e p(e) on [0, 1], p of degree 10 by
// Remez' algorithm: relative error 2^-30.
template <class D, class V>
HWY_INLINE V Softplus(D d, V x) {
  const V e = Exp(d, hn::Neg(hn::Abs(x)));
  const V p = Polynomial(d, e, 1.0F, -0x1.fffff4p-2F, 0x1.55534ep-2F, -0x1.ffbd44p-3F,
                         0x1.975ccep-3F, -0x1.49d836p-3F, 0x1.fca8c2p-4F, -0x1.51ae78p-4F,
                         0x1.53ca30p-5F, -0x1.b75694p-7F, 0x1.0a1ba6p-9F);
  return hn::MulAdd(e, p, AtLeast(hn::Zero(d), x));
}

// The tail of the normal distribution: P(X <= -a) = e R(a) for a >= 0, e = e^(-a^2 / 2) and
// R(a) = e^(a^2 / 2) erfc(a / sqrt(2)) / 2. On [0, 14.5] R = P / Q of degrees 4 and 5, all
// coefficients positive, fitted to a relative error of 2^-26; beyond, e is 0.
template <class V>
struct NormalTail {
  V a;  // |x|, at most 16
  V e;
  V ratio;  // R(a)
};
template <class D, class V>
HWY_INLINE NormalTail<V> NormalTailAt(D d, V x) {
  const V a = AtMost(hn::Set(d, 16.0F), hn::Abs(x));
  const V p =
      Polynomial(d, a, 0x1p-1F, 0x1.c018e8p-2F, 0x1.7621c0p-3F, 0x1.4b416ap-5F, 0x1.0ba804p-8F);
  const V q = Polynomial(d, a, 1.0F, 0x1.ac4ea2p+0F, 0x1.33458cp+0F, 0x1.df3b74p-2F, 0x1.9f31acp-4F,
                         0x1.4f7416p-7F);
  return {a, ExpOfMinusSquare(d, a, 2), hn::Div(p, q)};
}

// x P(X <= x) = x [x >= 0] - a P(X <= -a).
template <class D, class V>
HWY_INLINE V GeluErf(D d, V x) {
  const NormalTail<V> tail = NormalTailAt(d, x);
  const V step = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, 1.0F));
  return hn::MulSub(x, step, hn::Mul(hn::Mul(tail.a, tail.ratio), tail.e));
}

// P(X <= x) + x phi(x) = [x >= 0] + sign(x) e (a / sqrt(2 pi) - R(a)); not a number at infinities,
// as the formula on the left.
template <class D, class V>
HWY_INLINE V GeluErfSlope(D d, V x) {
  const NormalTail<V> tail = NormalTailAt(d, x);
  const V one = hn::Set(d, 1.0F);
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V bracket = hn::MulSub(hn::Abs(x), hn::Set(d, 0x1.988454p-2F), tail.ratio);
  const V sign = hn::IfThenElse(negative, hn::Neg(one), one);
  return hn::MulAdd(hn::Mul(tail.e, bracket), sign, hn::IfThenZeroElse(negative, one));
}

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
