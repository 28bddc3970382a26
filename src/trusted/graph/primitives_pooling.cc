// MaxPool and AveragePool over the axes from the third on, one plane at a time. Maths:
// kernels/pooling.h. The output's spatial sizes are stated: dims, and AveragePool's divisor is the
// mode, a kernels::Divisor.
//
// Examples may lie along axis 0 or 1, which number the planes: a window stays within its plane. The
// indices of MaxPool count through all planes, so an example's would show its place in the batch.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/windows.h"
#include "trusted/kernels/pooling.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferPool(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  AH_RETURN_IF_ERROR(CheckSpatial(x));
  if (x.example_axis > 1) {
    return PrivacyRefused("axis " + std::to_string(x.example_axis) + " of " + FormatType(x) +
                          " is the example axis, and pooling over it would mix examples; keep the "
                          "examples at axis 0");
  }
  AH_RETURN_IF_ERROR(CheckWindow(attributes.window, SpatialSizes(x.shape), attributes.dims));
  ValueType out{{x.shape[0], x.shape[1]}, x.example_axis, x.element};
  out.shape.insert(out.shape.end(), attributes.dims.begin(), attributes.dims.end());
  return out;
}

Result<ValueType> InferIndices(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_ASSIGN_OR_RETURN(ValueType out, InferPool(inputs, attributes));
  if (out.has_examples()) {
    return PrivacyRefused(
        "the indices of MaxPool count through the whole batch of " + FormatType(inputs[0]) +
        ", so an example's would depend on its place in it; use the maxima alone");
  }
  out.element = ElementType::kInt64;
  return out;
}

// (x, g) -> dx
Result<ValueType> InferMaxGrad(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_ASSIGN_OR_RETURN(const ValueType y, InferPool(inputs.first(1), attributes));
  if (y.shape != inputs[1].shape) return InternalError("a gradient of another shape");
  return inputs[0];
}

// g -> dx, whose spatial sizes are dims
Result<ValueType> InferAverageGrad(std::span<const ValueType> inputs,
                                   const Attributes& attributes) {
  const ValueType& g = inputs[0];
  AH_RETURN_IF_ERROR(CheckSpatial(g));
  AH_RETURN_IF_ERROR(CheckWindow(attributes.window, attributes.dims, SpatialSizes(g.shape)));
  ValueType out{{g.shape[0], g.shape[1]}, g.example_axis, g.element};
  out.shape.insert(out.shape.end(), attributes.dims.begin(), attributes.dims.end());
  return out;
}

// From the shapes of x and y.
kernels::PoolingShape ShapeOf(const Shape& x, const Shape& y, const Attributes& attributes) {
  return {static_cast<std::size_t>(x[0] * x[1]),
          KernelWindows(attributes.window, SpatialSizes(x), SpatialSizes(y)),
          static_cast<kernels::Divisor>(attributes.mode), attributes.mode == kColumnMajor};
}

template <typename T>
kernels::PoolingShape ForwardShape(const Call<T>& call) {
  return ShapeOf(call.input_types[0].shape, call.output_type.shape, call.attributes);
}

template <typename T, typename E>
void MaxPoolForward(const Call<T>& call) {
  kernels::MaxPool(ForwardShape(call), call.template in<E>(0), call.template out<E>());
}

template <typename T, typename E>
void MaxPoolIndicesForward(const Call<T>& call) {
  kernels::MaxPoolIndices(ForwardShape(call), call.template in<E>(0), call.integer_output());
}

template <typename T>
void MaxPoolGradForward(const Call<T>& call) {
  const auto shape = ShapeOf(call.input_types[0].shape, call.input_types[1].shape, call.attributes);
  kernels::MaxPoolGrad(shape, call.real(0), call.real(1), call.real_output());
}

template <typename T>
void AveragePoolForward(const Call<T>& call) {
  kernels::SumPool(ForwardShape(call), call.real(0), call.real_output());
}

template <typename T>
void AveragePoolGradForward(const Call<T>& call) {
  const auto shape = ShapeOf(call.output_type.shape, call.input_types[0].shape, call.attributes);
  kernels::SumPoolGrad(shape, call.real(0), call.real_output());
}

void MaxPoolGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kMaxPoolGrad, {s.input(0), s.gradient()}, s.attributes()));
}

void AveragePoolGradient(GradientScope& s) {
  Attributes attributes = s.attributes();
  attributes.dims = SpatialSizes(s.shape(s.input(0)));
  s.Contribute(0, s.Emit(kAveragePoolGrad, {s.gradient()}, std::move(attributes)));
}

}  // namespace

const Primitive kMaxPool = {
    "MaxPool",
    &InferPool,
    &ByElement<float, &MaxPoolForward<float, float>, &MaxPoolForward<float, std::int64_t>>,
    &ByElement<double, &MaxPoolForward<double, double>, &MaxPoolForward<double, std::int64_t>>,
    &MaxPoolGradient,
    Accepts::kAny};
const Primitive kMaxPoolIndices = {"MaxPoolIndices",
                                   &InferIndices,
                                   &ByElement<float, &MaxPoolIndicesForward<float, float>,
                                              &MaxPoolIndicesForward<float, std::int64_t>>,
                                   &ByElement<double, &MaxPoolIndicesForward<double, double>,
                                              &MaxPoolIndicesForward<double, std::int64_t>>,
                                   &NoGradient,
                                   Accepts::kAny};
const Primitive kMaxPoolGrad = {"MaxPoolGrad", &InferMaxGrad, &MaxPoolGradForward<float>,
                                &MaxPoolGradForward<double>, nullptr};
const Primitive kAveragePool = {"AveragePool", &InferPool, &AveragePoolForward<float>,
                                &AveragePoolForward<double>, &AveragePoolGradient};
const Primitive kAveragePoolGrad = {"AveragePoolGrad", &InferAverageGrad,
                                    &AveragePoolGradForward<float>, &AveragePoolGradForward<double>,
                                    nullptr};

}  // namespace anchorhold::graph::primitives
