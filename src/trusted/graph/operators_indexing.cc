// Operators that read or write by index: Gather, Scatter and their kin. Gather also serves shape
// integers. Short lists of indices that are known while importing are checked; what others do where
// they are out of range is in kernels/indexing.h.
#include <algorithm>

#include "trusted/graph/emitter.h"
#include "trusted/graph/names.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"
#include "trusted/kernels/binary.h"
#include "trusted/kernels/convert.h"
#include "trusted/kernels/indexing.h"

namespace anchorhold::graph {
namespace {

// From a list of integers, by integers.
Status GatherIntegers(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const Integers indices, node.IntegersOf(1));
  if (list.scalar) return InvalidInput("gathers from a single number");
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> places, node.ConstantIntegers(1));
  Integers out{indices.scalar, {}, list.element};
  const auto size = static_cast<std::int64_t>(list.values.size());
  for (const std::int64_t index : places) {
    AH_ASSIGN_OR_RETURN(const std::int64_t at, CheckIndex(index, size));
    out.values.push_back(list.values[static_cast<std::size_t>(at)]);
  }
  node.SetOutput(std::move(out));
  return Ok();
}

// Longer lists are not looked through while importing: many nodes may read the same one.
constexpr std::size_t kCheckedIndicesMax = 4096;

// kInvalidInput if `indices` are known and one is outside an axis of `size`.
Status CheckKnown(NodeContext& node, ValueId indices, std::int64_t size) {
  const ConstantData* known = node.builder().constant(indices);
  if (known == nullptr || known->integers == nullptr ||
      known->integers->size() > kCheckedIndicesMax) {
    return Ok();
  }
  for (const std::int64_t index : *known->integers) AH_RETURN_IF_ERROR(CheckIndex(index, size));
  return Ok();
}

template <const Primitive& primitive>
Status GatherAlongAxis(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId indices, node.Tensor(1));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, type.rank()));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {x, indices}, {.axis = axis}));
  AH_RETURN_IF_ERROR(CheckKnown(node, indices, type.shape[static_cast<std::size_t>(axis)]));
  node.SetOutput(y);
  return Ok();
}

Status Gather(NodeContext& node) {
  if (!node.IsIntegers(0) || !node.IntegersOf(1).ok()) {
    return GatherAlongAxis<primitives::kGather>(node);
  }
  AH_ASSIGN_OR_RETURN(const std::int64_t axis, node.Int("axis", 0));
  AH_RETURN_IF_ERROR(NormaliseAxis(axis, 1));
  return GatherIntegers(node);
}

Status GatherNd(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t batch, node.Int("batch_dims", 0));
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId indices, node.Tensor(1));
  if (batch < 0 || batch >= node.Type(x).rank()) {
    return InvalidInput("batch_dims=" + std::to_string(batch) + " of " + FormatType(node.Type(x)));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kGatherNd, {x, indices},
                                                 {.axis = static_cast<int>(batch)}));
  node.SetOutput(y);
  return Ok();
}

Result<kernels::ScatterMode> Reduction(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::string name, node.Text("reduction", "none"));
  constexpr std::pair<std::string_view, kernels::ScatterMode> kModes[] = {
      {"none", kernels::ScatterMode::kReplace}, {"add", kernels::ScatterMode::kAdd},
      {"mul", kernels::ScatterMode::kMul},      {"max", kernels::ScatterMode::kMax},
      {"min", kernels::ScatterMode::kMin},
  };
  for (const auto& [known, mode] : kModes) {
    if (name == known) return mode;
  }
  return Unsupported("reduction " + Quoted(name) + " is not known");
}

// Along attribute `axis`, or with kAxis false at tuples of indices.
template <const Primitive& primitive, bool kAxis>
Status Scatter(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const kernels::ScatterMode mode, Reduction(node));
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < 3; ++i) {
    AH_ASSIGN_OR_RETURN(const ValueId input, node.Tensor(i));
    inputs.push_back(input);
  }
  Attributes attributes;
  attributes.mode = static_cast<int>(mode);
  if (kAxis) {
    AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
    AH_ASSIGN_OR_RETURN(attributes.axis, NormaliseAxis(given, node.Type(inputs[0]).rank()));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitive, std::move(inputs), std::move(attributes)));
  node.SetOutput(y);
  return Ok();
}

// The number of classes: input 1, an integer or a real number.
Result<std::int64_t> Depth(NodeContext& node) {
  std::int64_t depth = 0;
  if (node.IntegersOf(1).ok()) {
    AH_ASSIGN_OR_RETURN(depth, node.ConstantInteger(1));
  } else {
    AH_ASSIGN_OR_RETURN(const NodeContext::Floats floats, node.ConstantFloats(1));
    if (floats.data->size() != 1) return InvalidInput("the depth must be a single number");
    depth = kernels::ToInteger(floats.data->front());
  }
  if (depth < 1) return InvalidInput("a one-hot code of " + std::to_string(depth) + " places");
  return depth;
}

Status OneHot(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(ValueId indices, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t depth, Depth(node));
  AH_ASSIGN_OR_RETURN(const NodeContext::Numbers values, node.ConstantNumbers(2));
  const std::size_t count =
      values.reals() ? values.data.reals->size() : values.data.integers->size();
  if (count != 2) return InvalidInput("the two values must be two numbers: off and on");
  const auto value = [&](std::size_t i) {
    return values.reals() ? static_cast<double>((*values.data.reals)[i])
                          : static_cast<double>((*values.data.integers)[i]);
  };
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(indices).rank() + 1));
  if (node.Type(indices).is_real()) {
    AH_ASSIGN_OR_RETURN(indices,
                        node.Emit(primitives::kCast, {indices}, {.element = ElementType::kInt64}));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kOneHot, {indices},
                                                 {.axis = axis,
                                                  .dims = {depth},
                                                  .alpha = value(0),
                                                  .beta = value(1),
                                                  .element = values.element}));
  node.SetOutput(y);
  return Ok();
}

// An integer that broadcasts to `rank` axes.
ValueId Whole(Emitter& emit, NodeContext& node, int rank, std::int64_t number,
              ElementType element) {
  return emit.Take(
      node.builder().AddIntegers(Shape(static_cast<std::size_t>(rank), 1), {number}, element));
}

// Turns the first `lengths[b]` steps of each sequence round and leaves the others: step t is read
// from lengths[b] - 1 - t where that is not negative, else from t.
Result<ValueId> TurnRound(NodeContext& node, ValueId x, ValueId lengths, std::size_t batch,
                          std::size_t time) {
  Emitter emit(node);
  const ValueType type = node.Type(x);
  const ElementType element = node.Type(lengths).element;
  Shape along_batch(type.shape.size(), 1);
  along_batch[batch] = type.shape[batch];
  const bool typed = node.Type(lengths).has_examples();
  lengths = emit.Reshape(lengths, along_batch, typed ? static_cast<int>(batch) : kNoExampleAxis);
  const std::int64_t steps = type.shape[time];
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(static_cast<std::size_t>(steps)));
  std::vector<std::int64_t> numbers;
  for (std::int64_t t = 0; t < steps; ++t) numbers.push_back(t);
  Shape along_time(type.shape.size(), 1);
  along_time[time] = steps;
  const ValueId step =
      emit.Take(node.builder().AddIntegers(std::move(along_time), std::move(numbers), element));
  const ValueId one = Whole(emit, node, type.rank(), 1, element);
  const ValueId turned = emit.Sub(emit.Sub(lengths, one), step);
  const ValueId inside = emit.Emit(primitives::kCompare, {step, lengths},
                                   {.mode = static_cast<int>(kernels::CompareOp::kLess)});
  const ValueId from = emit.Emit(primitives::kWhere, {inside, turned, step});
  const ValueId places =
      emit.Emit(primitives::kBroadcastTo, {from},
                {.dims = type.shape, .example_axis = emit.type(from).example_axis});
  const ValueId y =
      emit.Emit(primitives::kGatherElements, {x, places}, {.axis = static_cast<int>(time)});
  if (!emit.status().ok()) return emit.status().error();
  return y;
}

Status ReverseSequence(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId lengths, node.Tensor(1));
  AH_ASSIGN_OR_RETURN(const std::int64_t batch, node.Int("batch_axis", 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t time, node.Int("time_axis", 0));
  const ValueType type = node.Type(x);
  const ValueType lengths_type = node.Type(lengths);
  if (std::min(batch, time) < 0 || batch + time != 1 || type.rank() < 2 ||
      lengths_type.rank() != 1 || lengths_type.is_real() ||
      lengths_type.shape[0] != type.shape[static_cast<std::size_t>(batch)]) {
    return InvalidInput("turns " + FormatType(type) + " round by lengths of " +
                        FormatType(lengths_type) + " along axis " + std::to_string(time));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, TurnRound(node, x, lengths, static_cast<std::size_t>(batch),
                                                 static_cast<std::size_t>(time)));
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Gather", kOpsetMin, kOpsetMax, 2, 2, &Gather},
    {"GatherElements", kOpsetMin, kOpsetMax, 2, 2, &GatherAlongAxis<primitives::kGatherElements>},
    {"GatherND", kOpsetMin, kOpsetMax, 2, 2, &GatherNd},
    {"Scatter", kOpsetMin, kOpsetMax, 3, 3, &Scatter<primitives::kScatterElements, true>},
    {"ScatterElements", kOpsetMin, kOpsetMax, 3, 3, &Scatter<primitives::kScatterElements, true>},
    {"ScatterND", kOpsetMin, kOpsetMax, 3, 3, &Scatter<primitives::kScatterNd, false>},
    {"ReverseSequence", 10, kOpsetMax, 2, 2, &ReverseSequence},
    {"OneHot", kOpsetMin, kOpsetMax, 3, 3, &OneHot},
};

}  // namespace

std::span<const OperatorDefinition> IndexingOperators() { return kOperators; }

}  // namespace anchorhold::graph
