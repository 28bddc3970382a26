// The executor: hand-derived gradients, no allocation while running, and what fits what.
#include "trusted/train/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/engine/arena.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// Counts every allocation of this program. Not inlined: g++ would see free() meet operator new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace anchorhold::train {
namespace {

using graph::testing::Int;
using graph::testing::OnnxBuilder;

// p = sigmoid(w . x + b), x [2].
graph::Model Logistic(bool with_sigmoid = true) {
  OnnxBuilder b({2});
  b.Weight("w", {1, 2}, {0.5F, -0.25F}).Weight("b", {1}, {0.125F});
  b.Node("Gemm", {"x", "w", "b"}, {"z"}, {Int("transB", 1)}).Node("Sigmoid", {"z"}, {"p"});
  return graph::ImportOnnx(b.Output(with_sigmoid ? "p" : "z").Write()).value();
}

// y = u tanh(W x), x [2], W [2, 2], u [2, 1]
graph::Model Mlp() {
  OnnxBuilder b({2});
  b.Weight("W", {2, 2}, {0.5F, 1, -1, 0.25F}).Weight("u", {2, 1}, {2, -3});
  b.Node("Gemm", {"x", "W"}, {"z"}, {Int("transB", 1)}).Node("Tanh", {"z"}, {"h"});
  b.Node("MatMul", {"h", "u"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

// z [classes] = x W, x [2]; followed by Softmax if asked for.
graph::Model Classifier(std::int64_t classes, bool softmax) {
  OnnxBuilder b({2});
  std::vector<float> w(static_cast<std::size_t>(2 * classes));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 0.25F * static_cast<float>(i) - 0.5F;
  b.Weight("W", {2, classes}, w).Node("MatMul", {"x", "W"}, {"z"}).Node("Softmax", {"z"}, {"p"});
  return graph::ImportOnnx(b.Output(softmax ? "p" : "z").Write()).value();
}

std::vector<float> Parameters(const graph::Model& model) {
  std::vector<float> flat;
  for (const graph::Parameter& parameter : model.parameters()) {
    flat.insert(flat.end(), parameter.values.begin(), parameter.values.end());
  }
  return flat;
}

ExampleSet Labelled(std::vector<float> features, std::vector<std::int64_t> classes) {
  ExampleSet set;
  set.rows = classes.size();
  set.feature_width = features.size() / classes.size();
  set.features = std::move(features);
  set.classes = std::move(classes);
  return set;
}

TEST(Executor, LogisticRegressionByHand) {
  const graph::Model model = Logistic();
  Executor executor = Executor::ForTraining(model, Loss::kBinaryCrossEntropy).value();
  EXPECT_EQ(executor.parameter_count(), 3u);
  EXPECT_EQ(executor.input_width(), 2u);
  EXPECT_EQ(executor.output_width(), 1u);
  const ExampleSet set = Labelled({9, 9, 3, 2}, {0, 1});
  std::vector<float> gradient(3, 99);
  const float loss = executor.LossAndGradient(Parameters(model), set, 1, gradient);
  // z = 0.5 * 3 - 0.25 * 2 + 0.125 = 1.125; dz = sigmoid(z) - 1; dw = dz x; db = dz.
  const double p = 1 / (1 + std::exp(-1.125));
  EXPECT_NEAR(loss, -std::log(p), 1e-6);
  EXPECT_NEAR(gradient[0], (p - 1) * 3, 1e-6);
  EXPECT_NEAR(gradient[1], (p - 1) * 2, 1e-6);
  EXPECT_NEAR(gradient[2], p - 1, 1e-6);
  std::vector<float> output(1);
  executor.Infer(Parameters(model), std::vector<float>{3, 2}, output);
  EXPECT_NEAR(output[0], p, 1e-6);
}

TEST(Executor, TwoLayersByHand) {
  const graph::Model model = Mlp();
  Executor executor = Executor::ForTraining(model, Loss::kMeanSquaredError).value();
  ExampleSet set;
  set.rows = 1;
  set.feature_width = 2;
  set.features = {1, 0.5F};
  set.target_width = 1;
  set.targets = {1};
  std::vector<float> gradient(6);
  const float loss = executor.LossAndGradient(Parameters(model), set, 0, gradient);
  // z = (0.5 + 0.5, -1 + 0.125) = (1, -0.875); h = tanh z; y = 2 h0 - 3 h1; dy = 2 (y - 1)
  const double h0 = std::tanh(1.0);
  const double h1 = std::tanh(-0.875);
  const double y = 2 * h0 - 3 * h1;
  const double dy = 2 * (y - 1);
  const double dz0 = dy * 2 * (1 - h0 * h0);
  const double dz1 = dy * -3 * (1 - h1 * h1);
  EXPECT_NEAR(loss, (y - 1) * (y - 1), 1e-5);
  const std::vector<double> expected = {dz0, dz0 * 0.5, dz1, dz1 * 0.5, dy * h0, dy * h1};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(gradient[i], expected[i], 2e-5) << i;
}

TEST(Executor, TheLossStartsBeforeTheLastActivation) {
  // Where sigmoid rounds to 1, its own derivative is 0: the loss must not go through it.
  const std::vector<float> parameters = {0, 0, 60};
  const ExampleSet set = Labelled({1, 1}, {0});
  for (const bool with_sigmoid : {true, false}) {
    const graph::Model model = Logistic(with_sigmoid);
    Executor executor = Executor::ForTraining(model, Loss::kBinaryCrossEntropy).value();
    std::vector<float> gradient(3);
    EXPECT_EQ(executor.LossAndGradient(parameters, set, 0, gradient), 60.0F);
    EXPECT_EQ(gradient[2], 1.0F);
  }
  const std::vector<float> weights = {0, 0, 200, 0, 0, 0};
  for (const bool softmax : {true, false}) {
    const graph::Model model = Classifier(3, softmax);
    Executor executor = Executor::ForTraining(model, Loss::kCrossEntropy).value();
    std::vector<float> gradient(6);
    EXPECT_EQ(executor.LossAndGradient(weights, Labelled({1, 0}, {0}), 0, gradient), 200.0F);
    EXPECT_EQ(gradient[2], 1.0F);
    EXPECT_EQ(gradient[0], -1.0F);
  }
}

TEST(Executor, RunsWithoutAllocating) {
  const graph::Model model = Mlp();
  Executor executor = Executor::ForTraining(model, Loss::kMeanSquaredError).value();
  ExampleSet set;
  set.rows = 1;
  set.feature_width = 2;
  set.features = {1, 2};
  set.target_width = 1;
  set.targets = {1};
  const std::vector<float> parameters = Parameters(model);
  std::vector<float> gradient(6);
  std::vector<float> output(1);
  const std::size_t before = allocations;
  for (int i = 0; i < 10; ++i) {
    executor.LossAndGradient(parameters, set, 0, gradient);
    executor.Infer(parameters, set.features, output);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0u);
}

TEST(Executor, ReadsNoOtherRow) {
  const graph::Model model = Logistic();
  Executor executor = Executor::ForTraining(model, Loss::kBinaryCrossEntropy).value();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> gradient(3);
  const ExampleSet set = Labelled({nan, nan, 3, 2, nan, nan}, {7, 1, -1});
  EXPECT_TRUE(std::isfinite(executor.LossAndGradient(Parameters(model), set, 1, gradient)));
  for (const float g : gradient) EXPECT_TRUE(std::isfinite(g));
}

TEST(Executor, IsTheSameOnEachRunAndInEachClone) {
  const graph::Model model = Classifier(4, true);
  Executor executor = Executor::ForTraining(model, Loss::kCrossEntropy).value();
  const std::vector<float> parameters = Parameters(model);
  const ExampleSet set = Labelled({0.3F, -1.7F, 2.5F, 0.1F}, {3, 1});
  std::vector<float> first(8);
  executor.LossAndGradient(parameters, set, 0, first);
  std::vector<std::vector<float>> seen(4, std::vector<float>(8));
  std::vector<std::thread> threads;
  for (std::vector<float>& gradient : seen) {
    threads.emplace_back([&, clone = executor.Clone()]() mutable {
      for (int i = 0; i < 200; ++i) {
        clone.LossAndGradient(parameters, set, 1, gradient);
        clone.LossAndGradient(parameters, set, 0, gradient);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& gradient : seen) EXPECT_EQ(gradient, first);
}

TEST(Executor, ParametersBehindADeadEndGetZeros) {
  OnnxBuilder b({1});
  b.Weight("a", {1}, {1}).Weight("b", {1}, {2}).Node("Mul", {"x", "a"}, {"m"});
  b.Node("Softmax", {"b"}, {"s"}).Node("Add", {"m", "s"}, {"y"});
  const graph::Model model = graph::ImportOnnx(b.Output("y").Write()).value();
  Executor executor = Executor::ForTraining(model, Loss::kBinaryCrossEntropy).value();
  std::vector<float> gradient(2, 99);
  executor.LossAndGradient(Parameters(model), Labelled({1}, {0}), 0, gradient);
  EXPECT_GT(gradient[0], 0.5F);
  EXPECT_EQ(gradient[1], 0.0F);  // a Softmax over one number is always 1
}

TEST(Executor, RefusesLossesThatTheOutputDoesNotSuit) {
  const auto refusal = [](const graph::Model& model, const LossOptions& loss) {
    const Result<Executor> executor = Executor::ForTraining(model, loss);
    return executor.ok() ? std::string("accepted") : executor.error().message();
  };
  LossOptions weighted = Loss::kBinaryCrossEntropy;
  weighted.positive_weights = {1, 2};
  EXPECT_NE(refusal(Classifier(3, false), weighted).find("2 weights of positive labels"),
            std::string::npos);
  EXPECT_EQ(refusal(Classifier(2, false), weighted), "accepted");
  weighted = Loss::kCrossEntropy;
  weighted.class_weights = {1, 2};
  EXPECT_NE(refusal(Classifier(3, false), weighted).find("2 class weights"), std::string::npos);
  weighted.label_smoothing = 1;
  EXPECT_NE(refusal(Classifier(2, false), weighted).find("below 1"), std::string::npos);
  EXPECT_NE(refusal(Logistic(), Loss::kCrossEntropy).find("use binary-cross-entropy"),
            std::string::npos);
  OnnxBuilder grid({2, 3, 1});
  grid.Weight("w", {3, 1}, {1, 2, 3}).Node("Mul", {"x", "w"}, {"y"});
  const graph::Model model = graph::ImportOnnx(grid.Output("y").Write()).value();
  EXPECT_NE(refusal(model, Loss::kCrossEntropy).find("'y' has shape 2x3x1"), std::string::npos);
  OnnxBuilder fixed({2});
  fixed.Node("Relu", {"x"}, {"y"});
  const graph::Model untrained = graph::ImportOnnx(fixed.Output("y").Write()).value();
  EXPECT_NE(refusal(untrained, Loss::kMeanSquaredError).find("no trainable parameter"),
            std::string::npos);
  EXPECT_TRUE(Executor::ForInference(untrained).ok());
}

TEST(Executor, InferenceOfAModelThatReturnsItsInput) {
  OnnxBuilder b({2});
  b.Node("Identity", {"x"}, {"y"});
  const graph::Model model = graph::ImportOnnx(b.Output("y").Write()).value();
  Executor executor = Executor::ForInference(model).value();
  std::vector<float> output(2);
  executor.Infer({}, std::vector<float>{4, 5}, output);
  EXPECT_EQ(output, (std::vector<float>{4, 5}));
}

TEST(CheckFits, NamesWhatDoesNotFit) {
  const auto message = [](const graph::Model& model, const LossOptions& loss,
                          const ExampleSet& set) {
    const Status status = CheckFits(model, loss, set);
    return status.ok() ? std::string("fits") : status.error().message();
  };
  const graph::Model binary = Logistic();
  const graph::Model three = Classifier(3, true);
  EXPECT_EQ(message(binary, Loss::kBinaryCrossEntropy, Labelled({1, 2, 3, 4}, {0, 1})), "fits");
  EXPECT_EQ(message(three, Loss::kCrossEntropy, Labelled({1, 2, 3, 4}, {0, 2})), "fits");
  const std::string width = message(binary, Loss::kBinaryCrossEntropy, Labelled({1, 2, 3}, {1}));
  EXPECT_NE(width.find("(2 values)"), std::string::npos) << width;
  EXPECT_NE(width.find("3 feature columns"), std::string::npos) << width;
  EXPECT_NE(
      message(three, Loss::kCrossEntropy, Labelled({1, 2}, {3})).find("outside the 3 classes"),
      std::string::npos);
  EXPECT_NE(message(three, Loss::kCrossEntropy, Labelled({1, 2}, {-1})).find("outside"),
            std::string::npos);
  EXPECT_NE(message(binary, Loss::kBinaryCrossEntropy, Labelled({1, 2}, {2})).find("2 classes"),
            std::string::npos);
  ExampleSet targets;
  targets.rows = 1;
  targets.feature_width = 2;
  targets.features = {1, 2};
  targets.target_width = 1;
  targets.targets = {1};
  EXPECT_EQ(message(Mlp(), Loss::kMeanSquaredError, targets), "fits");
  EXPECT_NE(message(three, Loss::kMeanSquaredError, targets).find("3 target columns"),
            std::string::npos);
  EXPECT_NE(message(three, Loss::kCrossEntropy, targets).find("class label for each row"),
            std::string::npos);
  EXPECT_EQ(message(binary, Loss::kBinaryCrossEntropy, targets), "fits");
  targets.targets = {0.5F};
  EXPECT_NE(message(binary, Loss::kBinaryCrossEntropy, targets).find("neither 0 nor 1"),
            std::string::npos);
  EXPECT_NE(message(three, Loss::kBinaryCrossEntropy, Labelled({1, 2}, {1})).find("cross-entropy"),
            std::string::npos);
  EXPECT_NE(message(Mlp(), Loss::kMeanSquaredError, Labelled({1, 2}, {1})).find("target"),
            std::string::npos);
}

TEST(ArenaPlanner, ReusesWhatIsReleased) {
  constexpr std::size_t k = engine::ArenaPlanner::kAlignment;
  engine::ArenaPlanner arena;
  const std::size_t a = arena.Take(k);
  const std::size_t b = arena.Take(2 * k);
  const std::size_t c = arena.Take(1);
  EXPECT_EQ(arena.size(), 4 * k);
  arena.Release(a, k);
  arena.Release(b, 2 * k);
  EXPECT_EQ(arena.Take(3 * k), a);  // the gaps were joined
  arena.Release(c, 1);
  EXPECT_EQ(arena.Take(k), c);
  EXPECT_EQ(arena.size(), 4 * k);
}

}  // namespace
}  // namespace anchorhold::train
