// Evaluation of small models whose predictions are known: several labels, positions, two classes.
#include "trusted/train/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor.h"

namespace anchorhold::train {
namespace {

using graph::testing::OnnxBuilder;

// y = x * w with w = 1 everywhere: the prediction is the input.
graph::Model Identity(const std::vector<std::int64_t>& shape) {
  OnnxBuilder b(shape);
  b.Weight("w", {1}, {1}).Node("Mul", {"x", "w"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

Evaluation EvaluateIdentity(const graph::Model& model, const LossOptions& loss,
                            const ExampleSet& examples) {
  EXPECT_TRUE(CheckFits(model, loss, examples).ok());
  TrainingEngine engine = TrainingEngine::Create(model, loss, {}, nullptr).value();
  return Evaluate(engine, loss, std::vector<float>{1}, examples);
}

TEST(EvaluateMetrics, SeveralLabels) {
  ExampleSet set;
  set.rows = 2;
  set.feature_width = set.target_width = 3;
  set.features = {2, -1, 3, -4, 1, -1};
  set.targets = {1, 0, 0, 0, 1, 1};
  const Evaluation result = EvaluateIdentity(Identity({3}), Loss::kBinaryCrossEntropy, set);
  EXPECT_DOUBLE_EQ(*result.accuracy, 4.0 / 6);
  ASSERT_EQ(result.classes.size(), 3U);
  EXPECT_EQ(result.classes[0].f1(), 1);
  EXPECT_EQ(result.classes[2].f1(), 0);
  EXPECT_DOUBLE_EQ(*result.macro_f1, 2.0 / 3);
  EXPECT_TRUE(result.confusion.empty());
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  EXPECT_NEAR(
      result.mean_loss,
      (softplus(-2) + softplus(-1) + softplus(3) + softplus(-4) + softplus(-1) + softplus(1)) / 6,
      1e-6);
}

TEST(EvaluateMetrics, PositionsWithoutTheIgnoredOnes) {
  LossOptions loss = Loss::kCrossEntropy;
  loss.ignore_index = -100;
  ExampleSet set;
  set.rows = 2;
  set.feature_width = 4;
  set.features = {1, 0, 0, 1, 2, 0, 5, 5};
  set.class_width = 2;
  set.classes = {0, 0, 0, -100};
  const Evaluation result = EvaluateIdentity(Identity({2, 2}), loss, set);
  EXPECT_DOUBLE_EQ(*result.accuracy, 2.0 / 3);
  EXPECT_EQ(result.confusion, (std::vector<std::uint64_t>{2, 1, 0, 0}));
  EXPECT_FALSE(result.auc.has_value());  // no example of class 1
  const auto lost = [](double margin) { return std::log1p(std::exp(-margin)); };
  EXPECT_NEAR(result.mean_loss, ((lost(1) + lost(-1)) / 2 + lost(2)) / 2, 1e-6);
}

TEST(EvaluateMetrics, TwoClassesHaveACurve) {
  ExampleSet set;
  set.rows = 4;
  set.feature_width = 2;
  set.features = {0, 1, 0, 4, 0, 2, 0, -1};
  set.classes = {0, 1, 1, 0};
  const Evaluation two = EvaluateIdentity(Identity({2}), Loss::kCrossEntropy, set);
  EXPECT_DOUBLE_EQ(*two.auc, 1);
  EXPECT_DOUBLE_EQ(*two.accuracy, 0.75);
  ExampleSet binary;
  binary.rows = 3;
  binary.feature_width = 1;
  binary.features = {0.5F, -1, 2};
  binary.classes = {1, 0, 0};
  const Evaluation one = EvaluateIdentity(Identity({1}), Loss::kBinaryCrossEntropy, binary);
  EXPECT_DOUBLE_EQ(*one.auc, 0.5);
  EXPECT_EQ(one.confusion, (std::vector<std::uint64_t>{1, 1, 0, 1}));
}

TEST(EvaluateMetrics, Regression) {
  ExampleSet set;
  set.rows = 2;
  set.feature_width = set.target_width = 1;
  set.features = {1, 4};
  set.targets = {2, 4};
  for (const Loss loss : {Loss::kMeanSquaredError, Loss::kMeanAbsoluteError, Loss::kHuber}) {
    const Evaluation result = EvaluateIdentity(Identity({1}), loss, set);
    EXPECT_DOUBLE_EQ(*result.mean_absolute_error, 0.5);
    EXPECT_DOUBLE_EQ(*result.root_mean_squared_error, std::sqrt(0.5));
    EXPECT_DOUBLE_EQ(*result.r_squared, 0.5);
    EXPECT_FALSE(result.accuracy.has_value());
    EXPECT_NEAR(result.mean_loss, loss == Loss::kHuber ? 0.25 : 0.5, 1e-6);
  }
}

}  // namespace
}  // namespace anchorhold::train
