#include "trusted/graph/model.h"

#include <utility>

#include "trusted/graph/graph.h"

namespace anchorhold::graph {

Model::Model(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters,
             std::vector<Port> inputs, std::vector<Port> outputs)
    : graph_(std::move(graph)),
      parameters_(std::move(parameters)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)) {}

Model::~Model() = default;

Model Model::With(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters) const {
  Model copy = *this;
  copy.graph_ = std::move(graph);
  copy.parameters_ = std::move(parameters);
  return copy;
}

std::size_t Model::parameter_count() const {
  std::size_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.values.size();
  return count;
}

std::size_t Model::input_width() const {
  std::size_t width = 0;
  for (const Port& input : inputs_) width += ElementCount(input.shape);
  return width;
}

std::size_t Model::output_width() const { return ElementCount(outputs_[0].shape); }

}  // namespace anchorhold::graph
