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
graph::ValueId LossInput(const graph::Graph& graph, const graph::Shape& shape_of_output,
                         Loss loss) {
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
    // Along the axis of the classes, which are then next to each other, as in the output; not, say,
    // along one of size 1.
    const graph::Shape& shape = graph.type(node->inputs[0]).shape;
    const auto axis = static_cast<std::size_t>(node->attributes.axis);
    const std::size_t after = ElementCount(std::span(shape).subspan(axis + 1));
    const bool classes = static_cast<std::size_t>(shape[axis]) == ClassCount(shape_of_output);
    if (classes && after == 1) return node->inputs[0];
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

Status CheckTargets(const graph::Port& output, Loss loss, const ExampleSet& examples) {
  const std::size_t width = ElementCount(output.shape);
  if (!IsRegression(loss) && !examples.classes.empty()) {
    return InvalidInput(
        "the model's output " + graph::Quoted(output.name) + " has " + std::to_string(width) +
        " numbers, which are as many labels under the loss " + std::string(LossName(loss)) +
        ", but the data has class labels; use cross-entropy for several classes");
  }
  if (examples.target_width == 0 || examples.targets.size() != examples.rows * width) {
    return InvalidInput("the loss " + std::string(LossName(loss)) + " needs " +
                        std::to_string(width) + " target columns, as many as the model's output " +
                        graph::Quoted(output.name) + " has numbers, but the data has " +
                        std::to_string(examples.target_width));
  }
  if (IsRegression(loss)) return Ok();
  for (const float target : examples.targets) {
    if (target == 0.0F || target == 1.0F) continue;
    return InvalidInput("the data has a target that is neither 0 nor 1, as the loss " +
                        std::string(LossName(loss)) + " needs");
  }
  return Ok();
}

Status CheckClasses(const graph::Port& output, const LossOptions& loss,
                    const ExampleSet& examples) {
  const std::string name(LossName(loss.kind));
  const bool binary = loss.kind == Loss::kBinaryCrossEntropy;
  const std::size_t classes = binary ? 2 : ClassCount(output.shape);
  const std::size_t positions = binary ? 1 : ElementCount(output.shape) / classes;
  if (examples.classes.size() != examples.rows * examples.class_width || examples.classes.empty()) {
    return InvalidInput("the loss " + name +
                        " needs a class label for each row, but the data has none (its schema "
                        "declares no label of classes)");
  }
  if (examples.class_width != positions) {
    return InvalidInput("the model's output " + graph::Quoted(output.name) + " has " +
                        std::to_string(positions) + " positions an example, and the data has " +
                        std::to_string(examples.class_width) + " class labels a row");
  }
  for (const std::int64_t label : examples.classes) {
    if (label == loss.ignore_index) continue;
    if (label >= 0 && static_cast<std::uint64_t>(label) < classes) continue;
    return InvalidInput("the data has a class label outside the " + std::to_string(classes) +
                        " classes of the model's output " + graph::Quoted(output.name) +
                        " under the loss " + name + "; labels count from 0");
  }
  return Ok();
}

Error WrongCount(const char* weights, std::size_t given, const graph::Port& output,
                 std::size_t wanted) {
  return InvalidInput("there are " + std::to_string(given) + " " + weights +
                      ", but the model's output " + graph::Quoted(output.name) + " has " +
                      std::to_string(wanted) + "; give one each");
}

// Axes that do not have size 1.
std::ptrdiff_t LongAxes(const graph::Shape& shape) {
  return std::count_if(shape.begin(), shape.end(), [](std::int64_t size) { return size != 1; });
}

}  // namespace

std::size_t ClassCount(const graph::Shape& shape) {
  return LongAxes(shape) <= 1 ? ElementCount(shape) : static_cast<std::size_t>(shape.back());
}

Status CheckOutput(const graph::Model& model, const LossOptions& loss) {
  AH_RETURN_IF_ERROR(ValidateLoss(loss));
  const graph::Port& output = model.outputs()[0];
  const std::size_t width = ElementCount(output.shape);
  const std::size_t positive_weights = loss.positive_weights.size();
  if (positive_weights > 1 && positive_weights != width) {
    return WrongCount("weights of positive labels", positive_weights, output, width);
  }
  if (loss.kind != Loss::kCrossEntropy) return Ok();
  const std::size_t classes = ClassCount(output.shape);
  if (classes < 2) {
    return Unfit(output, loss.kind,
                 width < 2 ? "two classes or more; use binary-cross-entropy for one number"
                           : "its last axis to be of two classes or more");
  }
  if (!loss.class_weights.empty() && loss.class_weights.size() != classes) {
    return WrongCount("class weights", loss.class_weights.size(), output, classes);
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

Result<TrainingGoal> MakeTrainingGoal(const graph::Model& model, const LossOptions& loss) {
  AH_RETURN_IF_ERROR(CheckOutput(model, loss));
  const graph::ValueId at = LossInput(model.graph(), model.outputs()[0].shape, loss.kind);
  AH_ASSIGN_OR_RETURN(graph::Differentiated differentiated,
                      graph::Differentiate(model.graph(), at, model.parameters().size()));
  return TrainingGoal{
      std::move(differentiated.graph),
      {differentiated.output, differentiated.seed, std::move(differentiated.gradients)}};
}

Status CheckFits(const graph::Model& model, const LossOptions& loss, const ExampleSet& examples) {
  AH_RETURN_IF_ERROR(CheckFeatures(model, examples));
  AH_RETURN_IF_ERROR(CheckOutput(model, loss));
  if (examples.features.size() != examples.rows * examples.feature_width) {
    return InvalidInput("the data has " + std::to_string(examples.features.size()) +
                        " feature values for " + std::to_string(examples.rows) + " rows of " +
                        std::to_string(examples.feature_width));
  }
  const graph::Port& output = model.outputs()[0];
  const bool several_labels =
      loss.kind == Loss::kBinaryCrossEntropy &&
      (ElementCount(output.shape) > 1 || (examples.classes.empty() && examples.target_width > 0));
  if (IsRegression(loss.kind) || several_labels) {
    return CheckTargets(output, loss.kind, examples);
  }
  return CheckClasses(output, loss, examples);
}

}  // namespace anchorhold::train
