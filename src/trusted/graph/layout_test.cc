// Operators that move, repeat, join, cut and cast numbers: numbers, gradients, folding of the
// example axis, and what must be refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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
using testing::Text;

using Attributes = std::vector<onnx::AttributeProto>;
using List = std::vector<std::int64_t>;

// x times a parameter of its shape, called "m": what moves then has a gradient.
OnnxBuilder Weighted(const List& example, int opset = 18) {
  OnnxBuilder b(example, opset);
  List dims = {1};
  std::size_t count = 1;
  for (const std::int64_t size : example) {
    dims.push_back(size);
    count *= static_cast<std::size_t>(size);
  }
  b.Weight("w", dims, Draws(3).Floats(count)).Node("Mul", {"x", "w"}, {"m"});
  return b;
}

// One operator over "m" and lists of integers.
OnnxBuilder Over(const std::string& op, const List& example, const std::vector<List>& lists,
                 const Attributes& attributes = {}, int opset = 18) {
  OnnxBuilder b = Weighted(example, opset);
  std::vector<std::string> names = {"m"};
  for (const List& list : lists) {
    names.push_back("i" + std::to_string(names.size()));
    if (list.empty()) {
      names.back().clear();
    } else {
      b.Integers(names.back(), list);
    }
  }
  b.Node(op, names, {"y"}, attributes).Output("y");
  return b;
}

Shape OutputShape(const OnnxBuilder& b) {
  const Result<Model> model = ImportOnnx(b.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  return model.ok() ? model->outputs()[0].shape : Shape{};
}

void ExpectMixing(const OnnxBuilder& b, const std::string& words) {
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {words});
}

TEST(Layout, GradientsOfWhatMovesNumbers) {
  ExpectGradients(Over("Reshape", {2, 3}, {{0, 3, -1}}));
  ExpectGradients(Over("Flatten", {2, 3}, {}, {Int("axis", -2)}));
  ExpectGradients(Over("Transpose", {2, 3}, {}, {Ints("perm", {0, 2, 1})}));
  ExpectGradients(Over("Squeeze", {1, 3}, {{1}}));
  ExpectGradients(Over("Squeeze", {1, 3}, {}, {Ints("axes", {-2})}, 11));
  ExpectGradients(Over("Unsqueeze", {3}, {{-1, 1}}));
  ExpectGradients(Over("Unsqueeze", {3}, {}, {Ints("axes", {1})}, 11));
  ExpectGradients(Over("Expand", {1, 3}, {{1, 2, 1}}));
  ExpectGradients(Over("Tile", {2, 3}, {{1, 2, 2}}));
}

TEST(Layout, GradientsOfWhatCutsNumbers) {
  ExpectGradients(Over("Slice", {5}, {{1}, {4}, {1}}));
  ExpectGradients(Over("Slice", {5}, {{4}, {-9}, {-1}, {-2}}));
  ExpectGradients(Over("Slice", {2, 5}, {},
                       {Ints("starts", {1, 0}), Ints("ends", {2, 9}), Ints("axes", {1, 2})}, 9));
  ExpectGradients(Over("Split", {6}, {}, {Int("axis", 1), Int("num_outputs", 1)}));
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
    ExpectGradients(Over("Pad", {3, 4}, {{0, 1, -1, 0, 2, 3}}, {Text("mode", mode)}));
  }
  ExpectGradients(Over("Pad", {3}, {}, {Ints("pads", {0, 2, 0, 1})}, 10));
  OnnxBuilder concat = Weighted({2});
  concat.Node("Concat", {"m", "x", "m"}, {"y"}, {Int("axis", -1)}).Output("y");
  ExpectGradients(concat);
}

TEST(Layout, SliceTakesWhatOnnxSays) {
  const auto take = [](const std::vector<List>& lists) {
    OnnxBuilder b({5});
    std::vector<std::string> names = {"x"};
    for (const List& list : lists) {
      names.push_back("i" + std::to_string(names.size()));
      b.Integers(names.back(), list);
    }
    b.Node("Slice", names, {"y"}).Output("y");
    return RunReals(b, {{0, 1, 2, 3, 4}});
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  ExpectNumbers(take({{-3}, {kMost}, {1}}), {2, 3, 4});
  ExpectNumbers(take({{1}, {kMost}, {1}, {2}}), {1, 3});
  ExpectNumbers(take({{kMost}, {kLeast}, {1}, {-1}}), {4, 3, 2, 1, 0});
  ExpectNumbers(take({{3}, {0}, {1}, {-2}}), {3, 1});
  ExpectNumbers(take({{0}, {kMost}, {1}, {kMost}}), {0});
  ExpectNumbers(take({{4}, {kLeast}, {1}, {kLeast}}), {4});
  // The whole example axis, as exporters write x[:, 2:].
  ExpectNumbers(take({{0, 2}, {kMost, 4}, {0, 1}}), {2, 3});
}

TEST(Layout, PadAndTileWriteWhatOnnxSays) {
  const auto pad = [](const std::string& mode, const List& pads) {
    OnnxBuilder b({3});
    b.Integers("i", pads).Node("Pad", {"x", "i"}, {"y"}, {Text("mode", mode)}).Output("y");
    return RunReals(b, {{1, 2, 3}});
  };
  ExpectNumbers(pad("reflect", {0, 2, 0, 1}), {3, 2, 1, 2, 3, 2});
  ExpectNumbers(pad("edge", {0, 1, 0, 2}), {1, 1, 2, 3, 3, 3});
  ExpectNumbers(pad("wrap", {0, 2, 0, 1}), {2, 3, 1, 2, 3, 1});
  ExpectNumbers(pad("constant", {0, -1, 0, 1}), {2, 3, 0});
  OnnxBuilder tile({2});
  tile.Integers("i", {1, 2}).Node("Tile", {"x", "i"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(tile, {{1, 2}}), {1, 2, 1, 2});
}

TEST(Layout, SplitsIntoUnequalParts) {
  OnnxBuilder b({5}, 18);
  b.Node("Split", {"x"}, {"p", "q"}, {Int("axis", 1), Int("num_outputs", 2)});
  b.Node("Identity", {"q"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(b, {{0, 1, 2, 3, 4}}), {3, 4});
  OnnxBuilder old({5}, 11);
  old.Node("Split", {"x"}, {"p", "y"}, {Int("axis", 1), Ints("split", {1, 4})}).Output("y");
  ExpectNumbers(RunReals(old, {{0, 1, 2, 3, 4}}), {1, 2, 3, 4});
  OnnxBuilder uneven({5}, 13);
  uneven.Node("Split", {"x"}, {"p", "y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(uneven, ErrorCode::kInvalidInput, {"no 2 equal parts"});
}

TEST(Layout, MixingIsRefused) {
  ExpectMixing(Over("Expand", {3}, {{2, 3}}), "repeats the example axis");
  ExpectMixing(Over("Tile", {3}, {{2, 1}}), "repeats the example axis");
  ExpectMixing(Over("Slice", {3}, {{0}, {5}, {0}}), "slices the example axis");
  ExpectMixing(Over("Slice", {3}, {{-1}, {-9}, {0}, {-1}}), "slices the example axis");
  ExpectMixing(Over("Split", {3}, {}, {Int("axis", 0)}), "along the example axis");
  ExpectMixing(Over("Squeeze", {3}, {{0}}), "cannot be dropped");
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
    ExpectMixing(Over("Pad", {3}, {{1, 0, 0, 0}}, {Text("mode", mode)}), "pads the example axis");
  }
  OnnxBuilder token({2, 3});
  token.Weight("cls", {1, 1, 3}, {1, 2, 3}).Node("Concat", {"cls", "x"}, {"y"}, {Int("axis", 1)});
  ExpectMixing(token.Output("y"), "expand that one to the batch's size");
  ExpectMixing(Over("EyeLike", {3}, {}), "place in the batch");
  ExpectMixing(Over("NonZero", {3}, {}), "searches along the example axis");
}

TEST(Layout, AbsurdNumbersAreRefused) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  const auto refused = [](const OnnxBuilder& b) {
    const Result<Model> model = ImportOnnx(b.Write());
    ASSERT_FALSE(model.ok());
    EXPECT_NE(model.error().code(), ErrorCode::kInternal) << model.error().message();
  };
  for (const std::int64_t number : {kMost, kLeast, kMost / 2, std::int64_t{1} << 40}) {
    refused(Over("Expand", {3}, {{1, number}}));
    refused(Over("Tile", {3}, {{1, number}}));
    refused(Over("Pad", {3}, {{0, number, 0, number}}));
    refused(Over("Pad", {3}, {{0, number, 0, 0}}, {Text("mode", "wrap")}));
    refused(Over("Split", {3}, {}, {Int("axis", 1), Int("num_outputs", number)}));
    refused(Over("Split", {3}, {{number, number}}, {Int("axis", 1)}));
    refused(Over("Reshape", {3}, {{-1, number}}));
    refused(Over("Unsqueeze", {3}, {{number}}));
    refused(Over("Squeeze", {3}, {{number}}));
    refused(Over("Slice", {3}, {{0}, {1}, {number}}));
    OnnxBuilder range({3});
    range.Integers("a", {kLeast}, true).Integers("b", {number}, true).Integers("c", {1}, true);
    range.Node("Range", {"a", "b", "c"}, {"r"}).Node("Gather", {"x", "r"}, {"y"}).Output("y");
    refused(range);
    OnnxBuilder filled({3});
    filled.Integers("s", {number, 2}).Node("ConstantOfShape", {"s"}, {"c"});
    filled.Node("Add", {"x", "c"}, {"y"}).Output("y");
    refused(filled);
  }
  refused(Over("Slice", {3}, {{0}, {1}, {1}, {0}}));
  refused(Over("Unsqueeze", {3}, {List(9, 1)}));
  refused(Over("Tile", {3}, {{1, 0}}));
}

// ---- The example axis folded and unfolded ----

OnnxBuilder Chain(const List& example, const std::vector<std::pair<std::string, List>>& steps) {
  OnnxBuilder b = Weighted(example);
  std::string last = "m";
  int count = 0;
  for (const auto& [op, list] : steps) {
    const std::string name = "v" + std::to_string(++count);
    if (op == "Transpose") {
      b.Node(op, {last}, {name}, {Ints("perm", list)});
    } else {
      b.Integers("i" + name, list).Node(op, {last, "i" + name}, {name});
    }
    last = name;
  }
  b.Output(last);
  return b;
}

TEST(Folding, FeaturesIntoTheExampleAxisAndBack) {
  // [B, 4, 6] to sequence first, 2 heads of 3 into the examples, and back, as attention does.
  const OnnxBuilder b = Chain({4, 6}, {{"Transpose", {1, 0, 2}},
                                       {"Reshape", {4, -1, 3}},
                                       {"Transpose", {1, 0, 2}},
                                       {"Transpose", {1, 0, 2}},
                                       {"Reshape", {4, -1, 6}},
                                       {"Transpose", {1, 0, 2}}});
  EXPECT_EQ(OutputShape(b), (Shape{4, 6}));
  ExpectGradients(b);
}

TEST(Folding, AxesBeforeTheExampleAxisAndBack) {
  // [S, B, d] to [S * B, d] and back.
  const OnnxBuilder b = Chain({4, 6}, {{"Transpose", {1, 0, 2}},
                                       {"Reshape", {-1, 6}},
                                       {"Reshape", {4, -1, 6}},
                                       {"Transpose", {1, 0, 2}}});
  EXPECT_EQ(OutputShape(b), (Shape{4, 6}));
  ExpectGradients(b);
  const OnnxBuilder open = Chain({4, 6}, {{"Transpose", {1, 0, 2}}, {"Reshape", {-1, 6}}});
  ExpectRefused(open, ErrorCode::kUnsupported, {"apart from each other"});
}

TEST(Folding, RowsOfDifferentOrdersDoNotMeet) {
  // [B * 4, 6] and [4 * B, 6] look alike for a batch of one.
  OnnxBuilder b = Weighted({4, 6});
  b.Integers("rows", {-1, 6}).Node("Reshape", {"m", "rows"}, {"inner"});
  b.Node("Transpose", {"m"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node("Reshape", {"t", "rows"}, {"outer"}).Node("Add", {"inner", "outer"}, {"y"}).Output("y");
  ExpectMixing(b, "different orders");
  OnnxBuilder join = Weighted({4, 6});
  join.Integers("rows", {-1, 6}).Node("Reshape", {"m", "rows"}, {"inner"});
  join.Node("Transpose", {"m"}, {"t"}, {Ints("perm", {1, 0, 2})});
  join.Node("Reshape", {"t", "rows"}, {"outer"});
  join.Node("Concat", {"inner", "outer"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectMixing(join, "different orders");
}

TEST(Folding, WrongUnfoldingIsRefused) {
  ExpectMixing(Chain({4, 6}, {{"Reshape", {-1, 6}}, {"Reshape", {4, -1, 6}}}), "example");
  ExpectMixing(
      Chain({4, 6}, {{"Transpose", {1, 0, 2}}, {"Reshape", {-1, 6}}, {"Reshape", {3, -1}}}),
      "interleaves");
  ExpectMixing(Chain({4, 6}, {{"Reshape", {-1, 48}}}), "different examples");
  ExpectMixing(Chain({4, 6}, {{"Reshape", {24, -1}}}), "interleaves");
}

TEST(Folding, AllNumbersOfTheExamplesInOneAxisAndBack) {
  ExpectGradients(Chain({4, 6}, {{"Reshape", {1, -1}}, {"Reshape", {-1, 4, 6}}}));
  // [4 * B, 6] to [2, (2 * B) * 6], half of the steps a row, and back.
  const OnnxBuilder halves = Chain({4, 6}, {{"Transpose", {1, 0, 2}},
                                            {"Reshape", {-1, 6}},
                                            {"Reshape", {2, -1}},
                                            {"Reshape", {4, -1, 6}},
                                            {"Transpose", {1, 0, 2}}});
  EXPECT_EQ(OutputShape(halves), (Shape{4, 6}));
  ExpectGradients(halves);
}

TEST(Folding, AllNumbersOfTheExamplesInOneAxisAreNoFeatures) {
  ExpectRefused(Chain({4, 6}, {{"Reshape", {1, -1}}}), ErrorCode::kUnsupported,
                {"1 x example*24", "along a later axis"});
  const auto row = [] {
    return Weighted({4}).Integers("to", {1, -1}).Node("Reshape", {"m", "to"}, {"r"});
  };
  OnnxBuilder sum = row();
  ExpectMixing(sum.Node("ReduceSum", {"r"}, {"y"}).Output("y"), "example axis");
  OnnxBuilder softmax = row();
  ExpectMixing(softmax.Node("Softmax", {"r"}, {"y"}).Output("y"), "example axis");
  OnnxBuilder product = row();
  product.Weight("v", {8, 2}, Draws(5).Floats(16)).Node("MatMul", {"r", "v"}, {"y"}).Output("y");
  ExpectMixing(product, "sums over the example axis");
  OnnxBuilder pairs = row();
  ExpectMixing(pairs.Node("Mul", {"m", "r"}, {"y"}).Output("y"), "every example with every other");
  // Where the batch's size is declared, -1 may mean features: told at once.
  for (const std::int64_t batch : {1, 2}) {
    OnnxBuilder declared({4}, 17, batch);
    declared.Integers("to", {1, -1}).Node("Reshape", {"x", "to"}, {"y"}).Output("y");
    ExpectMixing(declared, "features of the batch axis");
  }
}

TEST(Folding, ADeclaredBatchIsFound) {
  OnnxBuilder b({4, 6}, 17, 2);
  b.Integers("fold", {8, 6}).Integers("unfold", {4, 2, 6});
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node("Reshape", {"t", "fold"}, {"f"}).Node("Reshape", {"f", "unfold"}, {"u"});
  b.Node("Transpose", {"u"}, {"y"}, {Ints("perm", {1, 0, 2})}).Output("y");
  EXPECT_EQ(OutputShape(b), (Shape{4, 6}));
  OnnxBuilder one({4, 6}, 17, 1);
  one.Integers("same", {4, 1, 6}).Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  one.Node("Reshape", {"t", "same"}, {"u"});
  one.Node("Transpose", {"u"}, {"y"}, {Ints("perm", {1, 0, 2})}).Output("y");
  EXPECT_EQ(OutputShape(one), (Shape{4, 6}));
}

TEST(Concat, ADeclaredBatchOfOneHasATokenOfItsOwn) {
  OnnxBuilder b({2, 3}, 17, 1);
  b.Weight("cls", {1, 1, 3}, {1, 2, 3}).Node("Concat", {"cls", "x"}, {"y"}, {Int("axis", 1)});
  ExpectNumbers(RunReals(b.Output("y"), {{4, 5, 6, 7, 8, 9}}), {1, 2, 3, 4, 5, 6, 7, 8, 9});
}

// ---- Cast ----

std::vector<float> Cast(const std::vector<float>& x, std::int64_t through) {
  OnnxBuilder b({static_cast<std::int64_t>(x.size())}, 18);
  b.Node("Cast", {"x"}, {"c"}, {Int("to", through)});
  b.Node("Cast", {"c"}, {"y"}, {Int("to", onnx::TensorProto::FLOAT)}).Output("y");
  return RunReals(b, {x});
}

TEST(Cast, RoundsTruncatesAndWraps) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  ExpectNumbers(Cast({1.7F, -1.7F, 3e9F, kNaN}, onnx::TensorProto::INT64), {1, -1, 3e9F, 0});
  ExpectNumbers(Cast({300, -1, 255.9F}, onnx::TensorProto::UINT8), {44, 255, 255});
  ExpectNumbers(Cast({0, -0.0F, 0.5F, kNaN, kInf}, onnx::TensorProto::BOOL), {0, 0, 1, 1, 1});
  // Ties to even, the largest number, the least one, and beyond.
  ExpectNumbers(Cast({2049, 2051, 65519, 65520, 5.9604645e-8F, 2.9e-8F, -kInf, kNaN},
                     onnx::TensorProto::FLOAT16),
                {2048, 2052, 65504, kInf, 5.9604645e-8F, 0, -kInf, kNaN});
  ExpectNumbers(Cast({257, 259, 3.4e38F, kNaN}, onnx::TensorProto::BFLOAT16),
                {256, 260, kInf, kNaN});
  ExpectRefused(
      [] {
        OnnxBuilder b({3});
        b.Node("Cast", {"x"}, {"y"}, {Int("to", onnx::TensorProto::STRING)}).Output("y");
        return b;
      }(),
      ErrorCode::kUnsupported, {"element type 8"});
}

TEST(Cast, TheGradientPassesBetweenReals) {
  OnnxBuilder b = Weighted({3});
  b.Node("Cast", {"m"}, {"c"}, {Int("to", onnx::TensorProto::DOUBLE)});
  b.Node("Cast", {"w"}, {"v"}, {Int("to", onnx::TensorProto::DOUBLE)});
  b.Node("Mul", {"c", "v"}, {"y"}).Output("y");  // two gradients of w meet, through two types
  ExpectGradients(b);
}

}  // namespace
}  // namespace anchorhold::graph
