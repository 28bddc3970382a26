// A network with BatchNormalization in training mode: refused with examples, trained in batches,
// and used afterwards with its running statistics.
#include "trusted/train/batch_trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/evaluate.h"

namespace anchorhold::train {
namespace {

using graph::testing::Float;
using graph::testing::Int;
using graph::testing::OnnxBuilder;

// x [N, 2] -> BatchNormalization -> Gemm -> y [N, 2].
Bytes Network() {
  OnnxBuilder b({2}, 17);
  b.Weight("scale", {2}, {1, 1}).Weight("bias", {2}, {0, 0});
  b.Weight("mean", {2}, {0, 0}).Weight("var", {2}, {1, 1});
  b.Weight("w", {2, 2}, {0.1F, -0.1F, 0.2F, 0.1F}).Weight("c", {2}, {0, 0});
  b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"h", "mean2", "var2"},
         {Int("training_mode", 1), Float("momentum", 0.5F)});
  b.Node("Gemm", {"h", "w", "c"}, {"y"});
  return b.Output("y").Write();
}

// The classes differ by a feature far from 0 with a small spread, which normalisation has to find.
ExampleSet Rows() {
  ExampleSet set;
  set.rows = 8;
  set.feature_width = 2;
  for (int i = 0; i < 8; ++i) {
    const float sign = i % 2 == 0 ? 1.0F : -1.0F;
    set.features.push_back(100.0F + 0.5F * sign);
    set.features.push_back(static_cast<float>(i / 2));
    set.classes.push_back(i % 2);
  }
  return set;
}

graph::Model ForInference(ByteSpan onnx, std::map<std::string, std::vector<float>> numbers = {}) {
  graph::ImportOptions options;
  options.inference = true;
  options.numbers = std::move(numbers);
  return graph::ImportOnnx(onnx, options).value();
}

std::map<std::string, std::vector<float>> ByName(const BatchTrainer& trainer) {
  std::map<std::string, std::vector<float>> found;
  for (const graph::RunningStatistic& statistic : trainer.Statistics()) {
    found[statistic.name] = statistic.values;
  }
  return found;
}

TEST(BatchTrainer, IsTheOnlyWayToTrainSuchANetwork) {
  const Result<graph::Model> refused = graph::ImportOnnx(Network());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPrivacyRefused);
}

TEST(BatchTrainer, LearnsAndMovesTheRunningStatistics) {
  const Bytes onnx = Network();
  const graph::Model model = ForInference(onnx);
  ASSERT_EQ(model.parameters().size(), 4u);
  const ExampleSet rows = Rows();
  TrainerConfig config;
  config.optimizer.learning_rate = 0.5;
  Result<BatchTrainer> trainer = BatchTrainer::Create(onnx, model, {&rows}, config, 0, 1);
  ASSERT_TRUE(trainer.ok()) << trainer.error().message();
  ASSERT_TRUE(trainer->Step().ok());
  const double first = trainer->last_mean_loss();
  // Half way from (0, 1) to the batch's mean and (population) variance: 100, 0.25 and 1.5, 1.25.
  EXPECT_NEAR(ByName(*trainer)["mean"][0], 50.0, 1e-3);
  EXPECT_NEAR(ByName(*trainer)["mean"][1], 0.75, 1e-5);
  EXPECT_NEAR(ByName(*trainer)["var"][0], 0.625, 1e-3);
  EXPECT_NEAR(ByName(*trainer)["var"][1], 1.125, 1e-5);
  for (int step = 0; step < 60; ++step) ASSERT_TRUE(trainer->Step().ok());
  EXPECT_LT(trainer->last_mean_loss(), first / 4);

  // With the statistics that it has found, each row by itself is classified as the batch was.
  const graph::Model trained = ForInference(onnx, ByName(*trainer));
  TrainingEngine engine = TrainingEngine::Create(trained, config.loss, {}, nullptr).value();
  const Evaluation result = Evaluate(engine, config.loss, trainer->parameters(), rows);
  EXPECT_EQ(result.accuracy, 1.0);
  EXPECT_NEAR(result.mean_loss, trainer->last_mean_loss(), 0.05);
}

TEST(BatchTrainer, GradientIsThatOfTheMeanLossOverTheBatch) {
  // One step of plain descent is -lr times the gradient; compare with a finite difference of the
  // first step's loss in one weight.
  const ExampleSet rows = Rows();
  TrainerConfig config;
  config.optimizer.learning_rate = 1;
  const auto loss_at = [&](float nudge) {
    OnnxBuilder b({2}, 17);
    b.Weight("scale", {2}, {1, 1}).Weight("bias", {2}, {0, 0});
    b.Weight("mean", {2}, {0, 0}).Weight("var", {2}, {1, 1});
    b.Weight("w", {2, 2}, {0.1F + nudge, -0.1F, 0.2F, 0.1F}).Weight("c", {2}, {0, 0});
    b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"h", "mean2", "var2"},
           {Int("training_mode", 1)});
    b.Node("Gemm", {"h", "w", "c"}, {"y"});
    const Bytes onnx = b.Output("y").Write();
    const graph::Model model = ForInference(onnx);
    BatchTrainer trainer = BatchTrainer::Create(onnx, model, {&rows}, config, 0, 1).value();
    EXPECT_TRUE(trainer.Step().ok());
    return std::pair(trainer.last_mean_loss(), trainer.parameters()[4] - (0.1F + nudge));
  };
  const double difference = (loss_at(0.01F).first - loss_at(-0.01F).first) / 0.02;
  EXPECT_NEAR(-static_cast<double>(loss_at(0).second), difference, 1e-3);
}

TEST(BatchTrainer, RefusesBatchesOfOne) {
  const Bytes onnx = Network();
  const ExampleSet rows = Rows();
  const Result<BatchTrainer> trainer =
      BatchTrainer::Create(onnx, ForInference(onnx), {&rows}, {}, 1, 1);
  ASSERT_FALSE(trainer.ok());
  EXPECT_NE(trainer.error().message().find("two rows"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::train
