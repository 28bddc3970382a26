#include "client/core/bench_work.h"

#include <gtest/gtest.h>

#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;

graph::Model Import(const OnnxBuilder& builder) {
  auto model = graph::ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message());
  return *std::move(model);
}

double Training(const graph::Model& model) {
  const auto count = TrainingMultiplyAdds(model, train::Loss::kMeanSquaredError);
  EXPECT_TRUE(count.ok());
  return count.ok() ? *count : -1;
}

// Two products: the first layer's input has no gradient.
TEST(BenchWork, CountsMatrixProducts) {
  OnnxBuilder b({3});
  b.Weight("v", {3, 5}, std::vector<float>(15, 1)).Weight("w", {5, 2}, std::vector<float>(10, 1));
  b.Node("MatMul", {"x", "v"}, {"h"}).Node("Relu", {"h"}, {"r"}).Node("MatMul", {"r", "w"}, {"y"});
  const graph::Model model = Import(b.Output("y"));
  EXPECT_EQ(ForwardMultiplyAdds(model), 15 + 10);
  EXPECT_EQ(Training(model), 2 * 15 + 3 * 10);
}

// [N, 4, 6, 6] by 2 groups of 3 channels, 3x3, stride 2 with padding 1: [N, 6, 3, 3]; then 1x1.
TEST(BenchWork, CountsConvolutions) {
  OnnxBuilder b({4, 6, 6});
  b.Weight("v", {6, 2, 3, 3}, std::vector<float>(108, 1));
  b.Weight("w", {5, 6, 1, 1}, std::vector<float>(30, 1));
  b.Node("Conv", {"x", "v"}, {"h"},
         {Int("group", 2), Ints("strides", {2, 2}), Ints("pads", {1, 1, 1, 1})});
  b.Node("Conv", {"h", "w"}, {"y"});
  const graph::Model model = Import(b.Output("y"));
  const double first = 6 * 9 * 2 * 9;
  const double second = 5 * 9 * 6;
  EXPECT_EQ(ForwardMultiplyAdds(model), first + second);
  EXPECT_EQ(Training(model), 2 * first + 3 * second);
}

// x x^T for each example: both of its sides depend on the weights.
TEST(BenchWork, CountsProductsOfActivations) {
  OnnxBuilder b({4, 3});
  b.Weight("w", {3, 3}, std::vector<float>(9, 1)).Node("MatMul", {"x", "w"}, {"h"});
  b.Node("Transpose", {"h"}, {"t"}, {Ints("perm", {0, 2, 1})}).Node("MatMul", {"h", "t"}, {"y"});
  const graph::Model model = Import(b.Output("y"));
  EXPECT_EQ(ForwardMultiplyAdds(model), 4 * 3 * 3 + 4 * 3 * 4);
  EXPECT_EQ(Training(model), 2 * 4 * 3 * 3 + 3 * 4 * 3 * 4);
}

}  // namespace
}  // namespace anchorhold::client
