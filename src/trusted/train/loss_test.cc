// Losses: hand-derived values, derivatives against finite differences, extremes.
#include "trusted/train/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "trusted/train/loss_value.h"

namespace anchorhold::train {
namespace {

// The label of one position.
Label Class(std::int64_t index) {
  static constexpr std::int64_t kIndices[] = {0, 1, 2, 3};
  return {.classes = std::span(kIndices).subspan(static_cast<std::size_t>(index), 1)};
}

template <typename T>
T Value(const LossOptions& loss, const std::vector<T>& z, const Label& label,
        std::vector<T>* dz = nullptr) {
  std::vector<T> gradient(z.size());
  const T value = LossAndSeed<T>(loss, z, label, gradient);
  if (dz != nullptr) *dz = gradient;
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
    EXPECT_NEAR(gradient[j], (Value(loss, up, label) - Value(loss, down, label)) / (2 * h), 1e-8);
  }
}

TEST(Loss, NamesAreReadBack) {
  for (const Loss loss : {Loss::kCrossEntropy, Loss::kBinaryCrossEntropy, Loss::kMeanSquaredError,
                          Loss::kMeanAbsoluteError, Loss::kHuber}) {
    const Result<Loss> read = ParseLoss(LossName(loss));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, loss);
  }
  const Result<Loss> unknown = ParseLoss("hinge");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("cross-entropy"), std::string::npos);
}

TEST(Loss, CrossEntropyByHand) {
  // softmax(0, ln 3) = (1/4, 3/4)
  std::vector<double> dz;
  const std::vector<double> z = {0, std::log(3.0)};
  EXPECT_NEAR(Value(Loss::kCrossEntropy, z, Class(0), &dz), std::log(4.0), 1e-12);
  EXPECT_NEAR(dz[0], -0.75, 1e-12);
  EXPECT_NEAR(dz[1], 0.75, 1e-12);
}

TEST(Loss, BinaryCrossEntropyByHand) {
  std::vector<double> dz;
  const std::vector<double> z = {std::log(3.0)};  // sigmoid = 3/4
  EXPECT_NEAR(Value(Loss::kBinaryCrossEntropy, z, Class(1), &dz), std::log(4.0 / 3), 1e-12);
  EXPECT_NEAR(dz[0], -0.25, 1e-12);
  EXPECT_NEAR(Value(Loss::kBinaryCrossEntropy, z, Class(0), &dz), std::log(4.0), 1e-12);
  EXPECT_NEAR(dz[0], 0.75, 1e-12);
}

TEST(Loss, MeanSquaredErrorByHand) {
  const std::vector<float> targets = {1, 5};
  std::vector<double> dz;
  EXPECT_EQ(Value<double>(Loss::kMeanSquaredError, {3, 4}, {.targets = targets}, &dz), 2.5);
  EXPECT_EQ(dz, (std::vector<double>{2, -1}));
}

TEST(Loss, GradientsEqualFiniteDifferences) {
  const std::vector<float> targets = {0.5F, -1, 2};
  const std::vector<double> z = {0.3, -1.2, 2.1};
  ExpectGradientOfDifferences(Loss::kCrossEntropy, z, Class(1));
  ExpectGradientOfDifferences(Loss::kMeanSquaredError, z, {.targets = targets});
  for (const double logit : {-3.0, -0.1, 0.2, 4.0}) {
    ExpectGradientOfDifferences(Loss::kBinaryCrossEntropy, {logit}, Class(0));
    ExpectGradientOfDifferences(Loss::kBinaryCrossEntropy, {logit}, Class(1));
  }
}

TEST(Loss, ExtremesStayFinite) {
  std::vector<float> dz;
  EXPECT_EQ(Value<float>(Loss::kBinaryCrossEntropy, {1000}, Class(1), &dz), 0.0F);
  EXPECT_EQ(dz[0], 0.0F);
  EXPECT_EQ(Value<float>(Loss::kBinaryCrossEntropy, {-1000}, Class(1), &dz), 1000.0F);
  EXPECT_EQ(dz[0], -1.0F);
  EXPECT_EQ(Value<float>(Loss::kCrossEntropy, {-1000, 1000}, Class(0), &dz), 2000.0F);
  EXPECT_EQ(dz[0], -1.0F);
  EXPECT_EQ(dz[1], 1.0F);
}

TEST(Loss, NaNIsNotHidden) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(Value<float>(Loss::kBinaryCrossEntropy, {nan}, Class(0))));
  EXPECT_TRUE(std::isnan(Value<float>(Loss::kCrossEntropy, {0, nan}, Class(0))));
}

}  // namespace
}  // namespace anchorhold::train
