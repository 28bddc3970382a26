#include "trusted/graph/autodiff.h"

#include <utility>

#include "shared/base/check.h"
#include "trusted/graph/gradient_sum.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

std::vector<bool> DependsOnParameter(const Graph& graph) {
  std::vector<bool> depends(graph.values().size(), false);
  for (std::size_t id = 0; id < depends.size(); ++id) {
    depends[id] = graph.values()[id].source == Source::kParameter;
  }
  for (const Node& node : graph.nodes()) {
    if (!graph.type(node.output).is_real()) continue;  // no derivative passes through integers
    for (const ValueId input : node.inputs) {
      if (depends[static_cast<std::size_t>(input)]) {
        depends[static_cast<std::size_t>(node.output)] = true;
      }
    }
  }
  return depends;
}

}  // namespace

ValueId GradientScope::Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                            Attributes attributes) {
  for (const ValueId id : inputs) {
    if (id == kNoValue) return kNoValue;
  }
  Result<ValueId> made = builder_.Emit(primitive, std::move(inputs), std::move(attributes));
  if (made.ok()) return *made;
  if (status_.ok()) status_ = made.error().At("gradient");
  return kNoValue;
}

ValueId GradientScope::Reshape(ValueId value, const Shape& to) {
  if (value == kNoValue || shape(value) == to) return value;
  return Emit(primitives::kReshape, {value}, {.dims = to});
}

ValueId GradientScope::SumTo(ValueId value, const Shape& to) {
  if (value == kNoValue || shape(value) == to) return value;
  const Shape from = shape(value);
  const std::size_t added = from.size() - to.size();
  Attributes axes;
  for (std::size_t k = 0; k < from.size(); ++k) {
    if (k < added || (to[k - added] == 1 && from[k] != 1)) {
      axes.dims.push_back(static_cast<std::int64_t>(k));
    }
  }
  return Reshape(Emit(primitives::kSumOver, {value}, std::move(axes)), to);
}

void GradientScope::Contribute(std::size_t i, ValueId value) {
  if (value == kNoValue) return;
  AH_CHECK(shape(value) == shape(input(i)));
  contributions_[static_cast<std::size_t>(input(i))].push_back(value);
}

Result<Differentiated> Differentiate(const Graph& graph, ValueId at, std::size_t parameter_count) {
  const std::vector<bool> depends = DependsOnParameter(graph);
  const std::vector<bool> reaches = graph.Ancestors(std::span<const ValueId>(&at, 1));
  if (!depends[static_cast<std::size_t>(at)]) {
    return Unsupported("the model's output depends on no trainable parameter");
  }
  GraphBuilder builder = GraphBuilder::ForOneExample(graph);
  Differentiated result;
  result.output = at;
  result.seed = builder.AddSeed(graph.type(at).shape);

  std::vector<std::vector<ValueId>> contributions(graph.values().size());
  contributions[static_cast<std::size_t>(at)].push_back(result.seed);
  for (std::size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    const auto output = static_cast<std::size_t>(node.output);
    if (!depends[output] || !reaches[output] || contributions[output].empty()) continue;
    AH_CHECK(node.primitive->gradient != nullptr);
    AH_ASSIGN_OR_RETURN(const ValueId gradient, SumOfGradients(builder, contributions[output]));
    GradientScope scope(builder, node, gradient, depends, contributions);
    node.primitive->gradient(scope);
    AH_RETURN_IF_ERROR(scope.status());
  }

  result.gradients.assign(parameter_count, kNoValue);
  for (std::size_t id = 0; id < graph.values().size(); ++id) {
    const Value& value = graph.values()[id];
    if (value.source != Source::kParameter || contributions[id].empty()) continue;
    AH_ASSIGN_OR_RETURN(result.gradients[value.index], SumOfGradients(builder, contributions[id]));
  }
  result.graph = std::move(builder).Finish({at});
  return result;
}

}  // namespace anchorhold::graph
