// Normalisations as exporters write them out in smaller operators, batch size symbolic: each must
// be imported, agree with the operator that it stands for, and be differentiated.
#include <gtest/gtest.h>

#include <cmath>

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
using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

constexpr float kEpsilon = 1e-5F;

void ExpectSame(const OnnxBuilder& actual, const OnnxBuilder& expected, std::size_t size) {
  const std::vector<double> x = Draws(9).List(size);
  const auto a = Compute(actual, x);
  const auto b = Compute(expected, x);
  ASSERT_TRUE(!a.empty() && !b.empty());
  ASSERT_EQ(a[0].shape, b[0].shape);
  for (std::size_t i = 0; i < size; ++i) EXPECT_NEAR(a[0].reals[i], b[0].reals[i], 1e-6) << i;
}

// "h" = x + w, and weights "scale" and "bias" of one shape.
OnnxBuilder Start(const Shape& example, const Shape& scale, int opset) {
  OnnxBuilder b(example, opset);
  Shape shape = example;
  shape.insert(shape.begin(), 1);
  b.Weight("w", shape, Draws(3).Floats(ElementCount(shape)));
  b.Weight("scale", scale, Draws(4).Floats(ElementCount(scale)));
  b.Weight("bias", scale, Draws(5).Floats(ElementCount(scale)));
  return b.Node("Add", {"x", "w"}, {"h"});
}

OnnxBuilder LayerNormWrittenOut(std::int64_t axis) {
  OnnxBuilder b = Start({3, 4}, {4}, 13);
  b.Constant("two", {}, {2}).Constant("epsilon", {}, {kEpsilon});
  b.Node("ReduceMean", {"h"}, {"mean"}, {Ints("axes", {axis}), Int("keepdims", 1)});
  b.Node("Sub", {"h", "mean"}, {"centred"}).Node("Pow", {"centred", "two"}, {"square"});
  b.Node("ReduceMean", {"square"}, {"variance"}, {Ints("axes", {axis}), Int("keepdims", 1)});
  b.Node("Add", {"variance", "epsilon"}, {"sum"}).Node("Sqrt", {"sum"}, {"deviation"});
  b.Node("Div", {"centred", "deviation"}, {"standard"});
  b.Node("Mul", {"standard", "scale"}, {"scaled"}).Node("Add", {"scaled", "bias"}, {"y"});
  return b.Output("y");
}

TEST(NormalisationIdioms, LayerNormalization) {
  OnnxBuilder op = Start({3, 4}, {4}, 17);
  op.Node("LayerNormalization", {"h", "scale", "bias"}, {"y"}, {Float("epsilon", kEpsilon)});
  ExpectSame(LayerNormWrittenOut(-1), op.Output("y"), 12);
  ExpectGradients(LayerNormWrittenOut(-1));
  ExpectRefused(LayerNormWrittenOut(0), ErrorCode::kPrivacyRefused,
                {"(ReduceMean", "example axis"});
}

TEST(NormalisationIdioms, RmsNormalization) {
  OnnxBuilder b = Start({3, 4}, {4}, 18);
  b.Constant("two", {}, {2}).Constant("epsilon", {}, {kEpsilon}).Integers("axes", {-1});
  b.Node("Pow", {"h", "two"}, {"square"}).Node("ReduceMean", {"square", "axes"}, {"mean"});
  b.Node("Add", {"mean", "epsilon"}, {"sum"}).Node("Sqrt", {"sum"}, {"root"});
  b.Node("Reciprocal", {"root"}, {"inverse"}).Node("Mul", {"h", "inverse"}, {"standard"});
  b.Node("Mul", {"standard", "scale"}, {"y"}).Output("y");
  OnnxBuilder op = Start({3, 4}, {4}, 23);
  op.Node("RMSNormalization", {"h", "scale"}, {"y"}, {Float("epsilon", kEpsilon)}).Output("y");
  ExpectSame(b, op, 12);
  ExpectGradients(b);
}

OnnxBuilder GroupNormOperator() {
  OnnxBuilder op = Start({4, 2, 3}, {4}, 21);
  op.Node("GroupNormalization", {"h", "scale", "bias"}, {"y"},
          {Int("num_groups", 2), Float("epsilon", kEpsilon)});
  return op.Output("y");
}

// Reshape to [0, groups, -1], InstanceNormalization with scale 1 and bias 0, Reshape to the input's
// own shape, then scale and bias by channel.
TEST(NormalisationIdioms, GroupNormalizationByInstances) {
  OnnxBuilder b = Start({4, 2, 3}, {4, 1, 1}, 17);
  b.Constant("ones", {2}, {1, 1}).Constant("zeros", {2}, {0, 0}).Integers("groups", {0, 2, -1});
  b.Node("Reshape", {"h", "groups"}, {"grouped"});
  b.Node("InstanceNormalization", {"grouped", "ones", "zeros"}, {"standard"},
         {Float("epsilon", kEpsilon)});
  b.Node("Shape", {"h"}, {"shape"}).Node("Reshape", {"standard", "shape"}, {"unfolded"});
  b.Node("Mul", {"unfolded", "scale"}, {"scaled"}).Node("Add", {"scaled", "bias"}, {"y"});
  b.Output("y");
  ExpectSame(b, GroupNormOperator(), 24);
  ExpectGradients(b);
}

// The batch's size read from the shape, joined with the other sizes, and statistics over two axes.
TEST(NormalisationIdioms, GroupNormalizationByMeans) {
  OnnxBuilder b = Start({4, 2, 3}, {4, 1, 1}, 18);
  b.Integers("zero", {0}).Integers("rest", {2, 2, 6}).Integers("axes", {2, 3});
  b.Constant("epsilon", {}, {kEpsilon});
  b.Node("Shape", {"h"}, {"shape"}).Node("Gather", {"shape", "zero"}, {"batch"});
  b.Node("Concat", {"batch", "rest"}, {"groups"}, {Int("axis", 0)});
  b.Node("Reshape", {"h", "groups"}, {"grouped"});
  b.Node("ReduceMean", {"grouped", "axes"}, {"mean"}).Node("Sub", {"grouped", "mean"}, {"centred"});
  b.Node("Mul", {"centred", "centred"}, {"square"});
  b.Node("ReduceMean", {"square", "axes"}, {"variance"});
  b.Node("Add", {"variance", "epsilon"}, {"sum"}).Node("Sqrt", {"sum"}, {"deviation"});
  b.Node("Reciprocal", {"deviation"}, {"inverse"})
      .Node("Mul", {"centred", "inverse"}, {"standard"});
  b.Node("Reshape", {"standard", "shape"}, {"unfolded"});
  b.Node("Mul", {"unfolded", "scale"}, {"scaled"}).Node("Add", {"scaled", "bias"}, {"y"});
  b.Output("y");
  ExpectSame(b, GroupNormOperator(), 24);
  ExpectGradients(b);
}

// The batch's size where the groups belong would take statistics over the examples.
TEST(NormalisationIdioms, GroupsOfExamplesAreRefused) {
  OnnxBuilder b({4, 2, 3});
  b.Constant("ones", {2}, {1, 1}).Constant("zeros", {2}, {0, 0}).Integers("groups", {1, 2, -1});
  b.Node("Reshape", {"x", "groups"}, {"grouped"});
  b.Node("InstanceNormalization", {"grouped", "ones", "zeros"}, {"y"}).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"(Reshape", "interleaves the examples"});
  // One group of everything can be written, but not normalised.
  OnnxBuilder one({4, 2, 3});
  one.Constant("ones", {1}, {1}).Constant("zeros", {1}, {0}).Integers("groups", {1, 1, -1});
  one.Node("Reshape", {"x", "groups"}, {"grouped"});
  one.Node("InstanceNormalization", {"grouped", "ones", "zeros"}, {"y"}).Output("y");
  ExpectRefused(one, ErrorCode::kPrivacyRefused, {"(InstanceNormalization", "example axis"});
}

// Keras's layer normalisation, as tf2onnx exports it: the batch normalisation of [1, rows, 4, 1]
// with each row's own mean and variance, and ones and zeros for each row. `scale` names the ones,
// `of` the rows that the statistics are computed of.
OnnxBuilder KerasLayerNorm(const std::string& scale = "ones", const std::string& of = "rows") {
  OnnxBuilder b = Start({3, 4}, {4}, 13);
  b.Constant("one", {1}, {1}).Constant("zero", {1}, {0}).Constant("four", {1}, {4});
  b.Constant("three", {3}, {1, 2, 3});
  b.Integers("flat", {1, -1, 4, 1}).Integers("first", {0}).Integers("last", {2});
  b.Integers("others", {0, 2, 3});
  b.Node("Reshape", {"h", "flat"}, {"rows"});
  b.Node("Transpose", {"h"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node("Reshape", {"t", "flat"}, {"turned"});
  b.Node("Shape", {"h"}, {"shape"}).Node("Slice", {"shape", "first", "last"}, {"outer"});
  b.Node("ReduceProd", {"outer"}, {"count"}, {Int("keepdims", 1)});
  b.Node("Expand", {"one", "count"}, {"ones"}).Node("Expand", {"zero", "count"}, {"zeros"});
  b.Node("ReduceMean", {of}, {"mean"}, {Ints("axes", {0, 2, 3})});
  b.Node("Sub", {of, "mean"}, {"centred"});
  b.Node("ReduceSumSquare", {"centred"}, {"sum"}, {Ints("axes", {0, 2, 3}), Int("keepdims", 0)});
  b.Node("Div", {"sum", "four"}, {"variances"}).Node("Squeeze", {"mean", "others"}, {"means"});
  b.Node("BatchNormalization", {"rows", scale, "zeros", "means", "variances"}, {"standard"},
         {Float("epsilon", kEpsilon)});
  b.Node("Reshape", {"standard", "shape"}, {"unfolded"});
  b.Node("Mul", {"unfolded", "scale"}, {"scaled"}).Node("Add", {"scaled", "bias"}, {"y"});
  return b.Output("y");
}

TEST(NormalisationIdioms, LayerNormalizationAsBatchNormalizationOfRows) {
  OnnxBuilder op = Start({3, 4}, {4}, 17);
  op.Node("LayerNormalization", {"h", "scale", "bias"}, {"y"}, {Float("epsilon", kEpsilon)});
  ExpectSame(KerasLayerNorm(), op.Output("y"), 12);
  ExpectGradients(KerasLayerNorm());
}

TEST(NormalisationIdioms, RowsByNumbersThatAreNotTheirOwnAreRefused) {
  // A number for each place in the batch.
  ExpectRefused(KerasLayerNorm("three"), ErrorCode::kPrivacyRefused,
                {"(BatchNormalization", "place in the batch"});
  // Statistics of [3 * B] rows for [B * 3] rows.
  ExpectRefused(KerasLayerNorm("ones", "turned"), ErrorCode::kPrivacyRefused,
                {"(BatchNormalization", "different orders"});
}

}  // namespace
}  // namespace anchorhold::graph
