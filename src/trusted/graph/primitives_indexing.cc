// Reading by index (kernels/indexing.h has the addresses, and what an index out of range means).
//   Gather          y[.., i_1, .., i_r, ..] = x[.., index[i_1, .., i_r], ..]   along one axis
//   GatherElements  y[i] = x[i with index[i] along the axis]
//   GatherND        y[b, n, ..] = x[b, index[b, n, :], ..]
//   OneHot          y[.., c, ..] = beta if index[..] is c, else alpha
// The gradient of the first three adds each run of g to the run of x that it was read from.
//
// Examples: a table without examples may be read by each example's own indices; a value with
// examples may be read at places that are the same for all, along an axis of features; and where
// both have examples, each example's indices must read that example alone.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/convert.h"
#include "trusted/kernels/indexing.h"

namespace anchorhold::graph::primitives {
namespace {

using kernels::AxisAddresses;
using kernels::ElementAddresses;
using kernels::TupleAddresses;

Status CheckIndices(const ValueType& indices) {
  if (indices.element == ElementType::kInt64 || indices.element == ElementType::kInt32) return Ok();
  return InvalidInput("indices of " + FormatType(indices) + "; int64 or int32 is needed");
}

Error AlongExamples(const ValueType& type) {
  return PrivacyRefused("gathers along the example axis of " + FormatType(type) +
                        ", so an example's result would come from another; gather along a "
                        "feature axis");
}

Error EveryPair(const ValueType& x, const ValueType& indices) {
  return PrivacyRefused("gathers from " + FormatType(x) + " at " + FormatType(indices) +
                        ", which reads every example at the indices of every other; use "
                        "GatherElements, or GatherND with batch_dims, to pair each with its own");
}

Error ByPlace(const ValueType& x, const ValueType& indices) {
  return PrivacyRefused("gathers from " + FormatType(x) + " at " + FormatType(indices) +
                        ", so an example's result would depend on its place in the batch; expand "
                        "the value without examples to the batch's size first");
}

Result<ValueType> InferGather(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& indices = inputs[1];
  AH_RETURN_IF_ERROR(CheckIndices(indices));
  if (x.example_axis == attributes.axis) return AlongExamples(x);
  if (x.has_examples() && indices.has_examples()) return EveryPair(x, indices);
  ValueType out{{}, kNoExampleAxis, x.element};
  out.shape.assign(x.shape.begin(), x.shape.begin() + attributes.axis);
  out.shape.insert(out.shape.end(), indices.shape.begin(), indices.shape.end());
  out.shape.insert(out.shape.end(), x.shape.begin() + attributes.axis + 1, x.shape.end());
  if (indices.has_examples()) out.example_axis = attributes.axis + indices.example_axis;
  if (x.has_examples()) {
    const bool after = x.example_axis > attributes.axis;
    out.example_axis = after ? x.example_axis - 1 + indices.rank() : x.example_axis;
  }
  return out;
}

Result<ValueType> InferElements(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& indices = inputs[1];
  AH_RETURN_IF_ERROR(CheckIndices(indices));
  if (x.example_axis == attributes.axis) return AlongExamples(x);
  if (x.rank() != indices.rank()) {
    return InvalidInput("gathers elements of " + FormatType(x) + " at " + FormatType(indices) +
                        ": the ranks differ");
  }
  // A table may be read by examples that lie along the axis itself: there it has no places.
  const bool table = !x.has_examples() && indices.example_axis == attributes.axis;
  if (x.example_axis != indices.example_axis && !table) {
    if (x.has_examples() && indices.has_examples()) return EveryPair(x, indices);
    return ByPlace(x, indices);
  }
  for (int k = 0; k < x.rank(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    const bool fits =
        k == x.example_axis ? indices.shape[at] == x.shape[at] : indices.shape[at] <= x.shape[at];
    if (!fits && k != attributes.axis) {
      return InvalidInput("gathers elements of " + FormatType(x) + " at " + FormatType(indices) +
                          ": the indices are too many along axis " + std::to_string(k));
    }
  }
  return ValueType{indices.shape, indices.example_axis, x.element};
}

// `axis` is the number of batch axes, which x and the indices have in common.
Result<ValueType> InferTuples(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& indices = inputs[1];
  AH_RETURN_IF_ERROR(CheckIndices(indices));
  const int batch = attributes.axis;
  const std::string both = FormatType(x) + " at " + FormatType(indices);
  if (batch < 0 || indices.rank() < 1 || batch >= indices.rank() || batch >= x.rank() ||
      indices.shape.back() > x.rank() - batch) {
    return InvalidInput("gathers from " + both + ": the indices have too many axes");
  }
  const int last = batch + static_cast<int>(indices.shape.back());  // of the addressed axes
  if (x.example_axis >= batch && x.example_axis < last) {
    return PrivacyRefused("gathers along the example axis of " + FormatType(x) +
                          ", so an example's result would come from another; gather along a "
                          "feature axis, with the example axis among batch_dims");
  }
  if (indices.example_axis == indices.rank() - 1) return AlongExamples(indices);
  const bool paired = x.example_axis == indices.example_axis;
  const bool x_in_batch = x.has_examples() && x.example_axis < batch;
  const bool indices_in_batch = indices.has_examples() && indices.example_axis < batch;
  if (x.has_examples() && indices.has_examples() && !(paired && x_in_batch)) {
    return EveryPair(x, indices);
  }
  if (x_in_batch != indices_in_batch) return ByPlace(x, indices);
  for (std::size_t k = 0; k < static_cast<std::size_t>(batch); ++k) {
    if (x.shape[k] == indices.shape[k]) continue;
    return InvalidInput("gathers from " + both + ": the batch axes differ");
  }
  ValueType out{{}, indices.example_axis, x.element};
  out.shape.assign(indices.shape.begin(), indices.shape.end() - 1);
  if (x.example_axis >= last) out.example_axis = out.rank() + x.example_axis - last;
  out.shape.insert(out.shape.end(), x.shape.begin() + last, x.shape.end());
  return out;
}

template <typename T, typename E, typename Addresses>
void ForwardOf(const Call<T>& call) {
  const Addresses addresses(call.input_types[0].shape, call.input_types[1].shape,
                            static_cast<std::size_t>(call.attributes.axis));
  kernels::GatherRuns(addresses, call.template in<E>(0), call.integers(1), call.template out<E>());
}

template <typename T, typename Addresses>
void Forward(const Call<T>& call) {
  if (call.input_types[0].is_real()) return ForwardOf<T, T, Addresses>(call);
  ForwardOf<T, std::int64_t, Addresses>(call);
}

template <const Primitive& backward>
void Gradient(GradientScope& s) {
  if (!s.wants(0)) return;
  s.Contribute(0, s.Emit(backward, {s.input(1), s.gradient()},
                         {.axis = s.attributes().axis, .dims = s.shape(s.input(0))}));
}

// (indices, g) -> dx of the shape `dims`; in gradients alone, where no axis is of examples.
Result<ValueType> InferGrad(std::span<const ValueType> inputs, const Attributes& attributes) {
  return ValueType{attributes.dims, kNoExampleAxis, inputs[1].element};
}

template <typename T, typename Addresses>
void Backward(const Call<T>& call) {
  const Addresses addresses(call.attributes.dims, call.input_types[0].shape,
                            static_cast<std::size_t>(call.attributes.axis));
  T* dx = call.real_output();
  std::fill_n(dx, ElementCount(call.output_type.shape), T(0));
  kernels::ScatterRuns(kernels::ScatterMode::kAdd, addresses, call.integers(0), call.real(1), dx);
}

// `axis` is the new one, of the size dims[0]; the output's type is `element`.
Result<ValueType> InferOneHot(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& indices = inputs[0];
  if (indices.is_real()) return InvalidInput("the places of a one-hot code must be integers");
  ValueType out{indices.shape, indices.example_axis, attributes.element};
  out.shape.insert(out.shape.begin() + attributes.axis, attributes.dims[0]);
  if (indices.has_examples() && attributes.axis <= indices.example_axis) ++out.example_axis;
  return out;
}

template <typename E>
void WriteOneHot(std::span<const std::int64_t> y, std::size_t axis, const std::int64_t* indices,
                 std::pair<E, E> values, E* out) {
  const std::int64_t depth = y[axis];
  const auto outer = ElementCount(y.first(axis));
  const auto inner = ElementCount(y.subspan(axis + 1));
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::int64_t c = 0; c < depth; ++c) {
      for (std::size_t i = 0; i < inner; ++i) {
        const bool hot = kernels::Resolve(indices[o * inner + i], depth) == c;
        *out++ = hot ? values.second : values.first;
      }
    }
  }
}

template <typename T>
void OneHotForward(const Call<T>& call) {
  const Attributes& a = call.attributes;
  const auto axis = static_cast<std::size_t>(a.axis);
  const Shape& y = call.output_type.shape;
  if (call.output_type.is_real()) {
    WriteOneHot<T>(y, axis, call.integers(0), {static_cast<T>(a.alpha), static_cast<T>(a.beta)},
                   call.real_output());
  } else {
    WriteOneHot<std::int64_t>(y, axis, call.integers(0),
                              {kernels::ToInteger(a.alpha), kernels::ToInteger(a.beta)},
                              call.integer_output());
  }
}

template <typename Addresses>
constexpr Primitive GradOf(const char* name) {
  return {name,    &InferGrad,   &Backward<float, Addresses>, &Backward<double, Addresses>,
          nullptr, Accepts::kAny};
}

template <typename Addresses, const Primitive& backward>
constexpr Primitive ReadOf(const char* name, Result<ValueType> (*infer)(std::span<const ValueType>,
                                                                        const Attributes&)) {
  return {name,
          infer,
          &Forward<float, Addresses>,
          &Forward<double, Addresses>,
          &Gradient<backward>,
          Accepts::kAny};
}

}  // namespace

const Primitive kGatherGrad = GradOf<AxisAddresses>("GatherGrad");
const Primitive kGatherElementsGrad = GradOf<ElementAddresses>("GatherElementsGrad");
const Primitive kGatherNdGrad = GradOf<TupleAddresses>("GatherNdGrad");
const Primitive kGather = ReadOf<AxisAddresses, kGatherGrad>("Gather", &InferGather);
const Primitive kGatherElements =
    ReadOf<ElementAddresses, kGatherElementsGrad>("GatherElements", &InferElements);
const Primitive kGatherNd = ReadOf<TupleAddresses, kGatherNdGrad>("GatherNd", &InferTuples);
const Primitive kOneHot = {"OneHot",    &InferOneHot, &OneHotForward<float>, &OneHotForward<double>,
                           &NoGradient, Accepts::kAny};

}  // namespace anchorhold::graph::primitives
