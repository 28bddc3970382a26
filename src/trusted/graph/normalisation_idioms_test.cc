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
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"(Reshape", "examples would mix"});
}

}  // namespace
}  // namespace anchorhold::graph
