// Normalise over the axes from `axis` to the last, none of which may be the example axis. Maths:
// kernels/normalise.h. `mode` is a kernels::NormaliseMode, `alpha` its epsilon.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/normalise.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferNormalise(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  if (attributes.axis >= in.rank()) return InvalidInput("there is no axis to normalise over");
  if (in.example_axis >= attributes.axis) {
    return PrivacyRefused("axis " + std::to_string(in.example_axis) + " of " + FormatType(in) +
                          " is the example axis, and normalising along it would mix examples; "
                          "normalise feature axes only");
  }
  return in;
}

Result<ValueType> InferNormaliseGrad(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0].shape != inputs[1].shape) {
    return InternalError("a gradient of another shape than its value");
  }
  return inputs[0];
}

template <typename T>
kernels::NormaliseShape Rows(const Call<T>& call) {
  const std::span<const std::int64_t> dims = call.output_type.shape;
  const auto axis = static_cast<std::size_t>(call.attributes.axis);
  return {ElementCount(dims.first(axis)), ElementCount(dims.subspan(axis))};
}

template <typename T>
void NormaliseForward(const Call<T>& call) {
  const auto mode = static_cast<kernels::NormaliseMode>(call.attributes.mode);
  kernels::Normalise(mode, Rows(call), static_cast<T>(call.attributes.alpha), call.real(0),
                     call.real_output());
}

template <typename T>
void NormaliseGradForward(const Call<T>& call) {
  const auto mode = static_cast<kernels::NormaliseMode>(call.attributes.mode);
  kernels::NormaliseGrad(mode, Rows(call), static_cast<T>(call.attributes.alpha), call.real(0),
                         call.real(1), call.real_output());
}

void NormaliseGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kNormaliseGrad, {s.input(0), s.gradient()}, s.attributes()));
}

}  // namespace

const Primitive kNormalise = {"Normalise", &InferNormalise, &NormaliseForward<float>,
                              &NormaliseForward<double>, &NormaliseGradient};
const Primitive kNormaliseGrad = {"NormaliseGrad", &InferNormaliseGrad,
                                  &NormaliseGradForward<float>, &NormaliseGradForward<double>,
                                  nullptr};

}  // namespace anchorhold::graph::primitives
