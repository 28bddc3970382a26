// The normalisation operators: values, gradients, older forms and refusals.
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
using testing::Float;
using testing::GradientCheck;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

// "h" = x + w, w trained and of an example's shape: so the gradient of h is looked at too.
OnnxBuilder Shifted(const Shape& example, int opset = 17) {
  OnnxBuilder b(example, opset);
  Shape shape = example;
  shape.insert(shape.begin(), 1);
  b.Weight("w", shape, Draws(3).Floats(ElementCount(shape)));
  return b.Node("Add", {"x", "w"}, {"h"});
}

void ExpectNumbers(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6) << i;
}

OnnxBuilder Channels(const std::string& op, const Shape& example, std::int64_t channels, int opset,
                     const std::vector<onnx::AttributeProto>& attributes = {}) {
  OnnxBuilder b = Shifted(example, opset);
  b.Weight("scale", {channels}, Draws(4).Floats(static_cast<std::size_t>(channels)));
  b.Weight("bias", {channels}, Draws(5).Floats(static_cast<std::size_t>(channels)));
  return b.Node(op, {"h", "scale", "bias"}, {"y"}, attributes).Output("y");
}

TEST(LayerNormalization, GradientsOverOneAxisAndSeveral) {
  for (const std::int64_t axis : {-1, -2, 1, 2}) {
    OnnxBuilder b = Shifted({3, 4});
    const Shape shape = axis == -1 || axis == 2 ? Shape{4} : Shape{3, 4};
    b.Weight("scale", shape, Draws(4).Floats(ElementCount(shape)));
    b.Weight("bias", shape, Draws(5).Floats(ElementCount(shape)));
    b.Node("LayerNormalization", {"h", "scale", "bias"}, {"y"}, {Int("axis", axis)}).Output("y");
    ExpectGradients(b);
  }
}

TEST(LayerNormalization, MeanAndInverseDeviationAreDifferentiableOutputs) {
  OnnxBuilder b = Shifted({4});
  b.Constant("ones", {4}, {1, 1, 1, 1});
  b.Node("LayerNormalization", {"h", "ones"}, {"l", "mean", "inverse"});
  b.Node("Mul", {"mean", "inverse"}, {"y"}).Output("y");
  ExpectGradients(b);

  OnnxBuilder plain({4});
  plain.Constant("ones", {4}, {1, 1, 1, 1});
  plain.Node("LayerNormalization", {"x", "ones"}, {"l", "mean", "inverse"}, {Float("epsilon", 1)});
  plain.Output("l").Output("mean").Output("inverse");
  const auto outputs = Compute(plain, {0, 0, 4, 4});
  ASSERT_EQ(outputs.size(), 3U);
  const double inverse = 1 / std::sqrt(5.0);
  ExpectNumbers(outputs[0].reals, {-2 * inverse, -2 * inverse, 2 * inverse, 2 * inverse});
  ExpectNumbers(outputs[1].reals, {2});
  ExpectNumbers(outputs[2].reals, {inverse});
}

TEST(LayerNormalization, ALargeMeanDoesNotCancel) {
  OnnxBuilder b({2});
  b.Constant("ones", {2}, {1, 1}).Node("LayerNormalization", {"x", "ones"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok());
  Bindings<float> bindings;
  bindings.inputs.push_back({ElementType::kFloat32, {}, {100'000, 100'002}, {}});
  const auto y = Interpret<float>(model->graph(), bindings, model->graph().outputs());
  ASSERT_TRUE(y.ok());
  EXPECT_NEAR((*y)[0].reals[0], -1, 1e-4);
  EXPECT_NEAR((*y)[0].reals[1], 1, 1e-4);
}

TEST(LayerNormalization, TheExampleAxisIsRefused) {
  OnnxBuilder b({4});
  b.Weight("scale", {1, 4}, {1, 1, 1, 1});
  b.Node("LayerNormalization", {"x", "scale"}, {"y"}, {Int("axis", 0)}).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused,
                {"node 'n0' (LayerNormalization", "example axis", "mix examples"});
  OnnxBuilder turned({4});
  turned.Weight("scale", {1}, {1}).Node("Transpose", {"x"}, {"t"});
  turned.Node("LayerNormalization", {"t", "scale"}, {"y"}).Output("y");
  ExpectRefused(turned, ErrorCode::kPrivacyRefused, {"example axis", "mix examples"});
}

TEST(LayerNormalization, AbsurdAttributes) {
  const auto with = [](const onnx::AttributeProto& attribute, const Shape& scale = {4}) {
    OnnxBuilder b({4});
    b.Weight("scale", scale, std::vector<float>(ElementCount(scale)));
    b.Node("LayerNormalization", {"x", "scale"}, {"y"}, {attribute}).Output("y");
    return b;
  };
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  ExpectRefused(with(Int("axis", kMin)), ErrorCode::kInvalidInput, {"axis"});
  ExpectRefused(with(Int("axis", 2)), ErrorCode::kInvalidInput, {"axis 2"});
  ExpectRefused(with(Float("epsilon", -1)), ErrorCode::kInvalidInput, {"epsilon"});
  ExpectRefused(with(Float("epsilon", std::nanf(""))), ErrorCode::kInvalidInput, {"epsilon"});
  ExpectRefused(with(Int("unheard_of", 1)), ErrorCode::kUnsupported, {"'unheard_of'"});
  ExpectRefused(with(Int("axis", -1), {3}), ErrorCode::kInvalidInput, {"cannot broadcast"});
  ExpectRefused(with(Int("axis", -1), {2, 1, 4}), ErrorCode::kInvalidInput, {"is larger"});
  ExpectRefused(with(Int("axis", -1), {2, 4}), ErrorCode::kPrivacyRefused, {"place in the batch"});
  OnnxBuilder larger({1});
  larger.Weight("scale", {5}, std::vector<float>(5));
  larger.Node("LayerNormalization", {"x", "scale"}, {"y"}).Output("y");
  ExpectRefused(larger, ErrorCode::kInvalidInput, {"is larger than what is normalised"});
}

TEST(RmsNormalization, Gradients) {
  for (const std::int64_t axis : {-1, 1}) {
    OnnxBuilder b = Shifted({3, 4}, 23);
    b.Weight("scale", {4}, Draws(4).Floats(4));
    b.Node("RMSNormalization", {"h", "scale"}, {"y"}, {Int("axis", axis)}).Output("y");
    ExpectGradients(b);
  }
}

TEST(GroupNormalization, GradientsWithScalesByGroupAndByChannel) {
  ExpectGradients(Channels("GroupNormalization", {4, 3}, 2, 18, {Int("num_groups", 2)}));
  ExpectGradients(Channels("GroupNormalization", {4, 3}, 4, 21, {Int("num_groups", 2)}));
}

TEST(GroupNormalization, AbsurdAttributes) {
  for (const std::int64_t groups : {std::int64_t{0}, std::int64_t{-2}, std::int64_t{3},
                                    std::numeric_limits<std::int64_t>::min()}) {
    ExpectRefused(Channels("GroupNormalization", {4, 3}, 4, 21, {Int("num_groups", groups)}),
                  ErrorCode::kInvalidInput, {"num_groups must divide the 4 channels"});
  }
  ExpectRefused(Channels("GroupNormalization", {4, 3}, 3, 21, {Int("num_groups", 2)}),
                ErrorCode::kInvalidInput, {"must have 4 numbers"});
}

TEST(GroupNormalization, ExamplesInASpatialPlaceAreRefused) {
  OnnxBuilder b({4, 3}, 21);
  b.Weight("scale", {4}, {1, 1, 1, 1}).Weight("bias", {4}, {1, 1, 1, 1});
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {2, 1, 0})});
  b.Node("GroupNormalization", {"t", "scale", "bias"}, {"y"}, {Int("num_groups", 2)}).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"example axis", "mix examples"});
}

TEST(InstanceNormalization, Gradients) {
  ExpectGradients(Channels("InstanceNormalization", {2, 5}, 2, 13, {Float("epsilon", 0.01F)}));
  ExpectGradients(
      Channels("InstanceNormalization", {2, 2, 3}, 2, 6, {Ints("consumed_inputs", {0})}));
}

TEST(InstanceNormalization, ExamplesElsewhereAreRefused) {
  for (const Shape& order : {Shape{2, 1, 0}, Shape{1, 0, 2}}) {
    OnnxBuilder b({4, 3});
    b.Weight("scale", {4}, {1, 1, 1, 1}).Weight("bias", {4}, {1, 1, 1, 1});
    b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", order)});
    b.Node("InstanceNormalization", {"t", "scale", "bias"}, {"y"}).Output("y");
    ExpectRefused(b, ErrorCode::kPrivacyRefused, {"example axis", "mix examples"});
  }
  ExpectRefused(Channels("InstanceNormalization", {4}, 4, 13), ErrorCode::kInvalidInput,
                {"rank 3 or more"});
}

TEST(MeanVarianceNormalization, GradientsOverAxesThatAreNotTheLast) {
  OnnxBuilder b = Shifted({3, 4});
  b.Node("MeanVarianceNormalization", {"h"}, {"y"}, {Ints("axes", {1})}).Output("y");
  ExpectGradients(b);
  OnnxBuilder batch({2, 3, 4});
  batch.Node("MeanVarianceNormalization", {"x"}, {"y"}).Output("y");
  ExpectRefused(batch, ErrorCode::kPrivacyRefused, {"example axis", "mix examples"});
}

TEST(MeanVarianceNormalization, AConstantGivesZeros) {
  OnnxBuilder b({4});
  b.Node("MeanVarianceNormalization", {"x"}, {"y"}, {Ints("axes", {1})}).Output("y");
  ExpectNumbers(Compute(b, {3, 3, 3, 3})[0].reals, {0, 0, 0, 0});
}

TEST(LpNormalization, Gradients) {
  for (const std::int64_t p : {1, 2}) {
    OnnxBuilder b = Shifted({3, 4});
    b.Node("LpNormalization", {"h"}, {"y"}, {Int("axis", 1), Int("p", p)}).Output("y");
    ExpectGradients(b);
  }
}

TEST(LpNormalization, ValuesAndZeros) {
  const auto norm = [](std::int64_t p) {
    OnnxBuilder b({2, 2});
    b.Node("LpNormalization", {"x"}, {"y"}, {Int("p", p)}).Output("y");
    return b;
  };
  ExpectNumbers(Compute(norm(1), {3, -1, 0, 0})[0].reals, {0.75, -0.25, 0, 0});
  ExpectNumbers(Compute(norm(2), {3, -4, 0, 0})[0].reals, {0.6, -0.8, 0, 0});
  ExpectRefused(norm(3), ErrorCode::kInvalidInput, {"p must be 1 or 2"});
  OnnxBuilder batch({2});
  batch.Node("LpNormalization", {"x"}, {"y"}, {Int("axis", 0)}).Output("y");
  ExpectRefused(batch, ErrorCode::kPrivacyRefused, {"example axis", "mix examples"});
}

TEST(Lrn, GradientsAndAbsurdAttributes) {
  const auto lrn = [](std::int64_t size, float bias) {
    OnnxBuilder b = Shifted({5, 2});
    b.Node("LRN", {"h"}, {"y"}, {Int("size", size), Float("alpha", 0.5F), Float("bias", bias)});
    return b.Output("y");
  };
  ExpectGradients(lrn(3, 1));
  ExpectGradients(lrn(4, 2));
  ExpectGradients(lrn(std::numeric_limits<std::int64_t>::max(), 2));
  ExpectRefused(lrn(0, 1), ErrorCode::kInvalidInput, {"size"});
  ExpectRefused(lrn(3, -1), ErrorCode::kUnsupported, {"bias"});
  OnnxBuilder wide({20'000, 1});
  wide.Node("LRN", {"x"}, {"y"}, {Int("size", 3)}).Output("y");
  ExpectRefused(wide, ErrorCode::kLimitExceeded, {});
}

OnnxBuilder BatchNorm(const Shape& example, const Shape& given, int opset,
                      const std::vector<onnx::AttributeProto>& attributes = {}) {
  OnnxBuilder b = Shifted(example, opset);
  const std::size_t size = ElementCount(given);
  b.Weight("scale", given, Draws(4).Floats(size)).Weight("bias", given, Draws(5).Floats(size));
  std::vector<float> variance = Draws(6).Floats(size);
  for (float& v : variance) v += 1.5F;
  b.Weight("mean", given, Draws(7).Floats(size)).Weight("var", given, variance);
  b.Node("BatchNormalization", {"h", "scale", "bias", "mean", "var"}, {"y"}, attributes);
  return b.Output("y");
}

TEST(BatchNormalization, GradientsInInference) {
  ExpectGradients(BatchNorm({3, 2}, {3}, 15));
  ExpectGradients(BatchNorm({3}, {3}, 9));
  ExpectGradients(BatchNorm({3, 2}, {3}, 6, {Int("is_test", 1), Ints("consumed_inputs", {0, 0})}));
  ExpectGradients(BatchNorm({3, 2}, {3, 2}, 7, {Int("spatial", 0), Float("momentum", 0.5F)}));
}

TEST(BatchNormalization, RunningStatisticsAreNotTrained) {
  const Result<Model> model = ImportOnnx(BatchNorm({3, 2}, {3}, 15).Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  std::vector<std::string> names;
  for (const Parameter& parameter : model->parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names, (std::vector<std::string>{"w", "scale", "bias"}));
}

TEST(BatchNormalization, TrainingIsRefusedInEveryForm) {
  ExpectRefused(BatchNorm({3, 2}, {3}, 6), ErrorCode::kPrivacyRefused,
                {"is_test=0", "statistics over the batch", "is_test=1"});
  ExpectRefused(BatchNorm({3, 2}, {3}, 14, {Int("training_mode", 1)}), ErrorCode::kPrivacyRefused,
                {"training_mode=1", "statistics over the batch"});
}

TEST(BatchNormalization, StatisticsThatTheModelComputesAreRefused) {
  OnnxBuilder b({2});
  b.Weight("scale", {2}, {1, 1}).Weight("mean", {2}, {1, 1}).Weight("var", {2}, {1, 1});
  b.Node("Exp", {"var"}, {"computed"});
  b.Node("BatchNormalization", {"x", "scale", "scale", "mean", "computed"}, {"y"}).Output("y");
  ExpectRefused(b, ErrorCode::kUnsupported, {"input 4", "known when the model is read"});
}

TEST(BatchNormalization, ShapesThatDoNotFit) {
  ExpectRefused(BatchNorm({3, 2}, {2}, 15), ErrorCode::kInvalidInput, {"must have the shape 3"});
  ExpectRefused(BatchNorm({3, 2}, {3}, 7, {Int("spatial", 0)}), ErrorCode::kInvalidInput,
                {"must have the shape 3x2"});
}

// Without examples: batch statistics of x [4, 2], by channel, and gradients through them.
TEST(BatchNormalization, TrainingWhereNoExamplesAreToldApart) {
  ImportOptions options;
  options.examples = false;
  options.inputs["x"] = {ElementType::kFloat32, {4, 2}, {}};
  OnnxBuilder b({2}, 15);
  b.Constant("scale", {2}, {1, 2}).Constant("bias", {2}, {0, 1});
  b.Constant("mean", {2}, {1, 1}).Constant("var", {2}, {2, 2});
  b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"y", "m", "v"},
         {Int("training_mode", 1), Float("momentum", 0.75F), Float("epsilon", 0)});
  b.Output("y").Output("m").Output("v");
  const auto outputs = Compute(b, {1, 5, 1, 5, 3, 5, 3, 1}, options);
  ASSERT_EQ(outputs.size(), 3U);
  const double r = 1 / std::sqrt(3.0);
  ExpectNumbers(outputs[0].reals, {-1, 1 + 2 * r, -1, 1 + 2 * r, 1, 1 + 2 * r, 1, 1 - 6 * r});
  ExpectNumbers(outputs[1].reals, {0.75 + 0.5, 0.75 + 1});
  ExpectNumbers(outputs[2].reals, {1.5 + 0.25, 1.5 + 0.75});

  OnnxBuilder trained({2}, 15);
  trained.Weight("w", {4, 2}, Draws(3).Floats(8)).Weight("scale", {2}, {1, 2});
  trained.Weight("bias", {2}, {0, 1}).Constant("mean", {2}, {1, 1}).Constant("var", {2}, {2, 2});
  trained.Node("Add", {"x", "w"}, {"h"});
  trained.Node("BatchNormalization", {"h", "scale", "bias", "mean", "var"}, {"y"},
               {Int("training_mode", 1)});
  ExpectGradients(trained.Output("y"), {.options = options});
}

TEST(Softmax, BeforeOpset13TheAxesFromTheGivenOneAreOne) {
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    OnnxBuilder b = Shifted({2, 3}, 11);
    ExpectGradients(b.Node(op, {"h"}, {"y"}).Output("y"));
    OnnxBuilder later = Shifted({2, 3}, 13);
    ExpectGradients(later.Node(op, {"h"}, {"y"}, {Int("axis", 1)}).Output("y"));
  }
  OnnxBuilder flat({2, 2}, 11);
  flat.Node("Softmax", {"x"}, {"y"}).Output("y");
  ExpectNumbers(Compute(flat, {0, 0, 0, 0})[0].reals, {0.25, 0.25, 0.25, 0.25});
  OnnxBuilder line({2, 2}, 13);
  line.Node("Softmax", {"x"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectNumbers(Compute(line, {0, 0, 0, 0})[0].reals, {0.5, 0.5, 0.5, 0.5});
  OnnxBuilder batch({2, 3}, 11);
  batch.Node("Softmax", {"x"}, {"y"}, {Int("axis", 0)}).Output("y");
  ExpectRefused(batch, ErrorCode::kPrivacyRefused, {"example axis", "would mix"});
}

TEST(Hardmax, MarksTheFirstOfTheLargest) {
  OnnxBuilder b({4});
  b.Node("Hardmax", {"x"}, {"y"}).Output("y");
  ExpectNumbers(Compute(b, {1, 3, 3, 2})[0].reals, {0, 1, 0, 0});
  OnnxBuilder batch({4});
  batch.Node("Hardmax", {"x"}, {"y"}, {Int("axis", 0)}).Output("y");
  ExpectRefused(batch, ErrorCode::kPrivacyRefused, {"searches along the example axis"});
}

}  // namespace
}  // namespace anchorhold::graph
