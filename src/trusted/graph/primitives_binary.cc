// Arithmetic of two values with broadcasting (broadcasting.h has the type rule). With g the
// gradient of the output y and S the sum over broadcast axes:
//   Add: S(g), S(g)     Sub: S(g), -S(g)     Mul: S(g b), S(g a)     Div: S(g / b), -S(g y / b)
//   Pow: S(g b a^(b-1)), S(g y ln a); the second is 0 for a <= 0, where a^b has no derivative by b
//   Mod, FloorMod: S(g), S(g (y - a) / b), for y = a + k b with a whole k
//   Max, Min: to the one that is taken, and half to each where they are equal
#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/graph/integers.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph::primitives {
namespace {

using kernels::BinaryOp;
using kernels::SlopeOp;

Result<ValueType> InferBinary(std::span<const ValueType> inputs, const Attributes&) {
  for (const ValueType& input : inputs) {
    if (input.element == ElementType::kBool) return Unsupported("arithmetic on truth values");
  }
  return BroadcastTypes(inputs[0], inputs[1]);
}

template <typename T>
kernels::IndexSpace SpaceOf(const Call<T>& call) {
  return kernels::Broadcast(call.input_types[0].shape, call.input_types[1].shape,
                            call.output_type.shape);
}

template <typename T, typename E, BinaryOp op>
void Elements(const Call<T>& call) {
  kernels::Binary(op, SpaceOf(call), call.template in<E>(0), call.template in<E>(1),
                  call.template out<E>());
}

template <typename T, BinaryOp op>
void IntegerElements(const Call<T>& call) {
  const ElementType element = call.output_type.element;
  if (element == ElementType::kUInt64) return Elements<T, std::uint64_t, op>(call);
  Elements<T, std::int64_t, op>(call);
  if (element == ElementType::kInt64) return;
  std::int64_t* y = call.integer_output();
  const std::size_t size = ElementCount(call.output_type.shape);
  for (std::size_t i = 0; i < size; ++i) y[i] = WrapInteger(y[i], element);
}

template <typename T, BinaryOp op>
void Forward(const Call<T>& call) {
  ByElement<T, &Elements<T, T, op>, &IntegerElements<T, op>>(call);
}

template <BinaryOp op>
constexpr Primitive Make(const char* name, void (*gradient)(GradientScope&)) {
  return {name, &InferBinary, &Forward<float, op>, &Forward<double, op>, gradient, Accepts::kAny};
}

template <typename T, SlopeOp op>
void SlopeForward(const Call<T>& call) {
  kernels::Slope(op, SpaceOf(call), call.real(0), call.real(1), call.real_output());
}

template <SlopeOp op>
constexpr Primitive MakeSlope(const char* name) {
  return {name, &InferBinary, &SlopeForward<float, op>, &SlopeForward<double, op>, nullptr};
}

constexpr std::size_t kBoth[] = {0, 1};

ValueId SumToInput(GradientScope& s, std::size_t i, ValueId value) {
  return s.SumTo(value, s.shape(s.input(i)));
}

// g times `slope`, which is of y's shape.
void ContributeTimes(GradientScope& s, std::size_t i, ValueId slope) {
  s.Contribute(i, SumToInput(s, i, s.Emit(kMul, {s.gradient(), slope})));
}

void AddGradient(GradientScope& s) {
  for (const std::size_t i : kBoth) {
    if (s.wants(i)) s.Contribute(i, SumToInput(s, i, s.gradient()));
  }
}

void SubGradient(GradientScope& s) {
  if (s.wants(0)) s.Contribute(0, SumToInput(s, 0, s.gradient()));
  if (s.wants(1)) s.Contribute(1, s.Emit(kNeg, {SumToInput(s, 1, s.gradient())}));
}

void MulGradient(GradientScope& s) {
  for (const std::size_t i : kBoth) {
    if (s.wants(i)) ContributeTimes(s, i, s.input(1 - i));
  }
}

void DivGradient(GradientScope& s) {
  const ValueId quotient = s.Emit(kDiv, {s.gradient(), s.input(1)});
  if (s.wants(0)) s.Contribute(0, SumToInput(s, 0, quotient));
  if (s.wants(1)) {
    const ValueId product = s.Emit(kMul, {quotient, s.output()});
    s.Contribute(1, s.Emit(kNeg, {SumToInput(s, 1, product)}));
  }
}

void PowGradient(GradientScope& s) {
  const ValueId a = s.input(0);
  const ValueId b = s.input(1);
  if (s.wants(0)) ContributeTimes(s, 0, s.Emit(kPowByBase, {a, b}));
  if (s.wants(1)) ContributeTimes(s, 1, s.Emit(kPowByExponent, {a, b}));
}

void ModGradient(GradientScope& s) {
  if (s.wants(0)) s.Contribute(0, SumToInput(s, 0, s.gradient()));
  if (s.wants(1)) {
    const ValueId taken = s.Emit(kSub, {s.output(), s.input(0)});
    ContributeTimes(s, 1, s.Emit(kDiv, {taken, s.input(1)}));
  }
}

void MaxGradient(GradientScope& s) {
  for (const std::size_t i : kBoth) {
    if (s.wants(i)) ContributeTimes(s, i, s.Emit(kMaxShare, {s.input(i), s.input(1 - i)}));
  }
}

// The smaller one is the one that the other exceeds.
void MinGradient(GradientScope& s) {
  for (const std::size_t i : kBoth) {
    if (s.wants(i)) ContributeTimes(s, i, s.Emit(kMaxShare, {s.input(1 - i), s.input(i)}));
  }
}

}  // namespace

const Primitive kAdd = Make<BinaryOp::kAdd>("Add", &AddGradient);
const Primitive kSub = Make<BinaryOp::kSub>("Sub", &SubGradient);
const Primitive kMul = Make<BinaryOp::kMul>("Mul", &MulGradient);
const Primitive kDiv = Make<BinaryOp::kDiv>("Div", &DivGradient);
const Primitive kPow = Make<BinaryOp::kPow>("Pow", &PowGradient);
const Primitive kMod = Make<BinaryOp::kMod>("Mod", &ModGradient);
const Primitive kFloorMod = Make<BinaryOp::kFloorMod>("FloorMod", &ModGradient);
const Primitive kMax = Make<BinaryOp::kMax>("Max", &MaxGradient);
const Primitive kMin = Make<BinaryOp::kMin>("Min", &MinGradient);
const Primitive kMaxShare = MakeSlope<SlopeOp::kMaxShare>("MaxShare");
const Primitive kPowByBase = MakeSlope<SlopeOp::kPowByBase>("PowByBase");
const Primitive kPowByExponent = MakeSlope<SlopeOp::kPowByExponent>("PowByExponent");
const Primitive kDivOrZero = MakeSlope<SlopeOp::kDivOrZero>("DivOrZero");

}  // namespace anchorhold::graph::primitives
