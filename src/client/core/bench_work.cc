// A product [m, k] [k, p] takes m k p multiply-adds. The three maps of a convolution (its result,
// its input's gradient, its weight's) each pair every element of y with the weights of one output
// channel: |y| |w| / channels of y.
#include "client/core/bench_work.h"

#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/executor_goal.h"

namespace anchorhold::client {
namespace {

namespace primitives = graph::primitives;

double Elements(const graph::Graph& graph, graph::ValueId id) {
  return static_cast<double>(graph::ElementCount(graph.type(id).shape));
}

double MultiplyAdds(const graph::Graph& graph, const graph::Node& node) {
  if (node.primitive == &primitives::kMatMul) {
    const graph::Shape& a = graph.type(node.inputs[0]).shape;
    const std::size_t inner = a.size() - (node.attributes.transpose_a ? 2 : 1);
    return Elements(graph, node.output) * static_cast<double>(a[inner]);
  }
  const auto convolve = [&](graph::ValueId y, graph::ValueId w) {
    const auto channels = static_cast<double>(graph.type(w).shape[0]);
    return Elements(graph, y) * Elements(graph, w) / channels;
  };
  if (node.primitive == &primitives::kConv) return convolve(node.output, node.inputs[1]);
  if (node.primitive == &primitives::kConvInput) return convolve(node.inputs[0], node.inputs[1]);
  if (node.primitive == &primitives::kConvWeight) return convolve(node.inputs[1], node.output);
  return 0;
}

double MultiplyAddsFor(const graph::Graph& graph, std::span<const graph::ValueId> wanted) {
  const std::vector<bool> needed = graph.Ancestors(wanted);
  double sum = 0;
  for (const graph::Node& node : graph.nodes()) {
    if (needed[static_cast<std::size_t>(node.output)]) sum += MultiplyAdds(graph, node);
  }
  return sum;
}

}  // namespace

double ForwardMultiplyAdds(const graph::Model& model) {
  const graph::ValueId output = model.graph().outputs()[0];
  return MultiplyAddsFor(model.graph(), std::span(&output, 1));
}

Result<double> TrainingMultiplyAdds(const graph::Model& model, const train::LossOptions& loss) {
  AH_ASSIGN_OR_RETURN(const train::TrainingGoal training, train::MakeTrainingGoal(model, loss));
  std::vector<graph::ValueId> wanted = {training.goal.result};
  for (const graph::ValueId gradient : training.goal.gradients) {
    if (gradient != graph::kNoValue) wanted.push_back(gradient);
  }
  return MultiplyAddsFor(*training.graph, wanted);
}

}  // namespace anchorhold::client
