// Poolings: sizes, values, gradients, indices, refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/graph.h"
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
using testing::Text;

using NodeAttributes = std::vector<onnx::AttributeProto>;
using Numbers = std::vector<double>;

// y = op(x + h), h trained.
OnnxBuilder Pool(const std::string& op, const Shape& example,
                 const NodeAttributes& attributes = {}) {
  OnnxBuilder b(example, 22);
  Shape shape = example;
  shape.insert(shape.begin(), 1);
  b.Weight("h", shape, Draws(3).Floats(ElementCount(shape))).Node("Add", {"x", "h"}, {"z"});
  return b.Node(op, {"z"}, {"y"}, attributes).Output("y");
}

OnnxBuilder Bare(const std::string& op, const Shape& example,
                 const NodeAttributes& attributes = {}) {
  OnnxBuilder b(example, 22);
  return b.Node(op, {"x"}, {"y"}, attributes).Output("y");
}

Numbers Pooled(const std::string& op, const Shape& example, const NodeAttributes& attributes,
               const Numbers& x) {
  const auto outputs = Compute(Bare(op, example, attributes), x);
  return outputs.empty() ? Numbers{} : outputs[0].reals;
}

NodeAttributes Kernel(const Shape& kernel, const NodeAttributes& more = {}) {
  NodeAttributes all = {Ints("kernel_shape", kernel)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(MaxPool, ValuesByHand) {
  const Numbers x = {3, -1, -4, -2, 5};
  EXPECT_EQ(Pooled("MaxPool", {1, 5}, Kernel({2}), x), (Numbers{3, -1, -2, 5}));
  EXPECT_EQ(Pooled("MaxPool", {1, 5}, Kernel({2}, {Ints("strides", {2})}), x), (Numbers{3, -2}));
  // Padding never wins.
  EXPECT_EQ(Pooled("MaxPool", {1, 3}, Kernel({2}, {Ints("pads", {1, 1})}), {-3, -1, -2}),
            (Numbers{-3, -1, -1, -2}));
  EXPECT_EQ(Pooled("MaxPool", {1, 5}, Kernel({2}, {Ints("dilations", {3})}), x), (Numbers{3, 5}));
  EXPECT_EQ(Pooled("MaxPool", {1, 4}, Kernel({2}, {Text("auto_pad", "SAME_UPPER")}), {1, 2, 3, -1}),
            (Numbers{2, 3, 3, -1}));
  EXPECT_EQ(Pooled("MaxPool", {1, 4}, Kernel({2}, {Text("auto_pad", "SAME_LOWER")}), {1, 2, 3, -1}),
            (Numbers{1, 2, 3, 3}));
  EXPECT_EQ(Pooled("GlobalMaxPool", {2, 1, 2}, {}, {1, 2, -3, -4}), (Numbers{2, -3}));
}

TEST(MaxPool, CeilModeDropsAWindowThatStartsBehindTheInput) {
  const NodeAttributes rounded = Kernel({3}, {Ints("strides", {2}), Int("ceil_mode", 1)});
  EXPECT_EQ(Pooled("MaxPool", {1, 4}, rounded, {1, 2, 3, 4}), (Numbers{3, 4}));
  const NodeAttributes dropped = Kernel({1}, {Ints("strides", {2}), Int("ceil_mode", 1)});
  EXPECT_EQ(Pooled("MaxPool", {1, 2}, dropped, {1, 2}), (Numbers{1}));
  const NodeAttributes padded =
      Kernel({1}, {Ints("strides", {3}), Ints("pads", {0, 1}), Int("ceil_mode", 1)});
  EXPECT_EQ(Pooled("MaxPool", {1, 3}, padded, {1, 2, 3}), (Numbers{1}));
}

TEST(MaxPool, AWindowOfPaddingHasNoMaximumAndNaNStays) {
  const Numbers y = Pooled("MaxPool", {1, 2}, Kernel({1}, {Ints("pads", {1, 0})}), {1, 2});
  ASSERT_EQ(y.size(), 3u);
  EXPECT_EQ(y[0], -std::numeric_limits<double>::infinity());
  const Numbers z = Pooled("MaxPool", {1, 3}, Kernel({2}), {1, std::nan(""), 2});
  ASSERT_EQ(z.size(), 2u);
  EXPECT_TRUE(std::isnan(z[0]) && std::isnan(z[1]));
}

// The indices, without an example axis.
std::vector<std::int64_t> Indices(const Shape& shape, const NodeAttributes& attributes,
                                  const Numbers& x) {
  OnnxBuilder b(Shape(shape.begin() + 1, shape.end()), 22, shape[0]);
  b.Node("MaxPool", {"x"}, {"y", "i"}, attributes).Output("y").Output("i");
  ImportOptions options;
  options.examples = false;
  const auto outputs = Compute(b, x, options);
  return outputs.size() == 2 ? outputs[1].integers : std::vector<std::int64_t>{};
}

TEST(MaxPool, IndicesCountThroughTheWholeArray) {
  const Numbers x = {1, 5, 5, 2, 0, 9, 7, 7};
  EXPECT_EQ(Indices({2, 1, 4}, Kernel({2}, {Ints("strides", {2})}), x),
            (std::vector<std::int64_t>{1, 2, 5, 6}));
  // A plane of two rows and three columns; its maximum at row 1, column 2.
  const Numbers plane = {0, 0, 0, 0, 0, 9};
  EXPECT_EQ(Indices({1, 1, 2, 3}, Kernel({2, 3}), plane), (std::vector<std::int64_t>{5}));
  const NodeAttributes columns = Kernel({1, 3}, {Int("storage_order", 1)});
  EXPECT_EQ(Indices({1, 2, 2, 3}, columns, {0, 0, 1, 9, 0, 0, 0, 9, 0, 0, 0, 9}),
            (std::vector<std::int64_t>{4, 1, 8, 11}));
}

TEST(MaxPool, IndicesOfExamplesAreRefused) {
  OnnxBuilder b({1, 4});
  b.Node("MaxPool", {"x"}, {"y", "i"}, Kernel({2})).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"indices", "place"});
}

TEST(MaxPool, Gradients) {
  ExpectGradients(
      Pool("MaxPool", {2, 7}, Kernel({3}, {Ints("strides", {2}), Ints("pads", {1, 2})})));
  ExpectGradients(Pool("MaxPool", {2, 4, 5}, Kernel({3, 2}, {Ints("dilations", {1, 2})})));
  ExpectGradients(
      Pool("MaxPool", {1, 5, 5}, Kernel({2, 2}, {Ints("strides", {2, 2}), Int("ceil_mode", 1)})));
  ExpectGradients(
      Pool("MaxPool", {1, 3, 4, 3}, Kernel({2, 2, 2}, {Text("auto_pad", "SAME_LOWER")})));
  ExpectGradients(Pool("GlobalMaxPool", {3, 2, 3}));
}

TEST(MaxPool, TheFirstOfEqualMaximaTakesTheGradient) {
  OnnxBuilder b({1, 3}, 22);
  b.Weight("h", {1, 1, 3}, {1, 1, 1});
  b.Node("Mul", {"x", "h"}, {"z"}).Node("MaxPool", {"z"}, {"y"}, Kernel({3})).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok());
  const Result<Differentiated> result =
      Differentiate(model->graph(), model->graph().outputs()[0], 1);
  ASSERT_TRUE(result.ok());
  Bindings<double> bindings{{{ElementType::kFloat32, {1, 1, 3}, {2, 2, 2}, {}}}, {{1, 1, 1}}, {}};
  bindings.seed = {ElementType::kFloat32, {1, 1, 1}, {1}, {}};
  const auto g = Interpret<double>(*result->graph, bindings, std::span(result->gradients));
  ASSERT_TRUE(g.ok());
  EXPECT_EQ((*g)[0].reals, (Numbers{2, 0, 0}));
}

TEST(AveragePool, ValuesByHand) {
  const Numbers x = {2, 4, 6};
  EXPECT_EQ(Pooled("AveragePool", {1, 3}, Kernel({2}), x), (Numbers{3, 5}));
  const NodeAttributes padded = {Ints("pads", {1, 1})};
  EXPECT_EQ(Pooled("AveragePool", {1, 3}, Kernel({2}, padded), x), (Numbers{2, 3, 5, 6}));
  const NodeAttributes counted = {Ints("pads", {1, 1}), Int("count_include_pad", 1)};
  EXPECT_EQ(Pooled("AveragePool", {1, 3}, Kernel({2}, counted), x), (Numbers{1, 3, 5, 3}));
  // The last window lies half behind the padding, which does not count.
  const NodeAttributes ceil = {Ints("pads", {1, 0}), Ints("strides", {3}), Int("ceil_mode", 1),
                               Int("count_include_pad", 1)};
  EXPECT_EQ(Pooled("AveragePool", {1, 3}, Kernel({2}, ceil), x), (Numbers{1, 6}));
  EXPECT_EQ(Pooled("AveragePool", {1, 3}, Kernel({2}, {Ints("dilations", {2})}), x), (Numbers{4}));
  // A window without an input.
  EXPECT_EQ(Pooled("AveragePool", {1, 1}, Kernel({1}, padded), {7}), (Numbers{0, 7, 0}));
  EXPECT_EQ(Pooled("GlobalAveragePool", {2, 1, 2}, {}, {1, 2, 3, 5}), (Numbers{1.5, 4}));
}

TEST(AveragePool, Gradients) {
  const NodeAttributes overlapping = {Ints("strides", {2}), Ints("pads", {1, 2})};
  ExpectGradients(Pool("AveragePool", {2, 7}, Kernel({3}, overlapping)));
  const NodeAttributes counted = {Ints("pads", {1, 1, 0, 1}), Int("count_include_pad", 1),
                                  Int("ceil_mode", 1), Ints("strides", {2, 3})};
  ExpectGradients(Pool("AveragePool", {2, 5, 6}, Kernel({2, 3}, counted)));
  ExpectGradients(
      Pool("AveragePool", {1, 4, 4, 3}, Kernel({2, 2, 2}, {Ints("dilations", {2, 1, 2})})));
  ExpectGradients(Pool("GlobalAveragePool", {3, 2, 3}));
}

TEST(LpPool, ValuesAndGradients) {
  EXPECT_EQ(Pooled("LpPool", {1, 3}, Kernel({2}), {3, -4, 0}), (Numbers{5, 4}));
  EXPECT_EQ(Pooled("LpPool", {1, 3}, Kernel({2}, {Int("p", 1)}), {3, -4, 1}), (Numbers{7, 5}));
  EXPECT_EQ(Pooled("GlobalLpPool", {1, 2, 2}, {}, {1, -1, 1, 1}), (Numbers{2}));
  for (const std::int64_t p : {1, 2, 3}) {
    const NodeAttributes attributes = {Int("p", p), Ints("pads", {1, 1})};
    ExpectGradients(Pool("LpPool", {2, 5}, Kernel({3}, attributes)));
    ExpectGradients(Pool("GlobalLpPool", {2, 2, 3}, {Int("p", p)}));
  }
}

TEST(LpPool, AWindowOfZerosHasNoSlope) {
  OnnxBuilder b({1, 2}, 22);
  b.Weight("h", {1, 1, 2}, {1, 1});
  b.Node("Mul", {"x", "h"}, {"z"}).Node("LpPool", {"z"}, {"y"}, Kernel({2})).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok());
  const ValueId at = model->graph().outputs()[0];
  const Result<Differentiated> result = Differentiate(model->graph(), at, 1);
  ASSERT_TRUE(result.ok());
  Bindings<float> bindings{{{ElementType::kFloat32, {1, 1, 2}, {0, 0}, {}}}, {{1, 1}}, {}};
  bindings.seed = {ElementType::kFloat32, {1, 1, 1}, {1}, {}};
  const std::vector<ValueId> wanted = {at, result->gradients[0]};
  const auto g = Interpret<float>(*result->graph, bindings, wanted);
  ASSERT_TRUE(g.ok());
  EXPECT_EQ((*g)[0].reals, (std::vector<float>{0}));
  EXPECT_EQ((*g)[1].reals, (std::vector<float>{0, 0}));
}

TEST(Pooling, RefusesToMixExamples) {
  for (const char* op :
       {"MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"}) {
    const bool global = std::string(op).starts_with("Global");
    OnnxBuilder b({1, 1, 4}, 22);
    b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 2, 0, 3})});
    b.Node(op, {"t"}, {"y"}, global ? NodeAttributes{} : Kernel({1, 2})).Output("y");
    ExpectRefused(b, ErrorCode::kPrivacyRefused,
                  {"is the example axis", "pooling over it would mix examples"});
  }
}

TEST(Pooling, RefusesAbsurdAttributes) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const auto bad = [](const NodeAttributes& attributes, const std::string& word,
                      const Shape& example = {1, 4}) {
    for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) {
      ExpectRefused(Bare(op, example, attributes), ErrorCode::kInvalidInput, {word});
    }
  };
  bad({}, "kernel_shape is missing");
  bad(Kernel({0}), "kernel_shape has the number 0");
  bad(Kernel({kHuge}), "kernel_shape has the number");
  bad(Kernel({5}), "does not fit into 4");
  bad(Kernel({2}, {Ints("strides", {0})}), "strides has the number 0");
  bad(Kernel({2}, {Ints("pads", {-1, 0})}), "pads has the number -1");
  bad(Kernel({2}, {Ints("dilations", {-1})}), "dilations has the number -1");
  bad(Kernel({2}, {Ints("dilations", {kHuge})}), "dilations has the number");
  bad(Kernel({2, 2}), "kernel_shape has 2 numbers; 1 are needed");
  bad(Kernel({2}), "at least one spatial axis", {4});
  bad(Kernel({1000000000}, {Ints("dilations", {1000000000}), Text("auto_pad", "SAME_UPPER")}),
      "out of range");
  ExpectRefused(Bare("LpPool", {1, 4}, Kernel({2}, {Int("p", 0)})), ErrorCode::kInvalidInput,
                {"p is 0"});
  ExpectRefused(Bare("MaxPool", {1, 4}, Kernel({1}, {Ints("pads", {600000000, 0})})),
                ErrorCode::kLimitExceeded, {});
}

// A window of a thousand million taps over four numbers visits the four alone.
TEST(Pooling, AWindowLargerThanItsInputIsCheap) {
  const NodeAttributes wide = Kernel({1000000000}, {Ints("pads", {999999999, 0})});
  EXPECT_EQ(Pooled("MaxPool", {1, 4}, wide, {4, 1, 2, 3}), (Numbers{4, 4, 4, 4}));
  EXPECT_EQ(Pooled("AveragePool", {1, 4}, wide, {4, 2, 3, 3}), (Numbers{4, 3, 3, 3}));
}

}  // namespace
}  // namespace anchorhold::graph
