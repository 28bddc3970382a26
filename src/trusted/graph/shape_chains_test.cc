// Shapes as exporters compute them: chains of Shape, Gather, Slice, Concat and arithmetic that end
// in a Reshape or an Expand, with the batch's size as a symbol.
#include <gtest/gtest.h>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/operator_run_for_test.h"
#include "trusted/graph/refusal_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::ExpectNumbers;
using testing::ExpectRefused;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;
using testing::RunReals;

using List = std::vector<std::int64_t>;

Shape OutputShape(const OnnxBuilder& b) {
  const Result<Model> model = ImportOnnx(b.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  return model.ok() ? model->outputs()[0].shape : Shape{};
}

// "s" is x's shape, "b", "n" its first two sizes as scalars, "b1", "n1" as lists of one.
OnnxBuilder Sizes(const List& example, int opset = 17) {
  OnnxBuilder b(example, opset);
  b.Integers("zero", {0}, true).Integers("one", {1}, true).Integers("front", {0});
  b.Node("Shape", {"x"}, {"s"});
  b.Node("Gather", {"s", "zero"}, {"b"}, {Int("axis", 0)});
  b.Node("Gather", {"s", "one"}, {"n"}, {Int("axis", 0)});
  b.Node("Unsqueeze", {"b", "front"}, {"b1"}).Node("Unsqueeze", {"n", "front"}, {"n1"});
  return b;
}

TEST(ShapeChains, ViewAsTheTorchScriptExporterWritesIt) {
  OnnxBuilder b = Sizes({4, 6});
  b.Integers("heads", {2}).Integers("width", {3});
  b.Node("Concat", {"b1", "n1", "heads", "width"}, {"to"}, {Int("axis", 0)});
  b.Node("Reshape", {"x", "to"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{4, 2, 3}));
}

TEST(ShapeChains, ViewAsTheTorchExportExporterWritesIt) {
  // Shape with start and end, and Reshape of scalars to lists.
  OnnxBuilder b({4, 6}, 18);
  b.Node("Shape", {"x"}, {"b"}, {Int("start", 0), Int("end", 1)})
      .Node("Squeeze", {"b"}, {"scalar"});
  b.Integers("list", {-1}).Integers("rest", {24}).Node("Reshape", {"scalar", "list"}, {"b1"});
  b.Node("Concat", {"b1", "rest"}, {"to"}, {Int("axis", 0)});
  b.Node("Reshape", {"x", "to"}, {"y"}, {Int("allowzero", 1)}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{24}));
}

TEST(ShapeChains, FlattenAsTf2onnxWritesIt) {
  // Shape, Cast, Slice, Concat, Cast, as int32 would be; the rest by ReduceProd.
  OnnxBuilder b({4, 6});
  b.Integers("a", {0}).Integers("e", {1}).Integers("m", {3});
  b.Node("Shape", {"x"}, {"s"}).Node("Cast", {"s"}, {"s32"}, {Int("to", onnx::TensorProto::INT32)});
  b.Node("Slice", {"s32", "a", "e", "a"}, {"b1"}).Node("Slice", {"s32", "e", "m", "a"}, {"tail"});
  b.Node("ReduceProd", {"tail"}, {"rest"}, {Ints("axes", {0}), Int("keepdims", 1)});
  b.Node("Concat", {"b1", "rest"}, {"to32"}, {Int("axis", 0)});
  b.Node("Cast", {"to32"}, {"to"}, {Int("to", onnx::TensorProto::INT64)});
  b.Node("Reshape", {"x", "to"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{24}));
}

TEST(ShapeChains, ExpandWithMinusOnesReplaced) {
  // cls.expand(x.size(0), -1, -1): Where(shape == -1, ones, shape).
  OnnxBuilder b = Sizes({2, 3});
  b.Weight("cls", {1, 1, 3}, {1, 2, 3}).Integers("rest", {-1, -1}).Integers("minus", {-1}, true);
  b.Node("Concat", {"b1", "rest"}, {"wish"}, {Int("axis", 0)}).Node("Shape", {"wish"}, {"rank"});
  onnx::AttributeProto value;
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  *value.mutable_t() = testing::IntegerTensor("", {1});
  b.Node("ConstantOfShape", {"rank"}, {"ones"}, {value}).Node("Mul", {"ones", "minus"}, {"gone"});
  b.Node("Equal", {"wish", "gone"}, {"open"}).Node("Where", {"open", "ones", "wish"}, {"to"});
  b.Node("Expand", {"cls", "to"}, {"token"});
  b.Node("Concat", {"token", "x"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectNumbers(RunReals(b, {{4, 5, 6, 7, 8, 9}}), {1, 2, 3, 4, 5, 6, 7, 8, 9});
  ExpectGradients(b);
}

TEST(ShapeChains, ATokenTiledToTheBatch) {
  OnnxBuilder b = Sizes({2, 3});
  b.Weight("cls", {1, 1, 3}, {1, 2, 3}).Integers("ones", {1, 1});
  b.Node("Concat", {"b1", "ones"}, {"times"}, {Int("axis", 0)});
  b.Node("Tile", {"cls", "times"}, {"token"});
  b.Node("Concat", {"token", "x"}, {"y"}, {Int("axis", 1)}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{3, 3}));
  ExpectGradients(b);
}

TEST(ShapeChains, PositionsAndAnInitialState) {
  OnnxBuilder b = Sizes({4, 2});
  b.Weight("table", {8, 2}, Draws().Floats(16)).Integers("two", {2});
  b.Node("Range", {"zero", "n", "one"}, {"places"});
  b.Node("Gather", {"table", "places"}, {"position"}, {Int("axis", 0)});
  b.Node("Add", {"x", "position"}, {"sum"});
  b.Node("Concat", {"b1", "n1", "two"}, {"to"}, {Int("axis", 0)});
  b.Node("ConstantOfShape", {"to"}, {"zeros"}).Node("Add", {"sum", "zeros"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{4, 2}));
  ExpectGradients(b);
}

TEST(ShapeChains, PadsAsTorchScriptWritesThem) {
  // F.pad's list, last axis first: filled with zeros, turned round, transposed.
  OnnxBuilder b({2, 3});
  b.Integers("pads", {1, 2})
      .Integers("fill", {4})
      .Integers("pairs", {-1, 2})
      .Integers("flat", {-1});
  b.Node("ConstantOfShape", {"fill"}, {"zf"}).Node("Cast", {"zf"}, {"z"}, {Int("to", 7)});
  b.Node("Concat", {"pads", "z"}, {"all"}, {Int("axis", 0)});
  b.Integers("a", {-1}).Integers("e", {-99}).Integers("axis", {0});
  b.Node("Reshape", {"all", "pairs"}, {"m"})
      .Node("Slice", {"m", "a", "e", "axis", "a"}, {"turned"});
  b.Node("Transpose", {"turned"}, {"t"}, {Ints("perm", {1, 0})})
      .Node("Reshape", {"t", "flat"}, {"p"});
  b.Node("Pad", {"x", "p"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{2, 6}));
}

TEST(ShapeChains, ChunkSizesBySplitAndFloorDivision) {
  OnnxBuilder b = Sizes({4, 6});
  b.Integers("two", {2}, true).Integers("parts", {1, 2}).Integers("end", {9}).Integers("axis", {1});
  b.Node("Div", {"n", "two"}, {"half"}).Node("Unsqueeze", {"half", "front"}, {"half1"});
  b.Node("Slice", {"x", "half1", "end", "axis"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{2, 6}));
  OnnxBuilder split = Sizes({4, 6});
  split.Integers("parts", {1, 2});
  split.Node("Split", {"s", "parts"}, {"first", "others"}, {Int("axis", 0)});
  split.Node("Concat", {"first", "others"}, {"to"}, {Int("axis", 0)});
  split.Node("Reshape", {"x", "to"}, {"y"}).Output("y");
  EXPECT_EQ(OutputShape(split), (Shape{4, 6}));
}

// nn.MultiheadAttention, sequence first: heads into the examples, and positions before them.
TEST(ShapeChains, MultiheadAttention) {
  OnnxBuilder b({4, 6});
  Draws draws;
  for (const char* name : {"wq", "wk", "wv", "wo"}) b.Weight(name, {6, 6}, draws.Floats(36));
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})}).Node("Shape", {"t"}, {"s"});
  b.Integers("zero", {0}, true).Integers("one", {1}, true).Integers("front", {0});
  b.Integers("heads", {2}, true).Integers("width", {3}).Integers("all", {6});
  b.Node("Gather", {"s", "zero"}, {"n"}).Node("Gather", {"s", "one"}, {"b"});
  b.Node("Mul", {"b", "heads"}, {"bh"}).Node("Mul", {"n", "b"}, {"nb"});
  for (const char* size : {"n", "b", "bh", "nb"}) {
    b.Node("Unsqueeze", {size, "front"}, {size + std::string("1")});
  }
  b.Node("Concat", {"n1", "bh1", "width"}, {"split"}, {Int("axis", 0)});
  b.Node("Concat", {"nb1", "all"}, {"rows"}, {Int("axis", 0)});
  b.Node("Concat", {"n1", "b1", "all"}, {"back"}, {Int("axis", 0)});
  for (const std::string part : {"q", "k", "v"}) {
    b.Node("MatMul", {"t", "w" + part}, {part + "l"})
        .Node("Reshape", {part + "l", "split"}, {part + "s"});
    b.Node("Transpose", {part + "s"}, {part}, {Ints("perm", {1, 0, 2})});
  }
  b.Node("Transpose", {"k"}, {"kt"}, {Ints("perm", {0, 2, 1})})
      .Node("MatMul", {"q", "kt"}, {"score"});
  b.Node("Softmax", {"score"}, {"p"}, {Int("axis", -1)}).Node("MatMul", {"p", "v"}, {"o"});
  b.Node("Transpose", {"o"}, {"os"}, {Ints("perm", {1, 0, 2})})
      .Node("Reshape", {"os", "rows"}, {"or"});
  b.Node("Gemm", {"or", "wo"}, {"projected"}).Node("Reshape", {"projected", "back"}, {"ys"});
  b.Node("Transpose", {"ys"}, {"y"}, {Ints("perm", {1, 0, 2})}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{4, 6}));
  ExpectGradients(b);
}

TEST(ShapeChains, WhatTellsTheBatchSizeIsRefused) {
  const auto refused = [](OnnxBuilder& b, const std::string& words) {
    ExpectRefused(b.Output("y"), ErrorCode::kPrivacyRefused, {words, "in shapes only"});
  };
  OnnxBuilder range = Sizes({4, 2});
  range.Node("Range", {"zero", "b", "one"}, {"r"}).Node("Gather", {"x", "r"}, {"y"});
  refused(range, "counts by the batch's size");
  OnnxBuilder compared = Sizes({4, 2});
  compared.Integers("eight", {8}).Node("Equal", {"b1", "eight"}, {"e"});
  compared.Node("Where", {"e", "n1", "n1"}, {"to"}).Node("Reshape", {"x", "to"}, {"y"});
  refused(compared, "compared");
  OnnxBuilder slice = Sizes({4, 2});
  slice.Node("Slice", {"x", "front", "b1", "n1"}, {"y"});
  ExpectRefused(slice.Output("y"), ErrorCode::kInvalidInput, {"axis 4"});
  OnnxBuilder upto = Sizes({4, 2});
  upto.Integers("axis", {1}).Node("Slice", {"x", "front", "b1", "axis"}, {"y"});
  refused(upto, "used as a number");
  OnnxBuilder expand = Sizes({1, 2});
  expand.Integers("width", {2}).Node("Concat", {"b1", "b1", "width"}, {"to"}, {Int("axis", 0)});
  expand.Node("Expand", {"x", "to"}, {"y"});
  refused(expand, "expanded by the batch's size");
  OnnxBuilder weight = Sizes({2, 2});
  weight.Weight("w", {3, 1}, {1, 2, 3}).Integers("two", {2});
  weight.Node("Concat", {"b1", "two"}, {"to"}, {Int("axis", 0)});
  weight.Node("Expand", {"w", "to"}, {"y"});
  refused(weight, "expanded by the batch's size");
  OnnxBuilder narrow = Sizes({2, 2});
  narrow.Node("Cast", {"b"}, {"odd"}, {Int("to", onnx::TensorProto::INT8)});
  narrow.Node("Mul", {"x", "odd"}, {"y"});
  refused(narrow, "used as a number");
  OnnxBuilder filled = Sizes({2, 2});
  filled.Node("Concat", {"b1", "b1"}, {"to"}, {Int("axis", 0)});
  filled.Node("ConstantOfShape", {"to"}, {"y"});
  refused(filled, "twice");
}

}  // namespace
}  // namespace anchorhold::graph
