// ArgExtreme, TopKIndices, Hardmax, CumSum along one axis, which may not be the example axis;
// Triangle in the last two. Maths: kernels/ordering.h.
//
// The first three are constant almost everywhere. With g the gradient of the output:
//   CumSum    dx = CumSum of g in the other direction
//   Triangle  dx = Triangle(g)
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/ordering.h"

namespace anchorhold::graph::primitives {
namespace {

Status CheckAxis(const ValueType& in, int axis, const char* what) {
  if (axis != in.example_axis) return Ok();
  return PrivacyRefused(std::string(what) + " the example axis of " + FormatType(in) +
                        ", so examples would mix; work along a feature axis");
}

Result<ValueType> InferArgExtreme(std::span<const ValueType> inputs, const Attributes& attributes) {
  ValueType out = inputs[0];
  AH_RETURN_IF_ERROR(CheckAxis(out, attributes.axis, "searches along"));
  out.shape[static_cast<std::size_t>(attributes.axis)] = 1;
  out.element = ElementType::kInt64;
  return out;
}

Result<ValueType> InferTopKIndices(std::span<const ValueType> inputs,
                                   const Attributes& attributes) {
  ValueType out = inputs[0];
  AH_RETURN_IF_ERROR(CheckAxis(out, attributes.axis, "sorts along"));
  std::int64_t& size = out.shape[static_cast<std::size_t>(attributes.axis)];
  const std::int64_t k = attributes.dims[0];
  if (k < 1 || k > size) {
    return InvalidInput("the first " + std::to_string(k) + " of " + std::to_string(size) +
                        " elements");
  }
  size = k;
  out.element = ElementType::kInt64;
  return out;
}

Result<ValueType> InferHardmax(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_RETURN_IF_ERROR(CheckAxis(inputs[0], attributes.axis, "searches along"));
  return inputs[0];
}

Result<ValueType> InferCumSum(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  if (in.element == ElementType::kBool) return Unsupported("sums truth values");
  AH_RETURN_IF_ERROR(CheckAxis(in, attributes.axis, "sums along"));
  return in;
}

Result<ValueType> InferTriangle(std::span<const ValueType> inputs, const Attributes&) {
  const ValueType& in = inputs[0];
  if (in.rank() < 2) return InvalidInput("matrices are needed, and " + FormatType(in) + " is none");
  if (in.example_axis >= in.rank() - 2) {
    return PrivacyRefused("the example axis of " + FormatType(in) +
                          " is one of the triangle's, so what is kept of an example would depend "
                          "on its place in the batch; put the examples before the last two axes");
  }
  return in;
}

template <typename T>
kernels::AxisShape Lines(const Call<T>& call) {
  const std::span<const std::int64_t> dims = call.input_types[0].shape;
  const auto axis = static_cast<std::size_t>(call.attributes.axis);
  return {ElementCount(dims.first(axis)), static_cast<std::size_t>(dims[axis]),
          ElementCount(dims.subspan(axis + 1))};
}

template <typename T, typename E>
void ArgExtremeForward(const Call<T>& call) {
  const int mode = call.attributes.mode;
  kernels::ArgExtreme(Lines(call), (mode & kSmallest) != 0, (mode & kLastIndex) != 0,
                      call.template in<E>(0), call.integer_output());
}

template <typename T, typename E>
void TopKIndicesForward(const Call<T>& call) {
  kernels::TopKIndices(Lines(call), static_cast<std::size_t>(call.attributes.dims[0]),
                       (call.attributes.mode & kSmallest) != 0, call.template in<E>(0),
                       call.integer_output());
}

template <typename T>
void HardmaxForward(const Call<T>& call) {
  kernels::Hardmax(Lines(call), call.real(0), call.real_output());
}

template <typename T, typename E>
void CumSumForward(const Call<T>& call) {
  const int mode = call.attributes.mode;
  kernels::CumSum(Lines(call), (mode & kExclusive) != 0, (mode & kReverse) != 0,
                  call.template in<E>(0), call.template out<E>());
}

void CumSumGradient(GradientScope& s) {
  Attributes other = s.attributes();
  other.mode ^= kReverse;
  s.Contribute(0, s.Emit(kCumSum, {s.gradient()}, std::move(other)));
}

template <typename T, typename E>
void TriangleForward(const Call<T>& call) {
  const std::span<const std::int64_t> dims = call.input_types[0].shape;
  const std::size_t matrix = dims.size() - 2;
  kernels::Triangle({ElementCount(dims.first(matrix)), static_cast<std::size_t>(dims[matrix]),
                     static_cast<std::size_t>(dims[matrix + 1])},
                    call.attributes.mode != 0, call.attributes.dims[0], call.template in<E>(0),
                    call.template out<E>());
}

void TriangleGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kTriangle, {s.gradient()}, s.attributes()));
}

}  // namespace

const Primitive kArgExtreme = {
    "ArgExtreme",
    &InferArgExtreme,
    &ByElement<float, &ArgExtremeForward<float, float>, &ArgExtremeForward<float, std::int64_t>>,
    &ByElement<double, &ArgExtremeForward<double, double>,
               &ArgExtremeForward<double, std::int64_t>>,
    &NoGradient,
    Accepts::kAny};
const Primitive kTopKIndices = {
    "TopKIndices",
    &InferTopKIndices,
    &ByElement<float, &TopKIndicesForward<float, float>, &TopKIndicesForward<float, std::int64_t>>,
    &ByElement<double, &TopKIndicesForward<double, double>,
               &TopKIndicesForward<double, std::int64_t>>,
    &NoGradient,
    Accepts::kAny};
const Primitive kHardmax = {"Hardmax", &InferHardmax, &HardmaxForward<float>,
                            &HardmaxForward<double>, &NoGradient};
const Primitive kCumSum = {
    "CumSum",
    &InferCumSum,
    &ByElement<float, &CumSumForward<float, float>, &CumSumForward<float, std::int64_t>>,
    &ByElement<double, &CumSumForward<double, double>, &CumSumForward<double, std::int64_t>>,
    &CumSumGradient,
    Accepts::kAny};
const Primitive kTriangle = {
    "Triangle",
    &InferTriangle,
    &ByElement<float, &TriangleForward<float, float>, &TriangleForward<float, std::int64_t>>,
    &ByElement<double, &TriangleForward<double, double>, &TriangleForward<double, std::int64_t>>,
    &TriangleGradient,
    Accepts::kAny};

}  // namespace anchorhold::graph::primitives
