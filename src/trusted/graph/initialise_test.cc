// Initial values: by use, within their bounds, from the seed alone, and refused where unknown.
#include "trusted/graph/initialise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Int;
using testing::OnnxBuilder;

// The values of a parameter of the model, which has it.
std::vector<float> Values(const Model& model, const std::string& name) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.name == name) return parameter.values;
  }
  ADD_FAILURE() << "no parameter " << name;
  return {0};
}

// Spread over the whole of +-bound, evenly: the variance of a uniform is bound^2 / 3.
void ExpectUniform(const std::vector<float>& values, double bound) {
  double largest = 0;
  double squares = 0;
  for (const float value : values) {
    largest = std::max(largest, std::abs(double{value}));
    squares += double{value} * value;
  }
  EXPECT_LE(largest, bound * (1 + 1e-6));
  const auto n = static_cast<double>(values.size());
  if (values.size() < 100) return;
  EXPECT_GT(largest, 0.95 * bound);
  EXPECT_NEAR(squares / n, bound * bound / 3, 4 * bound * bound / 3 / std::sqrt(n));
}

// Weights declared as inputs of fixed sizes beside x [N, ..]: `Input(name, rest, first)`.
Model Import(OnnxBuilder& builder) {
  Result<Model> model = ImportOnnx(builder.Output("y").Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  return *std::move(model);
}

TEST(Initialise, LayersByTheirFanIn) {
  OnnxBuilder b({25});
  b.Input("w", {25}, 40).Input("b", {}, 40).Input("v", {30}, 40);
  b.Node("Gemm", {"x", "w", "b"}, {"h"}, {Int("transB", 1)}).Node("MatMul", {"h", "v"}, {"y"});
  const Model model = Import(b);
  ExpectUniform(Values(model, "w"), 1.0 / 5);
  ExpectUniform(Values(model, "b"), 1.0 / 5);
  ExpectUniform(Values(model, "v"), 1 / std::sqrt(40.0));
  for (const Parameter& parameter : model.parameters()) EXPECT_FALSE(parameter.carried);
  EXPECT_NE(Values(model, "b"), std::vector<float>(40));
}

TEST(Initialise, ThroughTranspositions) {
  OnnxBuilder b({16});
  b.Input("w", {16}, 50).Node("Transpose", {"w"}, {"t"}).Node("MatMul", {"x", "t"}, {"y"});
  ExpectUniform(Values(Import(b), "w"), 1.0 / 4);
}

TEST(Initialise, ConvolutionsByChannelsAndKernel) {
  OnnxBuilder b({6, 9, 9});
  b.Input("w", {3, 5, 5}, 8).Input("b", {}, 8);  // two groups of three channels
  b.Input("v", {4, 3, 3}, 8);
  b.Node("Conv", {"x", "w", "b"}, {"h"}, {Int("group", 2)});
  b.Node("ConvTranspose", {"h", "v"}, {"y"});
  const Model model = Import(b);
  ExpectUniform(Values(model, "w"), 1 / std::sqrt(75.0));
  ExpectUniform(Values(model, "b"), 1 / std::sqrt(75.0));
  EXPECT_NE(Values(model, "b"), std::vector<float>(8));
  ExpectUniform(Values(model, "v"), 1.0 / 6);
}

TEST(Initialise, GainsAreOneAndTheirBiasesZero) {
  OnnxBuilder b({4, 8});
  b.Input("gain", {}, 8).Input("bias", {}, 8);
  b.Node("LayerNormalization", {"x", "gain", "bias"}, {"y"}, {Int("axis", -1)});
  const Model model = Import(b);
  EXPECT_EQ(Values(model, "gain"), std::vector<float>(8, 1));
  EXPECT_EQ(Values(model, "bias"), std::vector<float>(8, 0));
}

TEST(Initialise, TheSeedDecides) {
  OnnxBuilder b({3});
  b.Input("w", {2}, 3).Weight("c", {2}, {5, 6}).Node("Gemm", {"x", "w", "c"}, {"y"});
  const Model model = Import(b);
  EXPECT_EQ(Values(model, "c"), (std::vector<float>{5, 6}));  // the file's own
  EXPECT_EQ(Values(Initialise(model, kInitialSeed).value(), "w"), Values(model, "w"));
  const Model other = Initialise(model, 2).value();
  EXPECT_NE(Values(other, "w"), Values(model, "w"));
  EXPECT_EQ(Values(other, "c"), (std::vector<float>{5, 6}));
}

TEST(Initialise, NothingToDraw) {
  OnnxBuilder b({3});
  b.Weight("w", {3, 1}, {1, 2, 3}).Node("MatMul", {"x", "w"}, {"y"});
  const Result<Model> again = Initialise(Import(b), 2);
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().message().find("none is drawn"), std::string::npos);
}

TEST(Initialise, RefusesWhatItCannotPlace) {
  OnnxBuilder softmax({3});
  softmax.Input("w", {}, 3).Node("Softmax", {"w"}, {"s"}).Node("Mul", {"x", "s"}, {"y"});
  const Result<Model> refused = ImportOnnx(softmax.Output("y").Write());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("no numbers for 'w'"), std::string::npos)
      << refused.error().message();
  EXPECT_NE(refused.error().message().find("Softmax"), std::string::npos);
}

// As a standard normal should: mean 0, variance 1, and a third of the numbers beyond one.
TEST(Initialise, DrawsNormalsForEmbeddings) {
  OnnxBuilder b({1});
  b.Input("table", {64}, 50).Integers("row", {7}).Node("Gather", {"table", "row"}, {"e"});
  b.Node("Mul", {"x", "e"}, {"y"});
  const Result<Model> model = ImportOnnx(b.Output("y").Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  const std::vector<float> values = Values(*model, "table");
  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += value;
    squares += double{value} * value;
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 4 * std::sqrt(2 / n));
  const auto beyond =
      std::count_if(values.begin(), values.end(), [](float value) { return std::abs(value) > 1; });
  EXPECT_NEAR(static_cast<double>(beyond) / n, 0.3173, 0.05);
}

}  // namespace
}  // namespace anchorhold::graph
