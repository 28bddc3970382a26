// SumOver and BroadcastTo. A sum may run over any axis but the example axis.
#include <algorithm>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/graph/integers.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferSumOver(std::span<const ValueType> inputs, const Attributes& attributes) {
  ValueType out = inputs[0];
  for (const std::int64_t axis : attributes.dims) {
    if (axis == out.example_axis) {
      return PrivacyRefused("reduces the example axis of " + FormatType(out) +
                            ", so examples would mix; reduce the other axes only");
    }
    out.shape[static_cast<std::size_t>(axis)] = 1;
  }
  return out;
}

template <typename T, typename E>
void SumOverForward(const Call<T>& call) {
  const Shape& x = call.input_types[0].shape;
  const Shape& y = call.output_type.shape;
  // The strides of y as it would broadcast to x: 0 along the summed axes.
  const kernels::IndexSpace space = kernels::Broadcast(x, y, x);
  const std::size_t size = ElementCount(y);
  kernels::SumStrided(space, call.template in<E>(0), call.template out<E>(), size);
  if (call.output_type.is_real()) return;
  std::int64_t* sums = call.integer_output();
  for (std::size_t i = 0; i < size; ++i) sums[i] = WrapInteger(sums[i], call.output_type.element);
}

void SumOverGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kBroadcastTo, {s.gradient()}, {.dims = s.shape(s.input(0))}));
}

Result<ValueType> InferBroadcastTo(std::span<const ValueType> inputs,
                                   const Attributes& attributes) {
  const ValueType target{attributes.dims, attributes.example_axis, inputs[0].element};
  AH_ASSIGN_OR_RETURN(ValueType out, BroadcastTypes(inputs[0], target));
  if (out.shape != attributes.dims) {
    return InvalidInput("cannot broadcast " + FormatType(inputs[0]) + " to " +
                        FormatShape(attributes.dims));
  }
  return out;
}

template <typename T, typename E>
void BroadcastToForward(const Call<T>& call) {
  const Shape& y = call.output_type.shape;
  const kernels::IndexSpace space = kernels::Broadcast(call.input_types[0].shape, y, y);
  kernels::CopyStrided(space, call.template in<E>(0), call.template out<E>());
}

void BroadcastToGradient(GradientScope& s) {
  s.Contribute(0, s.SumTo(s.gradient(), s.shape(s.input(0))));
}

}  // namespace

const Primitive kSumOver = {
    "SumOver",
    &InferSumOver,
    &ByElement<float, &SumOverForward<float, float>, &SumOverForward<float, std::int64_t>>,
    &ByElement<double, &SumOverForward<double, double>, &SumOverForward<double, std::int64_t>>,
    &SumOverGradient,
    Accepts::kAny};
const Primitive kBroadcastTo = {
    "BroadcastTo",
    &InferBroadcastTo,
    &ByElement<float, &BroadcastToForward<float, float>, &BroadcastToForward<float, std::int64_t>>,
    &ByElement<double, &BroadcastToForward<double, double>,
               &BroadcastToForward<double, std::int64_t>>,
    &BroadcastToGradient,
    Accepts::kAny};

}  // namespace anchorhold::graph::primitives
