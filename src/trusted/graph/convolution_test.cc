// Conv and ConvTranspose: sizes, values, gradients, refusals.
#include <gtest/gtest.h>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
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
using Words = std::vector<std::string>;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

// y = op(x + h, w) + b, with h, w and b trained, so that every gradient is looked at.
OnnxBuilder Convolution(const std::string& op, const Shape& example, const Shape& weight,
                        std::int64_t channels, const NodeAttributes& attributes = {}) {
  OnnxBuilder b(example);
  Shape shape = example;
  shape.insert(shape.begin(), 1);
  b.Weight("h", shape, Draws(3).Floats(ElementCount(shape)));
  b.Weight("w", weight, Draws(4).Floats(ElementCount(weight)));
  b.Weight("b", {channels}, Draws(5).Floats(static_cast<std::size_t>(channels)));
  b.Node("Add", {"x", "h"}, {"z"});
  return b.Node(op, {"z", "w", "b"}, {"y"}, attributes).Output("y");
}

// The output's shape for a batch of one, or the refusal.
std::string ShapeOf(const OnnxBuilder& builder) {
  const Result<Model> model = ImportOnnx(builder.Write());
  if (!model.ok()) return model.error().message();
  return FormatType(model->graph().type(model->graph().outputs()[0]));
}

std::string ConvShape(const Shape& example, const Shape& weight, const NodeAttributes& attributes) {
  return ShapeOf(Convolution("Conv", example, weight, weight[0], attributes));
}

TEST(Conv, SizesByHand) {
  EXPECT_EQ(ConvShape({2, 7}, {3, 2, 3}, {}), "example x 3 x 5 float32");
  EXPECT_EQ(ConvShape({2, 7, 6}, {3, 2, 3, 2}, {Ints("strides", {2, 3})}),
            "example x 3 x 3 x 2 float32");
  EXPECT_EQ(ConvShape({1, 5, 5}, {1, 1, 3, 3}, {Ints("pads", {1, 0, 2, 0})}),
            "example x 1 x 6 x 3 float32");
  EXPECT_EQ(ConvShape({1, 9}, {1, 1, 3}, {Ints("dilations", {4})}), "example x 1 x 1 float32");
  EXPECT_EQ(ConvShape({4, 5, 5, 5}, {4, 1, 2, 3, 4}, {Int("group", 4)}),
            "example x 4 x 4 x 3 x 2 float32");
  const NodeAttributes same = {Text("auto_pad", "SAME_UPPER"), Ints("strides", {2, 2})};
  EXPECT_EQ(ConvShape({1, 5, 8}, {1, 1, 3, 3}, same), "example x 1 x 3 x 4 float32");
  EXPECT_EQ(ConvShape({1, 5, 8}, {1, 1, 3, 3}, {Text("auto_pad", "VALID")}),
            "example x 1 x 3 x 6 float32");
}

TEST(Conv, ValuesByHand) {
  OnnxBuilder plain({1, 4});
  plain.Weight("w", {1, 1, 2}, {1, 10}).Weight("b", {1}, {100});
  plain.Node("Conv", {"x", "w", "b"}, {"y"}, {Ints("pads", {1, 0})}).Output("y");
  EXPECT_EQ(Compute(plain, {1, 2, 3, 4})[0].reals, (std::vector<double>{110, 121, 132, 143}));

  OnnxBuilder lower({1, 4});  // two pads are not needed: the odd one goes to the beginning
  lower.Weight("w", {1, 1, 2}, {1, 10});
  lower.Node("Conv", {"x", "w"}, {"y"}, {Text("auto_pad", "SAME_LOWER")}).Output("y");
  EXPECT_EQ(Compute(lower, {1, 2, 3, 4})[0].reals, (std::vector<double>{10, 21, 32, 43}));

  OnnxBuilder upper({1, 4});
  upper.Weight("w", {1, 1, 2}, {1, 10});
  upper.Node("Conv", {"x", "w"}, {"y"}, {Text("auto_pad", "SAME_UPPER")}).Output("y");
  EXPECT_EQ(Compute(upper, {1, 2, 3, 4})[0].reals, (std::vector<double>{21, 32, 43, 4}));

  OnnxBuilder groups({2, 2});
  groups.Weight("w", {4, 1, 1}, {1, 2, 3, 4});
  groups.Node("Conv", {"x", "w"}, {"y"}, {Int("group", 2)}).Output("y");
  EXPECT_EQ(Compute(groups, {1, 2, 10, 20})[0].reals,
            (std::vector<double>{1, 2, 2, 4, 30, 60, 40, 80}));
}

TEST(Conv, ADistantPadOrALargeWindowReadsNothing) {
  OnnxBuilder b({1, 2});
  b.Weight("w", {1, 1, 1}, {1});
  b.Node("Conv", {"x", "w"}, {"y"}, {Ints("pads", {3, 3}), Ints("strides", {3})}).Output("y");
  EXPECT_EQ(Compute(b, {1, 2})[0].reals, (std::vector<double>{0, 1, 0}));
}

TEST(Conv, Gradients) {
  ExpectGradients(Convolution("Conv", {2, 6}, {3, 2, 3}, 3));
  ExpectGradients(
      Convolution("Conv", {2, 7}, {2, 2, 2}, 2,
                  {Ints("strides", {2}), Ints("dilations", {2}), Ints("pads", {3, 1})}));
  ExpectGradients(Convolution("Conv", {2, 4, 5}, {3, 2, 3, 2}, 3, {Ints("pads", {1, 0, 1, 1})}));
  ExpectGradients(
      Convolution("Conv", {4, 5, 4}, {6, 2, 2, 3}, 6, {Int("group", 2), Ints("strides", {2, 1})}));
  ExpectGradients(
      Convolution("Conv", {3, 4, 4}, {6, 1, 3, 3}, 6,
                  {Int("group", 3), Text("auto_pad", "SAME_LOWER"), Ints("strides", {2, 3})}));
  ExpectGradients(Convolution("Conv", {2, 3, 4, 3}, {2, 2, 2, 2, 2}, 2,
                              {Ints("strides", {1, 2, 1}), Ints("pads", {0, 1, 0, 1, 0, 1})}));
}

std::string TransposedShape(const Shape& example, const Shape& weight, std::int64_t channels,
                            const NodeAttributes& attributes) {
  return ShapeOf(Convolution("ConvTranspose", example, weight, channels, attributes));
}

TEST(ConvTranspose, SizesByHand) {
  EXPECT_EQ(TransposedShape({2, 3}, {2, 4, 3}, 4, {}), "example x 4 x 5 float32");
  EXPECT_EQ(TransposedShape({2, 3}, {2, 1, 3}, 2, {Int("group", 2), Ints("strides", {2})}),
            "example x 2 x 7 float32");
  const NodeAttributes padded = {Ints("strides", {3}), Ints("output_padding", {2}),
                                 Ints("pads", {1, 2}), Ints("dilations", {2})};
  EXPECT_EQ(TransposedShape({1, 4}, {1, 1, 3}, 1, padded), "example x 1 x 13 float32");
  const NodeAttributes same = {Ints("strides", {2, 2}), Text("auto_pad", "SAME_UPPER")};
  EXPECT_EQ(TransposedShape({1, 3, 5}, {1, 1, 3, 3}, 1, same), "example x 1 x 6 x 10 float32");
  const NodeAttributes sized = {Ints("strides", {2}), Ints("output_shape", {11})};
  EXPECT_EQ(TransposedShape({1, 3}, {1, 1, 3}, 1, sized), "example x 1 x 11 float32");
}

TEST(ConvTranspose, ValuesByHand) {
  OnnxBuilder b({1, 2});
  b.Weight("w", {1, 1, 3}, {1, 10, 100});
  b.Node("ConvTranspose", {"x", "w"}, {"y"},
         {Ints("strides", {2}), Ints("pads", {1, 0}), Ints("output_padding", {1})});
  b.Output("y");
  // Without pads and padding: 1 10 102 20 200.
  EXPECT_EQ(Compute(b, {1, 2})[0].reals, (std::vector<double>{10, 102, 20, 200, 0}));
}

TEST(ConvTranspose, Gradients) {
  ExpectGradients(Convolution("ConvTranspose", {2, 4}, {2, 3, 3}, 3));
  ExpectGradients(Convolution("ConvTranspose", {4, 3, 4}, {4, 3, 2, 3}, 6,
                              {Int("group", 2), Ints("strides", {2, 3}), Ints("pads", {1, 0, 0, 2}),
                               Ints("output_padding", {1, 2}), Ints("dilations", {2, 1})}));
  ExpectGradients(Convolution("ConvTranspose", {1, 3, 3}, {1, 2, 3, 3}, 2,
                              {Text("auto_pad", "SAME_LOWER"), Ints("strides", {2, 2})}));
  ExpectGradients(Convolution("ConvTranspose", {1, 3}, {1, 2, 3}, 2,
                              {Ints("output_shape", {11}), Ints("strides", {2})}));
  ExpectGradients(
      Convolution("ConvTranspose", {2, 2, 2, 3}, {2, 1, 2, 2, 2}, 1, {Ints("strides", {2, 1, 2})}));
}

// <z, ConvWeight(x, g)> is linear in x and g: its gradients are the two other maps.
TEST(ConvWeight, IsTheAdjointOfBothOthers) {
  GraphBuilder builder;
  const Shape x_shape = {2, 2, 5};
  const Shape g_shape = {2, 4, 3};
  const ValueId x = builder.AddParameter(x_shape, 0);
  const ValueId g = builder.AddParameter(g_shape, 1);
  Window window{{2}, {2}, {1}, {1}, {0}, 2};
  const Result<ValueId> w =
      builder.Emit(primitives::kConvWeight, {x, g}, {.window = std::move(window)});
  ASSERT_TRUE(w.ok()) << w.error().message();
  EXPECT_EQ(builder.type(*w).shape, (Shape{4, 1, 2}));
  const std::shared_ptr<const Graph> graph = std::move(builder).Finish({*w});
  const Result<Differentiated> result = Differentiate(*graph, *w, 2);
  ASSERT_TRUE(result.ok());
  Draws draws;
  testing::GradientSubject subject{*graph, *w, {{}, {draws.List(20), draws.List(24)}, {}}};
  subject.bindings.seed = testing::DrawTensor(draws, graph->type(*w));
  const auto gradients =
      Interpret<double>(*result->graph, subject.bindings, std::span(result->gradients));
  ASSERT_TRUE(gradients.ok());
  for (std::size_t p = 0; p < 2; ++p) {
    for (std::size_t i = 0; i < subject.bindings.parameters[p].size(); ++i) {
      EXPECT_NEAR((*gradients)[p].reals[i], subject.Difference(p, i, 1e-5), 1e-6);
    }
  }
}

TEST(Conv, ExamplesFoldedIntoTheBatchAreTracked) {
  OnnxBuilder b({3, 2, 4, 4});
  b.Integers("fold", {-1, 2, 4, 4}).Weight("w", {5, 2, 3, 3}, Draws().Floats(90));
  b.Node("Reshape", {"x", "fold"}, {"r"}).Node("Conv", {"r", "w"}, {"y"}).Output("y");
  EXPECT_EQ(ShapeOf(b), "example*3 x 5 x 2 x 2 float32");
}

OnnxBuilder AfterTranspose(const std::string& op, const Shape& permutation) {
  OnnxBuilder b({1, 1, 4});
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", permutation)});
  return b.Weight("w", {1, 1, 1, 2}, {1, 2}).Node(op, {"t", "w"}, {"y"}).Output("y");
}

TEST(Conv, RefusesToMixExamples) {
  for (const char* op : {"Conv", "ConvTranspose"}) {
    ExpectRefused(AfterTranspose(op, {1, 0, 2, 3}), ErrorCode::kPrivacyRefused,
                  Words{"node 'n1'", "channels", "examples would mix", "axis 0"});
    ExpectRefused(AfterTranspose(op, {1, 2, 0, 3}), ErrorCode::kPrivacyRefused,
                  Words{"slides its window", "examples would mix"});
    OnnxBuilder filter({1, 4, 4});
    filter.Node(op, {"x", "x"}, {"y"}).Output("y");
    ExpectRefused(filter, ErrorCode::kPrivacyRefused, Words{"filter", "depends on the examples"});
    OnnxBuilder constant({1, 2, 2});
    constant.Constant("c", {1, 1, 4, 4}, std::vector<float>(16, 1));
    constant.Node(op, {"c", "x"}, {"y"}).Output("y");
    ExpectRefused(constant, ErrorCode::kPrivacyRefused, Words{"filter"});
  }
  OnnxBuilder bias({1});
  bias.Constant("c", {1, 1, 4}, {1, 2, 3, 4}).Constant("w", {1, 1, 2}, {1, 2});
  bias.Integers("flat", {-1}).Node("Reshape", {"x", "flat"}, {"b"});
  bias.Node("Conv", {"c", "w", "b"}, {"y"}).Output("y");
  ExpectRefused(bias, ErrorCode::kPrivacyRefused, Words{"bias", "depends on the examples"});
}

void ExpectBad(const Shape& example, const Shape& weight, const NodeAttributes& attributes,
               const Words& words, const char* op = "Conv") {
  ExpectRefused(Convolution(op, example, weight, weight[0], attributes), ErrorCode::kInvalidInput,
                words);
}

TEST(Conv, RefusesAbsurdAttributes) {
  for (const char* op : {"Conv", "ConvTranspose"}) {
    for (const std::int64_t number : {std::int64_t{0}, std::int64_t{-1}, kHuge}) {
      ExpectBad({1, 4}, {1, 1, 2}, {Ints("strides", {number})}, {"strides has the number"}, op);
      ExpectBad({1, 4}, {1, 1, 2}, {Ints("dilations", {number})}, {"dilations has the number"}, op);
    }
    ExpectBad({1, 4}, {1, 1, 2}, {Ints("pads", {-1, 0})}, {"pads has the number -1"}, op);
    ExpectBad({1, 4}, {1, 1, 2}, {Ints("pads", {kHuge, kHuge})}, {"pads has the number"}, op);
    ExpectBad({1, 4}, {1, 1, 2}, {Ints("pads", {1})}, {"pads has 1 numbers; 2 are needed"}, op);
    ExpectBad({1, 4}, {1, 1, 2}, {Ints("strides", {1, 1})}, {"strides has 2 numbers"}, op);
    ExpectBad({1, 4}, {1, 1, 2}, {Ints("kernel_shape", {3})}, {"kernel_shape is 3"}, op);
    ExpectBad({1, 4}, {1, 1, 2}, {Text("auto_pad", "SOME")}, {"auto_pad", "SOME"}, op);
    ExpectBad({3, 4}, {3, 1, 2}, {Int("group", 2)}, {"do not fit 2 group"}, op);
    for (const std::int64_t groups : {std::int64_t{0}, std::int64_t{-2}, kHuge}) {
      ExpectBad({2, 4}, {2, 1, 2}, {Int("group", groups)}, {"do not fit"}, op);
    }
    ExpectBad({1, 4}, {1, 1, 2, 2}, {}, {"has not the rank"}, op);
    ExpectBad({4}, {4, 4}, {}, {"at least one spatial axis"}, op);
  }
  ExpectBad({1, 4}, {1, 2, 2}, {}, {"channels", "do not fit"});
  ExpectBad({1, 4}, {1, 1, 5}, {}, {"does not fit into 4"});
  ExpectBad({1, 4}, {1, 1, 2}, {Ints("dilations", {1000000000})}, {"does not fit"});
  const NodeAttributes far = {Text("auto_pad", "SAME_UPPER"), Ints("dilations", {1000000000})};
  ExpectBad({1, 4}, {1, 1, 5}, far, {"out of range"});
  OnnxBuilder bias = Convolution("Conv", {1, 4}, {2, 1, 2}, 3);
  ExpectRefused(bias, ErrorCode::kInvalidInput, {"2 numbers are needed, one a channel"});
}

TEST(Conv, RefusesAbsurdSizes) {
  const auto refuse = [](const NodeAttributes& attributes, ErrorCode code, const Words& words) {
    ExpectRefused(Convolution("ConvTranspose", {1, 4}, {1, 1, 2}, 1, attributes), code, words);
  };
  refuse({Ints("pads", {9, 9})}, ErrorCode::kInvalidInput, {"the size -13"});
  refuse({Ints("strides", {1000000000})}, ErrorCode::kInvalidInput, {"the output would have"});
  refuse({Ints("output_shape", {0})}, ErrorCode::kInvalidInput, {"output_shape has the number 0"});
  refuse({Ints("output_padding", {-1})}, ErrorCode::kInvalidInput, {"output_padding"});
  refuse({Ints("output_shape", {1000000000})}, ErrorCode::kLimitExceeded, {});
  const NodeAttributes wide = {Ints("pads", {600000000, 0})};
  ExpectRefused(Convolution("Conv", {1, 4}, {1, 1, 2}, 1, wide), ErrorCode::kLimitExceeded, {});
}

}  // namespace
}  // namespace anchorhold::graph
