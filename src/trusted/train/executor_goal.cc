#include "trusted/train/executor_goal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/names.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/executor.h"

namespace anchorhold::train {
namespace {

using graph::ElementCount;

// The value that the loss starts from.
graph::ValueId LossInput(const graph::Graph& graph, Loss loss) {
  namespace primitives = graph::primitives;
  const graph::ValueId output = graph.outputs()[0];
  const graph::Node* node = graph.producer(output);
  // A reshape to the output's shape changes no number.
  while (node != nullptr && node->primitive == &primitives::kReshape) {
    node = graph.producer(node->inputs[0]);
  }
  if (node == nullptr) return output;
  if (loss == Loss::kBinaryCrossEntropy && node->primitive == &primitives::kSigmoid) {
    return node->inputs[0];
  }
  if (loss == Loss::kCrossEntropy && node->primitive == &primitives::kSoftmax) {
    const graph::Shape& shape = graph.type(node->inputs[0]).shape;
    const auto axis = static_cast<std::size_t>(node->attributes.axis);
    // Along an axis that holds all classes; not, say, along one of size 1.
    if (static_cast<std::size_t>(shape[axis]) == ElementCount(shape)) return node->inputs[0];
  }
  return output;
}

Error Unfit(const graph::Port& output, Loss loss, const char* needs) {
  return InvalidInput("the model's output " + graph::Quoted(output.name) + " has shape " +
                      graph::FormatShape(output.shape) + " an example, but the loss " +
                      std::string(LossName(loss)) + " needs " + needs);
}

Status CheckFeatures(const graph::Model& model, const ExampleSet& examples) {
  if (examples.feature_width == model.input_width()) return Ok();
  std::string shapes;
  for (const graph::Port& input : model.inputs()) {
    if (!shapes.empty()) shapes += ", ";
    shapes += graph::Quoted(input.name) + " has shape " + graph::FormatShape(input.shape);
  }
  return InvalidInput(
      (model.inputs().size() == 1 ? "the model's input " : "of the model's inputs, ") + shapes +
      " an example (" + std::to_string(model.input_width()) + " values), but the data has " +
      std::to_string(examples.feature_width) + " feature columns");
}

Status CheckTargets(const graph::Port& output, const ExampleSet& examples) {
  const std::size_t width = ElementCount(output.shape);
  if (examples.target_width == 0 || examples.targets.size() != examples.rows * width) {
    return InvalidInput("the loss mse needs " + std::to_string(width) +
                        " target columns, as many as the model's output " +
                        graph::Quoted(output.name) + " has numbers, but the data has " +
                        std::to_string(examples.target_width));
  }
  return Ok();
}

Status CheckClasses(const graph::Port& output, Loss loss, const ExampleSet& examples) {
  if (examples.classes.size() != examples.rows) {
    return InvalidInput("the loss " + std::string(LossName(loss)) +
                        " needs a class label for each row, but the data has none (its schema "
                        "declares no label of classes)");
  }
  const bool binary = loss == Loss::kBinaryCrossEntropy;
  const std::size_t classes = binary ? 2 : ElementCount(output.shape);
  for (const std::int64_t label : examples.classes) {
    if (label >= 0 && static_cast<std::uint64_t>(label) < classes) continue;
    return InvalidInput("the data has a class label outside the " + std::to_string(classes) +
                        " classes of the model's output " + graph::Quoted(output.name) +
                        " under the loss " + std::string(LossName(loss)) + "; labels count from 0");
  }
  return Ok();
}

}  // namespace

Status CheckOutput(const graph::Model& model, Loss loss) {
  const graph::Port& output = model.outputs()[0];
  const std::size_t width = ElementCount(output.shape);
  if (loss == Loss::kBinaryCrossEntropy && width != 1) {
    return Unfit(output, loss, "a single number; use cross-entropy for several classes");
  }
  if (loss == Loss::kCrossEntropy) {
    if (width < 2) {
      return Unfit(output, loss, "two classes or more; use binary-cross-entropy for one number");
    }
    const auto long_axes = std::count_if(output.shape.begin(), output.shape.end(),
                                         [](std::int64_t size) { return size != 1; });
    if (long_axes != 1) return Unfit(output, loss, "one axis, of classes");
  }
  return Ok();
}

std::vector<std::size_t> ParameterOffsets(const graph::Model& model) {
  std::vector<std::size_t> offsets = {0};
  for (const graph::Parameter& parameter : model.parameters()) {
    offsets.push_back(offsets.back() + parameter.values.size());
  }
  return offsets;
}

Result<TrainingGoal> MakeTrainingGoal(const graph::Model& model, Loss loss) {
  AH_RETURN_IF_ERROR(CheckOutput(model, loss));
  const graph::ValueId at = LossInput(model.graph(), loss);
  AH_ASSIGN_OR_RETURN(graph::Differentiated differentiated,
                      graph::Differentiate(model.graph(), at, model.parameters().size()));
  return TrainingGoal{
      std::move(differentiated.graph),
      {differentiated.output, differentiated.seed, std::move(differentiated.gradients)}};
}

Status CheckFits(const graph::Model& model, Loss loss, const ExampleSet& examples) {
  AH_RETURN_IF_ERROR(CheckFeatures(model, examples));
  AH_RETURN_IF_ERROR(CheckOutput(model, loss));
  if (examples.features.size() != examples.rows * examples.feature_width) {
    return InvalidInput("the data has " + std::to_string(examples.features.size()) +
                        " feature values for " + std::to_string(examples.rows) + " rows of " +
                        std::to_string(examples.feature_width));
  }
  const graph::Port& output = model.outputs()[0];
  return loss == Loss::kMeanSquaredError ? CheckTargets(output, examples)
                                         : CheckClasses(output, loss, examples);
}

}  // namespace anchorhold::train
