// Sums of a table's rows: what becomes one step, whose gradients are one row for all positions, and
// that sums, norms and clipped sums are the interpreter's on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/kernels/float_mode.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train {
namespace {

using engine::StepKind;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::Draw;

constexpr std::int64_t kWords = 7;  // of a table: an example reads some of them several times

// A network for `tokens` words, whose last value, [size], goes through a layer to three classes.
class Bag {
 public:
  explicit Bag(std::int64_t tokens) : b_({tokens}) {
    b_.Node("Cast", {"x"}, {"i"}, {Int("to", 7)});
  }

  std::string Node(const std::string& type, const std::vector<std::string>& inputs,
                   const std::vector<onnx::AttributeProto>& attributes = {}) {
    const std::string name = Name();
    b_.Node(type, inputs, {name}, attributes);
    return name;
  }
  std::string Weight(const std::vector<std::int64_t>& sizes) {
    std::size_t count = 1;
    for (const std::int64_t size : sizes) count *= static_cast<std::size_t>(size);
    const std::string name = Name();
    b_.Weight(name, sizes, Draw(count, static_cast<unsigned>(names_), 0.7F));
    return name;
  }
  std::string Table(std::int64_t width) { return Weight({kWords, width}); }
  // Of the words, or of `indices`.
  std::string Rows(const std::string& table, const std::string& indices = "i") {
    return Node("Gather", {table, indices});
  }
  std::string Reduced(const std::string& type, const std::string& x, std::int64_t axis = 1) {
    return Node(type, {x}, {Ints("axes", {axis}), Int("keepdims", 0)});
  }
  std::string Reshaped(const std::string& x, const std::vector<std::int64_t>& sizes) {
    const std::string to = Name();
    b_.Integers(to, sizes);
    return Node("Reshape", {x, to});
  }
  graph::Model Finish(const std::string& x, std::int64_t size) {
    const std::string flat = Node("Tanh", {Node("Flatten", {x})});
    const std::string y = Node("Gemm", {flat, Weight({size, 3}), Weight({3})});
    return graph::ImportOnnx(b_.Output(y).Write()).value();
  }

 private:
  std::string Name() { return "v" + std::to_string(names_++); }

  OnnxBuilder b_;
  int names_ = 0;
};

graph::Model Mean(std::int64_t tokens, std::int64_t width) {
  Bag net(tokens);
  return net.Finish(net.Reduced("ReduceMean", net.Rows(net.Table(width))), width);
}

// Every word has a place, whose gradient is that of all rows.
graph::Model WithPlaces() {
  Bag net(9);
  const std::string rows = net.Node("Add", {net.Rows(net.Table(20)), net.Weight({9, 20})});
  return net.Finish(net.Reduced("ReduceMean", rows), 20);
}

// Two tables, of which one gradient is that of both.
graph::Model TwoTables() {
  Bag net(9);
  const std::string one = net.Reduced("ReduceMean", net.Rows(net.Table(20)));
  const std::string other = net.Reduced("ReduceMean", net.Rows(net.Table(20)));
  return net.Finish(net.Node("Add", {one, other}), 20);
}

// The rows have another reader.
graph::Model ReadTwice() {
  Bag net(9);
  const std::string rows = net.Rows(net.Table(20));
  const std::string sum = net.Reduced("ReduceMean", rows);
  return net.Finish(net.Node("Add", {sum, net.Reduced("ReduceMax", rows)}), 20);
}

// One table, read twice.
graph::Model OneTableTwice() {
  Bag net(9);
  const std::string table = net.Table(20);
  const std::string sum = net.Reduced("ReduceSum", net.Rows(table));
  const std::string first = net.Reduced("ReduceMean", net.Node("Tanh", {net.Rows(table)}));
  return net.Finish(net.Node("Add", {sum, first}), 20);
}

// Three sentences of four words.
graph::Model Sentences() {
  Bag net(12);
  const std::string rows = net.Rows(net.Table(20), net.Reshaped("i", {0, 3, 4}));
  return net.Finish(net.Reduced("ReduceMean", rows, 2), 60);
}

// Summed over the words' widths instead.
graph::Model OverWidths() {
  Bag net(9);
  return net.Finish(net.Reduced("ReduceSum", net.Rows(net.Table(20)), 2), 9);
}

ExampleSet Rows(const graph::Model& model, std::size_t rows) {
  ExampleSet set;
  set.rows = rows;
  set.feature_width = model.input_width();
  for (std::size_t i = 0; i < rows * set.feature_width; ++i) {
    const auto word = static_cast<std::int64_t>((i * 7919 + i / 13) % (2 * kWords));
    set.features.push_back(static_cast<float>(word - kWords));  // some counted from the end
  }
  for (std::size_t i = 0; i < rows; ++i) set.classes.push_back(static_cast<std::int64_t>(i % 3));
  return set;
}

double SquaresOf(const std::vector<float>& v) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  return squares;
}

constexpr double kUnit = 1 << 16;  // steps of the grid to one

struct Found {
  std::vector<double> sum;
  std::vector<double> squares;
};

// bound 0: the plain sum.
Found Run(const graph::Model& model, const ExampleSet& set, double bound, bool on_grid,
          const engine::EngineOptions& options, std::size_t threads) {
  const std::vector<float> parameters = FlatParameters(model);
  auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options,
                                     std::make_shared<engine::ThreadPool>(threads))
                  .value();
  EXPECT_TRUE(engine::CheckProgram(made.engine().program()).ok());
  std::vector<float> reals(parameters.size());
  std::vector<std::int32_t> grid(parameters.size());
  Found found;
  found.squares.resize(set.rows);
  engine::SumTarget target;
  target.reals = reals.data();
  engine::StepResults results;
  results.squared_norms = found.squares;
  const std::vector<BatchRow> rows = AllRows(set);
  if (bound == 0) {
    made.SumGradients(parameters, rows, target);
  } else {
    const double unit = on_grid ? kUnit : 1;
    if (on_grid) {
      target.reals = nullptr;
      target.grid = grid.data();
      target.capacity = set.rows;
      target.squares_max = bound * bound * unit * unit * 1.01;
    }
    made.SumClipped(parameters, rows, {engine::ClippingKind::kFlat, bound * unit, unit}, target,
                    results);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    found.sum.push_back(bound > 0 && on_grid ? grid[i] / kUnit : reals[i]);
  }
  return found;
}

void ExpectSums(const graph::Model& model) {
  const ExampleSet set = Rows(model, 11);
  const kernels::FlushSubnormals flush;
  const auto gradients = testing::Gradients(model, Loss::kCrossEntropy, FlatParameters(model), set);
  std::vector<double> squares;
  for (const auto& gradient : gradients) squares.push_back(SquaresOf(gradient));
  std::vector<double> sorted = squares;
  std::sort(sorted.begin(), sorted.end());
  const double median = std::sqrt(sorted[sorted.size() / 2]);
  for (const double bound : {0.0, median}) {
    std::vector<double> expected(gradients[0].size());
    for (std::size_t e = 0; e < set.rows; ++e) {
      const double factor = bound == 0 ? 1 : std::min(1.0, bound / std::sqrt(squares[e]));
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += factor * gradients[e][i];
    }
    double size = 0;
    for (const double x : expected) size = std::max(size, std::abs(x));
    for (const simd::Target target : simd::AvailableTargets()) {
      for (const bool on_grid : {false, true}) {
        for (const std::size_t threads : {1U, 3U}) {
          SCOPED_TRACE(std::string(simd::TargetName(target)) + ", bound " + std::to_string(bound) +
                       (on_grid ? ", on a grid, " : ", ") + std::to_string(threads) + " threads");
          engine::EngineOptions options;
          options.mode = bound == 0 ? engine::Mode::kTraining : engine::Mode::kPrivateTraining;
          options.target = target;
          options.group = threads == 1 ? 4 : 2;
          const Found found = Run(model, set, bound, on_grid, options, threads);
          const double rounding = on_grid ? static_cast<double>(set.rows) / kUnit : 0;
          for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_NEAR(found.sum[i], expected[i], 1e-5 * size + rounding) << "parameter " << i;
          }
          for (std::size_t e = 0; bound > 0 && e < set.rows; ++e) {
            ASSERT_NEAR(found.squares[e], squares[e], 1e-4 * squares[e]) << "example " << e;
          }
        }
      }
    }
  }
}

struct Counted {
  std::size_t sums_of_rows = 0;
  std::size_t gathers = 0;
  std::size_t sums = 0;
  std::size_t layouts = 0;
  std::size_t repeated = 0;
};

Counted Count(const graph::Model& model) {
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr).value();
  const engine::LoweredProgram& program = made.engine().program();
  Counted counted;
  for (const auto* steps : {&program.forward, &program.backward}) {
    for (const engine::Step& step : *steps) {
      counted.sums_of_rows += step.kind == StepKind::kSumRows;
      counted.gathers += step.kind == StepKind::kGatherRows;
      counted.sums += step.kind == StepKind::kSum;
      counted.layouts += step.kind == StepKind::kPermute;
    }
  }
  for (const engine::GradientSum& sum : program.sums) counted.repeated += sum.repeated;
  return counted;
}

bool IsFast() { return simd::BestTarget() != simd::Target::kScalar; }

TEST(BagOfWords, NeitherItsRowsNorTheirGradientsAreWritten) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const Counted mean = Count(Mean(9, 20));
  EXPECT_EQ(mean.sums_of_rows, 1U);
  EXPECT_EQ(mean.repeated, 1U);
  EXPECT_EQ(mean.gathers + mean.layouts, 0U);
  EXPECT_EQ(mean.sums, 0U);  // a bias's gradient is the layer's
  EXPECT_EQ(Count(TwoTables()).repeated, 2U);
  EXPECT_EQ(Count(Sentences()).sums_of_rows, 1U);
}

TEST(BagOfWords, RowsThatHaveOtherReadersAreWritten) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  EXPECT_EQ(Count(ReadTwice()).gathers, 1U);
  EXPECT_EQ(Count(ReadTwice()).sums_of_rows, 0U);
  EXPECT_EQ(Count(WithPlaces()).repeated, 0U);
  EXPECT_EQ(Count(OverWidths()).sums_of_rows, 0U);
}

TEST(BagOfWords, SumsOfAMean) {
  for (const std::int64_t tokens : {1, 2, 9, 70}) {
    for (const std::int64_t width : {1, 3, 16, 37, 64}) {
      SCOPED_TRACE(std::to_string(tokens) + " words, " + std::to_string(width) + " wide");
      ExpectSums(Mean(tokens, width));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(BagOfWords, SumsWithPlaces) { ExpectSums(WithPlaces()); }
TEST(BagOfWords, SumsOfTwoTables) { ExpectSums(TwoTables()); }
TEST(BagOfWords, SumsWhereRowsAreReadTwice) { ExpectSums(ReadTwice()); }
TEST(BagOfWords, SumsOfOneTableReadTwice) { ExpectSums(OneTableTwice()); }
TEST(BagOfWords, SumsOfSentences) { ExpectSums(Sentences()); }
TEST(BagOfWords, SumsOverWidths) { ExpectSums(OverWidths()); }

}  // namespace
}  // namespace anchorhold::train
