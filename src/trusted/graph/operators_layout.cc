// Operators that move numbers: Reshape, Flatten, Transpose, Squeeze, Unsqueeze, Expand, Tile,
// Concat. Those that exporters also use on shape integers do so here.
#include <algorithm>

#include "shared/base/limits.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

Status SetReshaped(NodeContext& node, ValueId x, const ValueType& to, bool named = false) {
  AH_ASSIGN_OR_RETURN(const ValueId y, EmitReshape(node, x, to, named));
  node.SetOutput(y);
  return Ok();
}

// A scalar becomes a list, or a list of one a scalar; exporters write both.
bool ReshapesIntegers(const Integers& x, const Integers& target) {
  if (target.values.empty()) return x.values.size() == 1;
  if (target.values.size() != 1) return false;
  const SymbolicInteger size = target.values[0];
  return !size.times_batch &&
         (size.value == -1 || size.value == static_cast<std::int64_t>(x.values.size()));
}

// Whether a target says itself which axis is the batch's: by the batch's size, or by -1 where the
// model does not declare that size as a number. Where it does, -1 may stand for features as well.
bool NamesTheBatch(const NodeContext& node, const Integers& target) {
  if (target.uses_batch()) return true;
  const std::vector<SymbolicInteger>& sizes = target.values;
  return node.declared_batch() == 0 &&
         std::find(sizes.begin(), sizes.end(), SymbolicInteger{-1, false}) != sizes.end();
}

Status Reshape(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t allow_zero, node.Int("allowzero", 0));
  AH_ASSIGN_OR_RETURN(Integers shape, node.IntegersOf(1));
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(Integers x, node.IntegersOf(0));
    if (ReshapesIntegers(x, shape)) {
      x.scalar = shape.values.empty();
      node.SetOutput(std::move(x));
      return Ok();
    }
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const bool named = NamesTheBatch(node, shape);
  AH_ASSIGN_OR_RETURN(const ValueType to,
                      ResolveReshape(node.Type(x), {std::move(shape.values), allow_zero != 0,
                                                    node.declared_batch()}));
  return SetReshaped(node, x, to, named);
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
  AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> permutation, node.Ints("perm"));
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const int rank = node.Type(x).rank();
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

// The axes that attribute `axes` (before opset 13) or input 1 gives.
Result<std::vector<std::int64_t>> GivenAxes(NodeContext& node) {
  if (node.HasAttribute("axes")) return node.Ints("axes");
  return node.ConstantIntegers(1);
}

// Axes in [0, rank), ascending; kInvalidInput for a repetition.
Result<std::vector<int>> SortedAxes(const std::vector<std::int64_t>& given, int rank) {
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

Status SqueezeIntegers(NodeContext& node, bool named) {
  AH_ASSIGN_OR_RETURN(Integers list, node.IntegersOf(0));
  if (named) {
    AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, GivenAxes(node));
    AH_ASSIGN_OR_RETURN(const std::vector<int> axes, SortedAxes(given, list.scalar ? 0 : 1));
    if (!axes.empty() && list.values.size() != 1) {
      return InvalidInput("a list of several numbers is squeezed");
    }
    named = !axes.empty();
  } else {
    named = list.values.size() == 1;
  }
  list.scalar = list.scalar || named;
  node.SetOutput(std::move(list));
  return Ok();
}

Status Squeeze(NodeContext& node) {
  const bool named = node.HasAttribute("axes") || node.Has(1);
  if (node.IsIntegers(0)) return SqueezeIntegers(node, named);
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  std::vector<int> axes;
  if (named) {
    AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, GivenAxes(node));
    AH_ASSIGN_OR_RETURN(axes, SortedAxes(given, in.rank()));
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
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, GivenAxes(node));
  if (node.IsIntegers(0) && given.size() == 1) {
    AH_ASSIGN_OR_RETURN(Integers scalar, node.IntegersOf(0));
    if (scalar.scalar) {
      AH_RETURN_IF_ERROR(NormaliseAxis(given[0], 1));
      scalar.scalar = false;
      node.SetOutput(std::move(scalar));
      return Ok();
    }
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  if (given.size() + in.shape.size() > limits::kTensorRankMax) {
    return LimitExceeded("a tensor of too many axes");
  }
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes,
                      SortedAxes(given, in.rank() + static_cast<int>(given.size())));
  ValueType to = in;
  for (const int axis : axes) {
    to.shape.insert(to.shape.begin() + axis, 1);
    if (to.has_examples() && axis <= to.example_axis) ++to.example_axis;
  }
  return SetReshaped(node, x, to);
}

// The size to which an axis of `in` expands, `axis` counting from in's first.
Status ExpandAxis(const NodeContext& node, const ValueType& in, int axis, SymbolicInteger target,
                  int at, ValueType& out) {
  std::int64_t& size = out.shape[static_cast<std::size_t>(at)];
  if (axis >= 0) size = in.shape[static_cast<std::size_t>(axis)];
  if (axis >= 0 && axis == in.example_axis) {
    const bool whole = target.times_batch
                           ? target.value == size
                           : target.value == 1 || (node.declared_batch() > 0 &&
                                                   target.value % node.declared_batch() == 0 &&
                                                   target.value / node.declared_batch() == size);
    if (whole) return Ok();
    return PrivacyRefused("repeats the example axis of " + FormatType(in) +
                          ", so examples would mix; give the target shape the batch's size, or "
                          "size 1, there");
  }
  if (!target.times_batch) {
    if (target.value < 1) return InvalidInput("an axis is expanded to an impossible size");
    if (size != target.value && size != 1 && target.value != 1) {
      return InvalidInput("cannot expand " + FormatType(in) + ": axes of size " +
                          std::to_string(size) + " and " + std::to_string(target.value) + " meet");
    }
    size = std::max(size, target.value);
    return Ok();
  }
  if (out.has_examples() || size != 1) {
    return PrivacyRefused("axis " + std::to_string(at) + " of " + FormatType(in) +
                          " is expanded by the batch's size, so a result would depend on how many "
                          "examples there are; use the batch's size in shapes only, once, where "
                          "the value has size 1");
  }
  size = target.value;
  out.example_axis = at;
  return Ok();
}

// Integers that stay a list or become one.
bool ExpandsIntegers(const Integers& target) {
  return target.values.empty() ||
         (target.values.size() == 1 && !target.values[0].times_batch &&
          target.values[0].value >= 1 && target.values[0].value <= static_cast<int>(kIntegersMax));
}

// To a shape, by broadcasting. An axis of size 1 may become the batch's: a class token [1, 1, d]
// becomes one for each example.
Status Expand(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers target, node.IntegersOf(1));
  if (node.IsIntegers(0) && ExpandsIntegers(target)) {
    AH_ASSIGN_OR_RETURN(Integers x, node.IntegersOf(0));
    if (!target.values.empty()) {
      const auto count = static_cast<std::size_t>(target.values[0].value);
      if (x.values.size() == 1) x.values.resize(count, x.values[0]);
      if (x.values.size() != count && count != 1) return InvalidInput("lists of other lengths");
      x.scalar = false;
    }
    node.SetOutput(std::move(x));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  const int added = std::max(0, static_cast<int>(target.values.size()) - in.rank());
  const int rank = in.rank() + added;
  if (rank > static_cast<int>(limits::kTensorRankMax)) {
    return LimitExceeded("a tensor of too many axes");
  }
  ValueType out{Shape(static_cast<std::size_t>(rank), 1), kNoExampleAxis, in.element};
  if (in.has_examples()) out.example_axis = in.example_axis + added;
  const int first = rank - static_cast<int>(target.values.size());  // that the target names
  for (int k = 0; k < rank; ++k) {
    const SymbolicInteger size =
        k < first ? SymbolicInteger{1, false} : target.values[static_cast<std::size_t>(k - first)];
    AH_RETURN_IF_ERROR(ExpandAxis(node, in, k - added, size, k, out));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, BroadcastValue(node, x, out));
  node.SetOutput(y);
  return Ok();
}

// A value without examples, repeated for each: the axis must have size 1.
Result<ValueId> TileToBatch(NodeContext& node, ValueId x, int axis, std::int64_t times) {
  ValueType out = node.Type(x);
  if (out.has_examples() || out.shape[static_cast<std::size_t>(axis)] != 1) {
    return PrivacyRefused("axis " + std::to_string(axis) + " of " + FormatType(out) +
                          " is repeated by the batch's size, so a result would depend on how many "
                          "examples there are; use the batch's size in shapes only, and repeat "
                          "feature axes by numbers");
  }
  out.shape[static_cast<std::size_t>(axis)] = times;
  out.example_axis = axis;
  return BroadcastValue(node, x, out);
}

// Input 1 says how often each axis is repeated.
Status Tile(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(ValueId y, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const Integers repeats, node.IntegersOf(1));
  const ValueType in = node.Type(y);
  if (static_cast<int>(repeats.values.size()) != in.rank()) {
    return InvalidInput("repeats " + FormatType(in) + ": a number for each axis is needed");
  }
  for (int axis = 0; axis < in.rank(); ++axis) {
    const SymbolicInteger times = repeats.values[static_cast<std::size_t>(axis)];
    if (times == SymbolicInteger{1, false}) continue;
    if (axis == in.example_axis) {
      return PrivacyRefused("repeats the example axis of " + FormatType(in) +
                            ", so examples would mix; repeat feature axes only");
    }
    if (times.times_batch) {
      AH_ASSIGN_OR_RETURN(y, TileToBatch(node, y, axis, times.value));
      continue;
    }
    if (times.value < 1) return InvalidInput("an axis is repeated less than once");
    const std::int64_t size = in.shape[static_cast<std::size_t>(axis)];
    AH_ASSIGN_OR_RETURN(const std::size_t count,
                        CheckedElementCount(std::vector<std::int64_t>{size, times.value}));
    AH_RETURN_IF_ERROR(node.builder().CheckComputed(count));
    std::vector<std::int64_t> places(count);
    for (std::size_t i = 0; i < count; ++i) places[i] = static_cast<std::int64_t>(i) % size;
    AH_ASSIGN_OR_RETURN(y, GatherAlong(node, y, axis, std::move(places)));
  }
  node.SetOutput(y);
  return Ok();
}

Status ConcatIntegers(NodeContext& node) {
  Integers joined;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(i));
    if (list.scalar) return InvalidInput("a scalar cannot be joined");
    joined.element = list.element;
    joined.values.insert(joined.values.end(), list.values.begin(), list.values.end());
    if (joined.values.size() > kIntegersMax) {
      return LimitExceeded("a list of too many integers");
    }
  }
  node.SetOutput(std::move(joined));
  return Ok();
}

// Whether all inputs are lists that are known, and one of them is computed from shapes.
bool JoinsIntegers(NodeContext& node) {
  bool shapes = false;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    if (!node.IntegersOf(i).ok()) return false;
    shapes = shapes || node.IsIntegers(i);
  }
  return shapes;
}

// In a model that declares a batch of one, what it joins to the examples' numbers along a feature
// axis stands for that one example, whichever it is.
Result<ValueId> ForDeclaredExample(NodeContext& node, ValueId x, const ValueType& other) {
  ValueType type = node.Type(x);
  if (type.has_examples() || !other.has_examples() || type.rank() != other.rank() ||
      node.declared_batch() != 1 || other.multiplicity() != 1 ||
      type.shape[static_cast<std::size_t>(other.example_axis)] != 1) {
    return x;
  }
  type.example_axis = other.example_axis;
  return BroadcastValue(node, x, type);
}

Status Concat(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 1));
  if (JoinsIntegers(node)) return ConcatIntegers(node);
  std::vector<ValueId> inputs;
  ValueType examples;  // of the first input with examples
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    if (node.IsEmpty(i)) continue;  // a list without numbers adds nothing
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(i));
    if (!examples.has_examples()) examples = node.Type(x);
    inputs.push_back(x);
  }
  if (inputs.empty()) return Unsupported("joins nothing but lists without numbers");
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(inputs[0]).rank()));
  for (ValueId& x : inputs) {
    if (axis == examples.example_axis) break;
    AH_ASSIGN_OR_RETURN(x, ForDeclaredExample(node, x, examples));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitives::kConcat, std::move(inputs), {.axis = axis}));
  node.SetOutput(y);
  return Ok();
}

constexpr int kConcatInputsMax = 1024;

constexpr OperatorDefinition kOperators[] = {
    {"Reshape", kOpsetMin, kOpsetMax, 2, 2, &Reshape},
    {"Flatten", kOpsetMin, kOpsetMax, 1, 1, &Flatten},
    {"Transpose", kOpsetMin, kOpsetMax, 1, 1, &Transpose},
    {"Squeeze", kOpsetMin, kOpsetMax, 1, 2, &Squeeze},
    {"Unsqueeze", kOpsetMin, kOpsetMax, 1, 2, &Unsqueeze},
    {"Expand", kOpsetMin, kOpsetMax, 2, 2, &Expand},
    {"Tile", kOpsetMin, kOpsetMax, 2, 2, &Tile},
    {"Concat", kOpsetMin, kOpsetMax, 1, kConcatInputsMax, &Concat},
};

}  // namespace

std::span<const OperatorDefinition> LayoutOperators() { return kOperators; }

}  // namespace anchorhold::graph
