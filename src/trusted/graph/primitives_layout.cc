// Reshape, Transpose, Concat, Slice: numbers move, none changes.
#include <algorithm>

#include "shared/base/limits.h"
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::graph::primitives {
namespace {

// The numbers of a value with example axis p lie as [before, B, m * after], before and after being
// the products of the sizes around p. A target shape keeps the examples apart exactly if its own
// example axis splits it the same way: then each example's numbers are still its own.
Result<ValueType> InferReshape(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  ValueType out{attributes.dims, attributes.example_axis};
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
  const auto before = [](const ValueType& type) {
    return ElementCount(std::span(type.shape).first(static_cast<std::size_t>(type.example_axis)));
  };
  if (before(in) != before(out)) {
    return PrivacyRefused("reshaping " + FormatType(in) + " to " + FormatType(out) +
                          " interleaves the examples, so they would mix; transpose the example "
                          "axis to the front first");
  }
  return out;
}

template <typename T>
void ReshapeForward(const Call<T>& call) {
  std::copy_n(call.inputs[0], ElementCount(call.output_type.shape), call.output);
}

void ReshapeGradient(GradientScope& s) {
  s.Contribute(0, s.Reshape(s.gradient(), s.shape(s.input(0))));
}

Result<ValueType> InferTranspose(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& in = inputs[0];
  ValueType out;
  for (std::size_t k = 0; k < attributes.dims.size(); ++k) {
    out.shape.push_back(in.shape[static_cast<std::size_t>(attributes.dims[k])]);
    if (attributes.dims[k] == in.example_axis) out.example_axis = static_cast<int>(k);
  }
  return out;
}

template <typename T>
void TransposeForward(const Call<T>& call) {
  const kernels::IndexSpace space =
      kernels::Permute(call.input_types[0].shape, call.attributes.dims);
  kernels::CopyStrided(space, call.inputs[0], call.output);
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
    bool fits = in.rank() == out.rank() && in.example_axis == out.example_axis;
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

template <typename T>
void ConcatForward(const Call<T>& call) {
  const int axis = call.attributes.axis;
  const std::size_t out_run = RunLength(call.output_type.shape, axis);
  const std::size_t outer = ElementCount(call.output_type.shape) / out_run;
  T* to = call.output;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const std::size_t run = RunLength(call.input_types[i].shape, axis);
    for (std::size_t o = 0; o < outer; ++o) {
      std::copy_n(call.inputs[i] + o * run, run, to + o * out_run);
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

template <typename T>
void SliceForward(const Call<T>& call) {
  const int axis = call.attributes.axis;
  const Shape& x = call.input_types[0].shape;
  const std::size_t run = RunLength(x, axis);
  const std::size_t out_run = RunLength(call.output_type.shape, axis);
  const std::size_t step = run / static_cast<std::size_t>(x[static_cast<std::size_t>(axis)]);
  const T* from = call.inputs[0] + static_cast<std::size_t>(call.attributes.dims[0]) * step;
  const std::size_t outer = ElementCount(x) / run;
  for (std::size_t o = 0; o < outer; ++o) {
    std::copy_n(from + o * run, out_run, call.output + o * out_run);
  }
}

}  // namespace

const Primitive kReshape = {"Reshape", &InferReshape, &ReshapeForward<float>,
                            &ReshapeForward<double>, &ReshapeGradient};
const Primitive kTranspose = {"Transpose", &InferTranspose, &TransposeForward<float>,
                              &TransposeForward<double>, &TransposeGradient};
const Primitive kConcat = {"Concat", &InferConcat, &ConcatForward<float>, &ConcatForward<double>,
                           &ConcatGradient};
const Primitive kSlice = {"Slice", &InferSlice, &SliceForward<float>, &SliceForward<double>,
                          nullptr};

}  // namespace anchorhold::graph::primitives
