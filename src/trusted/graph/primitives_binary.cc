// Add, Sub, Mul, Div with broadcasting (broadcasting.h has the type rule). With g the gradient of
// the output y and S the sum over broadcast axes:
//   Add: S(g), S(g)     Sub: S(g), -S(g)     Mul: S(g b), S(g a)     Div: S(g / b), -S(g y / b)
#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferBinary(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0].element == ElementType::kBool) return Unsupported("arithmetic on truth values");
  return BroadcastTypes(inputs[0], inputs[1]);
}

template <typename T, typename E, kernels::BinaryOp op>
void Elements(const Call<T>& call) {
  const kernels::IndexSpace space = kernels::Broadcast(
      call.input_types[0].shape, call.input_types[1].shape, call.output_type.shape);
  kernels::Binary(op, space, call.template in<E>(0), call.template in<E>(1),
                  call.template out<E>());
}

template <typename T, kernels::BinaryOp op>
void Forward(const Call<T>& call) {
  ByElement<T, &Elements<T, T, op>, &Elements<T, std::int64_t, op>>(call);
}

ValueId SumToInput(GradientScope& s, std::size_t i, ValueId value) {
  return s.SumTo(value, s.shape(s.input(i)));
}

void AddGradient(GradientScope& s) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (s.wants(i)) s.Contribute(i, SumToInput(s, i, s.gradient()));
  }
}

void SubGradient(GradientScope& s) {
  if (s.wants(0)) s.Contribute(0, SumToInput(s, 0, s.gradient()));
  if (s.wants(1)) s.Contribute(1, s.Emit(kNeg, {SumToInput(s, 1, s.gradient())}));
}

void MulGradient(GradientScope& s) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (!s.wants(i)) continue;
    s.Contribute(i, SumToInput(s, i, s.Emit(kMul, {s.gradient(), s.input(1 - i)})));
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

}  // namespace

const Primitive kAdd = {"Add",
                        &InferBinary,
                        &Forward<float, kernels::BinaryOp::kAdd>,
                        &Forward<double, kernels::BinaryOp::kAdd>,
                        &AddGradient,
                        Accepts::kAny};
const Primitive kSub = {"Sub",
                        &InferBinary,
                        &Forward<float, kernels::BinaryOp::kSub>,
                        &Forward<double, kernels::BinaryOp::kSub>,
                        &SubGradient,
                        Accepts::kAny};
const Primitive kMul = {"Mul",
                        &InferBinary,
                        &Forward<float, kernels::BinaryOp::kMul>,
                        &Forward<double, kernels::BinaryOp::kMul>,
                        &MulGradient,
                        Accepts::kAny};
const Primitive kDiv = {"Div",
                        &InferBinary,
                        &Forward<float, kernels::BinaryOp::kDiv>,
                        &Forward<double, kernels::BinaryOp::kDiv>,
                        &DivGradient,
                        Accepts::kAny};

}  // namespace anchorhold::graph::primitives
