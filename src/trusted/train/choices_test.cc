// Networks that compare and choose: which steps their truth values become, and that their sums are
// the interpreter's on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "trusted/engine/simplify.h"
#include "trusted/engine/truth_primitives.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/sums_for_test.h"

namespace anchorhold::train {
namespace {

using engine::StepKind;
using graph::testing::Float;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::Draw;
using testing::IsFast;

constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kWidth = 5;

// x [3, 5] and v = x w, so that gradients pass through what is chosen.
OnnxBuilder Begin() {
  OnnxBuilder b({kChannels, kWidth});
  b.Weight("w", {kWidth, kWidth}, Draw(kWidth * kWidth, 3, 0.6F));
  b.Node("MatMul", {"x", "w"}, {"v"});
  return b;
}

graph::Model Finish(OnnxBuilder& b, const std::string& value) {
  return testing::Finish(b, value, kChannels * kWidth);
}

graph::Model Slopes(const graph::Shape& shape) {
  OnnxBuilder b = Begin();
  const std::size_t size = graph::ElementCount(shape);
  b.Weight("s", shape, Draw(size, 5, 0.4F)).Node("PRelu", {"v", "s"}, {"p"});
  return Finish(b, "p");
}

graph::Model Activation(const std::string& op) {
  OnnxBuilder b = Begin();
  if (op == "Shrink") {
    b.Node(op, {"v"}, {"p"}, {Float("bias", 0.1F), Float("lambd", 0.3F)});
  } else {
    b.Node(op, {"v"}, {"p"}, {Float("alpha", 0.2F)});
  }
  return Finish(b, "p");
}

// Which positions see which others is told by the inputs, and their scores are as if minus
// infinity.
graph::Model Masked() {
  OnnxBuilder b = Begin();
  b.Weight("none", {}, {-std::numeric_limits<float>::infinity()});
  b.Weight("ones", {kWidth, 1}, std::vector<float>(kWidth, 1));
  b.Node("Transpose", {"v"}, {"t"}, {Ints("perm", {0, 2, 1})}).Node("MatMul", {"v", "t"}, {"s"});
  b.Node("MatMul", {"x", "ones"}, {"total"});  // [3, 1]
  b.Node("Transpose", {"total"}, {"across"}, {Ints("perm", {0, 2, 1})});
  b.Node("LessOrEqual", {"total", "across"}, {"seen"});  // every one sees itself
  b.Node("Not", {"seen"}, {"hidden"}).Node("Where", {"hidden", "none", "s"}, {"m"});
  b.Node("Softmax", {"m"}, {"p"}, {Int("axis", -1)}).Node("MatMul", {"p", "v"}, {"o"});
  return Finish(b, "o");
}

// Every way in which truth values meet, and numbers of them.
graph::Model Logic() {
  OnnxBuilder b = Begin();
  b.Weight("zero", {}, {0}).Weight("half", {kWidth}, Draw(kWidth, 6, 0.5F));
  b.Node("Greater", {"x", "zero"}, {"p"}).Node("Less", {"x", "half"}, {"q"});
  b.Node("And", {"p", "q"}, {"and"})
      .Node("Or", {"p", "q"}, {"or"})
      .Node("Xor", {"p", "q"}, {"xor"});
  b.Node("Not", {"or"}, {"neither"}).Node("Equal", {"v", "v"}, {"always"});
  b.Node("Tanh", {"v"}, {"tanh"})
      .Node("Neg", {"v"}, {"neg"})
      .Node("Cast", {"xor"}, {"n"}, {Int("to", 1)});
  b.Node("Where", {"and", "v", "tanh"}, {"c"}).Node("Where", {"neither", "c", "neg"}, {"d"});
  b.Node("Where", {"always", "d", "v"}, {"e"}).Node("Mul", {"e", "n"}, {"f"});
  b.Node("Add", {"f", "d"}, {"g"});
  return Finish(b, "g");
}

// A truth value of each row, in another shape, for all of its columns.
graph::Model ByRow() {
  OnnxBuilder b = Begin();
  b.Weight("column", {kWidth, 1}, Draw(kWidth, 6, 0.5F)).Weight("zero", {}, {0});
  b.Weight("side", {kWidth}, Draw(kWidth, 7, 0.5F));
  b.Node("MatMul", {"x", "column"}, {"r"}).Node("Less", {"zero", "r"}, {"p"});
  b.Node("Where", {"p", "v", "side"}, {"c"});
  return Finish(b, "c");
}

graph::Model Smallest() {
  OnnxBuilder b = Begin();
  b.Node("ReduceMin", {"v"}, {"m"}, {Ints("axes", {2}), Int("keepdims", 0)});
  return testing::Finish(b, "m", kChannels);
}

// What is not chosen is not a number, which does not show.
graph::Model WithNaN() {
  OnnxBuilder b = Begin();
  b.Weight("zero", {}, {0}).Node("Less", {"x", "zero"}, {"p"}).Node("Sqrt", {"x"}, {"root"});
  b.Node("Where", {"p", "v", "root"}, {"c"});
  return Finish(b, "c");
}

std::vector<graph::Model> Models() {
  return {Slopes({}),
          Slopes({kChannels, 1}),
          Slopes({kChannels, kWidth}),
          Activation("ThresholdedRelu"),
          Activation("Shrink"),
          Masked(),
          Logic(),
          ByRow(),
          Smallest(),
          WithNaN()};
}

TEST(Choices, NothingIsLeftToTheReferenceKernels) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  std::size_t number = 0;
  for (const graph::Model& model : Models()) {
    SCOPED_TRACE(number++);
    const auto program = testing::ProgramOf(model, engine::Mode::kPrivateTraining);
    EXPECT_EQ(testing::CountSteps(program, StepKind::kNaive), 0U);
  }
}

TEST(Choices, SumsAreTheInterpreters) {
  std::size_t number = 0;
  for (const graph::Model& model : Models()) {
    SCOPED_TRACE(number++);
    testing::ExpectSums(model, testing::DrawRows(model, 11, 0.8F));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// A truth value of integers is cast, once, before it is spread over what it chooses among.
TEST(Choices, TruthsOfIntegersAreCast) {
  OnnxBuilder b = Begin();
  b.Weight("zero", {}, {0});
  b.Node("Cast", {"x"}, {"i"}, {Int("to", 7)}).Node("Equal", {"i", "i"}, {"p"});
  b.Node("Where", {"p", "v", "zero"}, {"c"});
  const graph::Model model = Finish(b, "c");
  const graph::Model simple = engine::Simplify(model).value();
  const auto nodes = simple.graph().nodes();
  EXPECT_EQ(
      std::count_if(nodes.begin(), nodes.end(),
                    [](const graph::Node& node) { return node.primitive == &engine::kChoose; }),
      1);
  testing::ExpectSums(model, testing::DrawRows(model, 7, 2));
}

// Choices among integers stay what they were.
TEST(Choices, IntegersAreLeft) {
  OnnxBuilder b({4});
  b.Weight("table", {6, 5}, Draw(30, 1, 1)).Weight("zero", {}, {0});
  b.Node("Less", {"x", "zero"}, {"p"}).Node("Cast", {"x"}, {"i"}, {Int("to", 7)});
  b.Node("Neg", {"i"}, {"n"}).Node("Where", {"p", "n", "i"}, {"k"});
  b.Node("Gather", {"table", "k"}, {"e"});
  const graph::Model model = testing::Finish(b, "e", 20);
  testing::ExpectSums(model, testing::DrawRows(model, 7, 1.5F));
}

}  // namespace
}  // namespace anchorhold::train
