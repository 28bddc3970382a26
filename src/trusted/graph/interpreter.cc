#include "trusted/graph/interpreter.h"

#include <string>
#include <utility>

namespace anchorhold::graph {
namespace {

template <typename T>
class Interpreter {
 public:
  Interpreter(const Graph& graph, const Bindings<T>& bindings)
      : graph_(graph), bindings_(bindings), values_(graph.values().size()) {}

  // Fills in a value that no node makes.
  Status Load(ValueId id) {
    const Value& source = graph_.value(id);
    Tensor<T>& value = values_[static_cast<std::size_t>(id)];
    switch (source.source) {
      case Source::kInput:
        value = bindings_.inputs[source.index];
        break;
      case Source::kParameter:
        value.reals = bindings_.parameters[source.index];
        break;
      case Source::kConstant: {
        const ConstantData& data = graph_.constants()[source.index];
        if (data.reals != nullptr) value.reals.assign(data.reals->begin(), data.reals->end());
        if (data.integers != nullptr) value.integers = *data.integers;
        break;
      }
      case Source::kSeed:
        value = bindings_.seed;
        break;
      case Source::kNode:
        return Ok();
    }
    value.element = source.type.element;
    value.shape = source.type.shape;
    const std::size_t size = source.type.is_real() ? value.reals.size() : value.integers.size();
    if (size == ElementCount(source.type.shape)) return Ok();
    return InvalidInput("a value of " + std::to_string(size) + " numbers is given where " +
                        FormatType(source.type) + " is needed");
  }

  void Run(const Node& node) {
    std::vector<const void*> inputs;
    std::vector<ValueType> types;
    for (const ValueId id : node.inputs) {
      const Tensor<T>& input = values_[static_cast<std::size_t>(id)];
      types.push_back(graph_.type(id));
      inputs.push_back(types.back().is_real() ? static_cast<const void*>(input.reals.data())
                                              : input.integers.data());
    }
    const ValueType& type = graph_.type(node.output);
    Tensor<T>& output = values_[static_cast<std::size_t>(node.output)];
    output.element = type.element;
    output.shape = type.shape;
    const std::size_t size = ElementCount(type.shape);
    void* data = nullptr;
    if (type.is_real()) {
      output.reals.resize(size);
      data = output.reals.data();
    } else {
      output.integers.resize(size);
      data = output.integers.data();
    }
    node.primitive->template Run<T>({inputs, data, types, type, node.attributes});
  }

  const Tensor<T>& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }

 private:
  const Graph& graph_;
  const Bindings<T>& bindings_;
  std::vector<Tensor<T>> values_;
};

}  // namespace

template <typename T>
std::vector<std::vector<T>> ParameterValues(const Model& model) {
  std::vector<std::vector<T>> values;
  for (const Parameter& parameter : model.parameters()) {
    values.emplace_back(parameter.values.begin(), parameter.values.end());
  }
  return values;
}

template <typename T>
Result<std::vector<Tensor<T>>> Interpret(const Graph& graph, const Bindings<T>& bindings,
                                         std::span<const ValueId> wanted) {
  for (const Value& value : graph.values()) {
    const std::size_t bound =
        value.source == Source::kInput ? bindings.inputs.size() : bindings.parameters.size();
    if ((value.source == Source::kInput || value.source == Source::kParameter) &&
        value.index >= bound) {
      return InvalidInput("the graph has more inputs or parameters than are given");
    }
  }
  const std::vector<bool> needed = graph.Ancestors(wanted);
  Interpreter<T> interpreter(graph, bindings);
  for (std::size_t id = 0; id < needed.size(); ++id) {
    if (needed[id]) AH_RETURN_IF_ERROR(interpreter.Load(static_cast<ValueId>(id)));
  }
  for (const Node& node : graph.nodes()) {
    if (needed[static_cast<std::size_t>(node.output)]) interpreter.Run(node);
  }
  std::vector<Tensor<T>> outputs;
  for (const ValueId id : wanted) outputs.push_back(interpreter.value(id));
  return outputs;
}

template std::vector<std::vector<float>> ParameterValues(const Model&);
template std::vector<std::vector<double>> ParameterValues(const Model&);
template Result<std::vector<Tensor<float>>> Interpret(const Graph&, const Bindings<float>&,
                                                      std::span<const ValueId>);
template Result<std::vector<Tensor<double>>> Interpret(const Graph&, const Bindings<double>&,
                                                       std::span<const ValueId>);

}  // namespace anchorhold::graph
