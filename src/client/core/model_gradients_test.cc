#include "client/core/model_gradients.h"

#include <gtest/gtest.h>

#include <cmath>

#include "shared/wire/safetensors.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;
using graph::testing::OnnxBuilder;

// z = w x: the gradient of (z - y)^2 is 2 (z - y) x.
graph::Model Linear(const std::string& weight = "w") {
  OnnxBuilder b({2});
  b.Weight(weight, {2, 1}, {1, 1}).Node("MatMul", {"x", weight}, {"z"});
  return *graph::ImportOnnx(b.Output("z").Write());
}

Array Reals(const graph::Shape& shape, std::vector<double> values) {
  return {ElementType::kFloat64, shape, std::move(values), {}};
}
Array Integers(const graph::Shape& shape, std::vector<std::int64_t> values) {
  return {ElementType::kInt64, shape, {}, std::move(values)};
}

const Array kX = Reals({2, 2}, {3, 4, 1, 0});  // z = 7, 1
const Array kY = Reals({2, 1}, {6, 3});        // gradients (6, 8) of norm 10, (-4, 0) of norm 4

GradientSums Sum(const GradientOptions& how) {
  const graph::Model model = Linear();
  const auto examples = AsExamples(model, train::Loss::kMeanSquaredError, {{"x", kX}}, kY);
  EXPECT_TRUE(examples.ok());
  auto sums = SumGradients(model, train::Loss::kMeanSquaredError, *examples, {1, 1}, how);
  EXPECT_TRUE(sums.ok());
  return *std::move(sums);
}

TEST(ModelGradients, SumsWithoutClipping) {
  const GradientSums sums = Sum({});
  EXPECT_EQ(sums.rows, 2u);
  EXPECT_EQ(sums.sums, (std::vector<float>{2, 8}));
  EXPECT_EQ(sums.norms, (std::vector<float>{10, 4}));
  EXPECT_EQ(sums.mean_loss, 2.5);
  EXPECT_EQ(sums.clipping, "");
  EXPECT_FALSE(sums.clipped.has_value());
}

TEST(ModelGradients, ClipsEachExampleByItself) {
  const GradientSums sums = Sum({.max_grad_norm = 5});
  EXPECT_FLOAT_EQ(sums.sums[0], 3 - 4);
  EXPECT_FLOAT_EQ(sums.sums[1], 4);
  EXPECT_EQ(sums.norms, (std::vector<float>{10, 4}));
  EXPECT_EQ(sums.clipping, "flat");
  EXPECT_EQ(sums.clipped, 1u);
}

// One parameter tensor, so that per-layer is flat; automatic shortens the short one too.
TEST(ModelGradients, ClipsInTheOtherWays) {
  const GradientSums by_layer = Sum({.max_grad_norm = 5, .clipping = train::Clipping::kPerLayer});
  EXPECT_FLOAT_EQ(by_layer.sums[0], 3 - 4);
  EXPECT_FLOAT_EQ(by_layer.sums[1], 4);
  EXPECT_EQ(by_layer.clipping, "per-layer");
  const GradientSums automatic = Sum({.max_grad_norm = 5, .clipping = train::Clipping::kAutomatic});
  EXPECT_FLOAT_EQ(automatic.sums[0], static_cast<float>(6 * 5 / 10.01 - 4 * 5 / 4.01));
  EXPECT_FLOAT_EQ(automatic.sums[1], static_cast<float>(8 * 5 / 10.01));
  EXPECT_EQ(automatic.norms, (std::vector<float>{10, 4}));
  EXPECT_EQ(automatic.clipping, "automatic");
  EXPECT_FALSE(automatic.clipped.has_value());
}

// Two tensors: each is clipped to 5 / sqrt 2 by itself.
TEST(ModelGradients, PerLayerClipsEveryTensorByItself) {
  OnnxBuilder b({2});
  b.Weight("w", {2, 1}, {1, 1}).Weight("b", {1}, {0});
  const graph::Model model =
      *graph::ImportOnnx(b.Node("Gemm", {"x", "w", "b"}, {"z"}).Output("z").Write());
  const auto loss = train::Loss::kMeanSquaredError;
  const auto examples = AsExamples(model, loss, {{"x", kX}}, kY);
  ASSERT_TRUE(examples.ok());
  // The first row's gradients: w (6, 8), b 2; the second's: w (-4, 0), b -4.
  const auto sums = SumGradients(model, loss, *examples, {1, 1, 0},
                                 {.max_grad_norm = 5, .clipping = train::Clipping::kPerLayer});
  ASSERT_TRUE(sums.ok());
  const double bound = 5 / std::sqrt(2.0);
  EXPECT_NEAR(sums->sums[0], 6 * bound / 10 - bound, 1e-6);
  EXPECT_NEAR(sums->sums[1], 8 * bound / 10, 1e-6);
  EXPECT_NEAR(sums->sums[2], 2 - bound, 1e-6);
}

TEST(ModelGradients, ThreadsChangeNoBit) {
  OnnxBuilder b({8});
  std::vector<float> weights;
  for (int i = 0; i < 40; ++i) weights.push_back(std::sin(static_cast<float>(i)));
  b.Weight("w", {8, 5}, weights).Weight("v", {5}, {0.1F, 0.2F, 0.3F, -0.1F, -0.2F});
  b.Node("Gemm", {"x", "w", "v"}, {"h"}).Node("Tanh", {"h"}, {"z"});
  const graph::Model model = *graph::ImportOnnx(b.Output("z").Write());
  std::vector<double> rows;
  for (int i = 0; i < 57 * 8; ++i) rows.push_back(std::cos(i * 0.7));
  const auto loss = train::Loss::kMeanSquaredError;
  const auto examples = AsExamples(model, loss, {{"x", Reals({57, 8}, rows)}},
                                   Reals({57, 5}, std::vector<double>(57 * 5, 0.5)));
  ASSERT_TRUE(examples.ok()) << examples.error().message();
  weights.insert(weights.end(), {0.1F, 0.2F, 0.3F, -0.1F, -0.2F});
  std::vector<GradientSums> all;
  for (const std::size_t threads : {1U, 2U, 3U, 8U}) {
    for (const auto norm : {std::optional<double>(), std::optional<double>(0.5)}) {
      auto sums = SumGradients(
          model, loss, *examples, weights,
          {.max_grad_norm = norm, .pool = std::make_shared<engine::ThreadPool>(threads)});
      ASSERT_TRUE(sums.ok());
      all.push_back(*std::move(sums));
    }
  }
  for (std::size_t i = 2; i < all.size(); ++i) {
    EXPECT_EQ(all[i].sums, all[i % 2].sums);
    EXPECT_EQ(all[i].norms, all[i % 2].norms);
    EXPECT_EQ(all[i].mean_loss, all[i % 2].mean_loss);
  }
}

TEST(ModelGradients, WritesSumsAndNorms) {
  const Result<Bytes> bytes = SerializeGradients(Linear(), Sum({}));
  ASSERT_TRUE(bytes.ok());
  const auto file = wire::ParseSafetensors(*bytes);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->Find("w")->shape, (graph::Shape{2, 1}));
  EXPECT_EQ(file->Find("per_example_norms")->shape, (graph::Shape{2}));
  const Result<Bytes> taken = SerializeGradients(Linear("per_example_norms"), Sum({}));
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), ErrorCode::kInvalidInput);
}

std::string ExamplesError(train::Loss loss, const NamedArrays& inputs, const Array& target) {
  const auto examples = AsExamples(Linear(), loss, inputs, target);
  EXPECT_FALSE(examples.ok());
  return examples.ok() ? "" : examples.error().message();
}

TEST(ModelGradients, SaysWhatDoesNotFit) {
  const auto mse = train::Loss::kMeanSquaredError;
  EXPECT_NE(ExamplesError(mse, {{"y", kX}}, kY).find("its input is 'x'"), std::string::npos);
  EXPECT_NE(ExamplesError(mse, {{"x", Reals({1, 3}, {1, 2, 3})}}, Reals({1, 1}, {1}))
                .find("a row of the file's array is 3; the model takes 2"),
            std::string::npos);
  EXPECT_NE(ExamplesError(mse, {{"x", kX}}, Reals({3, 1}, {1, 2, 3}))
                .find("--target: the file's "
                      "array has 3 rows"),
            std::string::npos);
  EXPECT_NE(ExamplesError(mse, {{"x", kX}}, Integers({2, 1}, {1, 0})).find("astype('float32')"),
            std::string::npos);
  EXPECT_NE(ExamplesError(train::Loss::kCrossEntropy, {{"x", kX}}, kY).find("astype('int64')"),
            std::string::npos);
  ExamplesError(mse, {{"x", Reals({}, {1})}}, kY);
  ExamplesError(mse, {{"x", Reals({0, 2}, {})}}, Reals({0, 1}, {}));
  ExamplesError(mse, {{"x", kX}}, Reals({}, {1}));
}

TEST(ModelGradients, BinaryTargetsMayBeIntegersOrReals) {
  for (const Array& target : {Integers({2}, {1, 0}), Reals({2, 1}, {1, 0})}) {
    const graph::Model model = Linear();
    const auto loss = train::Loss::kBinaryCrossEntropy;
    const auto examples = AsExamples(model, loss, {{"x", kX}}, target);
    ASSERT_TRUE(examples.ok()) << examples.error().message();
    const auto sums = SumGradients(model, loss, *examples, {1, 1}, {});
    ASSERT_TRUE(sums.ok()) << sums.error().message();
    // softplus(-7) and softplus(1).
    EXPECT_NEAR(sums->mean_loss, (std::log1p(std::exp(-7)) + std::log1p(std::exp(1))) / 2, 1e-6);
  }
}

TEST(ModelGradients, InputsOfAnExampleStandInTheModelsOrder) {
  OnnxBuilder b({2});
  b.Input("a", {1}).Weight("w", {1, 2}, {1, 1});
  b.Node("MatMul", {"a", "w"}, {"p"}).Node("Add", {"p", "x"}, {"z"});
  const graph::Model model = *graph::ImportOnnx(b.Output("z").Write());
  const auto examples =
      AsExamples(model, train::Loss::kMeanSquaredError, {{"a", Reals({2, 1}, {10, 20})}, {"x", kX}},
                 Reals({2, 2}, {0, 0, 0, 0}));
  ASSERT_TRUE(examples.ok()) << examples.error().message();
  EXPECT_EQ(examples->features, (std::vector<float>{3, 4, 10, 1, 0, 20}));
}

TEST(ModelGradients, AGradientThatIsNotFiniteIsRefused) {
  const graph::Model model = Linear();
  const auto loss = train::Loss::kMeanSquaredError;
  const auto examples =
      AsExamples(model, loss, {{"x", Reals({1, 2}, {1e30, 1e30})}}, Reals({1, 1}, {0}));
  ASSERT_TRUE(examples.ok());
  EXPECT_FALSE(SumGradients(model, loss, *examples, {1, 1}, {}).ok());
}

}  // namespace
}  // namespace anchorhold::client
