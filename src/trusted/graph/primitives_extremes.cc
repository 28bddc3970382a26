// Reductions other than the sum, over any axes but the example axis; the axes stay with size 1.
// Maths: kernels/reduce.h. With g the gradient of the output y, spread over the reduced axes:
//   MaxOver, MinOver: g s / sum s, where s is 1 for the elements that equal y: ties share evenly
//   ProdOver: g times the product of the other elements
//   NormOver: g x / y, and 0 where y = 0
//   LogSumExpOver: g e^(x - y)
#include "trusted/graph/autodiff.h"
#include "trusted/graph/integers.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/reduce.h"

namespace anchorhold::graph::primitives {
namespace {

using kernels::FoldOp;

Result<ValueType> InferReduce(std::span<const ValueType> inputs, const Attributes& attributes) {
  return kSumOver.infer(inputs, attributes);
}

Result<ValueType> InferGrad(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[0];
}

// Between input 0 and the reduced shape `y`.
template <typename T>
kernels::Reduction ReductionOf(const Call<T>& call, const Shape& y) {
  return kernels::ReduceTo(call.input_types[0].shape, y);
}

template <typename T, typename E, FoldOp op>
void Elements(const Call<T>& call) {
  kernels::Fold(op, ReductionOf(call, call.output_type.shape), call.template in<E>(0),
                call.template out<E>());
}

template <typename T, FoldOp op>
void IntegerElements(const Call<T>& call) {
  const ElementType element = call.output_type.element;
  if (element == ElementType::kUInt64) return Elements<T, std::uint64_t, op>(call);
  Elements<T, std::int64_t, op>(call);
  if (op != FoldOp::kProd) return;
  std::int64_t* y = call.integer_output();
  const std::size_t size = ElementCount(call.output_type.shape);
  for (std::size_t i = 0; i < size; ++i) y[i] = WrapInteger(y[i], element);
}

template <typename T, FoldOp op>
void Forward(const Call<T>& call) {
  ByElement<T, &Elements<T, T, op>, &IntegerElements<T, op>>(call);
}

template <FoldOp op>
constexpr Primitive Make(const char* name, void (*gradient)(GradientScope&)) {
  return {name, &InferReduce, &Forward<float, op>, &Forward<double, op>, gradient, Accepts::kAny};
}

template <typename T, void (*kernel)(const kernels::Reduction&, const T*, T*)>
void RealForward(const Call<T>& call) {
  kernel(ReductionOf(call, call.output_type.shape), call.real(0), call.real_output());
}

template <typename T>
void ProdGradForward(const Call<T>& call) {
  kernels::ProdGrad(ReductionOf(call, call.input_types[1].shape), call.real(0), call.real(1),
                    call.real_output());
}

// `share` is a half where x and y are equal and 0 elsewhere (MaxShare, y being the extreme).
void ContributeShares(GradientScope& s, ValueId share) {
  const ValueId all = s.Emit(kSumOver, {share}, {.dims = s.attributes().dims});
  s.Contribute(0, s.Emit(kMul, {share, s.Emit(kDiv, {s.gradient(), all})}));
}

void MaxGradient(GradientScope& s) {
  ContributeShares(s, s.Emit(kMaxShare, {s.input(0), s.output()}));
}

void MinGradient(GradientScope& s) {
  ContributeShares(s, s.Emit(kMaxShare, {s.output(), s.input(0)}));
}

void ProdGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kProdOverGrad, {s.input(0), s.gradient()}));
}

void NormGradient(GradientScope& s) {
  const ValueId direction = s.Emit(kDivOrZero, {s.input(0), s.output()});
  s.Contribute(0, s.Emit(kMul, {direction, s.gradient()}));
}

void LogSumExpGradient(GradientScope& s) {
  const ValueId below = s.Emit(kSub, {s.input(0), s.output()});
  s.Contribute(0, s.Emit(kMul, {s.Emit(kExp, {below}), s.gradient()}));
}

}  // namespace

const Primitive kMaxOver = Make<FoldOp::kMax>("MaxOver", &MaxGradient);
const Primitive kMinOver = Make<FoldOp::kMin>("MinOver", &MinGradient);
const Primitive kProdOver = Make<FoldOp::kProd>("ProdOver", &ProdGradient);
const Primitive kProdOverGrad = {"ProdOverGrad", &InferGrad, &ProdGradForward<float>,
                                 &ProdGradForward<double>, nullptr};
const Primitive kNormOver = {"NormOver", &InferReduce, &RealForward<float, kernels::Norm<float>>,
                             &RealForward<double, kernels::Norm<double>>, &NormGradient};
const Primitive kLogSumExpOver = {
    "LogSumExpOver", &InferReduce, &RealForward<float, kernels::LogSumExp<float>>,
    &RealForward<double, kernels::LogSumExp<double>>, &LogSumExpGradient};

}  // namespace anchorhold::graph::primitives
