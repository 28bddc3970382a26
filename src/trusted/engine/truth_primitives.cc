#include "trusted/engine/truth_primitives.h"

#include <algorithm>
#include <vector>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::engine {
namespace {

using graph::Attributes;
using graph::Call;
using graph::ElementCount;
using graph::Primitive;
using graph::ValueType;

Status CheckReals(std::span<const ValueType> inputs) {
  for (const ValueType& type : inputs) {
    if (!type.is_real()) return InternalError("a choice among other numbers than reals");
  }
  return Ok();
}

Result<ValueType> InferHolds(std::span<const ValueType> inputs, const Attributes&) {
  AH_RETURN_IF_ERROR(CheckReals(inputs));
  AH_ASSIGN_OR_RETURN(ValueType out, graph::BroadcastTypes(inputs[0], inputs[1]));
  out.element = graph::ElementType::kFloat32;
  return out;
}

template <typename T>
void HoldsForward(const Call<T>& call) {
  std::vector<std::int64_t> holds(ElementCount(call.output_type.shape));
  kernels::Compare(static_cast<kernels::CompareOp>(call.attributes.mode),
                   kernels::Broadcast(call.input_types[0].shape, call.input_types[1].shape,
                                      call.output_type.shape),
                   call.real(0), call.real(1), holds.data());
  std::copy(holds.begin(), holds.end(), call.real_output());
}

Result<ValueType> InferChoose(std::span<const ValueType> inputs, const Attributes&) {
  AH_RETURN_IF_ERROR(CheckReals(inputs));
  AH_ASSIGN_OR_RETURN(const ValueType sides, graph::BroadcastTypes(inputs[1], inputs[2]));
  return graph::BroadcastShapes(sides, inputs[0]);
}

// Input 0, as the kernels of Where read it.
template <typename T>
std::vector<std::int64_t> Condition(const Call<T>& call) {
  const T* t = call.real(0);
  std::vector<std::int64_t> condition(ElementCount(call.input_types[0].shape));
  for (std::size_t i = 0; i < condition.size(); ++i) condition[i] = t[i] != T(0) ? 1 : 0;
  return condition;
}

template <typename T>
void CopyWhere(const Call<T>& call, bool when, std::size_t side) {
  kernels::CopyWhere(when,
                     kernels::Broadcast(call.input_types[0].shape, call.input_types[side].shape,
                                        call.output_type.shape),
                     Condition(call).data(), call.real(side), call.real_output());
}

template <typename T>
void ChooseForward(const Call<T>& call) {
  CopyWhere(call, true, 1);
  CopyWhere(call, false, 2);
}

void ChooseGradient(graph::GradientScope& s) {
  for (const std::size_t side : {std::size_t{1}, std::size_t{2}}) {
    if (!s.wants(side)) continue;
    const graph::ValueId part =
        s.Emit(kKeepWhere, {s.input(0), s.gradient()}, {.mode = side == 1 ? 1 : 0});
    s.Contribute(side, s.SumTo(part, s.shape(s.input(side))));
  }
}

Result<ValueType> InferKeepWhere(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[1];
}

template <typename T>
void KeepWhereForward(const Call<T>& call) {
  std::fill_n(call.real_output(), ElementCount(call.output_type.shape), T(0));
  CopyWhere(call, call.attributes.mode != 0, 1);
}

}  // namespace

// Their type rules look at the element types: a truth is float32, whatever it chooses among.
const Primitive kHolds = {"Holds",
                          &InferHolds,
                          &HoldsForward<float>,
                          &HoldsForward<double>,
                          &graph::NoGradient,
                          graph::Accepts::kAny};
const Primitive kChoose = {
    "Choose",        &InferChoose,        &ChooseForward<float>, &ChooseForward<double>,
    &ChooseGradient, graph::Accepts::kAny};
const Primitive kKeepWhere = {
    "KeepWhere", &InferKeepWhere,     &KeepWhereForward<float>, &KeepWhereForward<double>,
    nullptr,     graph::Accepts::kAny};

}  // namespace anchorhold::engine
