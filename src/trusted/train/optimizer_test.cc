#include "trusted/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace anchorhold::train {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Optimizer Make(const OptimizerConfig& config, std::size_t size) {
  auto optimizer = Optimizer::Create(config, size);
  EXPECT_TRUE(optimizer.ok());
  return *std::move(optimizer);
}

TEST(Sgd, WithoutMomentum) {
  Optimizer sgd = Make({.learning_rate = 0.5}, 2);
  std::vector<float> theta{1, -2};
  sgd.Step(theta, std::vector<float>{0.25F, 4});
  EXPECT_FLOAT_EQ(theta[0], 0.875F);
  EXPECT_FLOAT_EQ(theta[1], -4);
}

// By hand, lr = 0.1, momentum = 0.9, gradients 1, 2, -1: v = 1, 2.9, 1.61.
TEST(Sgd, MomentumByHand) {
  Optimizer sgd = Make({.learning_rate = 0.1, .momentum = 0.9}, 1);
  std::vector<float> theta{1};
  sgd.Step(theta, std::vector<float>{1});
  EXPECT_FLOAT_EQ(theta[0], 0.9F);
  sgd.Step(theta, std::vector<float>{2});
  EXPECT_FLOAT_EQ(theta[0], 0.61F);
  sgd.Step(theta, std::vector<float>{-1});
  EXPECT_FLOAT_EQ(theta[0], 0.449F);
}

// grad + momentum v: 1 + 0.9, then 2 + 0.9 2.9.
TEST(Sgd, NesterovByHand) {
  Optimizer sgd = Make({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}, 1);
  std::vector<float> theta{1};
  sgd.Step(theta, std::vector<float>{1});
  EXPECT_FLOAT_EQ(theta[0], 0.81F);
  sgd.Step(theta, std::vector<float>{2});
  EXPECT_FLOAT_EQ(theta[0], 0.81F - 0.461F);
}

// By hand, lr = 0.1, beta1 = 0.5, beta2 = 0.75, gradients 2, -1:
//   t = 1: m = 1, s = 1; corrected 2 and 4; update 2 / 2 = 1.
//   t = 2: m = 0, s = 0.75 + 0.25 = 1; corrected 0; update 0.
//   t = 3, gradient 3: m = 1.5, s = 0.75 + 2.25 = 3; corrected by 0.875 and 0.578125.
TEST(Adam, ByHand) {
  Optimizer adam = Make({.kind = OptimizerKind::kAdam,
                         .learning_rate = 0.1,
                         .beta1 = 0.5,
                         .beta2 = 0.75,
                         .epsilon = 1e-12},
                        1);
  std::vector<float> theta{1};
  adam.Step(theta, std::vector<float>{2});
  EXPECT_FLOAT_EQ(theta[0], 0.9F);
  adam.Step(theta, std::vector<float>{-1});
  EXPECT_FLOAT_EQ(theta[0], 0.9F);
  adam.Step(theta, std::vector<float>{3});
  EXPECT_NEAR(theta[0], 0.9 - 0.1 * (1.5 / 0.875) / std::sqrt(3 / 0.578125), 1e-6);
  EXPECT_EQ(adam.steps_done(), 3U);
}

// A constant gradient moves a parameter by lr a step only if the counter advances.
TEST(Adam, ConstantGradientMovesByTheLearningRate) {
  Optimizer adam = Make({.kind = OptimizerKind::kAdam, .learning_rate = 0.01}, 2);
  std::vector<float> theta{0, 0};
  for (int i = 0; i < 100; ++i) adam.Step(theta, std::vector<float>{1e-3F, -50});
  EXPECT_NEAR(theta[0], -1, 1e-3);
  EXPECT_NEAR(theta[1], 1, 1e-3);
}

TEST(Optimizer, AShareOfTheGradientIsAScaledGradient) {
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kAdam, OptimizerKind::kAdamW,
                                   OptimizerKind::kRmsProp, OptimizerKind::kAdagrad}) {
    const OptimizerConfig config = DefaultsOf(kind);
    Optimizer whole = Make(config, 3);
    Optimizer shared = Make(config, 3);
    std::vector<float> expected{1, -2, 3};
    std::vector<float> theta = expected;
    const std::vector<float> gradient{0.5F, 4, -1};
    std::vector<float> scaled;
    for (const float g : gradient) scaled.push_back(g * 0.37F);
    for (int step = 0; step < 3; ++step) {
      whole.Step(expected, scaled, 0.1);
      shared.Begin();
      shared.Update(0, theta, gradient, 0.1, 0.37F);
    }
    EXPECT_EQ(theta, expected) << static_cast<int>(kind);
  }
}

TEST(Optimizer, EpsilonIsAddedToTheRoot) {
  Optimizer adam = Make({.kind = OptimizerKind::kAdam, .learning_rate = 1, .epsilon = 3}, 1);
  std::vector<float> theta{0};
  adam.Step(theta, std::vector<float>{2});
  EXPECT_FLOAT_EQ(theta[0], -0.4F);  // 2 / (2 + 3)
}

TEST(Optimizer, RefusesBadHyperParameters) {
  for (const double bad : {0.0, -0.1, kInfinity, kNan}) {
    EXPECT_FALSE(ValidateOptimizer({.learning_rate = bad}).ok());
    EXPECT_FALSE(ValidateOptimizer({.kind = OptimizerKind::kAdam, .epsilon = bad}).ok());
  }
  for (const double bad : {-0.1, 1.0, kInfinity, kNan}) {
    EXPECT_FALSE(ValidateOptimizer({.momentum = bad}).ok());
    EXPECT_FALSE(ValidateOptimizer({.kind = OptimizerKind::kAdam, .beta1 = bad}).ok());
    EXPECT_FALSE(ValidateOptimizer({.kind = OptimizerKind::kAdam, .beta2 = bad}).ok());
  }
  EXPECT_FALSE(ValidateOptimizer({.nesterov = true}).ok());
  EXPECT_FALSE(ValidateOptimizer({.kind = static_cast<OptimizerKind>(9)}).ok());
  EXPECT_FALSE(Optimizer::Create({.learning_rate = 0}, 3).ok());
  EXPECT_EQ(ValidateOptimizer({.momentum = 1}).error().message(),
            "momentum must be at least 0 and below 1; got 1.000000");
}

TEST(Optimizer, Names) {
  for (const auto kind : {OptimizerKind::kSgd, OptimizerKind::kAdam}) {
    EXPECT_EQ(*ParseOptimizer(OptimizerName(kind)), kind);
  }
  EXPECT_FALSE(ParseOptimizer("Adam").ok());
  EXPECT_FALSE(ParseOptimizer("").ok());
}

}  // namespace
}  // namespace anchorhold::train
