// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. For scores x [N, C, ..] and classes t [N,
// ..], at each place of t:
//
//   loss = -w[t] x[t]     weight = w[t]     both 0 where t is ignore_index; w is 1 if not given
//
//   none: loss     sum: the sum of all losses     mean: that, divided by the sum of all weights
//
// For SoftmaxCrossEntropyLoss x is the LogSoftmax of the scores, which is also its second output. A
// class that is out of range and not ignored gives NaN.
#include "trusted/graph/node_context.h"
#include "trusted/graph/normalising.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

enum class Reduction { kNone, kSum, kMean };

Result<Reduction> ReadReduction(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::string name, node.Text("reduction", "mean"));
  if (name == "none") return Reduction::kNone;
  if (name == "sum") return Reduction::kSum;
  if (name == "mean") return Reduction::kMean;
  return InvalidInput("the reduction must be none, sum or mean");
}

// By place: the loss, and its weight unless every weight is 1.
struct Losses {
  ValueId loss = kNoValue;
  ValueId weight = kNoValue;
};

// Input 1 without the classes to ignore, and where those are; `ignored` is kNoValue if nowhere.
struct Classes {
  ValueId at = kNoValue;
  ValueId ignored = kNoValue;
};

Result<Classes> ReadClasses(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId given, node.Tensor(1));
  const ValueType type = node.Type(given);
  if (type.is_real()) return InvalidInput("input 1, the classes, must be integers");
  if (!node.HasAttribute("ignore_index")) return Classes{given, kNoValue};
  AH_ASSIGN_OR_RETURN(const std::int64_t ignore, node.Int("ignore_index", 0));
  AH_ASSIGN_OR_RETURN(const ValueId index, node.builder().AddIntegers({}, {ignore}, type.element));
  AH_ASSIGN_OR_RETURN(const ValueId zero, node.builder().AddIntegers({}, {0}, type.element));
  Classes classes;
  AH_ASSIGN_OR_RETURN(classes.ignored,
                      node.Emit(primitives::kCompare, {given, index},
                                {.mode = static_cast<int>(kernels::CompareOp::kEqual)}));
  AH_ASSIGN_OR_RETURN(classes.at, node.Emit(primitives::kWhere, {classes.ignored, zero, given}));
  return classes;
}

// 0 where a class is ignored, else `value`.
Result<ValueId> Unignored(NodeContext& node, const Classes& classes, ValueId value) {
  if (classes.ignored == kNoValue) return value;
  AH_ASSIGN_OR_RETURN(const ValueId zero, ScalarLike(node, value, 0));
  return node.Emit(primitives::kWhere, {classes.ignored, zero, value});
}

// -x[t], by place.
Result<ValueId> Picked(NodeContext& node, ValueId scores, ValueId classes) {
  ValueType column = node.Type(classes);
  if (column.rank() < 1 || node.Type(scores).rank() != column.rank() + 1) {
    return InvalidInput("the scores " + FormatType(node.Type(scores)) +
                        " must have one axis more than the classes " + FormatType(column));
  }
  column.shape.insert(column.shape.begin() + 1, 1);
  if (column.example_axis >= 1) ++column.example_axis;
  AH_ASSIGN_OR_RETURN(const ValueId indices, EmitReshape(node, classes, column));
  Shape expected = node.Type(scores).shape;
  expected[1] = 1;
  if (expected != column.shape) {
    return InvalidInput("the scores " + FormatType(node.Type(scores)) + " do not fit the classes " +
                        FormatType(node.Type(classes)));
  }
  AH_ASSIGN_OR_RETURN(const ValueId picked,
                      node.Emit(primitives::kGatherElements, {scores, indices}, {.axis = 1}));
  AH_ASSIGN_OR_RETURN(const ValueId place, DropAxes(node, picked, {1}));
  return node.Emit(primitives::kNeg, {place});
}

Result<Losses> ByPlace(NodeContext& node, ValueId scores) {
  AH_ASSIGN_OR_RETURN(const Classes classes, ReadClasses(node));
  Losses out;
  AH_ASSIGN_OR_RETURN(out.loss, Picked(node, scores, classes.at));
  if (node.Has(2)) {
    AH_ASSIGN_OR_RETURN(const ValueId weights, node.ConstantTensor(2));
    if (node.Type(weights).shape != Shape{node.Type(scores).shape[1]}) {
      return InvalidInput("there must be one weight for each class");
    }
    AH_ASSIGN_OR_RETURN(out.weight,
                        node.Emit(primitives::kGather, {weights, classes.at}, {.axis = 0}));
    AH_ASSIGN_OR_RETURN(out.loss, node.Emit(primitives::kMul, {out.loss, out.weight}));
  } else if (classes.ignored != kNoValue) {
    AH_ASSIGN_OR_RETURN(out.weight, ScalarLike(node, out.loss, 1));
  }
  AH_ASSIGN_OR_RETURN(out.loss, Unignored(node, classes, out.loss));
  if (out.weight != kNoValue) {
    AH_ASSIGN_OR_RETURN(out.weight, Unignored(node, classes, out.weight));
  }
  return out;
}

Result<ValueId> SumOfAll(NodeContext& node, ValueId value) {
  const ValueType type = node.Type(value);
  Attributes all;
  for (int k = 0; k < type.rank(); ++k) all.dims.push_back(k);
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kSumOver, {value}, std::move(all)));
  return EmitReshape(node, sum, ValueType{{}, kNoExampleAxis, type.element});
}

Status SetLoss(NodeContext& node, ValueId scores) {
  AH_ASSIGN_OR_RETURN(const Reduction reduction, ReadReduction(node));
  AH_ASSIGN_OR_RETURN(const Losses losses, ByPlace(node, scores));
  ValueId loss = losses.loss;
  const std::size_t places = ElementCount(node.Type(loss).shape);
  if (reduction != Reduction::kNone) {
    AH_ASSIGN_OR_RETURN(loss, SumOfAll(node, loss));
  }
  if (reduction == Reduction::kMean && losses.weight == kNoValue) {
    const double factor = 1.0 / static_cast<double>(places);
    AH_ASSIGN_OR_RETURN(loss, node.Emit(primitives::kScale, {loss}, {.alpha = factor}));
  } else if (reduction == Reduction::kMean) {
    AH_ASSIGN_OR_RETURN(const ValueId weight, SumOfAll(node, losses.weight));
    AH_ASSIGN_OR_RETURN(loss, node.Emit(primitives::kDiv, {loss, weight}));
  }
  node.SetOutput(loss);
  return Ok();
}

Status NegativeLogLikelihoodLoss(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId scores, node.Tensor(0));
  if (node.Type(scores).rank() < 2) return InvalidInput("scores of rank 2 or more are needed");
  return SetLoss(node, scores);
}

Status SoftmaxCrossEntropyLoss(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId scores, node.Tensor(0));
  if (node.Type(scores).rank() < 2) return InvalidInput("scores of rank 2 or more are needed");
  AH_ASSIGN_OR_RETURN(const ValueId logarithms,
                      node.Emit(primitives::kLogSoftmax, {scores}, {.axis = 1}));
  AH_RETURN_IF_ERROR(SetLoss(node, logarithms));
  if (node.WantsOutput(1)) node.SetOutput(1, logarithms);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"NegativeLogLikelihoodLoss", 12, kOpsetMax, 2, 3, &NegativeLogLikelihoodLoss},
    {"SoftmaxCrossEntropyLoss", 12, kOpsetMax, 2, 3, &SoftmaxCrossEntropyLoss},
};

}  // namespace

std::span<const OperatorDefinition> LossOperators() { return kOperators; }

}  // namespace anchorhold::graph
