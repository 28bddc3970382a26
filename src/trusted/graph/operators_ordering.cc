// ArgMax, ArgMin, TopK, CumSum, Trilu. Of equal elements the one of lower index comes first, and a
// NaN comes after every number.
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

template <int order>
Status ArgExtreme(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t keep, node.Int("keepdims", 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t last, node.Int("select_last_index", 0));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  const int mode = order | (last != 0 ? primitives::kLastIndex : 0);
  AH_ASSIGN_OR_RETURN(ValueId y,
                      node.Emit(primitives::kArgExtreme, {x}, {.axis = axis, .mode = mode}));
  if (keep == 0) {
    AH_ASSIGN_OR_RETURN(y, DropAxes(node, y, {axis}));
  }
  node.SetOutput(y);
  return Ok();
}

// The number of elements is an attribute before opset 10. They are sorted whether asked for or not.
Status TopK(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(const std::int64_t largest, node.Int("largest", 1));
  AH_RETURN_IF_ERROR(node.Int("sorted", 1));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  std::int64_t k = 0;
  if (node.opset() < 10) {
    AH_ASSIGN_OR_RETURN(k, node.Int("k", 0));
  } else {
    AH_ASSIGN_OR_RETURN(k, node.ConstantInteger(1));
  }
  const int mode = largest != 0 ? 0 : primitives::kSmallest;
  AH_ASSIGN_OR_RETURN(const ValueId indices, node.Emit(primitives::kTopKIndices, {x},
                                                       {.axis = axis, .dims = {k}, .mode = mode}));
  AH_ASSIGN_OR_RETURN(const ValueId values,
                      node.Emit(primitives::kGatherElements, {x, indices}, {.axis = axis}));
  node.SetOutput(0, values);
  node.SetOutput(1, indices);
  return Ok();
}

Status CumSum(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.ConstantInteger(1));
  AH_ASSIGN_OR_RETURN(const std::int64_t exclusive, node.Int("exclusive", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t reverse, node.Int("reverse", 0));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  const int mode =
      (exclusive != 0 ? primitives::kExclusive : 0) | (reverse != 0 ? primitives::kReverse : 0);
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitives::kCumSum, {x}, {.axis = axis, .mode = mode}));
  node.SetOutput(y);
  return Ok();
}

Status Trilu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t upper, node.Int("upper", 1));
  std::int64_t k = 0;
  if (node.Has(1)) {
    AH_ASSIGN_OR_RETURN(k, node.ConstantInteger(1));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kTriangle, {x},
                                                 {.dims = {k}, .mode = upper != 0 ? 1 : 0}));
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"ArgMax", kOpsetMin, kOpsetMax, 1, 1, &ArgExtreme<0>},
    {"ArgMin", kOpsetMin, kOpsetMax, 1, 1, &ArgExtreme<primitives::kSmallest>},
    {"TopK", kOpsetMin, 9, 1, 1, &TopK},
    {"TopK", 10, kOpsetMax, 2, 2, &TopK},
    {"CumSum", 11, kOpsetMax, 2, 2, &CumSum},
    {"Trilu", 14, kOpsetMax, 1, 2, &Trilu},
};

}  // namespace

std::span<const OperatorDefinition> OrderingOperators() { return kOperators; }

}  // namespace anchorhold::graph
