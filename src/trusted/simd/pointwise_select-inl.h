// Which loop runs an instruction, or two in one. Included by pointwise.cc, once a target.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_SELECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_SELECT_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_SELECT_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_SELECT_INL_H_
#endif

#include "trusted/simd/pointwise.h"
#include "trusted/simd/pointwise_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Special cases of operations, which their public parameters select.
inline constexpr auto kTimes = static_cast<PointOp>(100);     // kScale without a shift
inline constexpr auto kRelu = static_cast<PointOp>(101);      // kLeakyRelu of slope 0
inline constexpr auto kReluGrad = static_cast<PointOp>(102);  // its derivative

inline PointOp SpecialCaseOf(const PointInstruction& instruction) {
  if (instruction.op == PointOp::kScale && instruction.beta == 0) return kTimes;
  if (instruction.op == PointOp::kLeakyRelu && instruction.alpha == 0) return kRelu;
  if (instruction.op == PointOp::kLeakyReluGrad && instruction.alpha == 0) return kReluGrad;
  return instruction.op;
}

inline bool IsCommutative(PointOp op) { return op == PointOp::kAdd || op == PointOp::kMul; }

struct SingleLoop {
  PointOp op;
  PointLoop loop;
};
template <class Op>
constexpr SingleLoop Single(PointOp op) {
  return {op, &Loop<Op>};
}
inline constexpr SingleLoop kSingles[] = {
    Single<OpCopy>(PointOp::kCopy),
    Single<OpNeg>(PointOp::kNeg),
    Single<OpAbs>(PointOp::kAbs),
    Single<OpSign>(PointOp::kSign),
    Single<OpExp>(PointOp::kExp),
    Single<OpLog>(PointOp::kLog),
    Single<OpSqrt>(PointOp::kSqrt),
    Single<OpTanh>(PointOp::kTanh),
    Single<OpSigmoid>(PointOp::kSigmoid),
    Single<OpErf>(PointOp::kErf),
    Single<OpErfSlope>(PointOp::kErfSlope),
    Single<OpSoftplus>(PointOp::kSoftplus),
    Single<OpScale>(PointOp::kScale),
    Single<OpLeakyRelu>(PointOp::kLeakyRelu),
    Single<OpClip>(PointOp::kClip),
    Single<OpElu>(PointOp::kElu),
    Single<OpGeluErf>(PointOp::kGeluErf),
    Single<OpGeluTanh>(PointOp::kGeluTanh),
    Single<OpSilu>(PointOp::kSilu),
    Single<OpLeakyReluGrad>(PointOp::kLeakyReluGrad),
    Single<OpClipGrad>(PointOp::kClipGrad),
    Single<OpSigmoidGrad>(PointOp::kSigmoidGrad),
    Single<OpTanhGrad>(PointOp::kTanhGrad),
    Single<OpEluGrad>(PointOp::kEluGrad),
    Single<OpGeluErfGrad>(PointOp::kGeluErfGrad),
    Single<OpGeluTanhGrad>(PointOp::kGeluTanhGrad),
    Single<OpSiluGrad>(PointOp::kSiluGrad),
    Single<OpAdd>(PointOp::kAdd),
    Single<OpSub>(PointOp::kSub),
    Single<OpMul>(PointOp::kMul),
    Single<OpDiv>(PointOp::kDiv),
    Single<OpMax>(PointOp::kMax),
    Single<OpMin>(PointOp::kMin),
    Single<OpMaxShare>(PointOp::kMaxShare),
    Single<OpEqual>(PointOp::kEqual),
    Single<OpLess>(PointOp::kLess),
    Single<OpLessOrEqual>(PointOp::kLessOrEqual),
    Single<OpKeep>(PointOp::kKeep),
    Single<OpDrop>(PointOp::kDrop),
    {PointOp::kChoose, &ChooseLoop},
    Single<OpTimes>(kTimes),
    Single<OpRelu>(kRelu),
    Single<OpReluGrad>(kReluGrad),
};

// What networks chain most, forwards and backwards.
struct PairedLoop {
  PointOp first;
  PointOp second;
  bool result_is_right;  // the first's result is the second's operand b
  PointLoop loop;
};
template <class First, class Second, bool kResultIsRight = false>
constexpr PairedLoop Paired(PointOp first, PointOp second) {
  return {first, second, kResultIsRight, &PairLoop<First, Second, kResultIsRight>};
}
inline constexpr PairedLoop kPairs[] = {
    Paired<OpAdd, OpRelu>(PointOp::kAdd, kRelu),
    Paired<OpAdd, OpLeakyRelu>(PointOp::kAdd, PointOp::kLeakyRelu),
    Paired<OpAdd, OpClip>(PointOp::kAdd, PointOp::kClip),
    Paired<OpAdd, OpAdd>(PointOp::kAdd, PointOp::kAdd),
    Paired<OpAdd, OpMul>(PointOp::kAdd, PointOp::kMul),
    Paired<OpAdd, OpGeluErf>(PointOp::kAdd, PointOp::kGeluErf),
    Paired<OpAdd, OpSilu>(PointOp::kAdd, PointOp::kSilu),
    Paired<OpAdd, OpSigmoid>(PointOp::kAdd, PointOp::kSigmoid),
    Paired<OpAdd, OpTanh>(PointOp::kAdd, PointOp::kTanh),
    Paired<OpSub, OpMul>(PointOp::kSub, PointOp::kMul),
    Paired<OpMul, OpAdd>(PointOp::kMul, PointOp::kAdd),
    Paired<OpMul, OpMul>(PointOp::kMul, PointOp::kMul),
    Paired<OpMul, OpSub>(PointOp::kMul, PointOp::kSub),
    Paired<OpMul, OpSub, true>(PointOp::kMul, PointOp::kSub),
    Paired<OpMul, OpReluGrad, true>(PointOp::kMul, kReluGrad),
    Paired<OpMul, OpClipGrad, true>(PointOp::kMul, PointOp::kClipGrad),
    Paired<OpMul, OpSigmoidGrad, true>(PointOp::kMul, PointOp::kSigmoidGrad),
    Paired<OpMul, OpSiluGrad, true>(PointOp::kMul, PointOp::kSiluGrad),
    Paired<OpReluGrad, OpMul>(kReluGrad, PointOp::kMul),
    Paired<OpClipGrad, OpMul>(PointOp::kClipGrad, PointOp::kMul),
    Paired<OpSigmoid, OpMul>(PointOp::kSigmoid, PointOp::kMul),
    Paired<OpSigmoidGrad, OpMul>(PointOp::kSigmoidGrad, PointOp::kMul),
    Paired<OpSilu, OpMul>(PointOp::kSilu, PointOp::kMul),
    Paired<OpScale, OpMul>(PointOp::kScale, PointOp::kMul),
    Paired<OpScale, OpAdd>(PointOp::kScale, PointOp::kAdd),
    Paired<OpTimes, OpMul>(kTimes, PointOp::kMul),
    Paired<OpTimes, OpAdd>(kTimes, PointOp::kAdd),
    Paired<OpTimes, OpErf>(kTimes, PointOp::kErf),
};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
