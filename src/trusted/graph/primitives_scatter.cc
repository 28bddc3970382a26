// Writing by index: y is x with updates written to it, one after another, replacing what is there
// or joined with it (Attributes::mode, a kernels::ScatterMode).
//   ScatterElements  y[i with index[i] along the axis] <- u[i]
//   ScatterND        y[index[n, :], ..] <- u[n, ..]
// kernels/indexing.h has the addresses, what an index out of range means (nothing is written), and
// the gradients.
//
// Examples: an update must stay within its example, so x, the indices and the updates of
// ScatterElements have the examples along the same axis, which is not the one written along; and
// ScatterND, whose indices address the front of x, may write at places that are the same for all
// examples, before the example axis of x.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/indexing.h"

namespace anchorhold::graph::primitives {
namespace {

using kernels::ElementAddresses;
using kernels::ScatterMode;
using kernels::TupleAddresses;

std::string Describe(std::span<const ValueType> inputs) {
  return "writes " + FormatType(inputs[2]) + " to " + FormatType(inputs[0]) + " at " +
         FormatType(inputs[1]);
}

Status CheckElements(std::span<const ValueType> inputs) {
  if (inputs[1].element != ElementType::kInt64 && inputs[1].element != ElementType::kInt32) {
    return InvalidInput("indices of " + FormatType(inputs[1]) + "; int64 or int32 is needed");
  }
  if (inputs[0].element != inputs[2].element) {
    return InvalidInput(Describe(inputs) + ": the element types differ");
  }
  return Ok();
}

Error Mixes(std::span<const ValueType> inputs) {
  return PrivacyRefused(Describe(inputs) +
                        ", so what is written would not stay with its example; scatter along a "
                        "feature axis, with the examples along the same axis of all inputs "
                        "(expand those without to the batch's size)");
}

Result<ValueType> InferElements(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& indices = inputs[1];
  const ValueType& updates = inputs[2];
  AH_RETURN_IF_ERROR(CheckElements(inputs));
  if (x.example_axis == attributes.axis) {
    return PrivacyRefused("scatters along the example axis of " + FormatType(x) +
                          ", so examples would mix; scatter along a feature axis");
  }
  if (x.example_axis != indices.example_axis || x.example_axis != updates.example_axis) {
    return Mixes(inputs);
  }
  bool fits = x.rank() == indices.rank() && indices.shape == updates.shape;
  for (int k = 0; fits && k < x.rank(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    fits = k == attributes.axis || (k == x.example_axis ? indices.shape[at] == x.shape[at]
                                                        : indices.shape[at] <= x.shape[at]);
  }
  if (!fits) return InvalidInput(Describe(inputs) + ": the shapes do not fit");
  return x;
}

Result<ValueType> InferTuples(std::span<const ValueType> inputs, const Attributes&) {
  const ValueType& x = inputs[0];
  const ValueType& indices = inputs[1];
  const ValueType& updates = inputs[2];
  AH_RETURN_IF_ERROR(CheckElements(inputs));
  if (indices.rank() < 1 || indices.shape.back() > x.rank()) {
    return InvalidInput(Describe(inputs) + ": the indices address too many axes");
  }
  const int addressed = static_cast<int>(indices.shape.back());
  const int tuples = indices.rank() - 1;
  Shape expected(indices.shape.begin(), indices.shape.end() - 1);
  expected.insert(expected.end(), x.shape.begin() + addressed, x.shape.end());
  const int example_axis = x.has_examples() ? x.example_axis - addressed + tuples : kNoExampleAxis;
  if (x.has_examples() && x.example_axis < addressed) {
    return PrivacyRefused("scatters along the example axis of " + FormatType(x) +
                          ", so examples would mix; scatter along a feature axis, or with "
                          "ScatterElements");
  }
  if (indices.has_examples() || updates.example_axis != example_axis) return Mixes(inputs);
  if (updates.shape != expected) {
    return InvalidInput(Describe(inputs) + ": updates of " + FormatShape(expected) + " are needed");
  }
  return x;
}

template <typename T, typename E, typename Addresses>
void ForwardOf(const Call<T>& call) {
  const Shape& x = call.input_types[0].shape;
  const Addresses addresses(x, call.input_types[1].shape,
                            static_cast<std::size_t>(call.attributes.axis));
  std::copy_n(call.template in<E>(0), ElementCount(x), call.template out<E>());
  kernels::ScatterRuns(static_cast<ScatterMode>(call.attributes.mode), addresses, call.integers(1),
                       call.template in<E>(2), call.template out<E>());
}

template <typename T, typename Addresses>
void Forward(const Call<T>& call) {
  if (call.output_type.is_real()) return ForwardOf<T, T, Addresses>(call);
  ForwardOf<T, std::int64_t, Addresses>(call);
}

template <const Primitive& data_grad, const Primitive& updates_grad>
void Gradient(GradientScope& s) {
  const std::vector<ValueId> inputs = {s.input(0), s.input(1), s.input(2), s.output(),
                                       s.gradient()};
  if (s.wants(0)) s.Contribute(0, s.Emit(data_grad, inputs, s.attributes()));
  if (s.wants(2)) s.Contribute(2, s.Emit(updates_grad, inputs, s.attributes()));
}

// (x, indices, updates, y, g) -> dx or du: input kInput's shape.
template <std::size_t kInput>
Result<ValueType> InferGrad(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[kInput];
}

template <typename T>
std::span<const T> Numbers(const Call<T>& call, std::size_t i) {
  return {call.real(i), ElementCount(call.input_types[i].shape)};
}

template <typename T, typename Addresses>
void DataBackward(const Call<T>& call) {
  const Addresses addresses(call.input_types[0].shape, call.input_types[1].shape,
                            static_cast<std::size_t>(call.attributes.axis));
  kernels::ScatterDataGrad(static_cast<ScatterMode>(call.attributes.mode), addresses,
                           call.integers(1), Numbers(call, 0), call.real(2), call.real(3),
                           call.real(4), call.real_output());
}

template <typename T, typename Addresses>
void UpdatesBackward(const Call<T>& call) {
  const Addresses addresses(call.input_types[0].shape, call.input_types[1].shape,
                            static_cast<std::size_t>(call.attributes.axis));
  kernels::ScatterUpdatesGrad(static_cast<ScatterMode>(call.attributes.mode), addresses,
                              call.integers(1), Numbers(call, 0), Numbers(call, 2), call.real(3),
                              call.real(4), call.real_output());
}

template <typename Addresses>
constexpr Primitive DataGrad(const char* name) {
  return {name,    &InferGrad<0>, &DataBackward<float, Addresses>, &DataBackward<double, Addresses>,
          nullptr, Accepts::kAny};
}

template <typename Addresses>
constexpr Primitive UpdatesGrad(const char* name) {
  return {name,
          &InferGrad<2>,
          &UpdatesBackward<float, Addresses>,
          &UpdatesBackward<double, Addresses>,
          nullptr,
          Accepts::kAny};
}

}  // namespace

const Primitive kScatterElementsDataGrad = DataGrad<ElementAddresses>("ScatterElementsDataGrad");
const Primitive kScatterElementsUpdatesGrad =
    UpdatesGrad<ElementAddresses>("ScatterElementsUpdatesGrad");
const Primitive kScatterNdDataGrad = DataGrad<TupleAddresses>("ScatterNdDataGrad");
const Primitive kScatterNdUpdatesGrad = UpdatesGrad<TupleAddresses>("ScatterNdUpdatesGrad");
const Primitive kScatterElements = {
    "ScatterElements",
    &InferElements,
    &Forward<float, ElementAddresses>,
    &Forward<double, ElementAddresses>,
    &Gradient<kScatterElementsDataGrad, kScatterElementsUpdatesGrad>,
    Accepts::kAny};
const Primitive kScatterNd = {"ScatterNd",
                              &InferTuples,
                              &Forward<float, TupleAddresses>,
                              &Forward<double, TupleAddresses>,
                              &Gradient<kScatterNdDataGrad, kScatterNdUpdatesGrad>,
                              Accepts::kAny};

}  // namespace anchorhold::graph::primitives
