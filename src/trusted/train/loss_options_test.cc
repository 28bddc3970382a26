// Losses with options: weights, smoothing, positions and ignored ones, several labels. The expected
// numbers were computed independently with NumPy from PyTorch's definitions.
#include <gtest/gtest.h>

#include <cmath>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {
namespace {

double Value(const LossOptions& loss, const std::vector<double>& z, const Label& label,
             std::vector<double>* gradient = nullptr) {
  EXPECT_TRUE(ValidateLoss(loss).ok());
  std::vector<double> dz(z.size());
  const double value = LossAndSeed<double>(loss, z, label, dz);
  if (gradient != nullptr) *gradient = dz;
  return value;
}

void ExpectGradientOfDifferences(const LossOptions& loss, const std::vector<double>& z,
                                 const Label& label) {
  std::vector<double> gradient;
  Value(loss, z, label, &gradient);
  for (std::size_t j = 0; j < z.size(); ++j) {
    const double h = 1e-6;
    std::vector<double> up = z;
    std::vector<double> down = z;
    up[j] += h;
    down[j] -= h;
    EXPECT_NEAR(gradient[j], (Value(loss, up, label) - Value(loss, down, label)) / (2 * h), 1e-8)
        << j;
  }
}

LossOptions Weighted(double smoothing) {
  LossOptions loss = Loss::kCrossEntropy;
  loss.class_weights = {1, 0.5, 2};
  loss.label_smoothing = smoothing;
  return loss;
}

TEST(LossOptions, ClassWeightsAndLabelSmoothing) {
  const std::vector<double> z = {0.3, -1.2, 2.1};
  const std::vector<std::int64_t> zero = {0};
  const std::vector<std::int64_t> one = {1};
  EXPECT_NEAR(Value(Weighted(0), z, {.classes = zero}), 1.984138285228734, 1e-12);
  EXPECT_NEAR(Value(Weighted(0.1), z, {.classes = zero}), 1.9222072566492128, 1e-12);
  EXPECT_NEAR(Value(Weighted(0), z, {.classes = one}), 1.7420691426143669, 1e-12);
  EXPECT_NEAR(Value(Weighted(0.1), z, {.classes = one}), 1.7043450282962824, 1e-12);
  LossOptions smooth = Loss::kCrossEntropy;
  smooth.label_smoothing = 0.1;
  EXPECT_NEAR(Value(smooth, z, {.classes = one}), 3.3241382852287336, 1e-12);
  for (const double smoothing : {0.0, 0.1, 0.7}) {
    ExpectGradientOfDifferences(Weighted(smoothing), z, {.classes = zero});
    ExpectGradientOfDifferences(Weighted(smoothing), z, {.classes = one});
  }
}

TEST(LossOptions, PositionsAreAveragedOverThoseThatCount) {
  LossOptions loss = Loss::kCrossEntropy;
  loss.ignore_index = -100;
  const std::vector<double> z = {0.3, -1.2, 2.1, 1, 0, -1, 0.5, 0.25, -0.5};
  const std::vector<std::int64_t> labels = {2, -100, 0};
  std::vector<double> gradient;
  EXPECT_NEAR(Value(loss, z, {.classes = labels}, &gradient), 0.47403042614901036, 1e-12);
  for (std::size_t j = 3; j < 6; ++j) EXPECT_EQ(gradient[j], 0);
  ExpectGradientOfDifferences(loss, z, {.classes = labels});
  LossOptions all = Weighted(0.2);
  all.ignore_index = -100;
  ExpectGradientOfDifferences(all, z, {.classes = labels});
  const std::vector<std::int64_t> none = {-100, -100, -100};
  EXPECT_EQ(Value(loss, z, {.classes = none}, &gradient), 0);
  EXPECT_EQ(gradient, std::vector<double>(9));
}

TEST(LossOptions, SeveralLabelsWithPositiveWeights) {
  LossOptions loss = Loss::kBinaryCrossEntropy;
  loss.positive_weights = {3, 1, 2};
  const std::vector<double> z = {0.5, -1.5, 3};
  const std::vector<float> y = {1, 0, 0};
  EXPECT_NEAR(Value(loss, z, {.targets = y}), 1.5574105273656056, 1e-12);
  ExpectGradientOfDifferences(loss, z, {.targets = y});
  loss.positive_weights = {4};
  ExpectGradientOfDifferences(loss, z, {.targets = y});
  const std::vector<std::int64_t> one = {1};
  EXPECT_NEAR(Value(loss, {0}, {.classes = one}), 4 * std::log(2.0), 1e-12);
}

TEST(LossOptions, AbsoluteErrorAndHuberByHand) {
  const std::vector<float> y = {1, 1, 1};
  std::vector<double> gradient;
  EXPECT_DOUBLE_EQ(Value(Loss::kMeanAbsoluteError, {0, 1, 4}, {.targets = y}, &gradient), 4.0 / 3);
  EXPECT_EQ(gradient, (std::vector<double>{-1.0 / 3, 0, 1.0 / 3}));
  LossOptions huber = Loss::kHuber;
  huber.huber_delta = 2;
  // d = -1, 0, 3: 1/2, 0, 2 (3 - 1)
  EXPECT_DOUBLE_EQ(Value(huber, {0, 1, 4}, {.targets = y}, &gradient), 4.5 / 3);
  EXPECT_EQ(gradient, (std::vector<double>{-1.0 / 3, 0, 2.0 / 3}));
  ExpectGradientOfDifferences(huber, {-3, 0.5, 2.5}, {.targets = y});
  ExpectGradientOfDifferences(Loss::kMeanAbsoluteError, {-3, 0.5, 2.5}, {.targets = y});
}

TEST(LossOptions, RefusesWhatIsOutOfRangeOrOfAnotherLoss) {
  const auto refused = [](Loss kind, auto change) {
    LossOptions loss = kind;
    change(loss);
    return !ValidateLoss(loss).ok();
  };
  using Options = LossOptions;
  EXPECT_TRUE(refused(Loss::kMeanSquaredError, [](Options& o) { o.class_weights = {1, 2}; }));
  EXPECT_TRUE(refused(Loss::kCrossEntropy, [](Options& o) { o.class_weights = {1, -1}; }));
  EXPECT_TRUE(refused(Loss::kCrossEntropy, [](Options& o) { o.class_weights = {0, 0}; }));
  EXPECT_FALSE(refused(Loss::kCrossEntropy, [](Options& o) { o.class_weights = {0, 1}; }));
  EXPECT_TRUE(refused(Loss::kCrossEntropy, [](Options& o) { o.class_weights = {1, NAN}; }));
  EXPECT_TRUE(refused(Loss::kCrossEntropy,
                      [](Options& o) { o.class_weights.assign(kLossWeightsMax + 1, 1.0); }));
  for (const double bad : {-0.1, 1.0, static_cast<double>(NAN)}) {
    EXPECT_TRUE(refused(Loss::kCrossEntropy, [bad](Options& o) { o.label_smoothing = bad; }));
  }
  EXPECT_TRUE(refused(Loss::kHuber, [](Options& o) { o.label_smoothing = 0.1; }));
  EXPECT_TRUE(refused(Loss::kBinaryCrossEntropy, [](Options& o) { o.ignore_index = 3; }));
  EXPECT_TRUE(refused(Loss::kCrossEntropy, [](Options& o) { o.positive_weights = {1}; }));
  EXPECT_TRUE(refused(Loss::kBinaryCrossEntropy, [](Options& o) { o.positive_weights = {0}; }));
  for (const double bad : {0.0, -1.0, static_cast<double>(INFINITY)}) {
    EXPECT_TRUE(refused(Loss::kHuber, [bad](Options& o) { o.huber_delta = bad; }));
  }
  EXPECT_TRUE(refused(static_cast<Loss>(77), [](Options&) {}));
}

// One position of two, at the last axis, with the model's own Softmax and without it.
TEST(LossOptions, ExecutorTrainsPositionsFromTheLogitsOfASoftmax) {
  const auto model = [](bool softmax) {
    graph::testing::OnnxBuilder b({2, 3});
    b.Weight("w", {3}, {1, 2, 3}).Node("Mul", {"x", "w"}, {"z"});
    if (softmax) b.Node("Softmax", {"z"}, {"p"}, {graph::testing::Int("axis", -1)});
    return graph::ImportOnnx(b.Output(softmax ? "p" : "z").Write()).value();
  };
  ExampleSet set;
  set.rows = 1;
  set.feature_width = 6;
  set.features = {30, -20, 50, 0.5F, 0.25F, -1};
  set.class_width = 2;
  set.classes = {1, 2};
  const LossOptions loss = Loss::kCrossEntropy;
  std::vector<std::vector<float>> gradients;
  for (const bool softmax : {true, false}) {
    const graph::Model m = model(softmax);
    ASSERT_TRUE(CheckFits(m, loss, set).ok());
    Executor executor = Executor::ForTraining(m, loss).value();
    std::vector<float> gradient(3);
    const std::vector<float> weights = {1, 2, 3};
    // The first position: 150 - (-40) = 190, which a softmax in float32 would make infinite.
    const float value = executor.LossAndGradient(weights, set, 0, gradient);
    EXPECT_NEAR(value, (190 + std::log(std::exp(0.5) + std::exp(0.5) + std::exp(-3)) + 3) / 2,
                1e-4);
    gradients.push_back(gradient);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  set.class_width = 1;
  set.classes = {1};
  EXPECT_NE(CheckFits(model(false), loss, set).error().message().find("2 positions"),
            std::string::npos);
}

}  // namespace
}  // namespace anchorhold::train
