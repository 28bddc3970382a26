// Sums of a table's rows: what becomes one step, whose gradients are one row for all positions, and
// that sums, norms and clipped sums are the interpreter's on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/sums_for_test.h"

namespace anchorhold::train {
namespace {

using engine::StepKind;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::Draw;
using testing::IsFast;

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

void Expect(const graph::Model& model) { testing::ExpectSums(model, Rows(model, 11)); }

engine::LoweredProgram Program(const graph::Model& model) {
  return testing::ProgramOf(model, engine::Mode::kPrivateTraining);
}

std::size_t SumsOfRows(const graph::Model& model) {
  return testing::CountSteps(Program(model), StepKind::kSumRows);
}

// The gradients of which one row stands for all.
std::ptrdiff_t Repeated(const graph::Model& model) {
  const engine::LoweredProgram program = Program(model);
  return std::count_if(program.sums.begin(), program.sums.end(),
                       [](const engine::GradientSum& sum) { return sum.repeated; });
}

TEST(BagOfWords, NeitherItsRowsNorTheirGradientsAreWritten) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  EXPECT_EQ(Repeated(Mean(9, 20)), 1);
  const engine::LoweredProgram mean = Program(Mean(9, 20));
  EXPECT_EQ(testing::CountSteps(mean, StepKind::kSumRows), 1U);
  EXPECT_EQ(testing::CountSteps(mean, StepKind::kTake), 0U);
  EXPECT_EQ(testing::CountSteps(mean, StepKind::kPermute), 0U);
  EXPECT_EQ(testing::CountSteps(mean, StepKind::kSum), 0U);  // a bias's gradient is the layer's
  EXPECT_EQ(Repeated(TwoTables()), 2);
  EXPECT_EQ(SumsOfRows(Sentences()), 1U);
}

TEST(BagOfWords, RowsThatHaveOtherReadersAreWritten) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  EXPECT_EQ(testing::CountSteps(Program(ReadTwice()), StepKind::kTake), 1U);
  EXPECT_EQ(SumsOfRows(ReadTwice()), 0U);
  EXPECT_EQ(Repeated(WithPlaces()), 0);
  EXPECT_EQ(SumsOfRows(OverWidths()), 0U);
}

TEST(BagOfWords, SumsOfAMean) {
  for (const std::int64_t tokens : {1, 2, 9, 70}) {
    for (const std::int64_t width : {1, 3, 16, 37, 64}) {
      SCOPED_TRACE(std::to_string(tokens) + " words, " + std::to_string(width) + " wide");
      Expect(Mean(tokens, width));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(BagOfWords, SumsWithPlaces) { Expect(WithPlaces()); }
TEST(BagOfWords, SumsOfTwoTables) { Expect(TwoTables()); }
TEST(BagOfWords, SumsWhereRowsAreReadTwice) { Expect(ReadTwice()); }
TEST(BagOfWords, SumsOfOneTableReadTwice) { Expect(OneTableTwice()); }
TEST(BagOfWords, SumsOfSentences) { Expect(Sentences()); }
TEST(BagOfWords, SumsOverWidths) { Expect(OverWidths()); }

}  // namespace
}  // namespace anchorhold::train
