// Damaged and hostile files: an error, or a model that is as good as any; never a crash.
#include <gtest/gtest.h>

#include "shared/base/limits.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/onnx_reader.h"

namespace anchorhold::graph {
namespace {

using testing::Int;
using testing::OnnxBuilder;

Bytes SmallModel() {
  OnnxBuilder b({2, 2});
  b.Integers("zero", {0}, true).Integers("rest", {-1}).Integers("axes", {0});
  b.Weight("w", {1, 4}, {1, -2, 3, -4}).Weight("b", {1}, {0.5F});
  b.Node("Shape", {"x"}, {"shape"}).Node("Gather", {"shape", "zero"}, {"n"});
  b.Node("Unsqueeze", {"n", "axes"}, {"n1"});
  b.Node("Concat", {"n1", "rest"}, {"target"}, {Int("axis", 0)});
  b.Node("Reshape", {"x", "target"}, {"flat"});
  b.Node("Gemm", {"flat", "w", "b"}, {"z"}, {Int("transB", 1)});
  b.Node("Sigmoid", {"z"}, {"p"});
  return b.Output("p").Write();
}

TEST(Robustness, TheModelItselfIsFine) { EXPECT_TRUE(ImportOnnx(SmallModel()).ok()); }

// Parameters' names go into the weights file, whose writer takes no other.
TEST(Robustness, NamesThatAWeightsFileCannotHold) {
  for (const char* name : {"__metadata__", "w\xff", "\xc3\xa9t\xc3\xa9", "w\x7f"}) {
    OnnxBuilder b({1});
    b.Weight(name, {1}, {1}).Node("Mul", {"x", name}, {"y"}).Output("y");
    const Result<Model> model = ImportOnnx(b.Write());
    ASSERT_FALSE(model.ok()) << name;
    EXPECT_EQ(model.error().code(), ErrorCode::kInvalidInput);
    for (const char c : model.error().message()) EXPECT_GE(c, 0x20) << name;
  }
}

TEST(Robustness, TruncatedAtEveryLength) {
  const Bytes model = SmallModel();
  for (std::size_t size = 0; size < model.size(); ++size) {
    const Result<Model> result = ImportOnnx(ByteSpan(model).first(size));
    // Only the fields after the graph (the opset) may be missing without harm; there are none.
    EXPECT_FALSE(result.ok()) << size;
  }
}

TEST(Robustness, EveryByteFlipped) {
  const Bytes model = SmallModel();
  std::size_t refused = 0;
  for (std::size_t i = 0; i < model.size(); ++i) {
    for (const unsigned mask : {0x01u, 0x80u, 0xffu}) {
      Bytes damaged = model;
      damaged[i] ^= static_cast<std::byte>(mask);
      const Result<Model> result = ImportOnnx(damaged);
      if (result.ok()) continue;
      ++refused;
      EXPECT_FALSE(result.error().message().empty());
    }
  }
  EXPECT_GT(refused, model.size());
}

TEST(Robustness, OtherBytesAreNoModel) {
  EXPECT_FALSE(ImportOnnx({}).ok());
  const Result<Model> text = ImportOnnx(AsBytes("id,feature_1,feature_2\n1,2,3\n"));
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message().find("not an ONNX model"), std::string::npos);
}

TEST(Robustness, TooManyNodes) {
  OnnxBuilder b({1});
  for (std::size_t i = 0; i <= limits::kGraphNodesMax; ++i) b.proto().mutable_graph()->add_node();
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code(), ErrorCode::kLimitExceeded);
}

TEST(Robustness, DeepNesting) {
  // Attribute graphs within attribute graphs.
  OnnxBuilder b({1});
  onnx::GraphProto* graph = b.proto().mutable_graph();
  for (int depth = 0; depth < 200; ++depth) {
    graph = graph->add_node()->add_attribute()->mutable_g();
  }
  EXPECT_FALSE(ImportOnnx(b.Write()).ok());
}

TEST(Robustness, HostileNamesStayOnOneShortLine) {
  OnnxBuilder b({1});
  b.Node("Relu\n\x1b[2J" + std::string(10'000, 'a'), {"x"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message().find('\n'), std::string::npos);
  EXPECT_EQ(model.error().message().find('\x1b'), std::string::npos);
  EXPECT_LT(model.error().message().size(), 400u);

  OnnxBuilder name({1});
  name.Weight("w\n", {1}, {1}).Node("Add", {"x", "w\n"}, {"y"}).Output("y");
  EXPECT_FALSE(ImportOnnx(name.Write()).ok());
}

TEST(Robustness, ChainsOfConcatenatedIntegersAreBounded) {
  OnnxBuilder b({1});
  b.Integers("i0", std::vector<std::int64_t>(16, 1));
  for (int i = 0; i < 40; ++i) {
    const std::string from = "i" + std::to_string(i);
    b.Node("Concat", {from, from}, {"i" + std::to_string(i + 1)}, {Int("axis", 0)});
  }
  b.Node("Relu", {"x"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code(), ErrorCode::kLimitExceeded);
}

TEST(Robustness, ConstantFoldingIsBounded) {
  // 2^22 numbers in each product of two constants, again and again: past the budget, they stay
  // nodes.
  OnnxBuilder b({1});
  b.Constant("a", {2048, 1}, std::vector<float>(2048, 1))
      .Constant("b", {1, 2048}, std::vector<float>(2048, 1));
  for (int i = 0; i < 100; ++i) b.Node("MatMul", {"a", "b"}, {"c" + std::to_string(i)});
  b.Node("Relu", {"x"}, {"y"}).Output("y");
  EXPECT_TRUE(ImportOnnx(b.Write()).ok());
}

}  // namespace
}  // namespace anchorhold::graph
