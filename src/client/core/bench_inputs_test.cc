#include "client/core/bench_inputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor.h"

namespace anchorhold::client {
namespace {

using graph::testing::Int;
using graph::testing::OnnxBuilder;

graph::Model Import(const OnnxBuilder& builder) {
  auto model = graph::ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message());
  return *std::move(model);
}

// Word ids [N, 4], read from a table of 7 rows and, one higher, from one of 5.
graph::Model Words() {
  OnnxBuilder b({4});
  onnx::GraphProto* const graph = b.proto().mutable_graph();
  graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  b.Weight("long", {7, 2}, std::vector<float>(14, 0.5F));
  b.Weight("short", {5, 2}, std::vector<float>(10, 0.5F));
  b.Integers("zero", {0}).Integers("axis", {1});
  b.Node("Gather", {"long", "x"}, {"a"}).Node("Add", {"x", "zero"}, {"moved"});
  b.Node("Gather", {"short", "moved"}, {"b"}).Node("Add", {"a", "b"}, {"c"});
  b.Node("ReduceSum", {"c", "axis"}, {"y"}, {Int("keepdims", 0)});
  return Import(b.Output("y"));
}

graph::Model Linear(std::int64_t outputs) {
  OnnxBuilder b({3});
  const std::vector<float> weights(static_cast<std::size_t>(3 * outputs), 1);
  b.Weight("w", {3, outputs}, weights).Node("MatMul", {"x", "w"}, {"y"});
  return Import(b.Output("y"));
}

TEST(BenchInputs, IdsFitTheSmallestTable) {
  const graph::Model model = Words();
  EXPECT_EQ(IdRanges(model), std::vector<std::int64_t>{5});
  const auto examples = RandomExamples(model, train::Loss::kCrossEntropy, 50, 1);
  ASSERT_TRUE(examples.ok());
  ASSERT_EQ(examples->features.size(), 200u);
  for (int id = 0; id < 5; ++id) {
    EXPECT_NE(std::count(examples->features.begin(), examples->features.end(), id), 0) << id;
  }
  for (const float id : examples->features) {
    EXPECT_EQ(id, std::floor(id));
    EXPECT_TRUE(id >= 0 && id < 5) << id;
  }
}

TEST(BenchInputs, IntegersThatReadNoTableAreBits) {
  OnnxBuilder b({4});
  onnx::GraphProto* const graph = b.proto().mutable_graph();
  graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  b.Weight("w", {4, 2}, std::vector<float>(8, 1));
  b.Node("Cast", {"x"}, {"real"}, {Int("to", onnx::TensorProto::FLOAT)});
  b.Node("MatMul", {"real", "w"}, {"y"});
  EXPECT_EQ(IdRanges(Import(b.Output("y"))), std::vector<std::int64_t>{2});
}

TEST(BenchInputs, RealsAreStandardNormal) {
  const train::ExampleSet examples = RandomFeatures(Linear(2), 4000, 3);
  ASSERT_EQ(examples.features.size(), 12000u);
  double sum = 0;
  double squares = 0;
  for (const float x : examples.features) {
    sum += x;
    squares += static_cast<double>(x) * x;
  }
  EXPECT_NEAR(sum / 12000, 0, 0.05);  // over 5 standard deviations
  EXPECT_NEAR(squares / 12000, 1, 0.07);
}

TEST(BenchInputs, LabelsSuitEachLoss) {
  for (const train::Loss loss :
       {train::Loss::kCrossEntropy, train::Loss::kBinaryCrossEntropy,
        train::Loss::kMeanSquaredError, train::Loss::kMeanAbsoluteError, train::Loss::kHuber}) {
    const graph::Model model = Linear(4);
    const auto examples = RandomExamples(model, loss, 20, 1);
    ASSERT_TRUE(examples.ok());
    const Status fits = train::CheckFits(model, loss, *examples);
    EXPECT_TRUE(fits.ok()) << train::LossName(loss) << ": " << fits.error().message();
  }
  EXPECT_FALSE(RandomExamples(Linear(1), train::Loss::kCrossEntropy, 20, 1).ok());
}

TEST(BenchInputs, AreAFunctionOfTheSeed) {
  const graph::Model model = Linear(2);
  EXPECT_EQ(RandomFeatures(model, 5, 1).features, RandomFeatures(model, 5, 1).features);
  EXPECT_NE(RandomFeatures(model, 5, 1).features, RandomFeatures(model, 5, 2).features);
}

}  // namespace
}  // namespace anchorhold::client
