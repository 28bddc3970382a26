#include "client/core/model_summary.h"

#include <gtest/gtest.h>

#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::testing::Int;
using graph::testing::OnnxBuilder;
using Texts = std::vector<std::string>;

TEST(ModelSummary, SaysWhatIsInTheFile) {
  OnnxBuilder b({3}, 15);
  b.proto().set_producer_name("pytorch");
  b.proto().set_producer_version("2.1");
  b.Weight("w", {3, 2}, std::vector<float>(6, 1)).Weight("unused", {5}, std::vector<float>(5));
  b.Integers("shape", {0, 2});
  b.Node("MatMul", {"x", "w"}, {"m"}).Node("Relu", {"m"}, {"r"}).Node("Relu", {"r"}, {"s"});
  b.Node("Reshape", {"s", "shape"}, {"y"}).Output("y");
  const auto summary = SummariseModel(b.Write(), {});
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_TRUE(summary->accepted.ok());
  EXPECT_EQ(summary->opset, 15);
  EXPECT_EQ(summary->producer, "pytorch 2.1");
  ASSERT_EQ(summary->inputs.size(), 1u);
  EXPECT_EQ(summary->inputs[0].shape, (Texts{"N", "3"}));
  EXPECT_EQ(summary->outputs[0].shape, (Texts{"?", "2"}));
  EXPECT_EQ(summary->outputs[0].element, "float32");
  ASSERT_EQ(summary->parameters.size(), 2u);
  EXPECT_EQ(summary->parameters[0].count, 6u);
  EXPECT_EQ(summary->parameters[0].trainable, Trainable::kYes);
  EXPECT_EQ(summary->parameters[1].trainable, Trainable::kNo);
  EXPECT_EQ(summary->operators.at("Relu"), 2u);
  EXPECT_EQ(summary->nodes, 4u);
}

TEST(ModelSummary, ShowsARefusedModelToo) {
  OnnxBuilder b;
  b.Weight("w", {3}, {1, 2, 3}).Node("Add", {"x", "w"}, {"a"});
  b.Integers("axis", {0}).Node("CumSum", {"a", "axis"}, {"y"}).Output("y");
  const auto summary = SummariseModel(b.Write(), {});
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  ASSERT_FALSE(summary->accepted.ok());
  EXPECT_EQ(summary->accepted.error().code(), ErrorCode::kPrivacyRefused);
  EXPECT_EQ(summary->parameters[0].trainable, Trainable::kUnknown);
}

TEST(ModelSummary, NamesParametersThatTheFileDoesNotCarry) {
  OnnxBuilder b({3});
  b.Input("w", {2}, 3).Node("MatMul", {"x", "w"}, {"y"}).Output("y");
  const auto summary = SummariseModel(b.Write(), {});
  ASSERT_TRUE(summary.ok());
  ASSERT_TRUE(summary->accepted.ok()) << summary->accepted.error().message();
  ASSERT_EQ(summary->inputs.size(), 1u);
  ASSERT_EQ(summary->parameters.size(), 1u);
  EXPECT_EQ(summary->parameters[0].name, "w");
  EXPECT_FALSE(summary->parameters[0].carried);
}

}  // namespace
}  // namespace anchorhold::client
