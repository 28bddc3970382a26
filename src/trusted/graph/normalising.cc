#include "trusted/graph/normalising.h"

#include <algorithm>
#include <cmath>

#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {

Result<float> Epsilon(NodeContext& node, float absent) {
  AH_ASSIGN_OR_RETURN(const float epsilon, node.Float("epsilon", absent));
  if (std::isfinite(epsilon) && epsilon >= 0) return epsilon;
  return InvalidInput("epsilon must be a finite number that is not negative");
}

std::vector<int> AxesFrom(int first, int rank) {
  std::vector<int> axes;
  for (int k = first; k < rank; ++k) axes.push_back(k);
  return axes;
}

// The primitive normalises over the last axes: others are moved there and back.
Result<ValueId> NormaliseOver(NodeContext& node, ValueId value, const Normalisation& over) {
  const ValueType in = node.Type(value);
  const std::vector<int>& axes = over.axes;
  if (axes.empty()) return InvalidInput("there is no axis to normalise over");
  if (std::find(axes.begin(), axes.end(), in.example_axis) != axes.end()) {
    return PrivacyRefused("axis " + std::to_string(in.example_axis) + " of " + FormatType(in) +
                          " is the example axis, and normalising along it would mix examples; "
                          "normalise feature axes only");
  }
  Attributes normalise;
  normalise.axis = in.rank() - static_cast<int>(axes.size());
  normalise.mode = static_cast<int>(over.mode);
  normalise.alpha = over.epsilon;
  if (axes.front() == normalise.axis) {
    return node.Emit(primitives::kNormalise, {value}, std::move(normalise));
  }
  Attributes there;
  for (int k = 0; k < in.rank(); ++k) {
    if (std::find(axes.begin(), axes.end(), k) == axes.end()) there.dims.push_back(k);
  }
  there.dims.insert(there.dims.end(), axes.begin(), axes.end());
  Attributes back;
  back.dims.resize(there.dims.size());
  for (std::size_t k = 0; k < there.dims.size(); ++k) {
    back.dims[static_cast<std::size_t>(there.dims[k])] = static_cast<std::int64_t>(k);
  }
  AH_ASSIGN_OR_RETURN(const ValueId moved,
                      node.Emit(primitives::kTranspose, {value}, std::move(there)));
  AH_ASSIGN_OR_RETURN(const ValueId normal,
                      node.Emit(primitives::kNormalise, {moved}, std::move(normalise)));
  return node.Emit(primitives::kTranspose, {normal}, std::move(back));
}

Result<ValueId> MeanOver(NodeContext& node, ValueId value, const std::vector<int>& axes) {
  const ValueType in = node.Type(value);
  Attributes over;
  std::int64_t count = 1;
  for (const int axis : axes) {
    over.dims.push_back(axis);
    count *= in.shape[static_cast<std::size_t>(axis)];
  }
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kSumOver, {value}, std::move(over)));
  return node.Emit(primitives::kScale, {sum}, {.alpha = 1.0 / static_cast<double>(count)});
}

Result<Moments> MomentsOver(NodeContext& node, ValueId value, const std::vector<int>& axes) {
  Moments moments;
  AH_ASSIGN_OR_RETURN(moments.mean, MeanOver(node, value, axes));
  AH_ASSIGN_OR_RETURN(const ValueId centred, node.Emit(primitives::kSub, {value, moments.mean}));
  AH_ASSIGN_OR_RETURN(const ValueId square, node.Emit(primitives::kMul, {centred, centred}));
  AH_ASSIGN_OR_RETURN(moments.variance, MeanOver(node, square, axes));
  return moments;
}

Result<ValueId> ScalarLike(NodeContext& node, ValueId like, float number) {
  return node.builder().AddReals({}, {number}, node.Type(like).element);
}

Result<ValueId> InverseDeviation(NodeContext& node, ValueId variance, float epsilon) {
  AH_ASSIGN_OR_RETURN(const ValueId shift, ScalarLike(node, variance, epsilon));
  AH_ASSIGN_OR_RETURN(const ValueId one, ScalarLike(node, variance, 1));
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kAdd, {variance, shift}));
  AH_ASSIGN_OR_RETURN(const ValueId deviation, node.Emit(primitives::kSqrt, {sum}));
  return node.Emit(primitives::kDiv, {one, deviation});
}

Result<ValueId> ChannelInput(NodeContext& node, std::size_t i, std::int64_t channels, int rank) {
  AH_ASSIGN_OR_RETURN(const ValueId value, node.Tensor(i));
  if (node.Type(value).shape != Shape{channels}) {
    return InvalidInput("input " + std::to_string(i) + " must have " + std::to_string(channels) +
                        " numbers");
  }
  ValueType type;
  type.shape.assign(static_cast<std::size_t>(rank - 1), 1);
  type.shape[0] = channels;
  return EmitReshape(node, value, type);
}

}  // namespace anchorhold::graph
