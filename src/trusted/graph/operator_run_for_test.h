// Runs small models in the reference interpreter, for tests of operators.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph::testing {

// Equal within a few units of the last place; NaN equals NaN and an infinity itself.
inline void ExpectNumbers(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(actual[i])) << i << ": " << actual[i];
    } else {
      EXPECT_FLOAT_EQ(actual[i], expected[i]) << i;
    }
  }
}

// The first output for one example, given the inputs' numbers; empty after a failure.
inline Tensor<float> RunOne(const OnnxBuilder& builder,
                            const std::vector<std::vector<float>>& inputs) {
  const Result<Model> model = ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  const Graph& graph = model->graph();
  Bindings<float> bindings;
  for (const std::vector<float>& numbers : inputs) {
    bindings.inputs.push_back({ElementType::kFloat32, {}, numbers, {}});
  }
  bindings.parameters = ParameterValues<float>(*model);
  const auto y = Interpret<float>(graph, bindings, std::span(graph.outputs()).first(1));
  EXPECT_TRUE(y.ok()) << y.error().message();
  return y.ok() ? (*y)[0] : Tensor<float>{};
}

inline std::vector<float> RunReals(const OnnxBuilder& builder,
                                   const std::vector<std::vector<float>>& inputs) {
  return RunOne(builder, inputs).reals;
}

// One operator over lists of integers, without an example axis.
inline std::vector<std::int64_t> RunIntegers(
    const std::string& op, ElementType element,
    const std::vector<std::vector<std::int64_t>>& inputs,
    const std::vector<onnx::AttributeProto>& attributes = {}) {
  OnnxBuilder builder({}, kOpsetMax);
  builder.proto().mutable_graph()->clear_input();
  ImportOptions options;
  options.examples = false;
  Bindings<float> bindings;
  std::vector<std::string> names;
  for (const std::vector<std::int64_t>& numbers : inputs) {
    names.push_back(std::string(1, static_cast<char>('a' + names.size())));
    builder.proto().mutable_graph()->add_input()->set_name(names.back());
    const Shape shape = {static_cast<std::int64_t>(numbers.size())};
    options.inputs[names.back()] = {element, shape, {}};
    bindings.inputs.push_back({element, shape, {}, numbers});
  }
  builder.Node(op, names, {"y"}, attributes).Output("y");
  const Result<Model> model = ImportOnnx(builder.Write(), options);
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  const Graph& graph = model->graph();
  const auto y = Interpret<float>(graph, bindings, graph.outputs());
  EXPECT_TRUE(y.ok()) << y.error().message();
  return y.ok() ? (*y)[0].integers : std::vector<std::int64_t>{};
}

// The gradient of sum_i seed_i y_i by all parameters, one after another, in double; the inputs are
// 0.
inline std::vector<double> ParameterGradient(const OnnxBuilder& builder,
                                             const std::vector<double>& seed) {
  const Result<Model> model = ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  const Graph& graph = model->graph();
  const auto result = Differentiate(graph, graph.outputs()[0], model->parameters().size());
  EXPECT_TRUE(result.ok()) << result.error().message();
  if (!result.ok()) return {};
  Bindings<double> bindings;
  for (const Value& value : graph.values()) {
    if (value.source != Source::kInput) continue;
    bindings.inputs.push_back({ElementType::kFloat32,
                               value.type.shape,
                               std::vector<double>(ElementCount(value.type.shape)),
                               {}});
  }
  bindings.parameters = ParameterValues<double>(*model);
  bindings.seed = {ElementType::kFloat32, graph.type(graph.outputs()[0]).shape, seed, {}};
  std::vector<double> all;
  for (std::size_t p = 0; p < model->parameters().size(); ++p) {
    const ValueId id = result->gradients[p];
    if (id == kNoValue) {
      all.resize(all.size() + bindings.parameters[p].size());
      continue;
    }
    const auto gradient =
        Interpret<double>(*result->graph, bindings, std::span<const ValueId>(&id, 1));
    EXPECT_TRUE(gradient.ok()) << gradient.error().message();
    if (!gradient.ok()) return {};
    all.insert(all.end(), (*gradient)[0].reals.begin(), (*gradient)[0].reals.end());
  }
  return all;
}

}  // namespace anchorhold::graph::testing
