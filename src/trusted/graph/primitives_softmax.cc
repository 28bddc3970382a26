// Softmax and LogSoftmax along one axis, which may not be the example axis. Maths:
// kernels/softmax.h.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/softmax.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferSoftmax(std::span<const ValueType> inputs, const Attributes& attributes) {
  if (attributes.axis == inputs[0].example_axis) {
    return PrivacyRefused("axis " + std::to_string(attributes.axis) + " of " +
                          FormatType(inputs[0]) +
                          " is the example axis, and normalising along it would mix examples; "
                          "normalise a feature axis");
  }
  return inputs[0];
}

Result<ValueType> InferGrad(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0] != inputs[1]) return InternalError("a gradient of another shape than its value");
  return inputs[0];
}

template <typename T>
kernels::SoftmaxShape Lines(const Call<T>& call) {
  const std::span<const std::int64_t> dims = call.output_type.shape;
  const auto axis = static_cast<std::size_t>(call.attributes.axis);
  return {ElementCount(dims.first(axis)), static_cast<std::size_t>(dims[axis]),
          ElementCount(dims.subspan(axis + 1))};
}

template <typename T, void (*kernel)(const kernels::SoftmaxShape&, const T*, T*)>
void Forward(const Call<T>& call) {
  kernel(Lines(call), call.real(0), call.real_output());
}

template <typename T, void (*kernel)(const kernels::SoftmaxShape&, const T*, const T*, T*)>
void Backward(const Call<T>& call) {
  kernel(Lines(call), call.real(0), call.real(1), call.real_output());
}

void SoftmaxGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kSoftmaxGrad, {s.output(), s.gradient()}, s.attributes()));
}

void LogSoftmaxGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kLogSoftmaxGrad, {s.output(), s.gradient()}, s.attributes()));
}

}  // namespace

const Primitive kSoftmax = {"Softmax", &InferSoftmax, &Forward<float, kernels::Softmax<float>>,
                            &Forward<double, kernels::Softmax<double>>, &SoftmaxGradient};
const Primitive kLogSoftmax = {"LogSoftmax", &InferSoftmax,
                               &Forward<float, kernels::LogSoftmax<float>>,
                               &Forward<double, kernels::LogSoftmax<double>>, &LogSoftmaxGradient};
const Primitive kSoftmaxGrad = {"SoftmaxGrad", &InferGrad,
                                &Backward<float, kernels::SoftmaxGrad<float>>,
                                &Backward<double, kernels::SoftmaxGrad<double>>, nullptr};
const Primitive kLogSoftmaxGrad = {"LogSoftmaxGrad", &InferGrad,
                                   &Backward<float, kernels::LogSoftmaxGrad<float>>,
                                   &Backward<double, kernels::LogSoftmaxGrad<double>>, nullptr};

}  // namespace anchorhold::graph::primitives
