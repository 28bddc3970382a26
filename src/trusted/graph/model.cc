#include "trusted/graph/model.h"

#include <utility>

#include "trusted/graph/graph.h"

namespace anchorhold::graph {

Model::Model(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters, Port input,
             std::vector<Port> outputs)
    : graph_(std::move(graph)),
      parameters_(std::move(parameters)),
      input_(std::move(input)),
      outputs_(std::move(outputs)) {}

Model::~Model() = default;

std::size_t Model::parameter_count() const {
  std::size_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.values.size();
  return count;
}

}  // namespace anchorhold::graph
