// Softmax, LogSoftmax; BatchNormalization with running statistics.
#include <cmath>

#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

template <const Primitive& primitive>
Status Softmax(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {x}, {.axis = axis}));
  node.SetOutput(y);
  return Ok();
}

// [C] as [C, 1, ..], which broadcasts along axis 1 of a value of rank `rank`.
ValueType ChannelType(std::int64_t channels, int rank) {
  ValueType type;
  type.shape.assign(static_cast<std::size_t>(rank - 1), 1);
  type.shape[0] = channels;
  return type;
}

struct Statistics {
  ConstantData mean;
  ConstantData scale;  // 1 / sqrt(variance + epsilon)
};

Result<Statistics> ReadStatistics(NodeContext& node, std::int64_t channels, float epsilon) {
  AH_ASSIGN_OR_RETURN(const NodeContext::Floats mean, node.ConstantFloats(3));
  AH_ASSIGN_OR_RETURN(const NodeContext::Floats variance, node.ConstantFloats(4));
  if (mean.shape != Shape{channels} || variance.shape != Shape{channels}) {
    return InvalidInput("mean and variance must have " + std::to_string(channels) + " numbers");
  }
  std::vector<float> scale;
  for (const float v : *variance.data) scale.push_back(1.0F / std::sqrt(v + epsilon));
  return Statistics{{mean.data, {}}, {std::make_shared<const std::vector<float>>(std::move(scale)), {}}};
}

Result<ValueId> ChannelInput(NodeContext& node, std::size_t i, const ValueType& type) {
  AH_ASSIGN_OR_RETURN(const ValueId value, node.Tensor(i));
  if (node.Type(value) != ValueType{{type.shape[0]}}) {
    return InvalidInput("scale and bias must have " + std::to_string(type.shape[0]) + " numbers");
  }
  return EmitReshape(node, value, type);
}

Status CheckInference(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t training, node.Int("training_mode", 0));
  if (training == 0 && node.output_count() <= 1) return Ok();
  return PrivacyRefused(
      "training_mode=1 computes statistics over the batch, so examples would mix; use "
      "GroupNormalization or LayerNormalization, or training_mode=0");
}

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, channel by channel. The running
// statistics are constants of the model; scale and bias are trained.
Status BatchNormalization(NodeContext& node) {
  AH_RETURN_IF_ERROR(CheckInference(node));
  node.IgnoreAttribute("momentum");
  AH_ASSIGN_OR_RETURN(const float epsilon, node.Float("epsilon", 1e-5F));
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  if (in.rank() < 2) return InvalidInput("an input of rank 2 or more is needed");
  if (in.example_axis == 1) {
    return PrivacyRefused("the channels of " + FormatType(in) + " are the examples");
  }
  const ValueType type = ChannelType(in.shape[1], in.rank());
  AH_ASSIGN_OR_RETURN(const Statistics statistics, ReadStatistics(node, in.shape[1], epsilon));
  AH_ASSIGN_OR_RETURN(const ValueId scale, ChannelInput(node, 1, type));
  AH_ASSIGN_OR_RETURN(const ValueId bias, ChannelInput(node, 2, type));
  const ValueId mean = node.builder().AddConstant(type.shape, statistics.mean);
  const ValueId factor = node.builder().AddConstant(type.shape, statistics.scale);
  AH_ASSIGN_OR_RETURN(const ValueId centred, node.Emit(primitives::kSub, {x, mean}));
  AH_ASSIGN_OR_RETURN(const ValueId standard, node.Emit(primitives::kMul, {centred, factor}));
  AH_ASSIGN_OR_RETURN(const ValueId scaled, node.Emit(primitives::kMul, {standard, scale}));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kAdd, {scaled, bias}));
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Softmax", kOpsetMin, kOpsetMax, 1, 1, &Softmax<primitives::kSoftmax>},
    {"LogSoftmax", kOpsetMin, kOpsetMax, 1, 1, &Softmax<primitives::kLogSoftmax>},
    {"BatchNormalization", kOpsetMin, kOpsetMax, 5, 5, &BatchNormalization},
};

}  // namespace

std::span<const OperatorDefinition> NormalisationOperators() { return kOperators; }

}  // namespace anchorhold::graph
