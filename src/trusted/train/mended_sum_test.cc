// Contributions that come out too long, because a norm was wrong, are taken back and added
// shortened or left out. Norms that are right never lead there, so the bound is set low here.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "trusted/train/step_net_for_test.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train {
namespace {

using testing::Examples;
using testing::Net;

struct Way {
  engine::ClippingKind kind = engine::ClippingKind::kFlat;
  double bound = 1 << 20;
  double squares_max = 0;
  std::size_t threads = 1;
  std::size_t group = 1;
  std::size_t capacity = 1000;
  bool totals = false;
  std::optional<engine::Method> norms{};
};

std::vector<std::int64_t> Sum(const graph::Model& model, const Way& way,
                              std::span<const BatchRow> rows) {
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  options.group = way.group;
  options.norms = way.norms;
  auto engine = TrainingEngine::Create(model, Loss::kCrossEntropy, options,
                                       std::make_shared<engine::ThreadPool>(way.threads));
  EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : engine.error().message());
  const std::vector<float> parameters = FlatParameters(model);
  std::vector<std::int32_t> grid(parameters.size(), 12345);
  std::vector<std::int64_t> total(parameters.size(), 12345);
  engine::Clipping clipping;
  clipping.kind = way.kind;
  clipping.bound = way.bound;
  clipping.unit = 1e30;
  engine::SumTarget target;
  target.grid = grid.data();
  target.total = way.totals ? total.data() : nullptr;
  target.capacity = way.capacity;
  target.squares_max = way.squares_max;
  engine->SumClipped(parameters, rows, clipping, target);
  if (way.totals) return total;
  return {grid.begin(), grid.end()};
}

double SquaresOf(const std::vector<std::int64_t>& v) {
  double squares = 0;
  for (const std::int64_t x : v) squares += static_cast<double>(x) * static_cast<double>(x);
  return squares;
}

double Cosine(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return product / std::sqrt(SquaresOf(a) * SquaresOf(b));
}

constexpr double kRadius = 1 << 20;
constexpr std::optional<engine::Method> kMethods[] = {engine::Method::kGhost,
                                                      engine::Method::kInstantiate};

TEST(MendedSum, ALongContributionIsShortened) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(8, 3);
  for (const engine::ClippingKind kind :
       {engine::ClippingKind::kFlat, engine::ClippingKind::kPerLayer,
        engine::ClippingKind::kAutomatic}) {
    for (const auto& norms : kMethods) {
      Way way{.kind = kind, .bound = kRadius, .squares_max = 1e30, .norms = norms};
      Way low = way;
      low.squares_max = kRadius * kRadius / 9;
      for (const BatchRow& row : AllRows(examples)) {
        const auto whole = Sum(model, way, {&row, 1});
        const auto mended = Sum(model, low, {&row, 1});
        ASSERT_GT(SquaresOf(whole), low.squares_max);
        EXPECT_LE(SquaresOf(mended), low.squares_max);
        EXPECT_GE(SquaresOf(mended), low.squares_max * 0.99);
        EXPECT_GE(Cosine(whole, mended), 1 - 1e-6);
      }
    }
  }
}

// Whatever else is in the batch: each row adds what it adds alone, mended or not.
void ExpectSumOfAlones(const graph::Model& model, const ExampleSet& examples, const Way& way) {
  const std::vector<BatchRow> rows = AllRows(examples);
  std::vector<std::int64_t> expected(model.parameter_count());
  for (const BatchRow& row : rows) {
    const auto alone = Sum(model, way, {&row, 1});
    EXPECT_LE(SquaresOf(alone), way.squares_max);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += alone[i];
  }
  for (const std::size_t threads : {1U, 2U, 3U}) {
    for (const std::size_t group : {1U, 3U, 16U}) {
      Way other = way;
      other.threads = threads;
      other.group = group;
      EXPECT_EQ(Sum(model, other, rows), expected) << threads << " threads, groups of " << group;
    }
  }
}

TEST(MendedSum, OtherRowsAreNotTouched) {
  const graph::Model model = Net();
  for (const auto& norms : kMethods) {
    // Without clipping, about half of the rows are longer than the bound.
    Way way{.kind = engine::ClippingKind::kAutomatic, .bound = kRadius, .norms = norms};
    way.squares_max = kRadius * kRadius * 0.98;
    ExpectSumOfAlones(model, Examples(21, 4), way);
    way.totals = true;
    way.capacity = 2;
    ExpectSumOfAlones(model, Examples(21, 4), way);
  }
}

// Factors so large that contributions saturate, and that their sums would leave 32 bits.
TEST(MendedSum, WhatDoesNotFit32BitsIsTakenBackExactly) {
  const graph::Model model = Net();
  for (const auto& norms : kMethods) {
    Way way{.bound = 0x1p36, .squares_max = 0x1p60, .capacity = 2, .totals = true, .norms = norms};
    ExpectSumOfAlones(model, Examples(21, 5), way);
  }
}

// Of coordinates between 0.5 and 1, each rounds to 1 and the shortened one does so again: too long.
TEST(MendedSum, WhatCannotBeShortenedIsLeftOut) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(1, 6);
  const BatchRow row{&examples, 0, true};
  Way way{.bound = 6, .squares_max = 1e30};
  const auto whole = Sum(model, way, {&row, 1});
  const double squares = SquaresOf(whole);
  ASSERT_GE(squares, 20);
  bool left_out = false;
  for (double share = 1 - 0x1p-10; share > 0.8; share -= 0x1p-7) {
    way.squares_max = squares * share;
    const auto mended = Sum(model, way, {&row, 1});
    EXPECT_LE(SquaresOf(mended), way.squares_max);
    left_out = left_out || SquaresOf(mended) == 0;
  }
  EXPECT_TRUE(left_out);
}

TEST(MendedSum, RowsThatDoNotCountAreNotMended) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(5, 7);
  std::vector<BatchRow> rows = AllRows(examples);
  for (BatchRow& row : rows) row.counts = false;
  const Way way{.bound = kRadius, .squares_max = 1, .group = 2};
  EXPECT_EQ(Sum(model, way, rows), std::vector<std::int64_t>(model.parameter_count(), 0));
}

}  // namespace
}  // namespace anchorhold::train
