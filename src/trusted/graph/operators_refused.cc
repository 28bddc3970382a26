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

// What it finds depends on all elements at once, the examples among them.
Status OverEverything(NodeContext& node) {
  const ExampleInput x = FirstInput(node);
  if (x.found && !node.HasAttribute("axis")) return Mixes(x.type, "searches along");
  return AlongAttribute<0>(node);
}

constexpr OperatorDefinition kOperators[] = {
    {"Compress", kOpsetMin, kOpsetMax, 2, 2, &OverEverything},
    {"Resize", kOpsetMin, kOpsetMax, 1, 4, &Resize},
    {"Unique", kOpsetMin, kOpsetMax, 1, 1, &OverEverything},
};

}  // namespace

std::span<const OperatorDefinition> RefusedOperators() { return kOperators; }

}  // namespace anchorhold::graph
