// Gemm: alpha op(A) op(B) + beta C. MatMul: NumPy's product, where a vector is a row on the left
// and a column on the right.
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

Result<ValueId> Scaled(NodeContext& node, ValueId value, float factor) {
  if (factor == 1.0F) return value;
  return node.Emit(primitives::kScale, {value}, {.alpha = factor});
}

Status Gemm(NodeContext& node) {
  node.IgnoreAttribute("broadcast");  // opset 6: whether C may; the sum below tells
  AH_ASSIGN_OR_RETURN(const ValueId a, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId b, node.Tensor(1));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1));
  AH_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t transpose_a, node.Int("transA", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t transpose_b, node.Int("transB", 0));
  if (node.Type(a).rank() != 2 || node.Type(b).rank() != 2) {
    return InvalidInput("Gemm needs matrices, not " + FormatType(node.Type(a)) + " and " +
                        FormatType(node.Type(b)));
  }
  AH_ASSIGN_OR_RETURN(const ValueId product, node.Emit(primitives::kMatMul, {a, b},
                                                       {.transpose_a = transpose_a != 0,
                                                        .transpose_b = transpose_b != 0}));
  AH_ASSIGN_OR_RETURN(ValueId y, Scaled(node, product, alpha));
  if (node.Has(2) && beta != 0.0F) {
    AH_ASSIGN_OR_RETURN(const ValueId c, node.Tensor(2));
    AH_ASSIGN_OR_RETURN(const ValueId bias, Scaled(node, c, beta));
    const ValueType type = node.Type(y);
    AH_ASSIGN_OR_RETURN(y, node.Emit(primitives::kAdd, {y, bias}));
    if (node.Type(y) != type) {
      return InvalidInput("C of " + FormatType(node.Type(c)) + " does not broadcast to " +
                          FormatType(type));
    }
  }
  node.SetOutput(y);
  return Ok();
}

// A vector as a matrix with a new axis of size 1 at `axis`.
Result<ValueId> AsMatrix(NodeContext& node, ValueId vector, int axis) {
  ValueType type = node.Type(vector);
  type.shape.insert(type.shape.begin() + axis, 1);
  if (type.has_examples() && axis == 0) type.example_axis = 1;
  return EmitReshape(node, vector, type);
}

Status MatMul(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(ValueId a, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(ValueId b, node.Tensor(1));
  const bool row = node.Type(a).rank() == 1;
  const bool column = node.Type(b).rank() == 1;
  if (row) {
    AH_ASSIGN_OR_RETURN(a, AsMatrix(node, a, 0));
  }
  if (column) {
    AH_ASSIGN_OR_RETURN(b, AsMatrix(node, b, 1));
  }
  AH_ASSIGN_OR_RETURN(ValueId y, node.Emit(primitives::kMatMul, {a, b}));
  std::vector<int> added;
  if (row) added.push_back(node.Type(y).rank() - 2);
  if (column) added.push_back(node.Type(y).rank() - 1);
  AH_ASSIGN_OR_RETURN(y, DropAxes(node, y, added));
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Gemm", kOpsetMin, kOpsetMax, 2, 3, &Gemm},
    {"MatMul", kOpsetMin, kOpsetMax, 2, 2, &MatMul},
};

}  // namespace

std::span<const OperatorDefinition> LinearOperators() { return kOperators; }

}  // namespace anchorhold::graph
