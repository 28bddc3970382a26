// Optimizers against values computed independently, in double precision with NumPy, from the update
// rules of PyTorch's documentation: four steps from the same start with the same gradients.
#include <gtest/gtest.h>

#include "trusted/train/optimizer.h"

namespace anchorhold::train {
namespace {

void ExpectAfterFourSteps(const OptimizerConfig& config, const std::vector<double>& expected) {
  const std::vector<float> gradients[] = {
      {0.5F, -1, 2}, {0.25F, 3, -0.125F}, {-1.5F, 0.75F, 0}, {2, -0.5F, 1}};
  auto optimizer = Optimizer::Create(config, 3);
  ASSERT_TRUE(optimizer.ok()) << optimizer.error().message();
  std::vector<float> theta{1, -2, 0.5F};
  for (const std::vector<float>& gradient : gradients) optimizer->Step(theta, gradient);
  for (std::size_t i = 0; i < theta.size(); ++i) EXPECT_NEAR(theta[i], expected[i], 1e-6) << i;
}

TEST(OptimizerReference, Sgd) {
  ExpectAfterFourSteps({.learning_rate = 0.1, .weight_decay = 0.1},
                       {0.83607856, -2.14244212, 0.198489455});
  ExpectAfterFourSteps({.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.1},
                       {0.76012036, -2.38022572, -0.281009395});
  ExpectAfterFourSteps(
      {.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1},
      {0.62492736, -2.481074284, -0.48609348});
}

TEST(OptimizerReference, Adam) {
  OptimizerConfig config = DefaultsOf(OptimizerKind::kAdam);
  config.learning_rate = 0.05;
  config.weight_decay = 0.1;
  ExpectAfterFourSteps(config, {0.897773188, -2.003679953, 0.360870844});
  config = {.kind = OptimizerKind::kAdam,
            .learning_rate = 0.05,
            .beta1 = 0.8,
            .beta2 = 0.95,
            .epsilon = 1e-3};
  ExpectAfterFourSteps(config, {0.90980485, -2.020261228, 0.369266095});
}

TEST(OptimizerReference, AdamW) {
  OptimizerConfig config = DefaultsOf(OptimizerKind::kAdamW);
  EXPECT_EQ(config.weight_decay, 0.01);
  config.learning_rate = 0.05;
  config.weight_decay = 0.1;
  ExpectAfterFourSteps(config, {0.888219005, -1.977931426, 0.355470116});
}

TEST(OptimizerReference, RmsProp) {
  OptimizerConfig config = DefaultsOf(OptimizerKind::kRmsProp);
  config.learning_rate = 0.01;
  ExpectAfterFourSteps(config, {0.870647441, -2.002754956, 0.361077646});
  config.momentum = 0.9;
  ExpectAfterFourSteps(config, {0.634392365, -1.942039122, 0.12789787});
  config = {.kind = OptimizerKind::kRmsProp,
            .learning_rate = 0.02,
            .momentum = 0.5,
            .epsilon = 1e-3,
            .weight_decay = 0.1,
            .alpha = 0.9,
            .centered = true};
  ExpectAfterFourSteps(config, {0.847542509, -1.982380972, 0.342949752});
}

TEST(OptimizerReference, Adagrad) {
  OptimizerConfig config = DefaultsOf(OptimizerKind::kAdagrad);
  config.learning_rate = 0.1;
  ExpectAfterFourSteps(config, {0.870910892, -2.002739534, 0.361586183});
  config.lr_decay = 0.5;
  config.weight_decay = 0.1;
  config.initial_accumulator = 0.25;
  config.epsilon = 1e-6;
  ExpectAfterFourSteps(config, {0.907771424, -1.968326382, 0.386886683});
}

// The three numbers of ONNX's node test adagrad_multiple (ai.onnx.preview.training), each with its
// own accumulated square at the start.
TEST(OptimizerReference, AdagradOfOnnx) {
  struct Case {
    float x, gradient;
    double accumulated;
    float expected;
  };
  for (const Case& c :
       {Case{1, -1, 2, 1.0576962F}, Case{1, -1, 4, 1.0446854F}, Case{2, -3, 1, 2.0948617F}}) {
    auto optimizer = Optimizer::Create({.kind = OptimizerKind::kAdagrad,
                                        .learning_rate = 0.1,
                                        .epsilon = 1e-5,
                                        .weight_decay = 0.001,
                                        .lr_decay = 0.1,
                                        .initial_accumulator = c.accumulated},
                                       1);
    ASSERT_TRUE(optimizer.ok());
    std::vector<float> theta{c.x};
    optimizer->Step(theta, std::vector<float>{c.gradient});
    EXPECT_NEAR(theta[0], c.expected, 1e-6);
  }
}

TEST(OptimizerReference, AnotherLearningRateForOneStep) {
  auto optimizer = Optimizer::Create({.learning_rate = 1}, 1);
  ASSERT_TRUE(optimizer.ok());
  std::vector<float> theta{0};
  optimizer->Step(theta, std::vector<float>{1}, 0.25);
  EXPECT_FLOAT_EQ(theta[0], -0.25F);
  optimizer->Step(theta, std::vector<float>{1});
  EXPECT_FLOAT_EQ(theta[0], -1.25F);
}

// Weight decay alone shrinks, decoupled or not; it never changes a zero.
TEST(OptimizerReference, DecayAlone) {
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kAdamW}) {
    OptimizerConfig config = DefaultsOf(kind);
    config.learning_rate = 0.5;
    config.weight_decay = 0.25;
    auto optimizer = Optimizer::Create(config, 2);
    ASSERT_TRUE(optimizer.ok());
    std::vector<float> theta{8, 0};
    optimizer->Step(theta, std::vector<float>{0, 0});
    EXPECT_FLOAT_EQ(theta[0], 7);
    EXPECT_EQ(theta[1], 0);
  }
}

// The variance of a constant gradient is 0, and a rounding below it must not become a NaN.
TEST(OptimizerReference, CenteredVarianceStaysANumber) {
  auto optimizer = Optimizer::Create(
      {.kind = OptimizerKind::kRmsProp, .learning_rate = 1e-9, .alpha = 0.5, .centered = true}, 1);
  ASSERT_TRUE(optimizer.ok());
  std::vector<float> theta{0};
  for (int i = 0; i < 200; ++i) optimizer->Step(theta, std::vector<float>{0.1F});
  EXPECT_EQ(theta[0], theta[0]);
}

TEST(OptimizerReference, RefusesWhatIsOutOfRange) {
  const auto ok = [](OptimizerKind kind, double OptimizerConfig::*field, double value) {
    OptimizerConfig config = DefaultsOf(kind);
    config.*field = value;
    return ValidateOptimizer(config).ok();
  };
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kAdam, OptimizerKind::kAdamW,
                                   OptimizerKind::kRmsProp, OptimizerKind::kAdagrad}) {
    EXPECT_TRUE(ok(kind, &OptimizerConfig::weight_decay, 0.1));
    EXPECT_FALSE(ok(kind, &OptimizerConfig::weight_decay, -0.1));
    EXPECT_EQ(*ParseOptimizer(OptimizerName(kind)), kind);
  }
  EXPECT_FALSE(ok(OptimizerKind::kRmsProp, &OptimizerConfig::alpha, 1));
  EXPECT_FALSE(ok(OptimizerKind::kRmsProp, &OptimizerConfig::momentum, 1));
  EXPECT_FALSE(ok(OptimizerKind::kRmsProp, &OptimizerConfig::epsilon, 0));
  EXPECT_FALSE(ok(OptimizerKind::kAdagrad, &OptimizerConfig::lr_decay, -1));
  EXPECT_FALSE(ok(OptimizerKind::kAdagrad, &OptimizerConfig::initial_accumulator, -1));
  EXPECT_FALSE(ok(OptimizerKind::kAdamW, &OptimizerConfig::beta2, 1));
}

}  // namespace
}  // namespace anchorhold::train
