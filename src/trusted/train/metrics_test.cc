// Metrics: by hand, and where they are not defined.
#include "trusted/train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace anchorhold::train {
namespace {

// Labels 0 0 0 1 1 2, predictions 0 0 1 1 0 1.
ClassTally Tally() {
  ClassTally tally(4);
  const std::pair<std::int64_t, std::size_t> pairs[] = {{0, 0}, {0, 0}, {0, 1},
                                                        {1, 1}, {1, 0}, {2, 1}};
  for (const auto& [label, predicted] : pairs) tally.Add(label, predicted);
  return tally;
}

TEST(Metrics, ClassesByHand) {
  const ClassTally tally = Tally();
  EXPECT_EQ(tally.count(), 6U);
  EXPECT_DOUBLE_EQ(*tally.Accuracy(), 0.5);
  const std::vector<ClassScore>& scores = tally.scores();
  EXPECT_DOUBLE_EQ(scores[0].precision(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].recall(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].f1(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[1].precision(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores[1].recall(), 0.5);
  EXPECT_DOUBLE_EQ(scores[1].f1(), 0.4);
  EXPECT_EQ(scores[2].f1(), 0);  // never predicted
  EXPECT_EQ(scores[3].precision(), 0);
  // The class that occurs nowhere does not count.
  EXPECT_DOUBLE_EQ(*MacroF1(scores), (2.0 / 3 + 0.4 + 0) / 3);
  EXPECT_EQ(tally.confusion(),
            (std::vector<std::uint64_t>{2, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
}

TEST(Metrics, NothingCounted) {
  const ClassTally tally(3);
  EXPECT_FALSE(tally.Accuracy().has_value());
  EXPECT_FALSE(MacroF1(tally.scores()).has_value());
  EXPECT_TRUE(ClassTally(kConfusionClassesMax + 1).confusion().empty());
}

TEST(Metrics, TopFive) {
  ClassTally tally(10);
  std::vector<float> scores(10);
  for (std::size_t c = 0; c < 10; ++c) scores[c] = -static_cast<float>(c);
  tally.Add(4, scores);  // fifth
  tally.Add(5, scores);  // sixth
  const std::vector<float> equal(10, 1.0F);
  tally.Add(4, equal);
  tally.Add(5, equal);
  EXPECT_DOUBLE_EQ(*tally.TopFive(), 0.5);
  ClassTally few(9);
  few.Add(0, std::vector<float>(9, 0.0F));
  EXPECT_FALSE(few.TopFive().has_value());
  EXPECT_DOUBLE_EQ(*few.Accuracy(), 1);
}

TEST(Metrics, AreaUnderCurve) {
  // Pairs of positive and negative: 0.8 wins over both, 0.4 over 0.1 and ties with 0.4.
  EXPECT_DOUBLE_EQ(*AreaUnderCurve({{0.1, false}, {0.4, true}, {0.4, false}, {0.8, true}}), 0.875);
  EXPECT_DOUBLE_EQ(*AreaUnderCurve({{3, false}, {-1, true}}), 0);
  EXPECT_DOUBLE_EQ(*AreaUnderCurve({{1, false}, {1, true}, {1, true}}), 0.5);
  EXPECT_FALSE(AreaUnderCurve({{1, true}, {2, true}}).has_value());
  EXPECT_FALSE(
      AreaUnderCurve({{1, true}, {std::numeric_limits<double>::quiet_NaN(), false}}).has_value());
}

TEST(Metrics, Regression) {
  RegressionTally tally(1);
  const std::pair<float, float> pairs[] = {{1, 2}, {2, 2}, {5, 4}, {6, 8}};
  for (const auto& [predicted, target] : pairs) {
    tally.Add(std::span(&predicted, 1), std::span(&target, 1));
  }
  EXPECT_DOUBLE_EQ(tally.MeanAbsoluteError(), 1);
  EXPECT_DOUBLE_EQ(tally.RootMeanSquaredError(), std::sqrt(1.5));
  EXPECT_DOUBLE_EQ(*tally.RSquared(), 1 - 6.0 / 24);  // targets 2 2 4 8 around 4
  RegressionTally constant(2);
  constant.Add(std::vector<float>{1, 2}, std::vector<float>{1, 1});
  constant.Add(std::vector<float>{2, 2}, std::vector<float>{3, 1});
  EXPECT_FALSE(constant.RSquared().has_value());
  EXPECT_DOUBLE_EQ(constant.MeanAbsoluteError(), 0.75);
}

}  // namespace
}  // namespace anchorhold::train
