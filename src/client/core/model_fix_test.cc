#include "client/core/model_fix.h"

#include <gtest/gtest.h>

#include <cmath>

#include "client/core/model_run.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;
using graph::testing::Float;
using graph::testing::OnnxBuilder;

// x [N, channels, rest..] through one BatchNormalization with scale 1, 2, .. and bias 0.5, 1, ..
OnnxBuilder Normalising(std::int64_t channels, const std::vector<std::int64_t>& rest,
                        int opset = 17) {
  std::vector<std::int64_t> example = {channels};
  example.insert(example.end(), rest.begin(), rest.end());
  std::vector<float> scale;
  std::vector<float> bias;
  for (std::int64_t c = 0; c < channels; ++c) {
    scale.push_back(static_cast<float>(c + 1));
    bias.push_back(0.5F * static_cast<float>(c + 1));
  }
  const auto count = static_cast<std::size_t>(channels);
  OnnxBuilder b(example, opset);
  b.Weight("scale", {channels}, scale).Weight("bias", {channels}, bias);
  b.Weight("mean", {channels}, std::vector<float>(count, 3));
  b.Weight("variance", {channels}, std::vector<float>(count, 2));
  b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"y"},
         {Float("epsilon", 0.25F)});
  return b.Output("y");
}

FixedModel Fix(ByteSpan onnx, std::int64_t groups = kGroupsDefault) {
  Result<FixedModel> fixed = FixBatchNormalization(onnx, groups, {});
  EXPECT_TRUE(fixed.ok()) << fixed.error().message();
  return fixed.ok() ? *std::move(fixed) : FixedModel{};
}

Error FixError(ByteSpan onnx) {
  const Result<FixedModel> fixed = FixBatchNormalization(onnx, kGroupsDefault, {});
  EXPECT_FALSE(fixed.ok());
  return fixed.ok() ? InternalError("none") : fixed.error();
}

// y for [1, channels, positions], by the definition.
std::vector<double> GroupNormalization(const std::vector<double>& x, std::size_t channels,
                                       std::size_t groups) {
  const std::size_t positions = x.size() / channels;
  const std::size_t size = x.size() / groups;
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t begin = i / size * size;
    double mean = 0;
    double variance = 0;
    for (std::size_t j = begin; j < begin + size; ++j) mean += x[j] / static_cast<double>(size);
    for (std::size_t j = begin; j < begin + size; ++j) {
      variance += (x[j] - mean) * (x[j] - mean) / static_cast<double>(size);
    }
    const auto c = static_cast<double>(i / positions + 1);
    y[i] = c * (x[i] - mean) / std::sqrt(variance + 0.25) + 0.5 * c;
  }
  return y;
}

TEST(ModelFix, ComputesGroupNormalization) {
  for (const int opset : {6, 7, 13, 21}) {
    for (const std::int64_t groups : {1, 2, 4}) {
      const FixedModel fixed = Fix(Normalising(4, {2, 3}, opset).Write(), groups);
      ASSERT_EQ(fixed.rewritten.size(), 1u);
      EXPECT_EQ(fixed.rewritten[0].groups, groups);
      EXPECT_EQ(fixed.rewritten[0].channels, 4);
      Array x{ElementType::kFloat32, {1, 4, 2, 3}, {}, {}};
      for (int i = 0; i < 24; ++i) x.reals.push_back((i * 7 % 24) * 0.5);
      const auto outputs = RunModel(fixed.onnx, {{"x", x}}, {.float64 = true, .weights = {}});
      ASSERT_TRUE(outputs.ok()) << outputs.error().message();
      const std::vector<double> expected =
          GroupNormalization(x.reals, 4, static_cast<std::size_t>(groups));
      const Array& y = (*outputs)[0].array;
      ASSERT_EQ(y.shape, x.shape);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(y.reals[i], expected[i], 1e-9) << "opset " << opset << ", groups " << groups;
      }
    }
  }
}

TEST(ModelFix, TheResultIsAcceptedAndKeepsScaleAndBias) {
  const FixedModel fixed = Fix(Normalising(4, {2, 3}).Write());
  EXPECT_EQ(fixed.dropped, (std::vector<std::string>{"mean", "variance"}));
  const auto model = graph::ImportOnnx(fixed.onnx);
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->parameters().size(), 2u);
  EXPECT_EQ(model->parameters()[0].name, "scale");
  EXPECT_EQ(model->parameters()[0].shape, (graph::Shape{4}));
  EXPECT_EQ(model->parameters()[0].values, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(model->parameters()[1].name, "bias");
}

TEST(ModelFix, FixedAgainNothingChanges) {
  const FixedModel once = Fix(Normalising(4, {2, 3}).Write());
  const FixedModel twice = Fix(once.onnx);
  EXPECT_TRUE(twice.rewritten.empty());
  EXPECT_EQ(twice.onnx, once.onnx);
}

TEST(ModelFix, TakesTheLargestDivisor) {
  EXPECT_EQ(Fix(Normalising(48, {2, 2}).Write()).rewritten[0].groups, 24);
  EXPECT_EQ(Fix(Normalising(64, {2, 2}).Write()).rewritten[0].groups, 32);
  EXPECT_EQ(Fix(Normalising(37, {2, 2}).Write()).rewritten[0].groups, 1);
  EXPECT_EQ(Fix(Normalising(48, {2, 2}).Write(), 5).rewritten[0].groups, 4);
}

TEST(ModelFix, AGroupIsNeverOneNumberOrTwo) {
  EXPECT_EQ(Fix(Normalising(32, {}).Write()).rewritten[0].groups, 4);
  EXPECT_EQ(Fix(Normalising(32, {1, 1}).Write()).rewritten[0].groups, 4);
  EXPECT_EQ(Fix(Normalising(6, {}).Write()).rewritten[0].groups, 1);
  EXPECT_EQ(Fix(Normalising(64, {}).Write()).rewritten[0].groups, 8);
  EXPECT_EQ(Fix(Normalising(32, {3}).Write()).rewritten[0].groups, 32);
}

TEST(ModelFix, ScaleBehindIdentityAndSharedStatistics) {
  OnnxBuilder b({2, 3});
  b.Weight("s", {2}, {1, 2}).Weight("z", {2}, {0, 0});
  b.Node("Identity", {"s"}, {"scale"});
  b.Node("BatchNormalization", {"x", "scale", "z", "z", "s"}, {"a"});
  b.Node("BatchNormalization", {"a", "scale", "z", "z", "s"}, {"y"});
  const FixedModel fixed = Fix(b.Output("y").Write());
  EXPECT_EQ(fixed.rewritten.size(), 2u);
  EXPECT_TRUE(fixed.dropped.empty());  // both are read elsewhere
}

TEST(ModelFix, RefusesWhatHasNoEquivalent) {
  OnnxBuilder computed({2, 3});
  computed.Weight("s", {2}, {1, 2}).Node("Abs", {"s"}, {"scale"});
  computed.Node("BatchNormalization", {"x", "scale", "s", "s", "s"}, {"y"}).Output("y");
  EXPECT_EQ(FixError(computed.Write()).code(), ErrorCode::kUnsupported);
  EXPECT_NE(FixError(computed.Write()).message().find("'scale'"), std::string::npos);

  OnnxBuilder read = Normalising(2, {3});
  read.proto().mutable_graph()->mutable_node(0)->add_output("running_mean");
  read.Node("Identity", {"running_mean"}, {"z"}).Output("z");
  EXPECT_NE(FixError(read.Write()).message().find("'running_mean'"), std::string::npos);

  OnnxBuilder positions = Normalising(2, {3}, 7);
  *positions.proto().mutable_graph()->mutable_node(0)->add_attribute() =
      graph::testing::Int("spatial", 0);
  EXPECT_EQ(FixError(positions.Write()).code(), ErrorCode::kUnsupported);

  EXPECT_EQ(FixError(AsBytes("no model")).code(), ErrorCode::kInvalidInput);
}

TEST(ModelFix, AModelThatMixesElsewhereIsStillRefused) {
  OnnxBuilder b = Normalising(2, {3});
  b.Integers("axis", {0}).Node("CumSum", {"y", "axis"}, {"z"}).Output("z");
  EXPECT_EQ(FixError(b.Write()).code(), ErrorCode::kPrivacyRefused);
}

TEST(ModelFix, WithoutBatchNormalizationTheBytesAreTheSame) {
  OnnxBuilder b;
  const Bytes onnx = b.Node("Relu", {"x"}, {"y"}).Output("y").Write();
  const FixedModel fixed = Fix(onnx);
  EXPECT_TRUE(fixed.rewritten.empty());
  EXPECT_EQ(fixed.onnx, onnx);
}

}  // namespace
}  // namespace anchorhold::client
