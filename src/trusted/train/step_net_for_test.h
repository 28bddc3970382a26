// A small network with every way in which the engine sums a parameter's gradient: rows of a table,
// a product over several positions, a bias, and a head over one position.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/example_set.h"
#include "trusted/train/executor.h"

namespace anchorhold::train::testing {

inline constexpr std::size_t kTokens = 4;
inline constexpr std::size_t kWide = 20;
inline constexpr std::int64_t kClasses = 3;

inline std::vector<float> Draw(std::size_t count, unsigned seed, float deviation) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> out(count);
  for (float& x : out) x = normal(generator);
  return out;
}

// Tokens x [4] and reals z [20]; logits = head(flat(tanh(table[x] W + b)) + z).
inline graph::Model Net() {
  using graph::testing::Int;
  graph::testing::OnnxBuilder b({kTokens});
  b.Input("z", {kWide});
  b.Weight("table", {6, 3}, Draw(18, 1, 1)).Weight("w", {3, 5}, Draw(15, 2, 0.6F));
  b.Weight("b", {5}, Draw(5, 3, 0.2F)).Weight("head.w", {kWide, kClasses}, Draw(60, 4, 0.4F));
  b.Weight("head.b", {kClasses}, {0.1F, -0.1F, 0});
  b.Node("Cast", {"x"}, {"i"}, {Int("to", 7)}).Node("Gather", {"table", "i"}, {"e"});
  b.Node("MatMul", {"e", "w"}, {"m"}).Node("Add", {"m", "b"}, {"s"}).Node("Tanh", {"s"}, {"t"});
  b.Node("Flatten", {"t"}, {"f"}).Node("Add", {"f", "z"}, {"g"});
  b.Node("Gemm", {"g", "head.w", "head.b"}, {"y"});
  return *graph::ImportOnnx(b.Output("y").Write());
}

inline ExampleSet Examples(std::size_t rows, unsigned seed) {
  std::mt19937 generator(seed);
  ExampleSet set;
  set.rows = rows;
  set.feature_width = kTokens + kWide;
  const std::vector<float> reals = Draw(rows * kWide, seed + 1, 0.7F);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t t = 0; t < kTokens; ++t) {
      set.features.push_back(static_cast<float>(generator() % 6));
    }
    const float* own = reals.data() + row * kWide;
    set.features.insert(set.features.end(), own, own + kWide);
    set.classes.push_back(static_cast<std::int64_t>(generator() % kClasses));
  }
  return set;
}

// The gradient of each row by itself, by the reference executor.
inline std::vector<std::vector<float>> Gradients(const graph::Model& model, const LossOptions& loss,
                                                 const std::vector<float>& parameters,
                                                 const ExampleSet& examples) {
  Executor executor = Executor::ForTraining(model, loss).value();
  std::vector<std::vector<float>> out;
  for (std::size_t row = 0; row < examples.rows; ++row) {
    out.emplace_back(parameters.size());
    executor.LossAndGradient(parameters, examples, row, out.back());
  }
  return out;
}

}  // namespace anchorhold::train::testing
