// BatchNormalization, channel by channel (channels along axis 1, or with spatial = 0, before opset
// 9, position by position):
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale + bias
//
// In inference, mean and variance are running statistics: constants of the model, which are not
// trained, while scale and bias are. Or all four are computed for each example: Keras's layer
// normalisation is exported as the batch normalisation of [1, examples, features, 1]. In training
// they are the batch's own, which mixes examples; that is computed only where no examples are told
// apart, and gives new running statistics besides:
//
//   running' = running * momentum + batch's * (1 - momentum)
#include <cmath>
#include <utility>

#include "trusted/graph/normalising.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

struct BatchNorm {
  ValueId x = kNoValue;
  ValueType in{};            // x's type
  Shape given{};             // of scale, bias, mean and variance: [C], or [C, D1, ..]
  ValueType type{};          // the same, such that it broadcasts to x
  std::vector<int> reduced;  // the axes that statistics are taken over
  float epsilon = 0;
};

Result<BatchNorm> ReadBatchNorm(NodeContext& node) {
  BatchNorm norm;
  AH_ASSIGN_OR_RETURN(norm.x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(norm.epsilon, Epsilon(node, 1e-5F));
  node.IgnoreAttribute("consumed_inputs");
  std::int64_t spatial = 1;
  if (node.opset() < 9) {
    AH_ASSIGN_OR_RETURN(spatial, node.Int("spatial", 1));
  }
  norm.in = node.Type(norm.x);
  if (norm.in.rank() < 2) return InvalidInput("an input of rank 2 or more is needed");
  norm.type.element = norm.in.element;
  norm.type.shape.assign(norm.in.shape.begin() + 1, norm.in.shape.end());
  norm.reduced = {0};
  norm.given = norm.type.shape;
  if (spatial == 0) return norm;
  norm.given.resize(1);
  for (int k = 2; k < norm.in.rank(); ++k) {
    norm.type.shape[static_cast<std::size_t>(k - 1)] = 1;
    norm.reduced.push_back(k);
  }
  return norm;
}

Status CheckShape(NodeContext& node, const BatchNorm& norm, std::size_t i, ValueId value) {
  if (node.Type(value).shape == norm.given) return Ok();
  return InvalidInput("input " + std::to_string(i) + " must have the shape " +
                      FormatShape(norm.given) + ", and is " + FormatType(node.Type(value)));
}

// Scale or bias.
Result<ValueId> Trained(NodeContext& node, const BatchNorm& norm, std::size_t i) {
  AH_ASSIGN_OR_RETURN(const ValueId value, node.Tensor(i));
  AH_RETURN_IF_ERROR(CheckShape(node, norm, i, value));
  return EmitReshape(node, value, norm.type);
}

// A running statistic, as a constant of the shape that broadcasts where its numbers are known.
Result<ValueId> Statistic(NodeContext& node, const BatchNorm& norm, std::size_t i) {
  AH_ASSIGN_OR_RETURN(const ValueId value, node.ConstantTensor(i));
  AH_RETURN_IF_ERROR(CheckShape(node, norm, i, value));
  if (const ConstantData* known = node.builder().constant(value)) {
    const ConstantData numbers = *known;
    if (numbers.reals == nullptr) return InvalidInput("a running statistic must be real");
    return node.builder().AddConstant(norm.type.shape, numbers, norm.in.element);
  }
  if (node.has_examples() && !norm.type.has_examples()) {
    return Unsupported("input " + std::to_string(i) +
                       ", a running statistic, must be numbers that are known when the model is "
                       "read: an initializer or a constant");
  }
  return EmitReshape(node, value, norm.type);
}

// 1 / sqrt(variance + epsilon), computed here where the variance is known.
Result<ValueId> Factor(NodeContext& node, ValueId variance, float epsilon) {
  const ConstantData* known = node.builder().constant(variance);
  if (known == nullptr) return InverseDeviation(node, variance, epsilon);
  std::vector<float> factors;
  for (const float v : *known->reals) factors.push_back(1.0F / std::sqrt(v + epsilon));
  const ValueType type = node.Type(variance);
  return node.builder().AddReals(type.shape, std::move(factors), type.element);
}

Status SetScaled(NodeContext& node, const BatchNorm& norm, ValueId standard) {
  AH_ASSIGN_OR_RETURN(const ValueId scale, Trained(node, norm, 1));
  AH_ASSIGN_OR_RETURN(const ValueId bias, Trained(node, norm, 2));
  AH_ASSIGN_OR_RETURN(const ValueId scaled, node.Emit(primitives::kMul, {standard, scale}));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kAdd, {scaled, bias}));
  node.SetOutput(y);
  return Ok();
}

// Whether scale, bias, mean and variance are all computed from examples.
Result<bool> BringTheirOwnNumbers(NodeContext& node) {
  for (std::size_t i = 1; i <= 4; ++i) {
    if (node.IsIntegers(i) || node.InitializerShape(i) != nullptr) return false;
    AH_ASSIGN_OR_RETURN(const ValueId value, node.Tensor(i));
    if (!node.Type(value).has_examples()) return false;
  }
  return true;
}

Status Inference(NodeContext& node, BatchNorm norm) {
  node.IgnoreAttribute("momentum");
  if (norm.in.example_axis == 1) {
    AH_ASSIGN_OR_RETURN(const bool own_numbers, BringTheirOwnNumbers(node));
    if (own_numbers) norm.type.example_axis = 0;
  }
  if (norm.in.example_axis == 1 && !norm.type.has_examples()) {
    return PrivacyRefused("the channels of " + FormatType(norm.in) +
                          " are the examples, so a result would depend on an example's place in "
                          "the batch; transpose the example axis to the front");
  }
  AH_ASSIGN_OR_RETURN(const ValueId mean, Statistic(node, norm, 3));
  AH_ASSIGN_OR_RETURN(const ValueId variance, Statistic(node, norm, 4));
  AH_ASSIGN_OR_RETURN(const ValueId factor, Factor(node, variance, norm.epsilon));
  AH_ASSIGN_OR_RETURN(const ValueId centred, node.Emit(primitives::kSub, {norm.x, mean}));
  AH_ASSIGN_OR_RETURN(const ValueId standard, node.Emit(primitives::kMul, {centred, factor}));
  return SetScaled(node, norm, standard);
}

// Output i: the running statistic of input `from`, moved towards the batch's.
Status SetRunning(NodeContext& node, std::size_t i, std::size_t from, ValueId batch,
                  double momentum) {
  AH_ASSIGN_OR_RETURN(const ValueId running, node.StatisticInput(from));
  AH_ASSIGN_OR_RETURN(const ValueId kept,
                      node.Emit(primitives::kScale, {running}, {.alpha = momentum}));
  AH_ASSIGN_OR_RETURN(const ValueId added,
                      node.Emit(primitives::kScale, {batch}, {.alpha = 1 - momentum}));
  AH_ASSIGN_OR_RETURN(const ValueId updated, node.Emit(primitives::kAdd, {kept, added}));
  node.SetOutput(i, updated);
  return node.TrackStatistic(running, updated);
}

Status Training(NodeContext& node, const BatchNorm& norm) {
  AH_ASSIGN_OR_RETURN(const float momentum, node.Float("momentum", 0.9F));
  AH_ASSIGN_OR_RETURN(const ValueId standard,
                      NormaliseOver(node, norm.x, {.axes = norm.reduced, .epsilon = norm.epsilon}));
  AH_RETURN_IF_ERROR(SetScaled(node, norm, standard));
  if (node.output_count() <= 1) return Ok();
  for (const std::size_t i : {std::size_t{3}, std::size_t{4}}) {
    AH_ASSIGN_OR_RETURN(const ValueId running, node.ConstantTensor(i));
    AH_RETURN_IF_ERROR(CheckShape(node, norm, i, running));
  }
  AH_ASSIGN_OR_RETURN(const Moments moments, MomentsOver(node, norm.x, norm.reduced));
  const ValueType given{norm.given, kNoExampleAxis, norm.in.element};
  AH_ASSIGN_OR_RETURN(const ValueId mean, EmitReshape(node, moments.mean, given));
  AH_ASSIGN_OR_RETURN(const ValueId variance, EmitReshape(node, moments.variance, given));
  AH_RETURN_IF_ERROR(SetRunning(node, 1, 3, mean, static_cast<double>(momentum)));
  AH_RETURN_IF_ERROR(SetRunning(node, 2, 4, variance, static_cast<double>(momentum)));
  if (node.opset() >= 14) return Ok();
  node.SetOutput(3, mean);  // "saved", for a backward pass
  node.SetOutput(4, variance);
  return Ok();
}

// How a node says that it trains has changed: is_test, then the number of outputs, training_mode.
Result<const char*> SaysThatItTrains(NodeContext& node) {
  if (node.opset() < 7) {
    AH_ASSIGN_OR_RETURN(const std::int64_t test, node.Int("is_test", 0));
    return test == 0 ? "is_test=0" : nullptr;
  }
  AH_ASSIGN_OR_RETURN(const std::int64_t training, node.Int("training_mode", 0));
  if (training != 0) return "training_mode=1";
  return node.output_count() > 1 ? "more than one output" : nullptr;
}

}  // namespace

Status BatchNormalization(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const char* training, SaysThatItTrains(node));
  if (!node.trains()) training = nullptr;
  if (training != nullptr && node.has_examples()) {
    return PrivacyRefused(std::string(training) +
                          " computes statistics over the batch, so examples would mix; use "
                          "GroupNormalization or LayerNormalization, or " +
                          (node.opset() < 7 ? "is_test=1" : "training_mode=0"));
  }
  AH_ASSIGN_OR_RETURN(BatchNorm norm, ReadBatchNorm(node));
  return training != nullptr ? Training(node, norm) : Inference(node, std::move(norm));
}

}  // namespace anchorhold::graph
