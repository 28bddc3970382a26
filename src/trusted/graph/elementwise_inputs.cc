#include "trusted/graph/elementwise_inputs.h"

#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

constexpr int kAlignsAtTheEnd = 7;  // the opset since which broadcasting is NumPy's

Result<ValueId> AlignSecond(NodeContext& node, Operands operands, std::int64_t given) {
  const ValueType a = node.Type(operands.a);
  ValueType b = node.Type(operands.b);
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, a.rank()));
  const int added = a.rank() - axis - b.rank();
  if (added < 0) {
    return InvalidInput("axis=" + std::to_string(given) + " does not fit " + FormatType(b) +
                        " into " + FormatType(a));
  }
  b.shape.insert(b.shape.end(), static_cast<std::size_t>(added), 1);
  return EmitReshape(node, operands.b, b);
}

}  // namespace

Result<Operands> BinaryInputs(NodeContext& node, Result<ValueId> (*second)(NodeContext&)) {
  Operands operands;
  AH_ASSIGN_OR_RETURN(operands.a, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(operands.b, second == nullptr ? node.Tensor(1) : second(node));
  if (node.opset() >= kAlignsAtTheEnd) return operands;
  // Whether sizes may differ; the type rule of broadcasting decides whether they fit.
  AH_ASSIGN_OR_RETURN(const std::int64_t broadcast, node.Int("broadcast", 0));
  if (!node.HasAttribute("axis")) return operands;
  AH_ASSIGN_OR_RETURN(const std::int64_t axis, node.Int("axis", 0));
  if (broadcast == 0) return operands;
  AH_ASSIGN_OR_RETURN(operands.b, AlignSecond(node, operands, axis));
  return operands;
}

Result<ValueId> ScalarConstant(NodeContext& node, double number, ElementType element) {
  if (IsReal(element)) {
    return node.builder().AddReals({}, {static_cast<float>(number)}, element);
  }
  return node.builder().AddIntegers({}, {static_cast<std::int64_t>(number)}, element);
}

Status SetEmitted(NodeContext& node, const Result<ValueId>& emitted) {
  if (!emitted.ok()) return emitted.error();
  node.SetOutput(*emitted);
  return Ok();
}

}  // namespace anchorhold::graph
