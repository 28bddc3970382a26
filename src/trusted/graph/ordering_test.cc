// ArgMax, ArgMin, TopK, CumSum and Trilu: values, gradients and refusals.
#include <gtest/gtest.h>

#include <limits>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/refusal_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Compute;
using testing::Draws;
using testing::ExpectGradients;
using testing::ExpectRefused;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
constexpr auto kMost = std::numeric_limits<std::int64_t>::max();

OnnxBuilder Single(const std::string& op, const Shape& example, int opset,
                   const std::vector<onnx::AttributeProto>& attributes = {}) {
  OnnxBuilder b(example, opset);
  return b.Node(op, {"x"}, {"y"}, attributes).Output("y");
}

// One node over "x" and the scalar "i".
OnnxBuilder WithInteger(const std::string& op, const Shape& example, std::int64_t integer,
                        const std::vector<onnx::AttributeProto>& attributes = {},
                        const std::vector<std::string>& outputs = {"y"}) {
  OnnxBuilder b(example);
  b.Integers("i", {integer}, op != "TopK").Node(op, {"x", "i"}, outputs, attributes);
  for (const std::string& output : outputs) b.Output(output);
  return b;
}

using Integers64 = std::vector<std::int64_t>;
using Reals = std::vector<double>;

TEST(ArgMax, TiesAndNans) {
  const OnnxBuilder first = Single("ArgMax", {4}, 13, {Int("axis", 1)});
  EXPECT_EQ(Compute(first, {1, 3, 3, 2})[0].integers, Integers64{1});
  EXPECT_EQ(Compute(first, {kNan, 1, kNan, 2})[0].integers, Integers64{3});
  EXPECT_EQ(Compute(first, {kNan, kNan, kNan, kNan})[0].integers, Integers64{0});
  const OnnxBuilder last = Single("ArgMax", {4}, 13, {Int("axis", 1), Int("select_last_index", 1)});
  EXPECT_EQ(Compute(last, {1, 3, 3, 2})[0].integers, Integers64{2});
  EXPECT_EQ(Compute(last, {1, kNan, 1, kNan})[0].integers, Integers64{2});
  const OnnxBuilder least = Single("ArgMin", {4}, 13, {Int("axis", -1)});
  EXPECT_EQ(Compute(least, {2, 1, 1, kNan})[0].integers, Integers64{1});
}

TEST(ArgMax, DropsItsAxisIfAsked) {
  const auto y = Compute(Single("ArgMax", {2, 3}, 13, {Int("axis", 1), Int("keepdims", 0)}),
                         {1, 5, 0, 2, 4, 9});
  EXPECT_EQ(y[0].shape, (Shape{1, 3}));
  EXPECT_EQ(y[0].integers, (Integers64{1, 0, 1}));
}

TEST(ArgMax, Refusals) {
  for (const char* op : {"ArgMax", "ArgMin"}) {
    ExpectRefused(Single(op, {4}, 13), ErrorCode::kPrivacyRefused,
                  {op, "searches along the example axis", "examples would mix"});
    ExpectRefused(Single(op, {4}, 13, {Int("axis", kLeast)}), ErrorCode::kInvalidInput, {"axis"});
  }
}

TEST(TopK, ValuesIndicesTiesAndNans) {
  const OnnxBuilder top = WithInteger("TopK", {5}, 3, {Int("axis", 1)}, {"y", "at"});
  auto outputs = Compute(top, {2, 7, 2, 7, kNan});
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].reals, (Reals{7, 7, 2}));
  EXPECT_EQ(outputs[1].integers, (Integers64{1, 3, 0}));
  outputs = Compute(WithInteger("TopK", {5}, 2, {Int("largest", 0), Int("sorted", 0)}, {"y", "at"}),
                    {kNan, 3, 1, 2, 1});
  EXPECT_EQ(outputs[0].reals, (Reals{1, 1}));
  EXPECT_EQ(outputs[1].integers, (Integers64{2, 4}));
}

TEST(TopK, AlongAnInnerAxisInTheOldForm) {
  const auto y =
      Compute(Single("TopK", {3, 2}, 9, {Int("axis", 1), Int("k", 2)}), {1, 6, 3, 5, 2, 7});
  EXPECT_EQ(y[0].shape, (Shape{1, 2, 2}));
  EXPECT_EQ(y[0].reals, (Reals{3, 7, 2, 6}));
}

TEST(TopK, Gradients) {
  OnnxBuilder b({3, 4});
  b.Weight("w", {3, 4}, Draws(3).Floats(12)).Integers("k", {2});
  b.Node("Add", {"x", "w"}, {"h"}).Node("TopK", {"h", "k"}, {"y", "at"}, {Int("axis", 1)});
  ExpectGradients(b.Output("y"));
}

TEST(TopK, Refusals) {
  ExpectRefused(WithInteger("TopK", {4}, 1, {Int("axis", 0)}), ErrorCode::kPrivacyRefused,
                {"(TopK", "sorts along the example axis", "examples would mix"});
  for (const std::int64_t k : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{5}, kLeast, kMost}) {
    ExpectRefused(WithInteger("TopK", {4}, k), ErrorCode::kInvalidInput, {"of 4 elements"});
  }
  ExpectRefused(Single("TopK", {4}, 9), ErrorCode::kInvalidInput, {"the first 0 of 4"});
}

TEST(CumSum, Directions) {
  const auto sums = [](std::int64_t exclusive, std::int64_t reverse) {
    return WithInteger("CumSum", {4}, 1, {Int("exclusive", exclusive), Int("reverse", reverse)});
  };
  EXPECT_EQ(Compute(sums(0, 0), {1, 2, 3, 4})[0].reals, (Reals{1, 3, 6, 10}));
  EXPECT_EQ(Compute(sums(1, 0), {1, 2, 3, 4})[0].reals, (Reals{0, 1, 3, 6}));
  EXPECT_EQ(Compute(sums(0, 1), {1, 2, 3, 4})[0].reals, (Reals{10, 9, 7, 4}));
  EXPECT_EQ(Compute(sums(1, 1), {1, 2, 3, 4})[0].reals, (Reals{9, 7, 4, 0}));
}

TEST(CumSum, Gradients) {
  for (const std::int64_t exclusive : {0, 1}) {
    for (const std::int64_t reverse : {0, 1}) {
      OnnxBuilder b({3, 2});
      b.Weight("w", {3, 2}, Draws(3).Floats(6)).Integers("axis", {-2});
      b.Node("Mul", {"x", "w"}, {"h"});
      b.Node("CumSum", {"h", "axis"}, {"y"},
             {Int("exclusive", exclusive), Int("reverse", reverse)});
      ExpectGradients(b.Output("y"));
    }
  }
}

TEST(CumSum, Refusals) {
  ExpectRefused(WithInteger("CumSum", {4}, 0), ErrorCode::kPrivacyRefused,
                {"(CumSum", "sums along the example axis", "examples would mix"});
  ExpectRefused(WithInteger("CumSum", {4}, kMost), ErrorCode::kInvalidInput, {"axis"});
  OnnxBuilder computed({4});
  computed.Node("ArgMax", {"x"}, {"a"}, {Int("axis", 1)}).Node("CumSum", {"x", "a"}, {"y"});
  ExpectRefused(computed.Output("y"), ErrorCode::kUnsupported, {"known when the model is read"});
}

TEST(Trilu, KeepsOneSideOfADiagonal) {
  const auto triangle = [](std::int64_t k, std::int64_t upper) {
    return WithInteger("Trilu", {2, 3}, k, {Int("upper", upper)});
  };
  const Reals x{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(Compute(triangle(0, 1), x)[0].reals, (Reals{1, 2, 3, 0, 5, 6}));
  EXPECT_EQ(Compute(triangle(1, 1), x)[0].reals, (Reals{0, 2, 3, 0, 0, 6}));
  EXPECT_EQ(Compute(triangle(-1, 0), x)[0].reals, (Reals{0, 0, 0, 4, 0, 0}));
  for (const std::int64_t far : {std::int64_t{3}, kMost}) {
    EXPECT_EQ(Compute(triangle(far, 1), x)[0].reals, (Reals{0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(Compute(triangle(far, 0), x)[0].reals, x);
  }
  for (const std::int64_t far : {std::int64_t{-2}, kLeast}) {
    EXPECT_EQ(Compute(triangle(far, 0), x)[0].reals, (Reals{0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(Compute(triangle(far, 1), x)[0].reals, x);
  }
  EXPECT_EQ(Compute(triangle(1, 1), {kNan, 2, 3, kNan, kNan, 6})[0].reals,
            (Reals{0, 2, 3, 0, 0, 6}));
}

TEST(Trilu, Gradients) {
  for (const std::int64_t upper : {0, 1}) {
    OnnxBuilder b({3, 3});
    b.Weight("w", {3, 3}, Draws(3).Floats(9)).Node("Mul", {"x", "w"}, {"h"});
    ExpectGradients(b.Node("Trilu", {"h"}, {"y"}, {Int("upper", upper)}).Output("y"));
  }
}

TEST(Trilu, Refusals) {
  ExpectRefused(Single("Trilu", {4}, 14), ErrorCode::kPrivacyRefused,
                {"(Trilu", "place in the batch"});
  OnnxBuilder turned({3, 4}, 14);
  turned.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 2, 0})});
  ExpectRefused(turned.Node("Trilu", {"t"}, {"y"}).Output("y"), ErrorCode::kPrivacyRefused,
                {"place in the batch"});
}

// What is found, and how much of it, depends on the data.
TEST(Searches, AreRefused) {
  ExpectRefused(Single("NonZero", {4}, 13), ErrorCode::kPrivacyRefused,
                {"(NonZero", "example axis"});
  ExpectRefused(Single("Unique", {4}, 13), ErrorCode::kPrivacyRefused, {"(Unique", "example axis"});
  ExpectRefused(Single("Unique", {4}, 13, {Int("axis", 1)}), ErrorCode::kUnsupported, {"(Unique"});
}

}  // namespace
}  // namespace anchorhold::graph
