// Operators that this version does not run, but knows well enough to say when they would mix
// examples: then the refusal names the mixing, which no later version will allow.
#include <cmath>

#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"

namespace anchorhold::graph {
namespace {

Error NotSupported() {
  return Unsupported("this operator is not supported; rewrite the model without it");
}

Error Mixes(const ValueType& type, const std::string& what) {
  return PrivacyRefused(what + " the example axis of " + FormatType(type) +
                        ", so examples would mix; work along a feature axis");
}

// Input 0, if it is a tensor with examples.
struct ExampleInput {
  bool found = false;
  ValueType type;
};

ExampleInput FirstInput(NodeContext& node) {
  node.IgnoreAttributes();
  if (!node.Has(0) || node.IsIntegers(0)) return {};
  const Result<ValueId> x = node.Tensor(0);
  if (!x.ok()) return {};
  const ValueType type = node.Type(*x);
  return {type.has_examples(), type};
}

bool IsExampleAxis(const ValueType& type, std::int64_t given) {
  const Result<int> axis = NormaliseAxis(given, type.rank());
  return axis.ok() && *axis == type.example_axis;
}

// Works along one axis, the attribute `axis`.
template <int kAbsent>
Status AlongAttribute(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  AH_ASSIGN_OR_RETURN(const std::int64_t axis, node.Int("axis", kAbsent));
  if (x.found && IsExampleAxis(x.type, axis)) return Mixes(x.type, "works along");
  return NotSupported();
}

// Reduces the axes of input 1 or of the attribute `axes`; all, if neither is there.
Status Reduces(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found) return NotSupported();
  AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> axes, node.Ints("axes"));
  if (node.Has(1)) {
    AH_ASSIGN_OR_RETURN(axes, node.ConstantIntegers(1));
  }
  AH_ASSIGN_OR_RETURN(const std::int64_t noop, node.Int("noop_with_empty_axes", 0));
  if (axes.empty() && noop == 0) return Mixes(x.type, "reduces");
  for (const std::int64_t axis : axes) {
    if (IsExampleAxis(x.type, axis)) return Mixes(x.type, "reduces");
  }
  return NotSupported();
}

// The axis is input 1.
Status CumSum(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found) return NotSupported();
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axis, node.ConstantIntegers(1));
  if (axis.size() == 1 && IsExampleAxis(x.type, axis[0])) return Mixes(x.type, "sums along");
  return NotSupported();
}

// Input 1 is the target shape, aligned at the last axis; 1 and the batch's own size leave it as is.
Status Expand(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found) return NotSupported();
  AH_ASSIGN_OR_RETURN(const Integers shape, node.IntegersOf(1));
  const auto from_end = static_cast<std::size_t>(x.type.rank() - x.type.example_axis);
  if (from_end <= shape.values.size()) {
    const SymbolicInteger size = shape.values[shape.values.size() - from_end];
    if (!size.times_batch && size.value != 1) return Mixes(x.type, "repeats");
  }
  return NotSupported();
}

// Input 1 says how often each axis is repeated.
Status Tile(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found) return NotSupported();
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> repeats, node.ConstantIntegers(1));
  const auto axis = static_cast<std::size_t>(x.type.example_axis);
  if (axis < repeats.size() && repeats[axis] != 1) return Mixes(x.type, "repeats");
  return NotSupported();
}

// Input 1: what to add before each axis, then after each; input 3 may name the axes.
Status Pad(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found) return NotSupported();
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> pads, node.ConstantIntegers(1));
  std::vector<std::int64_t> axes;
  for (int k = 0; k < x.type.rank(); ++k) axes.push_back(k);
  if (node.Has(3)) {
    AH_ASSIGN_OR_RETURN(axes, node.ConstantIntegers(3));
  }
  for (std::size_t k = 0; k < axes.size(); ++k) {
    if (!IsExampleAxis(x.type, axes[k]) || pads.size() != 2 * axes.size()) continue;
    if (pads[k] != 0 || pads[k + axes.size()] != 0) return Mixes(x.type, "pads");
  }
  return NotSupported();
}

// Input 2 has a factor for each axis, or input 3 a size.
Status Resize(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (!x.found || node.HasAttribute("axes")) return NotSupported();
  const auto axis = static_cast<std::size_t>(x.type.example_axis);
  if (node.Has(3)) {
    AH_ASSIGN_OR_RETURN(const Integers sizes, node.IntegersOf(3));
    const bool kept = axis < sizes.values.size() && sizes.values[axis].times_batch;
    return kept ? NotSupported() : Mixes(x.type, "resizes");
  }
  if (node.Has(2)) {
    AH_ASSIGN_OR_RETURN(const NodeContext::Floats factors, node.ConstantFloats(2));
    if (axis < factors.data->size() && (*factors.data)[axis] != 1.0F) {
      return Mixes(x.type, "resizes");
    }
  }
  return NotSupported();
}

// The equation names each input's axes by letters: "bi,ij->bj". A letter that the result lacks is
// summed over. Without spaces, ellipses or an implicit result, which are not looked into.
Status Einsum(NodeContext& node) {
  const onnx::AttributeProto* attribute = node.Attribute("equation");
  if (attribute == nullptr) return InvalidInput("the equation is missing");
  std::string equation;
  for (const char c : attribute->s()) {
    if (c != ' ') equation += c;
  }
  const std::size_t arrow = equation.find("->");
  if (arrow == std::string::npos || equation.find('.') != std::string::npos) return NotSupported();
  const std::string result = equation.substr(arrow + 2);
  std::size_t at = 0;
  for (std::size_t i = 0; i < node.input_count() && at <= arrow; ++i) {
    const std::size_t end = std::min(equation.find(',', at), arrow);
    const std::string letters = equation.substr(at, end - at);
    at = end + 1;
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(i));
    const ValueType type = node.Type(x);
    if (!type.has_examples() || static_cast<int>(letters.size()) != type.rank()) continue;
    const char letter = letters[static_cast<std::size_t>(type.example_axis)];
    if (result.find(letter) == std::string::npos) return Mixes(type, "sums over");
  }
  return NotSupported();
}

// What it finds depends on all elements at once, the examples among them.
Status OverEverything(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (x.found && !node.HasAttribute("axis")) return Mixes(x.type, "searches along");
  return AlongAttribute<0>(node);
}

constexpr int kAnyInputs = 1024;

constexpr OperatorDefinition kOperators[] = {
    {"ArgMax", kOpsetMin, kOpsetMax, 1, 1, &AlongAttribute<0>},
    {"ArgMin", kOpsetMin, kOpsetMax, 1, 1, &AlongAttribute<0>},
    {"Compress", kOpsetMin, kOpsetMax, 2, 2, &OverEverything},
    {"CumSum", kOpsetMin, kOpsetMax, 2, 2, &CumSum},
    {"Einsum", kOpsetMin, kOpsetMax, 1, kAnyInputs, &Einsum},
    {"Expand", kOpsetMin, kOpsetMax, 2, 2, &Expand},
    {"GatherElements", kOpsetMin, kOpsetMax, 2, 2, &AlongAttribute<0>},
    {"Hardmax", kOpsetMin, kOpsetMax, 1, 1, &AlongAttribute<-1>},
    {"LpNormalization", kOpsetMin, kOpsetMax, 1, 1, &AlongAttribute<-1>},
    {"NonZero", kOpsetMin, kOpsetMax, 1, 1, &OverEverything},
    {"Pad", kOpsetMin, kOpsetMax, 2, 4, &Pad},
    {"ReduceL1", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceL2", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceLogSum", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceLogSumExp", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceMax", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceMin", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceProd", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"ReduceSumSquare", kOpsetMin, kOpsetMax, 1, 2, &Reduces},
    {"Resize", kOpsetMin, kOpsetMax, 1, 4, &Resize},
    {"ScatterElements", kOpsetMin, kOpsetMax, 3, 3, &AlongAttribute<0>},
    {"Split", kOpsetMin, kOpsetMax, 1, 2, &AlongAttribute<0>},
    {"Tile", kOpsetMin, kOpsetMax, 2, 2, &Tile},
    {"TopK", kOpsetMin, kOpsetMax, 2, 2, &AlongAttribute<-1>},
    {"Unique", kOpsetMin, kOpsetMax, 1, 1, &OverEverything},
};

}  // namespace

std::span<const OperatorDefinition> RefusedOperators() { return kOperators; }

}  // namespace anchorhold::graph
