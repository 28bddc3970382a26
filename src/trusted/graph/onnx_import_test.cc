// What is imported, and as what: types, parameters, ports, shape computations.
#include <gtest/gtest.h>

#include <cmath>

#include "trusted/graph/graph.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/onnx_reader.h"

namespace anchorhold::graph {
namespace {

using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

std::vector<float> Numbers(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = 0.1F * static_cast<float>(i + 1);
  return values;
}

// The type of the model's first output, or the refusal.
std::string OutputOf(const OnnxBuilder& builder) {
  const Result<Model> model = ImportOnnx(builder.Write());
  if (!model.ok()) return model.error().message();
  return FormatType(model->graph().type(model->graph().outputs()[0]));
}

TEST(Import, ReadsALogisticRegression) {
  OnnxBuilder b({30});
  b.Weight("weight", {1, 30}, std::vector<float>(30, 0.5F)).Weight("bias", {1}, {2});
  b.Node("Gemm", {"x", "weight", "bias"}, {"z"}, {Int("transB", 1)});
  b.Node("Sigmoid", {"z"}, {"p"}).Output("p");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->inputs()[0].name, "x");
  EXPECT_EQ(model->inputs()[0].shape, Shape{30});
  ASSERT_EQ(model->outputs().size(), 1u);
  EXPECT_EQ(model->outputs()[0].name, "p");
  EXPECT_EQ(model->outputs()[0].shape, Shape{1});
  ASSERT_EQ(model->parameters().size(), 2u);
  EXPECT_EQ(model->parameters()[0].name, "weight");
  EXPECT_EQ(model->parameters()[0].shape, (Shape{1, 30}));
  EXPECT_EQ(model->parameters()[1].values, std::vector<float>{2});
  EXPECT_EQ(model->parameter_count(), 31u);
}

TEST(Import, ReportsEachNode) {
  OnnxBuilder b({30});
  b.Weight("w", {30, 2}, Numbers(60));
  b.Node("MatMul", {"x", "w"}, {"y"}).Node("Shape", {"y"}, {"s"}).Node("Exp", {"w"}, {"e"});
  b.Output("y");
  const CheckReport report = CheckOnnx(b.Write());
  ASSERT_TRUE(report.status.ok());
  ASSERT_EQ(report.nodes.size(), 3u);
  EXPECT_EQ(report.nodes[0].node, "n0");
  EXPECT_EQ(report.nodes[0].op, "MatMul");
  EXPECT_EQ(report.nodes[0].output, "example x 2 float32");
  EXPECT_EQ(report.nodes[0].verdict, "per example");
  EXPECT_EQ(report.nodes[1].output, "2 int64");
  EXPECT_EQ(report.nodes[1].verdict, "constant");
  EXPECT_EQ(report.nodes[2].output, "30x2 float32");
  EXPECT_EQ(report.nodes[2].verdict, "constant");
}

TEST(Import, ReportEndsAtTheFirstRefusal) {
  OnnxBuilder b({4});
  b.Node("Relu", {"x"}, {"a"}).Node("ReduceMean", {"a"}, {"b"}, {Ints("axes", {0})});
  b.Node("Relu", {"b"}, {"y"}).Output("y");
  const CheckReport report = CheckOnnx(b.Write());
  ASSERT_FALSE(report.status.ok());
  ASSERT_EQ(report.nodes.size(), 2u);
  EXPECT_TRUE(report.nodes[0].accepted);
  EXPECT_FALSE(report.nodes[1].accepted);
  EXPECT_EQ(report.nodes[1].verdict, report.status.error().message());
}

TEST(Import, UnusedInitializersAreNoParameters) {
  OnnxBuilder b({2});
  b.Weight("unused", {3}, {1, 2, 3}).Weight("w", {2}, {1, 2}).Weight("ratio", {}, {0.5F});
  b.Weight("other", {2}, {1, 1});
  b.Node("Mul", {"x", "w"}, {"m"}).Node("Dropout", {"m", "ratio"}, {"y"});
  b.Node("Add", {"y", "other"}, {"second"}).Output("y").Output("second");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->parameters().size(), 1u);
  EXPECT_EQ(model->parameters()[0].name, "w");
  EXPECT_EQ(model->outputs().size(), 2u);
}

TEST(Import, ParametersKeepTheFilesOrder) {
  OnnxBuilder b({2});
  b.Weight("late", {2}, {1, 2}).Weight("early", {2}, {3, 4});
  b.Node("Mul", {"x", "early"}, {"m"}).Node("Add", {"m", "late"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->parameters()[0].name, "late");
  EXPECT_EQ(model->parameters()[1].name, "early");
}

TEST(Import, InitializersMayBeListedAsInputs) {
  OnnxBuilder b({2});
  b.Weight("w", {2}, {1, 2}).Input("w", {}, 2);
  b.Node("Mul", {"x", "w"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example x 2 float32");
}

TEST(Import, FlattensByTheExportersShapeChain) {
  OnnxBuilder b({4, 5});
  b.Integers("zero", {0}, true).Integers("minus_one", {-1});
  b.Node("Shape", {"x"}, {"shape"}).Node("Gather", {"shape", "zero"}, {"batch"}, {Int("axis", 0)});
  b.Integers("axes", {0}).Node("Unsqueeze", {"batch", "axes"}, {"batch1"});
  b.Node("Concat", {"batch1", "minus_one"}, {"target"}, {Int("axis", 0)});
  b.Node("Reshape", {"x", "target"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example x 20 float32");
}

TEST(Import, MultipliesTheBatchInShapes) {
  OnnxBuilder b({4, 5});
  b.Integers("zero", {0}).Integers("four", {4}).Integers("minus_one", {-1});
  b.Node("Shape", {"x"}, {"shape"}).Node("Gather", {"shape", "zero"}, {"batch"});
  b.Node("Mul", {"batch", "four"}, {"rows"});
  b.Node("Concat", {"rows", "minus_one"}, {"target"}, {Int("axis", 0)});
  b.Node("Reshape", {"x", "target"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example*4 x 5 float32");
}

TEST(Import, FoldsAndUnfoldsTheExampleAxis) {
  OnnxBuilder b({4, 6});
  b.Integers("rows", {-1, 6}).Integers("back", {-1, 4, 2}).Weight("w", {6, 2}, Numbers(12));
  b.Node("Reshape", {"x", "rows"}, {"r"}).Node("MatMul", {"r", "w"}, {"m"});
  b.Node("Reshape", {"m", "back"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example x 4 x 2 float32");
}

TEST(Import, FoldsWithTheBatchAsTheInnerFactor) {
  OnnxBuilder b({4, 3});  // [N, 4, 3] to [4, N, 3], its rows times w, and back
  b.Weight("w", {3, 2}, std::vector<float>(6))
      .Integers("rows", {-1, 3})
      .Integers("back", {4, -1, 2});
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})})
      .Node("Reshape", {"t", "rows"}, {"r"});
  b.Node("MatMul", {"r", "w"}, {"m"}).Node("Tanh", {"m"}, {"h"});
  b.Node("Reshape", {"h", "back"}, {"u"});
  b.Node("Transpose", {"u"}, {"y"}, {Ints("perm", {1, 0, 2})}).Output("y");
  const CheckReport report = CheckOnnx(b.Write());
  ASSERT_TRUE(report.status.ok()) << report.status.error().message();
  EXPECT_EQ(report.nodes[1].output, "4*example x 3 float32");
  EXPECT_EQ(report.nodes[3].output, "4*example x 2 float32");
  EXPECT_EQ(report.nodes[5].output, "example x 4 x 2 float32");
}

TEST(Import, FollowsTheExampleAxisThroughTransposes) {
  OnnxBuilder b({4, 6});
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node("Relu", {"t"}, {"r"}).Node("Transpose", {"r"}, {"y"}, {Ints("perm", {1, 2, 0})});
  b.Output("y");
  EXPECT_EQ(OutputOf(b), "example x 6 x 4 float32");
}

TEST(Import, ReadsAFixedBatchAsTheExampleAxis) {
  OnnxBuilder b({2, 3}, 17, 1);
  b.Integers("target", {1, 6}).Node("Reshape", {"x", "target"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example x 6 float32");
}

TEST(Import, ShapesOfEachLayoutOperator) {
  OnnxBuilder flatten({2, 3, 4});
  flatten.Node("Flatten", {"x"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(flatten), "example x 24 float32");

  OnnxBuilder squeeze({1, 3});
  squeeze.Integers("one", {1}).Node("Squeeze", {"x", "one"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(squeeze), "example x 3 float32");

  OnnxBuilder unsqueeze({3});
  unsqueeze.Integers("axes", {1, -1}).Node("Unsqueeze", {"x", "axes"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(unsqueeze), "example x 1 x 3 x 1 float32");

  OnnxBuilder concat({3});
  concat.Node("Concat", {"x", "x"}, {"y"}, {Int("axis", -1)}).Output("y");
  EXPECT_EQ(OutputOf(concat), "example x 6 float32");

  OnnxBuilder reduce({3, 4});
  reduce.Node("ReduceMean", {"x"}, {"y"}, {Ints("axes", {-1}), Int("keepdims", 0)}).Output("y");
  EXPECT_EQ(OutputOf(reduce), "example x 3 float32");

  OnnxBuilder reduce18({3, 4}, 18);
  reduce18.Integers("axes", {1}).Node("ReduceMean", {"x", "axes"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(reduce18), "example x 1 x 4 float32");
}

TEST(Import, MatMulKeepsLeadingAxes) {
  OnnxBuilder b({5, 4});
  b.Weight("w", {4, 2}, Numbers(8)).Node("MatMul", {"x", "w"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(b), "example x 5 x 2 float32");
  OnnxBuilder vector({4});
  vector.Weight("w", {4}, Numbers(4)).Node("MatMul", {"x", "w"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(vector), "example float32");
  OnnxBuilder attention({5, 4});
  attention.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {0, 2, 1})});
  attention.Node("MatMul", {"x", "t"}, {"y"}).Output("y");
  EXPECT_EQ(OutputOf(attention), "example x 5 x 5 float32");
}

TEST(Import, FoldsConstants) {
  OnnxBuilder b({2});
  b.Constant("c", {2}, {1, 2}).Node("Exp", {"c"}, {"e"}).Node("Mul", {"x", "e"}, {"y"});
  b.Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->graph().nodes().size(), 1u);  // the Mul
  EXPECT_NEAR(model->graph().constants().back().reals->at(1), std::exp(2.0), 1e-5);
}

TEST(Import, InferenceBatchNormalizationTrainsScaleAndBiasOnly) {
  OnnxBuilder b({2, 3});
  b.Weight("scale", {2}, {1, 1}).Weight("bias", {2}, {0, 0}).Weight("mean", {2}, {1, 2});
  b.Weight("var", {2}, {1, 4});
  b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"y"},
         {Float("epsilon", 1e-3F), Float("momentum", 0.9F)});
  b.Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->parameters().size(), 2u);
  EXPECT_EQ(model->parameters()[0].name, "scale");
  EXPECT_EQ(model->parameters()[1].name, "bias");
}

TEST(Import, EveryOpsetOfTheRange) {
  for (int opset = static_cast<int>(kOpsetMin); opset <= kOpsetMax; ++opset) {
    OnnxBuilder b({3}, opset);
    b.Weight("w", {3}, {1, 2, 3}).Node("Mul", {"x", "w"}, {"y"}).Output("y");
    EXPECT_EQ(OutputOf(b), "example x 3 float32") << opset;
  }
}

}  // namespace
}  // namespace anchorhold::graph
