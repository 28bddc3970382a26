// Reshape, Transpose, Concat, Slice, Pad: numbers move, none changes.
#include <algorithm>
#include <array>
#include <type_traits>

#include "shared/base/limits.h"
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/convert.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::graph::primitives {
namespace {

// A target shape keeps the examples apart exactly if its own example axis cuts the numbers at the
// same place: then each example's numbers are still its own (OuterAfterReshape).
Result<ValueType> InferReshape(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  ValueType out{attributes.dims, attributes.example_axis, in.element};
  AH_ASSIGN_OR_RETURN(const std::size_t size, CheckedElementCount(out.shape));
  if (size != ElementCount(in.shape)) {
    return InvalidInput("cannot reshape " + FormatType(in) + " to " + FormatType(out) +
                        ": the numbers of elements differ");
  }
  if (in.has_examples() != out.has_examples()) {
    return PrivacyRefused("reshaping " + FormatType(in) + " to " + FormatType(out) +
                          " loses the example axis, so examples would mix");
  }
  if (!in.has_examples()) return out;
  out.outer = OuterAfterReshape(in, out);
  if (out.outer == 0) {
    out.outer = 1;
    return PrivacyRefused("reshaping " + FormatType(in) + " to " + FormatType(out) +
                          " interleaves the examples, so they would mix; transpose the example "
                          "axis to the front first");
  }
  return out;
}

template <typename T, typename E>
void ReshapeForward(const Call<T>& call) {
  std::copy_n(call.template in<E>(0), ElementCount(call.output_type.shape), call.template out<E>());
}

void ReshapeGradient(GradientScope& s) {
  s.Contribute(0, s.Reshape(s.gradient(), s.shape(s.input(0))));
}

Result<ValueType> InferTranspose(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  ValueType out{{}, kNoExampleAxis, in.element};
  for (std::size_t k = 0; k < attributes.dims.size(); ++k) {
    out.shape.push_back(in.shape[static_cast<std::size_t>(attributes.dims[k])]);
    if (attributes.dims[k] == in.example_axis) out.example_axis = static_cast<int>(k);
  }
  return out;
}

template <typename T, typename E>
void TransposeForward(const Call<T>& call) {
  const kernels::IndexSpace space =
      kernels::Permute(call.input_types[0].shape, call.attributes.dims);
  kernels::CopyStrided(space, call.template in<E>(0), call.template out<E>());
}

void TransposeGradient(GradientScope& s) {
  const Shape& permutation = s.attributes().dims;
  Attributes inverse;
  inverse.dims.resize(permutation.size());
  for (std::size_t k = 0; k < permutation.size(); ++k) {
    inverse.dims[static_cast<std::size_t>(permutation[k])] = static_cast<std::int64_t>(k);
  }
  s.Contribute(0, s.Emit(kTranspose, {s.gradient()}, std::move(inverse)));
}

Result<ValueType> InferConcat(std::span<const ValueType> inputs, const Attributes& attributes) {
  ValueType out = inputs[0];
  const auto axis = static_cast<std::size_t>(attributes.axis);
  for (const ValueType& in : inputs) {
    if (in.example_axis == attributes.axis) {
      return PrivacyRefused("axis " + std::to_string(axis) + " of " + FormatType(in) +
                            " is the example axis, and joining along it would change which "
                            "examples the batch holds; join along a feature axis");
    }
  }
  for (const ValueType& in : inputs.subspan(1)) {
    if (in.has_examples() != out.has_examples() && in.rank() == out.rank()) {
      return PrivacyRefused("joins " + FormatType(out) + " and " + FormatType(in) +
                            ", of which one has no example axis, so an example's result would "
                            "depend on its place in the batch; expand that one to the batch's size "
                            "first");
    }
    bool fits =
        in.rank() == out.rank() && in.example_axis == out.example_axis && in.element == out.element;
    for (std::size_t k = 0; fits && k < in.shape.size(); ++k) {
      fits = k == axis || in.shape[k] == out.shape[k];
    }
    if (!fits)
      return InvalidInput("cannot join " + FormatType(inputs[0]) + " and " + FormatType(in));
    if (in.shape[axis] > static_cast<std::int64_t>(limits::kTensorElementsMax) - out.shape[axis]) {
      return LimitExceeded("the joined axis is too long");
    }
    out.shape[axis] += in.shape[axis];
  }
  return out;
}

// An array seen as [outer, run], a run being everything from `axis` on.
std::size_t RunLength(const Shape& shape, int axis) {
  return ElementCount(std::span(shape).subspan(static_cast<std::size_t>(axis)));
}

template <typename T, typename E>
void ConcatForward(const Call<T>& call) {
  const int axis = call.attributes.axis;
  const std::size_t out_run = RunLength(call.output_type.shape, axis);
  const std::size_t outer = ElementCount(call.output_type.shape) / out_run;
  E* to = call.template out<E>();
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const std::size_t run = RunLength(call.input_types[i].shape, axis);
    for (std::size_t o = 0; o < outer; ++o) {
      std::copy_n(call.template in<E>(i) + o * run, run, to + o * out_run);
    }
    to += run;
  }
}

void ConcatGradient(GradientScope& s) {
  const int axis = s.attributes().axis;
  std::int64_t start = 0;
  for (std::size_t i = 0; i < s.input_count(); ++i) {
    const std::int64_t size = s.shape(s.input(i))[static_cast<std::size_t>(axis)];
    if (s.wants(i)) {
      s.Contribute(i, s.Emit(kSlice, {s.gradient()}, {.axis = axis, .dims = {start, size}}));
    }
    start += size;
  }
}

Result<ValueType> InferSlice(std::span<const ValueType> inputs, const Attributes& attributes) {
  ValueType out = inputs[0];
  const std::int64_t start = attributes.dims[0];
  const std::int64_t size = attributes.dims[1];
  std::int64_t& axis = out.shape[static_cast<std::size_t>(attributes.axis)];
  if (attributes.axis == out.example_axis) {
    return PrivacyRefused("a slice of " + FormatType(out) +
                          " along the example axis picks examples");
  }
  if (start < 0 || size < 1 || size > axis || start > axis - size) {
    return InvalidInput("a slice outside its axis");
  }
  axis = size;
  return out;
}

template <typename T, typename E>
void SliceForward(const Call<T>& call) {
  const int axis = call.attributes.axis;
  const Shape& x = call.input_types[0].shape;
  const std::size_t run = RunLength(x, axis);
  const std::size_t out_run = RunLength(call.output_type.shape, axis);
  const std::size_t step = run / static_cast<std::size_t>(x[static_cast<std::size_t>(axis)]);
  const E* from = call.template in<E>(0) + static_cast<std::size_t>(call.attributes.dims[0]) * step;
  const std::size_t outer = ElementCount(x) / run;
  for (std::size_t o = 0; o < outer; ++o) {
    std::copy_n(from + o * run, out_run, call.template out<E>() + o * out_run);
  }
}

// The gradient with zeros around it.
void SliceGradient(GradientScope& s) {
  const auto axis = static_cast<std::size_t>(s.attributes().axis);
  const Shape shape = s.shape(s.input(0));
  const std::int64_t start = s.attributes().dims[0];
  const std::int64_t end = start + s.attributes().dims[1];
  Attributes pads;
  pads.dims.assign(2 * shape.size(), 0);
  pads.dims[axis] = start;
  pads.dims[shape.size() + axis] = shape[axis] - end;
  s.Contribute(0, s.Emit(kPad, {s.gradient()}, std::move(pads)));
}

template <typename E>
E PadNumber(double number) {
  if constexpr (std::is_integral_v<E>) return kernels::ToInteger(number);
  return static_cast<E>(number);
}

template <typename T, typename E>
void PadForward(const Call<T>& call) {
  const Shape& x = call.input_types[0].shape;
  const Shape& y = call.output_type.shape;
  E* out = call.template out<E>();
  std::fill_n(out, ElementCount(y), PadNumber<E>(call.attributes.alpha));
  kernels::IndexSpace space;
  std::int64_t offset = 0;
  std::array<std::int64_t, kernels::kRankMax> stride_x{};
  std::array<std::int64_t, kernels::kRankMax> stride_y{};
  for (std::size_t k = x.size(); k-- > 0;) {
    const bool last = k + 1 == x.size();
    stride_x[k] = last ? 1 : stride_x[k + 1] * x[k + 1];
    stride_y[k] = last ? 1 : stride_y[k + 1] * y[k + 1];
    offset += call.attributes.dims[k] * stride_y[k];
  }
  for (std::size_t k = 0; k < x.size(); ++k) space.Add(x[k], stride_x[k], stride_y[k]);
  kernels::CopyStrided(space, call.template in<E>(0), out + offset);
}

Result<ValueType> InferPad(std::span<const ValueType> inputs, const Attributes& attributes) {
  ValueType out = inputs[0];
  const std::size_t rank = out.shape.size();
  for (std::size_t k = 0; k < rank; ++k) {
    const std::int64_t before = attributes.dims[k];
    const std::int64_t after = attributes.dims[rank + k];
    if (static_cast<int>(k) == out.example_axis && (before != 0 || after != 0)) {
      return PrivacyRefused("pads the example axis of " + FormatType(out) +
                            ", so a result would depend on how many examples there are; pad "
                            "feature axes only");
    }
    constexpr auto kMax = static_cast<std::int64_t>(limits::kTensorElementsMax);
    if (before < 0 || after < 0 || before > kMax || after > kMax) {
      return InvalidInput("padding by a negative or too large number");
    }
    out.shape[k] += before + after;
  }
  return out;
}

void PadGradient(GradientScope& s) {
  const Shape shape = s.shape(s.input(0));
  ValueId inner = s.gradient();
  for (std::size_t k = 0; k < shape.size(); ++k) {
    if (inner == kNoValue || s.shape(inner)[k] == shape[k]) continue;
    inner = s.Emit(kSlice, {inner},
                   {.axis = static_cast<int>(k), .dims = {s.attributes().dims[k], shape[k]}});
  }
  s.Contribute(0, inner);
}

}  // namespace

const Primitive kReshape = {
    "Reshape",
    &InferReshape,
    &ByElement<float, &ReshapeForward<float, float>, &ReshapeForward<float, std::int64_t>>,
    &ByElement<double, &ReshapeForward<double, double>, &ReshapeForward<double, std::int64_t>>,
    &ReshapeGradient,
    Accepts::kAny,
    true};
const Primitive kTranspose = {
    "Transpose",
    &InferTranspose,
    &ByElement<float, &TransposeForward<float, float>, &TransposeForward<float, std::int64_t>>,
    &ByElement<double, &TransposeForward<double, double>, &TransposeForward<double, std::int64_t>>,
    &TransposeGradient,
    Accepts::kAny};
const Primitive kConcat = {
    "Concat",
    &InferConcat,
    &ByElement<float, &ConcatForward<float, float>, &ConcatForward<float, std::int64_t>>,
    &ByElement<double, &ConcatForward<double, double>, &ConcatForward<double, std::int64_t>>,
    &ConcatGradient,
    Accepts::kAny};
const Primitive kSlice = {
    "Slice",
    &InferSlice,
    &ByElement<float, &SliceForward<float, float>, &SliceForward<float, std::int64_t>>,
    &ByElement<double, &SliceForward<double, double>, &SliceForward<double, std::int64_t>>,
    &SliceGradient,
    Accepts::kAny};
const Primitive kPad = {
    "Pad",
    &InferPad,
    &ByElement<float, &PadForward<float, float>, &PadForward<float, std::int64_t>>,
    &ByElement<double, &PadForward<double, double>, &PadForward<double, std::int64_t>>,
    &PadGradient,
    Accepts::kAny};

}  // namespace anchorhold::graph::primitives
