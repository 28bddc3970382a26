// The operations of pointwise.h as loops over a tile. Included by pointwise.cc, once a target.
//
// Each is a functor of one vector (and a second); Loop runs it over a tile, and Pair makes one of
// two, so that the value between them stays in a register: the arithmetic is the same, bit for bit.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_OPS_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_OPS_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_OPS_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/simd/partial-inl.h"
#include "trusted/simd/pointwise_step.h"
#include "trusted/simd/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

struct Parameters {
  float alpha;
  float beta;
};

#define AH_POINT_OP(Name, operands, expression)                                      \
  struct Name : Parameters {                                                         \
    static constexpr int kOperands = operands;                                       \
    template <class D, class V>                                                      \
    HWY_INLINE V operator()([[maybe_unused]] D d, V a, [[maybe_unused]] V b) const { \
      return expression;                                                             \
    }                                                                                \
  };

template <class D>
HWY_INLINE auto Positive(D d, hn::Vec<D> x) {
  return hn::Gt(x, hn::Zero(d));
}

AH_POINT_OP(OpCopy, 1, a)
AH_POINT_OP(OpNeg, 1, hn::Neg(a))
AH_POINT_OP(OpAbs, 1, hn::Abs(a))
AH_POINT_OP(OpExp, 1, Exp(d, a))
AH_POINT_OP(OpLog, 1, Log(d, a))
AH_POINT_OP(OpSqrt, 1, hn::Sqrt(a))
AH_POINT_OP(OpTanh, 1, Tanh(d, a))
AH_POINT_OP(OpSigmoid, 1, Sigmoid(d, a))
AH_POINT_OP(OpErf, 1, Erf(d, a))
AH_POINT_OP(OpErfSlope, 1, ErfSlope(d, a))
AH_POINT_OP(OpSoftplus, 1, Softplus(d, a))
AH_POINT_OP(OpGeluErf, 1, GeluErf(d, a))
AH_POINT_OP(OpSilu, 1, Silu(d, a))
AH_POINT_OP(OpScale, 1, hn::MulAdd(a, hn::Set(d, alpha), hn::Set(d, beta)))
AH_POINT_OP(OpTimes, 1, hn::Mul(a, hn::Set(d, alpha)))  // without a shift, -0 stays
AH_POINT_OP(OpRelu, 1, AtLeast(hn::Zero(d), a))
AH_POINT_OP(OpLeakyRelu, 1, hn::IfThenElse(Positive(d, a), a, hn::Mul(a, hn::Set(d, alpha))))
AH_POINT_OP(OpClip, 1, AtMost(hn::Set(d, beta), AtLeast(hn::Set(d, alpha), a)))
// -1, 0 or 1, and NaN for itself.
AH_POINT_OP(OpSign, 1,
            hn::IfThenElse(Positive(d, a), hn::Set(d, 1.0F),
                           hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Set(d, -1.0F),
                                          hn::IfThenZeroElse(hn::Eq(a, a), a))))
// The quotient a / beta is taken as a product: one rounding more in the exponent.
AH_POINT_OP(OpElu, 1,
            hn::IfThenElse(Positive(d, a), a,
                           hn::Mul(hn::Set(d, alpha),
                                   Expm1OfNegative(d, AtMost(hn::Zero(d),
                                                             hn::Mul(a, hn::Set(d, 1 / beta)))))))
AH_POINT_OP(OpEluGrad, 2,
            hn::IfThenElse(Positive(d, a), b,
                           hn::Mul(hn::Mul(b, hn::Set(d, alpha / beta)),
                                   Exp(d, hn::Mul(a, hn::Set(d, 1 / beta))))))

AH_POINT_OP(OpReluGrad, 2, hn::IfThenElseZero(Positive(d, a), b))
AH_POINT_OP(OpLeakyReluGrad, 2, hn::IfThenElse(Positive(d, a), b, hn::Mul(b, hn::Set(d, alpha))))
AH_POINT_OP(OpClipGrad, 2,
            hn::IfThenElseZero(hn::And(hn::Gt(a, hn::Set(d, alpha)), hn::Lt(a, hn::Set(d, beta))),
                               b))
AH_POINT_OP(OpSigmoidGrad, 2, hn::Mul(hn::Mul(b, a), hn::Sub(hn::Set(d, 1.0F), a)))
AH_POINT_OP(OpTanhGrad, 2, hn::Mul(b, hn::NegMulAdd(a, a, hn::Set(d, 1.0F))))
AH_POINT_OP(OpGeluErfGrad, 2, hn::Mul(b, GeluErfSlope(d, a)))
AH_POINT_OP(OpSiluGrad, 2, hn::Mul(b, SiluSlope(d, a)))

AH_POINT_OP(OpAdd, 2, hn::Add(a, b))
AH_POINT_OP(OpSub, 2, hn::Sub(a, b))
AH_POINT_OP(OpMul, 2, hn::Mul(a, b))
AH_POINT_OP(OpDiv, 2, hn::Div(a, b))
// A NaN in either operand is the result; of equal operands the second.
AH_POINT_OP(OpMax, 2, hn::IfThenElse(hn::Eq(a, a), hn::IfThenElse(hn::Gt(a, b), a, b), a))
AH_POINT_OP(OpMin, 2, hn::IfThenElse(hn::Eq(a, a), hn::IfThenElse(hn::Lt(a, b), a, b), a))
// 1 for a > b and where a is NaN, 1/2 for a = b.
template <class D, class V>
HWY_INLINE V MaxShare(D d, V a, V b) {
  const V one = hn::Set(d, 1.0F);
  const V larger = hn::IfThenElseZero(hn::Gt(a, b), one);
  const V share = hn::IfThenElse(hn::Eq(a, b), hn::Set(d, 0.5F), larger);
  return hn::IfThenElse(hn::Eq(a, a), share, one);
}
AH_POINT_OP(OpMaxShare, 2, MaxShare(d, a, b))

AH_POINT_OP(OpEqual, 2, hn::IfThenElseZero(hn::Eq(a, b), hn::Set(d, 1.0F)))
AH_POINT_OP(OpLess, 2, hn::IfThenElseZero(hn::Lt(a, b), hn::Set(d, 1.0F)))
AH_POINT_OP(OpLessOrEqual, 2, hn::IfThenElseZero(hn::Le(a, b), hn::Set(d, 1.0F)))
AH_POINT_OP(OpKeep, 2, hn::IfThenZeroElse(hn::Eq(a, hn::Zero(d)), b))
AH_POINT_OP(OpDrop, 2, hn::IfThenElseZero(hn::Eq(a, hn::Zero(d)), b))

// x sigmoid(z), z = 2 u of kernels/elementwise.h, and the derivative s + x s (1 - s) z'.
template <class D, class V>
HWY_INLINE V GeluTanhInner(D d, V x, float cubic) {
  const V rate = hn::Set(d, 0x1.988454p+0F);  // 2 sqrt(2 / pi)
  return hn::Mul(rate, hn::MulAdd(hn::Mul(x, x), hn::Set(d, cubic), hn::Set(d, 1.0F)));
}
inline constexpr float kGeluCubic = 0.044715F;
AH_POINT_OP(OpGeluTanh, 1, hn::Mul(a, Sigmoid(d, hn::Mul(a, GeluTanhInner(d, a, kGeluCubic)))))

template <class D, class V>
HWY_INLINE V GeluTanhSlope(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  const V z = hn::Mul(x, GeluTanhInner(d, x, kGeluCubic));
  const V e = Exp(d, hn::Neg(hn::Abs(z)));
  const V reciprocal = hn::Div(one, hn::Add(one, e));
  const V other = hn::Mul(e, reciprocal);  // the smaller of s and 1 - s
  const V s = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), other, reciprocal);
  const V steepness = hn::Mul(other, reciprocal);
  const V slope = GeluTanhInner(d, x, 3 * kGeluCubic);
  const V rest = hn::Mul(hn::Mul(x, steepness), slope);
  // Where the steepness vanishes, the factor beside it may overflow.
  return hn::Add(s, hn::IfThenZeroElse(hn::Eq(steepness, hn::Zero(d)), rest));
}
AH_POINT_OP(OpGeluTanhGrad, 2, hn::Mul(b, GeluTanhSlope(d, a)))
#undef AH_POINT_OP

// One operation on a whole tile. The operands are at most three, in order.
template <class Op>
void Loop(const PointStep& step, float* dst, const PointOperand* operands, std::size_t n) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const Op op{{step.alpha, step.beta}};
  const PointOperand a = operands[0];
  const PointOperand b = operands[Op::kOperands - 1];
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto left = hn::LoadU(d, a.at + (i & a.mask));
    const auto right = Op::kOperands == 1 ? left : hn::LoadU(d, b.at + (i & b.mask));
    hn::StoreU(op(d, left, right), d, dst + i);
  }
  if (i == n) return;
  const auto left = LoadPart(d, a.at + (i & a.mask), n - i);
  const auto right = Op::kOperands == 1 ? left : LoadPart(d, b.at + (i & b.mask), n - i);
  StorePart(op(d, left, right), d, dst + i, n - i);
}

// b where a is not 0, else c.
inline void ChooseLoop(const PointStep& /*step*/, float* dst, const PointOperand* operands,
                       std::size_t n) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const PointOperand a = operands[0];
  const PointOperand b = operands[1];
  const PointOperand c = operands[2];
  const auto choose = [&](auto x, auto y, auto z)
                          HWY_ATTR { return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), z, y); };
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, a.at + (i & a.mask));
    const auto y = hn::LoadU(d, b.at + (i & b.mask));
    const auto z = hn::LoadU(d, c.at + (i & c.mask));
    hn::StoreU(choose(x, y, z), d, dst + i);
  }
  if (i == n) return;
  const auto x = LoadPart(d, a.at + (i & a.mask), n - i);
  const auto y = LoadPart(d, b.at + (i & b.mask), n - i);
  const auto z = LoadPart(d, c.at + (i & c.mask), n - i);
  StorePart(choose(x, y, z), d, dst + i, n - i);
}

// Two operations: second(first(a, b), c), or second(c, first(a, b)) with kResultIsRight. `b` is
// absent if First has one operand, `c` if Second has.
template <class First, class Second, bool kResultIsRight>
void PairLoop(const PointStep& step, float* dst, const PointOperand* operands, std::size_t n) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const First first{{step.alpha, step.beta}};
  const Second second{{step.alpha2, step.beta2}};
  const PointOperand a = operands[0];
  const PointOperand b = operands[First::kOperands - 1];
  const PointOperand c = operands[First::kOperands + Second::kOperands - 2];
  const auto both = [&](auto x, auto y, auto z) HWY_ATTR {
    const auto between = first(d, x, y);
    return kResultIsRight ? second(d, z, between) : second(d, between, z);
  };
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, a.at + (i & a.mask));
    const auto y = First::kOperands == 1 ? x : hn::LoadU(d, b.at + (i & b.mask));
    const auto z = Second::kOperands == 1 ? x : hn::LoadU(d, c.at + (i & c.mask));
    hn::StoreU(both(x, y, z), d, dst + i);
  }
  if (i == n) return;
  const auto x = LoadPart(d, a.at + (i & a.mask), n - i);
  const auto y = First::kOperands == 1 ? x : LoadPart(d, b.at + (i & b.mask), n - i);
  const auto z = Second::kOperands == 1 ? x : LoadPart(d, c.at + (i & c.mask), n - i);
  StorePart(both(x, y, z), d, dst + i, n - i);
}

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
