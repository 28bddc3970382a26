// Holds the gradients that Differentiate finds against central differences, in double.
//
//   ExpectGradients(builder);              // inputs drawn at random
//
// The function is sum_i s_i y_i with y the model's first output for one example and s a seed drawn
// at random; every element of every parameter is moved in turn.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph::testing {

// Numbers in [-1, 1), the same on each run.
class Draws {
 public:
  explicit Draws(std::uint64_t seed = 1) : state_(seed) {}
  double Next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state_ >> 40) / static_cast<double>(1U << 23) - 1;
  }
  std::vector<double> List(std::size_t n) {
    std::vector<double> list(n);
    for (double& x : list) x = Next();
    return list;
  }
  std::vector<float> Floats(std::size_t n) {
    const std::vector<double> list = List(n);
    return {list.begin(), list.end()};
  }

 private:
  std::uint64_t state_;
};

inline Tensor<double> DrawTensor(Draws& draws, const ValueType& type) {
  Tensor<double> tensor{type.element, type.shape, {}, {}};
  const std::size_t size = ElementCount(type.shape);
  if (type.is_real()) {
    tensor.reals = draws.List(size);
  } else {
    for (std::size_t i = 0; i < size; ++i) {
      tensor.integers.push_back(static_cast<std::int64_t>(3 * (draws.Next() + 1) / 2));
    }
  }
  return tensor;
}

struct GradientCheck {
  ImportOptions options{};
  std::vector<Tensor<double>> inputs{};  // empty: drawn; integers from 0, 1, 2
  double step = 1e-5;
  double tolerance = 1e-6;  // times 1 + the gradient's size
};

// What is differentiated, and where.
struct GradientSubject {
  const Graph& graph;
  ValueId output;
  Bindings<double> bindings;

  double Value() const {
    const auto y = Interpret<double>(graph, bindings, std::span<const ValueId>(&output, 1));
    EXPECT_TRUE(y.ok()) << y.error().message();
    double sum = 0;
    for (std::size_t i = 0; y.ok() && i < (*y)[0].reals.size(); ++i) {
      sum += bindings.seed.reals[i] * (*y)[0].reals[i];
    }
    return sum;
  }

  double Difference(std::size_t parameter, std::size_t i, double step) {
    double& x = bindings.parameters[parameter][i];
    const double kept = x;
    x = kept + step;
    const double above = Value();
    x = kept - step;
    const double below = Value();
    x = kept;
    return (above - below) / (2 * step);
  }
};

inline void ExpectGradients(const OnnxBuilder& builder, const GradientCheck& check = {}) {
  const Result<Model> model = ImportOnnx(builder.Write(), check.options);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const Graph& graph = model->graph();
  const ValueId at = graph.outputs()[0];
  const Result<Differentiated> result = Differentiate(graph, at, model->parameters().size());
  ASSERT_TRUE(result.ok()) << result.error().message();

  Draws draws(7);
  GradientSubject subject{graph, at, {check.inputs, ParameterValues<double>(*model), {}}};
  std::vector<Tensor<double>>& inputs = subject.bindings.inputs;
  for (const Value& value : graph.values()) {
    if (value.source != Source::kInput || value.index < inputs.size()) continue;
    inputs.push_back(DrawTensor(draws, value.type));
  }
  subject.bindings.seed = DrawTensor(draws, graph.type(at));

  std::vector<ValueId> wanted;
  for (const ValueId id : result->gradients) {
    if (id != kNoValue) wanted.push_back(id);
  }
  const auto gradients = Interpret<double>(*result->graph, subject.bindings, wanted);
  ASSERT_TRUE(gradients.ok()) << gradients.error().message();
  std::size_t found = 0;
  double largest = 0;
  for (std::size_t p = 0; p < model->parameters().size(); ++p) {
    const bool zero = result->gradients[p] == kNoValue;
    for (std::size_t i = 0; i < subject.bindings.parameters[p].size(); ++i) {
      const double expected = subject.Difference(p, i, check.step);
      const double actual = zero ? 0 : (*gradients)[found].reals[i];
      EXPECT_NEAR(actual, expected, check.tolerance * (1 + std::abs(expected)))
          << model->parameters()[p].name << "[" << i << "]";
      largest = std::max(largest, std::abs(actual));
    }
    if (!zero) ++found;
  }
  EXPECT_GT(largest, 1e-3) << "nothing was tested";
}

}  // namespace anchorhold::graph::testing
