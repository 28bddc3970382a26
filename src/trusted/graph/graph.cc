#include "trusted/graph/graph.h"

#include <utility>

#include "shared/base/check.h"
#include "shared/base/limits.h"

namespace anchorhold::graph {
namespace {

std::size_t ConstantSize(const ConstantData& data, ElementType element) {
  if (IsReal(element)) return data.reals == nullptr ? 0 : data.reals->size();
  return data.integers == nullptr ? 0 : data.integers->size();
}

}  // namespace

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

GraphBuilder GraphBuilder::From(const Graph& graph) {
  GraphBuilder builder;
  builder.graph_ = graph;
  builder.graph_.outputs_.clear();
  builder.folding_work_left_ = 0;  // the given graph is folded; a gradient is not worth it
  return builder;
}

GraphBuilder GraphBuilder::ForOneExample(const Graph& graph) {
  GraphBuilder builder = From(graph);
  for (Value& value : builder.graph_.values_) {
    value.type.example_axis = kNoExampleAxis;
    value.type.outer = 1;
    if (value.type.is_real()) value.type.element = ElementType::kFloat32;
  }
  for (Node& node : builder.graph_.nodes_) node.attributes.example_axis = kNoExampleAxis;
  return builder;
}

ValueId GraphBuilder::Add(ValueType type, Source source, std::size_t index) {
  graph_.values_.push_back({std::move(type), source, index});
  return static_cast<ValueId>(graph_.values_.size() - 1);
}

ValueId GraphBuilder::AddParameter(Shape shape, std::size_t index, ElementType element) {
  return Add({std::move(shape), kNoExampleAxis, element}, Source::kParameter, index);
}

ValueId GraphBuilder::AddConstant(Shape shape, ConstantData data, ElementType element) {
  AH_CHECK(ConstantSize(data, element) == ElementCount(shape));
  graph_.constants_.push_back(std::move(data));
  return Add({std::move(shape), kNoExampleAxis, element}, Source::kConstant,
             graph_.constants_.size() - 1);
}

Status GraphBuilder::CheckComputed(std::size_t count) const {
  if (count <= computed_left_) return Ok();
  return LimitExceeded("the constants that the model has computed are too large together");
}

Result<ValueId> GraphBuilder::AddReals(Shape shape, std::vector<float> numbers,
                                       ElementType element) {
  AH_RETURN_IF_ERROR(CheckedElementCount(shape));
  AH_RETURN_IF_ERROR(CheckComputed(numbers.size()));
  computed_left_ -= numbers.size();
  auto data = std::make_shared<const std::vector<float>>(std::move(numbers));
  return AddConstant(std::move(shape), {.reals = std::move(data)}, element);
}

Result<ValueId> GraphBuilder::AddIntegers(Shape shape, std::vector<std::int64_t> numbers,
                                          ElementType element) {
  AH_RETURN_IF_ERROR(CheckedElementCount(shape));
  AH_RETURN_IF_ERROR(CheckComputed(numbers.size()));
  computed_left_ -= numbers.size();
  auto data = std::make_shared<const std::vector<std::int64_t>>(std::move(numbers));
  return AddConstant(std::move(shape), {.integers = std::move(data)}, element);
}

const ConstantData* GraphBuilder::constant(ValueId id) const {
  const Value& value = graph_.value(id);
  return value.source == Source::kConstant ? &graph_.constants()[value.index] : nullptr;
}

ValueId GraphBuilder::AddSeed(Shape shape) {
  return Add({std::move(shape), kNoExampleAxis}, Source::kSeed, 0);
}

void GraphBuilder::FreezeParameter(ValueId id, ConstantData data) {
  Value& value = graph_.values_[static_cast<std::size_t>(id)];
  AH_CHECK(value.source == Source::kParameter &&
           ConstantSize(data, value.type.element) == ElementCount(value.type.shape));
  graph_.constants_.push_back(std::move(data));
  value.source = Source::kConstant;
  value.index = graph_.constants_.size() - 1;
}

void GraphBuilder::RenumberParameter(ValueId id, std::size_t index) {
  Value& value = graph_.values_[static_cast<std::size_t>(id)];
  AH_CHECK(value.source == Source::kParameter);
  value.index = index;
}

namespace {

// Gives the output the outer multiplicity of the inputs, which must have the same.
Status CarryOuter(std::span<const ValueType> inputs, ValueType& output) {
  const ValueType* first = nullptr;
  for (const ValueType& in : inputs) {
    if (!in.has_examples()) continue;
    if (first == nullptr) first = &in;
    if (in.outer == first->outer) continue;
    return PrivacyRefused(FormatType(*first) + " and " + FormatType(in) +
                          " hold the examples in different orders, so different examples would "
                          "meet; reshape both alike");
  }
  if (first == nullptr || !output.has_examples()) return Ok();
  output.outer = first->outer;
  if (first->outer == 1 || output.multiplicity() == first->multiplicity()) return Ok();
  return PrivacyRefused("the example axis of " + FormatType(*first) +
                        " would change its size, so examples could not be told apart; unfold it "
                        "with Reshape first");
}

}  // namespace

Result<ValueId> GraphBuilder::Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                                   Attributes attributes) {
  std::vector<ValueType> types;
  types.reserve(inputs.size());
  for (const ValueId id : inputs) types.push_back(type(id));
  if (primitive.accepts == Accepts::kReals) {
    for (const ValueType& type : types) {
      if (type.is_real()) continue;
      return Unsupported("computes with real numbers, and is given " + FormatType(type) +
                         "; cast it to float32 first");
    }
  }
  AH_ASSIGN_OR_RETURN(ValueType output, primitive.infer(types, attributes));
  if (primitive.accepts == Accepts::kReals) output.element = types[0].element;
  AH_RETURN_IF_ERROR(CheckedElementCount(output.shape));
  if (!primitive.places_examples) AH_RETURN_IF_ERROR(CarryOuter(types, output));
  if (graph_.nodes_.size() >= limits::kGraphStepsMax) {
    return LimitExceeded("the model needs more than " + std::to_string(limits::kGraphStepsMax) +
                         " steps");
  }
  if (CanFold(inputs, output)) return Fold(primitive, inputs, attributes, output);
  const ValueId id = Add(std::move(output), Source::kNode, graph_.nodes_.size());
  graph_.nodes_.push_back({&primitive, std::move(inputs), id, std::move(attributes)});
  return id;
}

bool GraphBuilder::CanFold(const std::vector<ValueId>& inputs, const ValueType& type) {
  if (type.has_examples()) return false;  // a constant repeated for each example stays a node
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
  std::vector<const void*> data;
  std::vector<ValueType> types;
  for (const ValueId id : inputs) {
    const ConstantData& numbers = *constant(id);
    types.push_back(graph_.type(id));
    data.push_back(types.back().is_real() ? static_cast<const void*>(numbers.reals->data())
                                          : numbers.integers->data());
  }
  const std::size_t size = ElementCount(type.shape);
  if (type.is_real()) {
    auto reals = std::make_shared<std::vector<float>>(size);
    primitive.Run<float>({data, reals->data(), types, type, attributes});
    return AddConstant(type.shape, {.reals = std::move(reals)}, type.element);
  }
  auto integers = std::make_shared<std::vector<std::int64_t>>(size);
  primitive.Run<float>({data, integers->data(), types, type, attributes});
  return AddConstant(type.shape, {.integers = std::move(integers)}, type.element);
}

std::shared_ptr<const Graph> GraphBuilder::Finish(std::vector<ValueId> outputs) && {
  graph_.outputs_ = std::move(outputs);
  return std::make_shared<const Graph>(std::move(graph_));
}

}  // namespace anchorhold::graph
