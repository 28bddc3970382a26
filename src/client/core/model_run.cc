#include "client/core/model_run.h"

#include <utility>

#include "client/core/half.h"
#include "client/core/model_file.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/names.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;

constexpr std::size_t kFileNameBytesMax = 200;

graph::KnownInput Known(const Array& array) {
  graph::KnownInput known{array.element, array.shape, {}};
  if (graph::IsReal(array.element)) {
    known.data.reals =
        std::make_shared<const std::vector<float>>(array.reals.begin(), array.reals.end());
  } else {
    known.data.integers = std::make_shared<const std::vector<std::int64_t>>(array.integers);
  }
  return known;
}

template <typename T>
graph::Tensor<T> AsTensor(const Array& array) {
  return {array.element, array.shape, std::vector<T>(array.reals.begin(), array.reals.end()),
          array.integers};
}

template <typename T>
Array AsArray(graph::Tensor<T> tensor) {
  Array array{tensor.element,
              std::move(tensor.shape),
              {tensor.reals.begin(), tensor.reals.end()},
              std::move(tensor.integers)};
  if (array.element == ElementType::kBFloat16) {
    for (double& value : array.reals) value = RoundToBFloat(value);
  }
  return array;
}

template <typename T>
Result<std::vector<std::vector<T>>> Parameters(const graph::Model& model, ByteSpan weights) {
  if (weights.empty()) return graph::ParameterValues<T>(model);
  AH_ASSIGN_OR_RETURN(const std::vector<float> flat, ParseWeights(weights, model));
  std::vector<std::vector<T>> values;
  auto next = flat.begin();
  for (const graph::Parameter& parameter : model.parameters()) {
    const auto end = next + static_cast<std::ptrdiff_t>(parameter.values.size());
    values.emplace_back(next, end);
    next = end;
  }
  return values;
}

template <typename T>
Result<std::vector<Array>> Run(const graph::Model& model, const NamedArrays& inputs,
                               ByteSpan weights) {
  graph::Bindings<T> bindings;
  for (const graph::Port& port : model.inputs()) {
    bindings.inputs.push_back(AsTensor<T>(inputs.at(port.name)));
  }
  AH_ASSIGN_OR_RETURN(bindings.parameters, Parameters<T>(model, weights));
  AH_ASSIGN_OR_RETURN(std::vector<graph::Tensor<T>> outputs,
                      graph::Interpret<T>(model.graph(), bindings, model.graph().outputs()));
  std::vector<Array> arrays;
  for (graph::Tensor<T>& output : outputs) arrays.push_back(AsArray(std::move(output)));
  return arrays;
}

}  // namespace

Result<std::vector<NamedArray>> RunModel(ByteSpan onnx, NamedArrays inputs,
                                         const RunOptions& options) {
  AH_ASSIGN_OR_RETURN(const auto declared, graph::DeclaredInputs(onnx));
  AH_ASSIGN_OR_RETURN(inputs, FitInputs(declared, std::move(inputs)));
  graph::ImportOptions import;
  import.examples = false;
  for (const auto& [name, array] : inputs) import.inputs[name] = Known(array);
  AH_ASSIGN_OR_RETURN(const graph::Model model, graph::ImportOnnx(onnx, import));
  AH_ASSIGN_OR_RETURN(std::vector<Array> arrays, options.float64
                                                     ? Run<double>(model, inputs, options.weights)
                                                     : Run<float>(model, inputs, options.weights));
  std::vector<NamedArray> outputs;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    if (options.float64 && graph::IsReal(arrays[i].element)) {
      arrays[i].element = ElementType::kFloat64;
    }
    outputs.push_back({model.outputs()[i].name, std::move(arrays[i])});
  }
  return outputs;
}

Result<std::string> OutputFileName(const std::string& output) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : output) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '_' || c == '-' || (c == '.' && !name.empty())) {
      name += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    name += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  if (name.size() > kFileNameBytesMax) {
    return Unsupported("the output's name " + graph::Quoted(output) +
                       " is too long for a file; rename it");
  }
  return name + ".npy";
}

}  // namespace anchorhold::client
