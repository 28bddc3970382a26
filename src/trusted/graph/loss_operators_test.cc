// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. ONNX's own cases hold the values; here are
// gradients, what a single example may have, and refusals.
#include <gtest/gtest.h>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/refusal_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::ExpectRefused;
using testing::Int;
using testing::OnnxBuilder;
using testing::Text;

// Scores h = x + w and classes t of an example, and one loss over them.
OnnxBuilder Loss(const std::string& op, const Shape& scores, const Shape& classes,
                 const std::vector<onnx::AttributeProto>& attributes, bool weighted = false) {
  OnnxBuilder b(scores);
  Shape shape = scores;
  shape.insert(shape.begin(), 1);
  b.Weight("w", shape, Draws(3).Floats(ElementCount(shape))).Input("t", classes);
  b.proto().mutable_graph()->mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  b.Node("Add", {"x", "w"}, {"h"});
  std::vector<std::string> inputs{"h", "t"};
  if (weighted) {
    b.Weight("weights", {scores[0]}, Draws(4).Floats(static_cast<std::size_t>(scores[0])));
    inputs.push_back("weights");
  }
  return b.Node(op, inputs, {"y"}, attributes).Output("y");
}

TEST(LossOperators, GradientsOfOneExample) {
  for (const char* op : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    for (const bool weighted : {false, true}) {
      ExpectGradients(Loss(op, {3}, {}, {Text("reduction", "none")}, weighted));
      ExpectGradients(Loss(op, {3, 4}, {4}, {Text("reduction", "none")}, weighted));
      ExpectGradients(
          Loss(op, {3, 4}, {4}, {Text("reduction", "none"), Int("ignore_index", 1)}, weighted));
    }
  }
}

TEST(LossOperators, GradientsOfABatch) {
  ImportOptions options;
  options.examples = false;
  options.inputs["x"] = {ElementType::kFloat32, {3, 4}, {}};
  options.inputs["t"] = {ElementType::kInt64, {3}, {}};
  for (const char* reduction : {"sum", "mean"}) {
    for (const bool weighted : {false, true}) {
      const OnnxBuilder plain =
          Loss("SoftmaxCrossEntropyLoss", {4}, {}, {Text("reduction", reduction)}, weighted);
      ExpectGradients(plain, {.options = options});
      const OnnxBuilder ignoring =
          Loss("SoftmaxCrossEntropyLoss", {4}, {},
               {Text("reduction", reduction), Int("ignore_index", 2)}, weighted);
      ExpectGradients(ignoring,
                      {.options = options,
                       .inputs = {{ElementType::kFloat32, {3, 4}, std::vector<double>(12), {}},
                                  {ElementType::kInt64, {3}, {}, {2, 0, 3}}}});
    }
  }
}

// What is ignored adds nothing, even where its score is infinite or its class out of range.
TEST(LossOperators, IgnoredPlacesAndClassesOutOfRange) {
  const auto losses = [](const std::vector<onnx::AttributeProto>& attributes) {
    OnnxBuilder b = Loss("NegativeLogLikelihoodLoss", {2, 3}, {3}, attributes);
    const Result<Model> model = ImportOnnx(b.Write());
    EXPECT_TRUE(model.ok()) << model.error().message();
    Bindings<double> bindings;
    bindings.parameters = {std::vector<double>(6, 0)};
    bindings.inputs.push_back({ElementType::kFloat32, {}, {-HUGE_VAL, -1, -2, -3, -4, -5}, {}});
    bindings.inputs.push_back({ElementType::kInt64, {}, {}, {-100, 1, 7}});
    const auto y = Interpret<double>(model->graph(), bindings, model->graph().outputs());
    return (*y)[0].reals;
  };
  const auto ignoring = losses({Text("reduction", "none"), Int("ignore_index", -100)});
  ASSERT_EQ(ignoring.size(), 3U);
  EXPECT_EQ(ignoring[0], 0);
  EXPECT_EQ(ignoring[1], 4);
  EXPECT_TRUE(std::isnan(ignoring[2]));
  const auto strict = losses({Text("reduction", "none")});
  EXPECT_TRUE(std::isnan(strict[0]));
}

TEST(LossOperators, ReducingOverTheBatchIsRefused) {
  for (const char* reduction : {"sum", "mean"}) {
    ExpectRefused(Loss("SoftmaxCrossEntropyLoss", {3}, {}, {Text("reduction", reduction)}),
                  ErrorCode::kPrivacyRefused,
                  {"(SoftmaxCrossEntropyLoss", "example axis", "would mix"});
  }
  ExpectRefused(Loss("NegativeLogLikelihoodLoss", {3}, {}, {}, true), ErrorCode::kPrivacyRefused,
                {"(NegativeLogLikelihoodLoss", "would mix"});
}

TEST(LossOperators, ShapesAndAttributesThatDoNotFit) {
  const std::vector<onnx::AttributeProto> none{Text("reduction", "none")};
  ExpectRefused(Loss("SoftmaxCrossEntropyLoss", {3}, {}, {Text("reduction", "median")}),
                ErrorCode::kInvalidInput, {"none, sum or mean"});
  ExpectRefused(Loss("SoftmaxCrossEntropyLoss", {3, 4}, {5}, none), ErrorCode::kInvalidInput,
                {"do not fit"});
  ExpectRefused(Loss("SoftmaxCrossEntropyLoss", {3, 4}, {}, none), ErrorCode::kInvalidInput,
                {"one axis more"});
  ExpectRefused(Loss("NegativeLogLikelihoodLoss", {}, {}, none), ErrorCode::kInvalidInput,
                {"rank 2 or more"});
  OnnxBuilder weights = Loss("SoftmaxCrossEntropyLoss", {3}, {}, none);
  weights.Weight("weights", {2}, {1, 1});
  weights.proto().mutable_graph()->mutable_node(1)->add_input("weights");
  ExpectRefused(weights, ErrorCode::kInvalidInput, {"one weight for each class"});
  OnnxBuilder real({3});
  real.Node("SoftmaxCrossEntropyLoss", {"x", "x"}, {"y"}, none).Output("y");
  ExpectRefused(real, ErrorCode::kInvalidInput, {"must be integers"});
}

}  // namespace
}  // namespace anchorhold::graph
