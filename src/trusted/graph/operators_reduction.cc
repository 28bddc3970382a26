// ReduceSum and ReduceMean over axes that are not the example axis. The axes are an input since
// opset 13 (ReduceSum) and 18 (ReduceMean), an attribute before.
#include <algorithm>

#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

// The axes to reduce, ascending and without repetition.
Result<std::vector<int>> Axes(NodeContext& node, int rank) {
  std::vector<std::int64_t> given;
  if (node.Has(1)) {
    AH_ASSIGN_OR_RETURN(given, node.ConstantIntegers(1));
  } else if (node.HasAttribute("axes")) {
    AH_ASSIGN_OR_RETURN(given, node.Ints("axes"));
  }
  AH_ASSIGN_OR_RETURN(const std::int64_t noop, node.Int("noop_with_empty_axes", 0));
  std::vector<int> axes;
  if (given.empty() && noop == 0) {
    for (int k = 0; k < rank; ++k) axes.push_back(k);
    return axes;
  }
  for (const std::int64_t axis : given) {
    AH_ASSIGN_OR_RETURN(const int k, NormaliseAxis(axis, rank));
    axes.push_back(k);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  return axes;
}

Status Reduce(NodeContext& node, bool mean) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes, Axes(node, in.rank()));
  AH_ASSIGN_OR_RETURN(const std::int64_t keep, node.Int("keepdims", 1));
  Attributes attributes;
  std::int64_t count = 1;
  for (const int axis : axes) {
    attributes.dims.push_back(axis);
    count *= in.shape[static_cast<std::size_t>(axis)];
  }
  AH_ASSIGN_OR_RETURN(ValueId y, node.Emit(primitives::kSumOver, {x}, std::move(attributes)));
  if (mean) {
    const double factor = 1.0 / static_cast<double>(count);
    AH_ASSIGN_OR_RETURN(y, node.Emit(primitives::kScale, {y}, {.alpha = factor}));
  }
  if (keep == 0) {
    AH_ASSIGN_OR_RETURN(y, DropAxes(node, y, axes));
  }
  node.SetOutput(y);
  return Ok();
}

Status ReduceSum(NodeContext& node) { return Reduce(node, false); }
Status ReduceMean(NodeContext& node) { return Reduce(node, true); }

constexpr OperatorDefinition kOperators[] = {
    {"ReduceSum", kOpsetMin, kOpsetMax, 1, 2, &ReduceSum},
    {"ReduceMean", 13, 17, 1, 1, &ReduceMean},
    {"ReduceMean", 18, kOpsetMax, 1, 2, &ReduceMean},
};

}  // namespace

std::span<const OperatorDefinition> ReductionOperators() { return kOperators; }

}  // namespace anchorhold::graph
