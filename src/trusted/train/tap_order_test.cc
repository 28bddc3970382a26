// Sums of convolutions' gradients that are made in the kernels' order (engine/tap_order.h): which
// they are, and that what comes out is in the parameter's own.
#include "trusted/engine/tap_order.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "trusted/train/step_net_for_test.h"
#include "trusted/train/sums_for_test.h"

namespace anchorhold::train {
namespace {

using engine::TapOrder;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::DrawRows;

TEST(TapOrder, MovesNumbersWithinBlocksOfChannelsAndBack) {
  for (const std::size_t channels : {1U, 15U, 16U, 17U, 40U}) {
    const TapOrder order{channels, 9};
    std::vector<std::int64_t> numbers(3 * order.row());
    std::iota(numbers.begin(), numbers.end(), 0);
    const std::vector<std::int64_t> own = numbers;
    engine::ToTapOrder(order, numbers.size(), numbers.data());
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::size_t tap = i % 9;
      const std::size_t channel = i / 9 % channels;
      const std::size_t first = channel - channel % 16;
      const std::size_t together = std::min<std::size_t>(16, channels - first);
      const std::size_t at = i / order.row() * order.row() + first * 9 + tap * together;
      EXPECT_EQ(numbers[at + channel - first], own[i]);
    }
    engine::FromTapOrder(order, numbers.size(), numbers.data());
    EXPECT_EQ(numbers, own);
  }
}

// 3 x 3 windows over 12 x 12: of enough channels, once in two groups, once more weights than an
// item of a sum holds; then weights that are used twice, whose gradients are added up by a step.
graph::Model Net() {
  constexpr std::int64_t kChannels[] = {42, 60, 70};
  OnnxBuilder b({kChannels[0], 12, 12});
  const auto pads = Ints("pads", {1, 1, 1, 1});
  std::string from = "x";
  for (std::size_t i = 1; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    const std::int64_t groups = i == 1 ? 2 : 1;
    const std::int64_t channels = kChannels[i - 1] / groups;
    const auto count = static_cast<std::size_t>(9 * kChannels[i] * channels);
    b.Weight(name, {kChannels[i], channels, 3, 3},
             testing::Draw(count, static_cast<unsigned>(i), 0.1F));
    b.Node("Conv", {from, name}, {name + "_0"}, {pads, Int("group", groups)});
    b.Node("Relu", {name + "_0"}, {name + "_1"});
    from = name + "_1";
  }
  b.Weight("twice", {70, 70, 3, 3}, testing::Draw(9 * 70 * 70, 3, 0.05F));
  b.Node("Conv", {from, "twice"}, {"once"}, {pads});
  b.Node("Conv", {"once", "twice"}, {"again"}, {pads});
  b.Node("ReduceMean", {"again"}, {"mean"}, {Ints("axes", {2, 3}), Int("keepdims", 0)});
  return testing::Finish(b, "mean", 70);
}

TEST(TapOrder, IsKeptWhereNothingButTheSumReadsAGradient) {
  if (!testing::IsFast()) GTEST_SKIP() << "no fast kernels here";
  for (const engine::Mode mode : {engine::Mode::kTraining, engine::Mode::kPrivateTraining}) {
    const engine::LoweredProgram program = testing::ProgramOf(Net(), mode);
    std::vector<bool> kept;
    for (const engine::GradientSum& sum : program.sums) kept.push_back(sum.order.used());
    EXPECT_EQ(kept, std::vector<bool>({true, true, false, false}));
    EXPECT_EQ(testing::CountSteps(program, [](const engine::Step& step) { return step.by_taps; }),
              2U);
  }
}

TEST(TapOrder, SumsAreTheInterpreters) {
  const graph::Model model = Net();
  testing::ExpectSums(model, DrawRows(model, 5, 1));
}

// A filter that is read from a table: what is summed are the table's rows.
TEST(TapOrder, IsNotThatOfATablesRows) {
  constexpr std::int64_t kRowsOfTable = 70;
  OnnxBuilder b({20, 12, 12});
  b.Weight("table", {kRowsOfTable, 180}, testing::Draw(kRowsOfTable * 180, 1, 0.1F));
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < kRowsOfTable; ++i) places.push_back(i * 3 % kRowsOfTable);
  b.Integers("places", places).Integers("shape", {kRowsOfTable, 20, 3, 3});
  b.Node("Gather", {"table", "places"}, {"rows"}).Node("Reshape", {"rows", "shape"}, {"w"});
  b.Node("Conv", {"x", "w"}, {"c"}, {Ints("pads", {1, 1, 1, 1})});
  b.Node("ReduceMean", {"c"}, {"mean"}, {Ints("axes", {2, 3}), Int("keepdims", 0)});
  const graph::Model model = testing::Finish(b, "mean", kRowsOfTable);
  const engine::LoweredProgram program = testing::ProgramOf(model, engine::Mode::kPrivateTraining);
  for (const engine::GradientSum& sum : program.sums) EXPECT_FALSE(sum.order.used());
  testing::ExpectSums(model, DrawRows(model, 3, 1));
}

constexpr std::size_t kRows = 5;

// A contribution that comes out too long is taken back and added shortened, in the same order.
TEST(TapOrder, MendedContributionsKeepTheirDirection) {
  const graph::Model model = Net();
  const ExampleSet set = DrawRows(model, kRows, 1);
  const std::vector<float> parameters = FlatParameters(model);
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr).value();
  constexpr double kRadius = 1 << 20;
  const auto sum = [&](const BatchRow& row, double squares_max) {
    std::vector<std::int32_t> grid(parameters.size());
    engine::Clipping clipping;
    clipping.bound = kRadius;
    clipping.unit = 1e30;
    engine::SumTarget target;
    target.grid = grid.data();
    target.capacity = 1;
    target.squares_max = squares_max;
    made.SumClipped(parameters, {&row, 1}, clipping, target);
    return grid;
  };
  for (const BatchRow& row : AllRows(set)) {
    const std::vector<std::int32_t> whole = sum(row, 1e30);
    const std::vector<std::int32_t> mended = sum(row, kRadius * kRadius / 9);
    double product = 0;
    double of_whole = 0;
    double of_mended = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      product += static_cast<double>(whole[i]) * static_cast<double>(mended[i]);
      of_whole += static_cast<double>(whole[i]) * static_cast<double>(whole[i]);
      of_mended += static_cast<double>(mended[i]) * static_cast<double>(mended[i]);
    }
    EXPECT_GE(of_whole, 0.99 * kRadius * kRadius);
    EXPECT_LE(of_mended, kRadius * kRadius / 9);
    EXPECT_GE(product / std::sqrt(of_whole * of_mended), 1 - 1e-6);
  }
}

// Sums that add to what is there, with and without totals.
TEST(TapOrder, AddsToASumInTheParametersOrder) {
  const graph::Model model = Net();
  const ExampleSet set = DrawRows(model, kRows, 1);
  const std::vector<BatchRow> rows = AllRows(set);
  const std::vector<float> parameters = FlatParameters(model);
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  options.group = 2;
  auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options,
                                     std::make_shared<engine::ThreadPool>(2))
                  .value();
  std::vector<std::int32_t> grid(parameters.size());
  engine::Clipping clipping;
  clipping.bound = 1 << 20;
  clipping.unit = 1 << 20;
  engine::SumTarget target;
  target.grid = grid.data();
  target.capacity = kRows;
  target.squares_max = 1e30;
  made.SumClipped(parameters, rows, clipping, target);
  const std::vector<std::int32_t> once = grid;
  ASSERT_NE(once, std::vector<std::int32_t>(once.size(), 0));

  std::vector<std::int64_t> total(parameters.size());
  std::iota(total.begin(), total.end(), 0);
  target.total = total.data();
  target.capacity = 4;  // is emptied in between
  target.clears = false;
  for (int times = 1; times <= 2; ++times) {
    made.SumClipped(parameters, rows, clipping, target);
    for (std::size_t i = 0; i < total.size(); ++i) {
      ASSERT_EQ(total[i], static_cast<std::int64_t>(i) + times * once[i]) << i;
    }
  }
  // No rows: nothing moves.
  made.SumClipped(parameters, {}, clipping, target);
  for (std::size_t i = 0; i < total.size(); ++i) {
    ASSERT_EQ(total[i], static_cast<std::int64_t>(i) + 2 * once[i]) << i;
  }

  std::vector<float> sum(parameters.size());
  engine::SumTarget reals;
  reals.reals = sum.data();
  made.SumClipped(parameters, rows, clipping, reals);
  const std::vector<float> plain = sum;
  std::iota(sum.begin(), sum.end(), 0.0F);
  reals.clears = false;
  made.SumClipped(parameters, rows, clipping, reals);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const auto before = static_cast<double>(static_cast<float>(i));
    ASSERT_NEAR(sum[i], before + plain[i], 1e-6 * (before + std::abs(plain[i])) + 1) << i;
  }
  // And to a sum of its own size, which shows the order of what is added as well.
  sum = plain;
  made.SumClipped(parameters, rows, clipping, reals);
  double most = 0;
  for (const float x : plain) most = std::max(most, std::abs(double{x}));
  for (std::size_t i = 0; i < sum.size(); ++i) {
    ASSERT_NEAR(sum[i], 2 * double{plain[i]}, 1e-5 * most) << i;
  }
}

}  // namespace
}  // namespace anchorhold::train
