#include "client/core/model_file.h"

#include <gtest/gtest.h>

#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "shared/wire/safetensors.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

// y = x w + b: three features, one logit.
Bytes Logistic() {
  graph::testing::OnnxBuilder builder({3});
  builder.Weight("w", {3, 1}, {1, 2, 3}).Weight("b", {1}, {4});
  builder.Node("Gemm", {"x", "w", "b"}, {"y"});
  return builder.Output("y").Write();
}

wire::Schema SchemaOf(int features, const std::string& label) {
  std::string text = "version = 1\n";
  for (int i = 0; i < features; ++i) {
    text += "[[column]]\nname = \"f" + std::to_string(i) +
            "\"\nrole = \"feature\"\nmin = 0.0\nmax = 1.0\nout_of_range = \"clamp\"\n";
  }
  text += "[[column]]\nname = \"y\"\nrole = \"label\"\n" + label + "\n";
  auto schema = wire::ParseSchema(AsBytes(text));
  EXPECT_TRUE(schema.ok()) << schema.error().message();
  return *std::move(schema);
}

class ModelFileTest : public testing::Test {
 protected:
  graph::Model model_ = *graph::ImportOnnx(Logistic());
};

TEST_F(ModelFileTest, ReadsFiles) {
  const TestFolder folder;
  ASSERT_TRUE(WriteWholeFile(folder / "m.onnx", Logistic(), IfExists::kRefuse).ok());
  EXPECT_EQ(ReadModelFile(folder / "m.onnx")->model.parameter_count(), 4u);
  ASSERT_TRUE(WriteWholeFile(folder / "bad.onnx", AsBytes("text"), IfExists::kRefuse).ok());
  const auto bad = ReadModelFile(folder / "bad.onnx");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message().find("bad.onnx: "), std::string::npos);
}

TEST_F(ModelFileTest, FitsASchemaOfItsWidth) {
  EXPECT_TRUE(CheckFitsSchema(model_, SchemaOf(3, "classes = [\"B\", \"M\"]")).ok());
  EXPECT_TRUE(
      CheckFitsSchema(model_, SchemaOf(3, "min = 0.0\nmax = 1.0\nout_of_range = \"clamp\"")).ok());
  EXPECT_FALSE(CheckFitsSchema(model_, SchemaOf(2, "classes = [\"B\", \"M\"]")).ok());
  EXPECT_FALSE(CheckFitsSchema(model_, SchemaOf(3, "classes = [\"A\", \"B\", \"C\"]")).ok());
}

TEST_F(ModelFileTest, WeightsRoundTrip) {
  const std::vector<float> parameters = {4, 3, 2, 1};
  const Bytes file = SerializeWeights(model_, parameters);
  EXPECT_EQ(*ParseWeights(file, model_), parameters);
  EXPECT_NE(wire::ParseSafetensors(file)->Find("w"), nullptr);
  EXPECT_NE(wire::ParseSafetensors(file)->Find("b"), nullptr);
}

TEST_F(ModelFileTest, RefusesWeightsOfAnotherModel) {
  const std::vector<float> three = {1, 2, 3};
  const std::vector<float> one = {1};
  const auto tensor = [](const char* name, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
    return wire::TensorView{name, wire::TensorType::kF32, std::move(shape),
                            std::as_bytes(std::span<const float>(values))};
  };
  const auto refused = [&](std::vector<wire::TensorView> tensors) {
    wire::Safetensors file;
    file.tensors = std::move(tensors);
    return !ParseWeights(wire::WriteSafetensors(file), model_).ok();
  };
  EXPECT_FALSE(refused({tensor("w", {3, 1}, three), tensor("b", {1}, one)}));
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({tensor("c", {1}, one)}));
  EXPECT_TRUE(refused({tensor("w", {1, 3}, three), tensor("b", {1}, one)}));
  EXPECT_TRUE(refused({tensor("w", {3, 1}, three), tensor("b", {1}, one), tensor("c", {1}, one)}));
  const std::vector<float> nan = {std::numeric_limits<float>::quiet_NaN()};
  EXPECT_TRUE(refused({tensor("w", {3, 1}, three), tensor("b", {1}, nan)}));
}

// A file of weights holds what was trained; the rest was frozen and is the model's own.
TEST_F(ModelFileTest, TakesFrozenParametersFromTheModel) {
  const std::vector<float> bias = {9};
  wire::Safetensors file;
  file.tensors = {{"b", wire::TensorType::kF32, {1}, std::as_bytes(std::span(bias))}};
  std::vector<std::string> frozen;
  const auto parameters = ParseWeights(wire::WriteSafetensors(file), model_, &frozen);
  ASSERT_TRUE(parameters.ok()) << parameters.error().message();
  EXPECT_EQ(frozen, std::vector<std::string>{"w"});
  const auto& w = model_.parameters()[0];
  ASSERT_EQ(w.name, "w");
  EXPECT_TRUE(std::equal(w.values.begin(), w.values.end(), parameters->begin()));
  EXPECT_EQ(parameters->back(), 9);
}

TEST_F(ModelFileTest, RefusesEveryTruncationOfWeights) {
  const Bytes file = SerializeWeights(model_, std::vector<float>{4, 3, 2, 1});
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseWeights(ByteSpan(file).first(size), model_).ok()) << size;
  }
}

// x [N, 2] through BatchNormalization in training mode.
Bytes BatchStatistics() {
  graph::testing::OnnxBuilder builder({2});
  builder.Weight("scale", {2}, {1, 1}).Weight("bias", {2}, {0, 0});
  builder.Weight("mean", {2}, {0, 0}).Weight("var", {2}, {1, 1});
  builder.Node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"y", "m", "v"},
               {graph::testing::Int("training_mode", 1)});
  return builder.Output("y").Write();
}

TEST(BatchStatisticsTest, AreReadForLocalWorkOnly) {
  const TestFolder folder;
  ASSERT_TRUE(WriteWholeFile(folder / "m.onnx", BatchStatistics(), IfExists::kRefuse).ok());
  const auto refused = ReadModelFile(folder / "m.onnx");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPrivacyRefused);
  auto local = ReadLocalModelFile(folder / "m.onnx");
  ASSERT_TRUE(local.ok()) << local.error().message();
  EXPECT_TRUE(local->batch_statistics);

  // Weights and running statistics make the round trip through a file.
  const std::vector<graph::RunningStatistic> statistics = {{"mean", {2}, {5, 6}, -1},
                                                           {"var", {2}, {7, 8}, -1}};
  const Bytes weights = SerializeWeights(local->model, std::vector<float>{1, 2, 3, 4}, statistics);
  ASSERT_TRUE(ApplyWeights(weights, *local).ok());
  EXPECT_EQ(local->model.parameters()[0].values, (std::vector<float>{1, 2}));
  EXPECT_EQ(local->model.parameters()[1].values, (std::vector<float>{3, 4}));

  wire::Safetensors other;
  other.tensors.push_back({"stranger",
                           wire::TensorType::kF32,
                           {1},
                           std::as_bytes(std::span<const float>(statistics[0].values).first(1))});
  const Status stranger = ApplyWeights(wire::WriteSafetensors(other), *local);
  ASSERT_FALSE(stranger.ok());
  EXPECT_NE(stranger.error().message().find("stranger"), std::string::npos);
  EXPECT_FALSE(ApplyWeights(AsBytes("no weights"), *local).ok());
}

}  // namespace
}  // namespace anchorhold::client
