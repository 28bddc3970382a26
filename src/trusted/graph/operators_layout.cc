// Operators that move numbers: Reshape, Flatten, Transpose, Squeeze, Unsqueeze, Concat. Those that
// exporters also use on shape integers do so here.
#include <algorithm>

#include "shared/base/limits.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

Status SetReshaped(NodeContext& node, ValueId x, const ValueType& to) {
  AH_ASSIGN_OR_RETURN(const ValueId y, EmitReshape(node, x, to));
  node.SetOutput(y);
  return Ok();
}

Status Reshape(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(Integers shape, node.IntegersOf(1));
  AH_ASSIGN_OR_RETURN(const std::int64_t allow_zero, node.Int("allowzero", 0));
  AH_ASSIGN_OR_RETURN(const ValueType to,
                      ResolveReshape(node.Type(x), {std::move(shape.values), allow_zero != 0,
                                                    node.declared_batch()}));
  return SetReshaped(node, x, to);
}

// To a matrix: axes before `axis` become its rows, the others its columns.
Status Flatten(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 1));
  if (given < -in.rank() || given > in.rank()) {
    return InvalidInput("axis " + std::to_string(given) + " of " + FormatType(in));
  }
  const auto axis = static_cast<std::size_t>(given < 0 ? given + in.rank() : given);
  const std::span<const std::int64_t> dims = in.shape;
  ValueType to;
  to.shape = {static_cast<std::int64_t>(ElementCount(dims.first(axis))),
              static_cast<std::int64_t>(ElementCount(dims.subspan(axis)))};
  if (in.has_examples()) to.example_axis = in.example_axis < static_cast<int>(axis) ? 0 : 1;
  return SetReshaped(node, x, to);
}

Status Transpose(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const int rank = node.Type(x).rank();
  AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> permutation, node.Ints("perm"));
  if (!node.HasAttribute("perm")) {
    for (int k = rank; k-- > 0;) permutation.push_back(k);
  }
  std::vector<std::int64_t> sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  bool complete = static_cast<int>(sorted.size()) == rank;
  for (std::size_t k = 0; complete && k < sorted.size(); ++k) {
    complete = sorted[k] == static_cast<std::int64_t>(k);
  }
  if (!complete) return InvalidInput("perm does not name each axis once");
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitives::kTranspose, {x}, {.dims = std::move(permutation)}));
  node.SetOutput(y);
  return Ok();
}

// The axes of input 1, in [0, rank), ascending; kInvalidInput for a repetition.
Result<std::vector<int>> AxesInput(NodeContext& node, int rank) {
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, node.ConstantIntegers(1));
  std::vector<int> axes;
  for (const std::int64_t axis : given) {
    AH_ASSIGN_OR_RETURN(const int k, NormaliseAxis(axis, rank));
    axes.push_back(k);
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    return InvalidInput("an axis is named twice");
  }
  return axes;
}

Status Squeeze(NodeContext& node) {
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(Integers list, node.IntegersOf(0));
    if (list.values.size() != 1) return InvalidInput("a list of several numbers is squeezed");
    list.scalar = true;
    node.SetOutput(std::move(list));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  std::vector<int> axes;
  if (node.Has(1)) {
    AH_ASSIGN_OR_RETURN(axes, AxesInput(node, in.rank()));
  } else if (in.has_examples()) {
    return PrivacyRefused(
        "squeezing every axis of size 1 would drop the batch axis of a batch of "
        "one; name the axes");
  } else {
    for (int k = 0; k < in.rank(); ++k) {
      if (in.shape[static_cast<std::size_t>(k)] == 1) axes.push_back(k);
    }
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, DropAxes(node, x, axes));
  node.SetOutput(y);
  return Ok();
}

Status Unsqueeze(NodeContext& node) {
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(Integers scalar, node.IntegersOf(0));
    if (!scalar.scalar) return Unsupported("a list of integers is given another axis");
    scalar.scalar = false;
    node.SetOutput(std::move(scalar));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, node.ConstantIntegers(1));
  if (given.size() + in.shape.size() > limits::kTensorRankMax) {
    return LimitExceeded("a tensor of too many axes");
  }
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes,
                      AxesInput(node, in.rank() + static_cast<int>(given.size())));
  ValueType to = in;
  for (const int axis : axes) {
    to.shape.insert(to.shape.begin() + axis, 1);
    if (to.has_examples() && axis <= to.example_axis) ++to.example_axis;
  }
  return SetReshaped(node, x, to);
}

Status ConcatIntegers(NodeContext& node) {
  Integers joined;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(i));
    if (list.scalar) return InvalidInput("a scalar cannot be joined");
    joined.values.insert(joined.values.end(), list.values.begin(), list.values.end());
    if (joined.values.size() > kIntegersMax) {
      return LimitExceeded("a list of too many integers");
    }
  }
  node.SetOutput(std::move(joined));
  return Ok();
}

Status Concat(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
  if (node.IsIntegers(0)) return ConcatIntegers(node);
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(i));
    inputs.push_back(x);
  }
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(inputs[0]).rank()));
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitives::kConcat, std::move(inputs), {.axis = axis}));
  node.SetOutput(y);
  return Ok();
}

constexpr int kConcatInputsMax = 1024;

constexpr OperatorDefinition kOperators[] = {
    {"Reshape", kOpsetMin, kOpsetMax, 2, 2, &Reshape},     {"Flatten", kOpsetMin, kOpsetMax, 1, 1, &Flatten},
    {"Transpose", kOpsetMin, kOpsetMax, 1, 1, &Transpose}, {"Squeeze", kOpsetMin, kOpsetMax, 1, 2, &Squeeze},
    {"Unsqueeze", kOpsetMin, kOpsetMax, 2, 2, &Unsqueeze}, {"Concat", kOpsetMin, kOpsetMax, 1, kConcatInputsMax, &Concat},
};

}  // namespace

std::span<const OperatorDefinition> LayoutOperators() { return kOperators; }

}  // namespace anchorhold::graph
