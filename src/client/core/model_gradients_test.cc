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

GradientSums Sum(std::optional<double> norm) {
  const graph::Model model = Linear();
  const auto examples = AsExamples(model, train::Loss::kMeanSquaredError, {{"x", kX}}, kY);
  EXPECT_TRUE(examples.ok());
  auto sums = SumGradients(model, train::Loss::kMeanSquaredError, *examples, {1, 1}, norm);
  EXPECT_TRUE(sums.ok());
  return *std::move(sums);
}

TEST(ModelGradients, SumsWithoutClipping) {
  const GradientSums sums = Sum(std::nullopt);
  EXPECT_EQ(sums.rows, 2u);
  EXPECT_EQ(sums.sums, (std::vector<float>{2, 8}));
  EXPECT_EQ(sums.norms, (std::vector<float>{10, 4}));
  EXPECT_EQ(sums.mean_loss, 2.5);
  EXPECT_EQ(sums.clipped, 0u);
}

TEST(ModelGradients, ClipsEachExampleByItself) {
  const GradientSums sums = Sum(5);
  EXPECT_FLOAT_EQ(sums.sums[0], 3 - 4);
  EXPECT_FLOAT_EQ(sums.sums[1], 4);
  EXPECT_EQ(sums.norms, (std::vector<float>{10, 4}));
  EXPECT_EQ(sums.clipped, 1u);
}

TEST(ModelGradients, WritesSumsAndNorms) {
  const Result<Bytes> bytes = SerializeGradients(Linear(), Sum(std::nullopt));
  ASSERT_TRUE(bytes.ok());
  const auto file = wire::ParseSafetensors(*bytes);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->Find("w")->shape, (graph::Shape{2, 1}));
  EXPECT_EQ(file->Find("per_example_norms")->shape, (graph::Shape{2}));
  const Result<Bytes> taken = SerializeGradients(Linear("per_example_norms"), Sum(std::nullopt));
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
    const auto sums = SumGradients(model, loss, *examples, {1, 1}, std::nullopt);
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
  EXPECT_FALSE(SumGradients(model, loss, *examples, {1, 1}, std::nullopt).ok());
}

}  // namespace
}  // namespace anchorhold::client
