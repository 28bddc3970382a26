#include "client/core/model_run.h"

#include <gtest/gtest.h>

#include "client/core/model_file.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;
using graph::testing::Int;
using graph::testing::OnnxBuilder;

Bytes Linear() {
  OnnxBuilder b({2});
  b.Weight("w", {2, 1}, {1, 10}).Node("MatMul", {"x", "w"}, {"y"});
  return b.Output("y").Output("x").Write();
}

TEST(ModelRun, GivesEveryOutput) {
  const Array x{ElementType::kFloat64, {2, 2}, {1, 2, 3, 4}, {}};
  const auto outputs = RunModel(Linear(), {{"x", x}}, {});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message();
  ASSERT_EQ(outputs->size(), 2u);
  EXPECT_EQ((*outputs)[0].name, "y");
  EXPECT_EQ((*outputs)[0].array, (Array{ElementType::kFloat32, {2, 1}, {21, 43}, {}}));
  EXPECT_EQ((*outputs)[1].array, (Array{ElementType::kFloat32, {2, 2}, {1, 2, 3, 4}, {}}));
}

TEST(ModelRun, ComputesInFloat64WhenAsked) {
  // 1 + 10 * 2^-30 needs more digits than float32 has.
  const Array x{ElementType::kFloat64, {1, 2}, {1, 1.0 / (1 << 30)}, {}};
  const auto narrow = RunModel(Linear(), {{"x", x}}, {});
  const auto wide = RunModel(Linear(), {{"x", x}}, {.float64 = true, .weights = {}});
  ASSERT_TRUE(narrow.ok() && wide.ok());
  EXPECT_EQ((*narrow)[0].array.reals[0], 1);
  EXPECT_EQ((*wide)[0].array.element, ElementType::kFloat64);
  EXPECT_EQ((*wide)[0].array.reals[0], 1 + 10.0 / (1 << 30));
}

TEST(ModelRun, TakesOtherWeights) {
  const auto model = graph::ImportOnnx(Linear());
  ASSERT_TRUE(model.ok());
  const Bytes weights = SerializeWeights(*model, std::vector<float>{5, 7});
  const Array x{ElementType::kFloat32, {1, 2}, {1, 1}, {}};
  const auto outputs = RunModel(Linear(), {{"x", x}}, {.float64 = false, .weights = weights});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message();
  EXPECT_EQ((*outputs)[0].array.reals[0], 12);
}

TEST(ModelRun, IntegersInAndOut) {
  OnnxBuilder b({2});
  b.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT32);
  b.Node("Cast", {"x"}, {"y"}, {Int("to", onnx::TensorProto::INT64)});
  const Bytes onnx = b.Output("y").Write();
  const Array x{ElementType::kUInt8, {1, 2}, {}, {3, 255}};
  const auto outputs = RunModel(onnx, {{"x", x}}, {});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message();
  EXPECT_EQ((*outputs)[0].array, (Array{ElementType::kInt64, {1, 2}, {}, {3, 255}}));
}

TEST(ModelRun, AnInputWithAnInitializerNeedsNoFile) {
  OnnxBuilder b({2});
  b.Weight("w", {2, 1}, {1, 10}).Input("w", {1}, 2).Node("MatMul", {"x", "w"}, {"y"});
  const Bytes onnx = b.Output("y").Write();
  const Array x{ElementType::kFloat32, {1, 2}, {1, 2}, {}};
  const auto outputs = RunModel(onnx, {{"x", x}}, {});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message();
  EXPECT_EQ((*outputs)[0].array.reals[0], 21);
  EXPECT_FALSE(RunModel(onnx, {{"x", x}, {"w", x}}, {}).ok());
}

TEST(ModelRun, FileNamesStayInTheirFolder) {
  EXPECT_EQ(*OutputFileName("logits"), "logits.npy");
  EXPECT_EQ(*OutputFileName("a.b_c-1"), "a.b_c-1.npy");
  EXPECT_EQ(*OutputFileName("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd.npy");
  EXPECT_EQ(*OutputFileName(".hidden"), "%2Ehidden.npy");
  EXPECT_EQ(*OutputFileName("a/b:c%"), "a%2Fb%3Ac%25.npy");
  EXPECT_EQ(*OutputFileName("\xc3\xa9"), "%C3%A9.npy");
  EXPECT_FALSE(OutputFileName(std::string(100, '/')).ok());
}

}  // namespace
}  // namespace anchorhold::client
