// Reductions over axes that are not the example axis. The axes are an input since opset 13
// (ReduceSum) and 18 (the others), an attribute before; without any, all are reduced, or none if
// noop_with_empty_axes says so (ReduceL2 is then |x|, and so on). Composed of primitives:
//   Mean  sum / n     SumSquare  sum x^2     L1  sum |x|     LogSum  ln sum
// A ReduceMax or ReduceMin shares its gradient evenly between equal extremes. Integers have Sum,
// Max, Min, Prod, SumSquare and Mean (towards zero); truth values Max and Min.
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

// x with the axes `over` reduced to size 1.
using Reducer = Result<ValueId> (*)(NodeContext& node, ValueId x, const Attributes& over);

template <const Primitive& primitive>
Result<ValueId> By(NodeContext& node, ValueId x, const Attributes& over) {
  return node.Emit(primitive, {x}, over);
}

Result<ValueId> Mean(NodeContext& node, ValueId x, const Attributes& over) {
  const ValueType in = node.Type(x);
  std::int64_t count = 1;
  for (const std::int64_t axis : over.dims) count *= in.shape[static_cast<std::size_t>(axis)];
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kSumOver, {x}, over));
  if (in.is_real()) {
    return node.Emit(primitives::kScale, {sum}, {.alpha = 1.0 / static_cast<double>(count)});
  }
  AH_ASSIGN_OR_RETURN(const ValueId divisor, node.builder().AddIntegers({}, {count}, in.element));
  return node.Emit(primitives::kDiv, {sum, divisor});
}

Result<ValueId> L1(NodeContext& node, ValueId x, const Attributes& over) {
  AH_ASSIGN_OR_RETURN(const ValueId size, node.Emit(primitives::kAbs, {x}));
  return node.Emit(primitives::kSumOver, {size}, over);
}

Result<ValueId> SumSquare(NodeContext& node, ValueId x, const Attributes& over) {
  AH_ASSIGN_OR_RETURN(const ValueId square, node.Emit(primitives::kMul, {x, x}));
  return node.Emit(primitives::kSumOver, {square}, over);
}

Result<ValueId> LogSum(NodeContext& node, ValueId x, const Attributes& over) {
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kSumOver, {x}, over));
  return node.Emit(primitives::kLog, {sum});
}

template <Reducer reducer>
Status Reduce(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes, Axes(node, node.Type(x).rank()));
  AH_ASSIGN_OR_RETURN(const std::int64_t keep, node.Int("keepdims", 1));
  Attributes over;
  over.dims.assign(axes.begin(), axes.end());
  AH_ASSIGN_OR_RETURN(ValueId y, reducer(node, x, over));
  if (keep == 0) {
    AH_ASSIGN_OR_RETURN(y, DropAxes(node, y, axes));
  }
  node.SetOutput(y);
  return Ok();
}

// The same on shape integers, which have one axis at most: the number of elements, for example.
template <Reducer reducer, IntegerOp op>
Status ReduceAny(NodeContext& node) {
  if (!node.IsIntegers(0)) return Reduce<reducer>(node);
  AH_ASSIGN_OR_RETURN(const Integers x, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes, Axes(node, x.scalar ? 0 : 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t keep, node.Int("keepdims", 1));
  if (axes.empty()) {
    node.SetOutput(x);
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(Integers y, ReduceIntegers(op, x, keep != 0));
  node.SetOutput(std::move(y));
  return Ok();
}

constexpr auto kSum = &ReduceAny<&By<primitives::kSumOver>, IntegerOp::kAdd>;
constexpr auto kMax = &ReduceAny<&By<primitives::kMaxOver>, IntegerOp::kMax>;
constexpr auto kMin = &ReduceAny<&By<primitives::kMinOver>, IntegerOp::kMin>;
constexpr auto kProd = &ReduceAny<&By<primitives::kProdOver>, IntegerOp::kMul>;
constexpr auto kL2 = &Reduce<&By<primitives::kNormOver>>;
constexpr auto kLogSumExp = &Reduce<&By<primitives::kLogSumExpOver>>;

constexpr OperatorDefinition kOperators[] = {
    {"ReduceSum", kOpsetMin, 12, 1, 1, kSum},
    {"ReduceSum", 13, kOpsetMax, 1, 2, kSum},
    {"ReduceMean", kOpsetMin, 17, 1, 1, &Reduce<&Mean>},
    {"ReduceMean", 18, kOpsetMax, 1, 2, &Reduce<&Mean>},
    {"ReduceMax", kOpsetMin, 17, 1, 1, kMax},
    {"ReduceMax", 18, kOpsetMax, 1, 2, kMax},
    {"ReduceMin", kOpsetMin, 17, 1, 1, kMin},
    {"ReduceMin", 18, kOpsetMax, 1, 2, kMin},
    {"ReduceProd", kOpsetMin, 17, 1, 1, kProd},
    {"ReduceProd", 18, kOpsetMax, 1, 2, kProd},
    {"ReduceL1", kOpsetMin, 17, 1, 1, &Reduce<&L1>},
    {"ReduceL1", 18, kOpsetMax, 1, 2, &Reduce<&L1>},
    {"ReduceL2", kOpsetMin, 17, 1, 1, kL2},
    {"ReduceL2", 18, kOpsetMax, 1, 2, kL2},
    {"ReduceSumSquare", kOpsetMin, 17, 1, 1, &Reduce<&SumSquare>},
    {"ReduceSumSquare", 18, kOpsetMax, 1, 2, &Reduce<&SumSquare>},
    {"ReduceLogSum", kOpsetMin, 17, 1, 1, &Reduce<&LogSum>},
    {"ReduceLogSum", 18, kOpsetMax, 1, 2, &Reduce<&LogSum>},
    {"ReduceLogSumExp", kOpsetMin, 17, 1, 1, kLogSumExp},
    {"ReduceLogSumExp", 18, kOpsetMax, 1, 2, kLogSumExp},
};

}  // namespace

std::span<const OperatorDefinition> ReductionOperators() { return kOperators; }

}  // namespace anchorhold::graph
