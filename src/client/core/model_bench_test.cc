#include "client/core/model_bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "client/core/bench_inputs.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor.h"

namespace anchorhold::client {
namespace {

using engine::Mode;
using graph::testing::OnnxBuilder;

graph::Model Mlp() {
  OnnxBuilder b({3});
  b.Weight("v", {3, 4}, {1, -1, 0.5F, 0.25F, 2, 1, -0.5F, 1, 0, 1, 1, -1});
  b.Weight("w", {4, 2}, {1, -1, 0.5F, 1, -2, 1, 0.25F, 1});
  b.Node("MatMul", {"x", "v"}, {"h"}).Node("Tanh", {"h"}, {"t"}).Node("MatMul", {"t", "w"}, {"y"});
  return *graph::ImportOnnx(b.Output("y").Write());
}

std::vector<float> AfterSteps(Mode mode, std::size_t threads, int steps) {
  const graph::Model model = Mlp();
  const auto examples = RandomExamples(model, train::Loss::kCrossEntropy, 7, 1);
  auto run = BenchRun::Create(model, {.mode = mode, .threads = threads}, *examples);
  EXPECT_TRUE(run.ok());
  for (int i = 0; i < steps; ++i) run->Step();
  return {run->parameters().begin(), run->parameters().end()};
}

TEST(ModelBench, InferenceLeavesTheParameters) {
  EXPECT_EQ(AfterSteps(Mode::kInference, 2, 3), AfterSteps(Mode::kInference, 1, 0));
}

// A step goes against the mean of the gradients, whoever takes them.
TEST(ModelBench, TrainingFollowsTheMeanGradient) {
  const graph::Model model = Mlp();
  const auto examples = RandomExamples(model, train::Loss::kCrossEntropy, 7, 1);
  auto executor = train::Executor::ForTraining(model, train::Loss::kCrossEntropy);
  ASSERT_TRUE(executor.ok());
  const std::vector<float> start = AfterSteps(Mode::kTraining, 1, 0);
  std::vector<double> mean(start.size());
  std::vector<float> gradient(start.size());
  for (std::size_t row = 0; row < 7; ++row) {
    executor->LossAndGradient(start, *examples, row, gradient);
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += gradient[i] / 7;
  }
  double largest = 0;
  for (const double g : mean) largest = std::max(largest, std::abs(g));
  for (const std::size_t threads : {1, 2, 3, 20}) {
    const std::vector<float> moved = AfterSteps(Mode::kTraining, threads, 1);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double step = static_cast<double>(start[i]) - moved[i];
      EXPECT_NEAR(step, 1e-4 * mean[i], 2e-7 + 1e-6 * largest) << threads;
    }
  }
}

// The clipped mean is at most 1 long and the noise of 20 numbers with deviation 1/7 rarely is
// beyond 10: so a step is short, but there is one, and another one each time.
TEST(ModelBench, PrivateTrainingIsClippedAndNoised) {
  const std::vector<float> start = AfterSteps(Mode::kPrivateTraining, 2, 0);
  const std::vector<float> once = AfterSteps(Mode::kPrivateTraining, 2, 1);
  const std::vector<float> again = AfterSteps(Mode::kPrivateTraining, 2, 1);
  EXPECT_NE(once, start);
  EXPECT_NE(once, again);
  for (std::size_t i = 0; i < start.size(); ++i) EXPECT_NEAR(once[i], start[i], 1e-4 * 11);
}

TEST(ModelBench, ReportsItsPlan) {
  const graph::Model model = Mlp();
  const auto examples = RandomExamples(model, train::Loss::kCrossEntropy, 7, 1);
  const auto run = BenchRun::Create(model, {.mode = Mode::kTraining, .threads = 2}, *examples);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->report().mode, Mode::kTraining);
  EXPECT_EQ(run->report().threads, 2u);
  EXPECT_GE(run->report().group, 1u);
}

TEST(ModelBench, RefusesRowsThatDoNotFit) {
  const graph::Model model = Mlp();
  const train::ExampleSet unlabelled = RandomFeatures(model, 3, 1);
  EXPECT_TRUE(BenchRun::Create(model, {.mode = Mode::kInference}, unlabelled).ok());
  EXPECT_FALSE(BenchRun::Create(model, {.mode = Mode::kTraining}, unlabelled).ok());
}

}  // namespace
}  // namespace anchorhold::client
