#include "trusted/graph/graph.h"

#include <utility>

#include "shared/base/check.h"

namespace anchorhold::graph {

const Node* Graph::producer(ValueId id) const {
  const Value& v = value(id);
  return v.source == Source::kNode ? &nodes_[v.index] : nullptr;
}

std::vector<bool> Graph::Ancestors(std::span<const ValueId> of) const {
  std::vector<bool> found(values_.size(), false);
  for (const ValueId id : of) found[static_cast<std::size_t>(id)] = true;
  for (std::size_t n = nodes_.size(); n-- > 0;) {
    if (!found[static_cast<std::size_t>(nodes_[n].output)]) continue;
    for (const ValueId id : nodes_[n].inputs) found[static_cast<std::size_t>(id)] = true;
  }
  return found;
}

GraphBuilder GraphBuilder::ForOneExample(const Graph& graph) {
  GraphBuilder builder;
  builder.graph_ = graph;
  builder.graph_.outputs_.clear();
  builder.folding_work_left_ = 0;  // the given graph is folded; a gradient is not worth it
  for (Value& value : builder.graph_.values_) value.type.example_axis = kNoExampleAxis;
  for (Node& node : builder.graph_.nodes_) node.attributes.example_axis = kNoExampleAxis;
  return builder;
}

ValueId GraphBuilder::Add(ValueType type, Source source, std::size_t index) {
  graph_.values_.push_back({std::move(type), source, index});
  return static_cast<ValueId>(graph_.values_.size() - 1);
}

ValueId GraphBuilder::AddParameter(Shape shape, std::size_t index) {
  return Add({std::move(shape), kNoExampleAxis}, Source::kParameter, index);
}

ValueId GraphBuilder::AddConstant(Shape shape, ConstantData data) {
  AH_CHECK(data->size() == ElementCount(shape));
  graph_.constants_.push_back(std::move(data));
  return Add({std::move(shape), kNoExampleAxis}, Source::kConstant, graph_.constants_.size() - 1);
}

ValueId GraphBuilder::AddSeed(Shape shape) {
  return Add({std::move(shape), kNoExampleAxis}, Source::kSeed, 0);
}

void GraphBuilder::FreezeParameter(ValueId id, ConstantData data) {
  Value& value = graph_.values_[static_cast<std::size_t>(id)];
  AH_CHECK(value.source == Source::kParameter && data->size() == ElementCount(value.type.shape));
  graph_.constants_.push_back(std::move(data));
  value.source = Source::kConstant;
  value.index = graph_.constants_.size() - 1;
}

void GraphBuilder::RenumberParameter(ValueId id, std::size_t index) {
  Value& value = graph_.values_[static_cast<std::size_t>(id)];
  AH_CHECK(value.source == Source::kParameter);
  value.index = index;
}

Result<ValueId> GraphBuilder::Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                                   Attributes attributes) {
  std::vector<ValueType> types;
  types.reserve(inputs.size());
  for (const ValueId id : inputs) types.push_back(type(id));
  AH_ASSIGN_OR_RETURN(ValueType output, primitive.infer(types, attributes));
  AH_RETURN_IF_ERROR(CheckedElementCount(output.shape));
  if (CanFold(inputs, output)) return Fold(primitive, inputs, attributes, output);
  const ValueId id = Add(std::move(output), Source::kNode, graph_.nodes_.size());
  graph_.nodes_.push_back({&primitive, std::move(inputs), id, std::move(attributes)});
  return id;
}

bool GraphBuilder::CanFold(const std::vector<ValueId>& inputs, const ValueType& type) {
  // The product of the largest sizes bounds the work of every primitive, a matrix product included:
  // rows * columns is the output, and the inner axis is at most an input's size.
  std::size_t largest = 1;
  for (const ValueId id : inputs) {
    if (graph_.value(id).source != Source::kConstant) return false;
    largest = std::max(largest, ElementCount(graph_.type(id).shape));
  }
  const std::size_t output = ElementCount(type.shape);
  if (largest > folding_work_left_ / output) return false;
  folding_work_left_ -= largest * output;
  return true;
}

ValueId GraphBuilder::Fold(const Primitive& primitive, const std::vector<ValueId>& inputs,
                           const Attributes& attributes, const ValueType& type) {
  std::vector<const float*> data;
  std::vector<ValueType> types;
  for (const ValueId id : inputs) {
    data.push_back(graph_.constants_[graph_.value(id).index]->data());
    types.push_back(graph_.type(id));
  }
  auto result = std::make_shared<std::vector<float>>(ElementCount(type.shape));
  primitive.Run<float>({data, result->data(), types, type, attributes});
  return AddConstant(type.shape, std::move(result));
}

std::shared_ptr<const Graph> GraphBuilder::Finish(std::vector<ValueId> outputs) && {
  graph_.outputs_ = std::move(outputs);
  return std::make_shared<const Graph>(std::move(graph_));
}

}  // namespace anchorhold::graph
