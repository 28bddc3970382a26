// Freezing parameters by pattern: what matches, what is left, and that the function stays the same.
#include "trusted/graph/freeze.h"

#include <gtest/gtest.h>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::OnnxBuilder;

// Two layers: body.weight, body.bias, head.weight.
Model TwoLayers() {
  OnnxBuilder b({2});
  b.Weight("body.weight", {2, 2}, {1, 2, 3, 4}).Weight("body.bias", {2}, {5, 6});
  b.Weight("head.weight", {2, 1}, {7, 8});
  b.Node("Gemm", {"x", "body.weight", "body.bias"}, {"h"});
  b.Node("MatMul", {"h", "head.weight"}, {"y"});
  return ImportOnnx(b.Output("y").Write()).value();
}

std::vector<std::string> Names(const Model& model) {
  std::vector<std::string> names;
  for (const Parameter& parameter : model.parameters()) names.push_back(parameter.name);
  return names;
}

std::string Refusal(const Model& model, const std::vector<std::string>& patterns) {
  const Result<Model> frozen = Freeze(model, patterns);
  return frozen.ok() ? "accepted" : frozen.error().message();
}

std::vector<double> Predict(const Model& model, const std::vector<double>& x) {
  Bindings<double> bindings;
  bindings.inputs = {{ElementType::kFloat32, {1, 2}, x, {}}};
  bindings.parameters = ParameterValues<double>(model);
  return Interpret<double>(model.graph(), bindings, model.graph().outputs()).value()[0].reals;
}

TEST(MatchesPattern, StarsAndQuestionMarks) {
  EXPECT_TRUE(MatchesPattern("body.weight", "body.weight"));
  EXPECT_TRUE(MatchesPattern("body.*", "body.weight"));
  EXPECT_TRUE(MatchesPattern("*", ""));
  EXPECT_TRUE(MatchesPattern("*.weight", "a.b/c.weight"));
  EXPECT_TRUE(MatchesPattern("layer?.*", "layer3.bias"));
  EXPECT_TRUE(MatchesPattern("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(MatchesPattern("*ab", "aaab"));
  EXPECT_TRUE(MatchesPattern("**", "x"));
  EXPECT_FALSE(MatchesPattern("body", "body.weight"));
  EXPECT_FALSE(MatchesPattern("layer?", "layer"));
  EXPECT_FALSE(MatchesPattern("a*b", "a-c"));
  EXPECT_FALSE(MatchesPattern("", "x"));
  // Would take exponential time with naive backtracking.
  std::string stars;
  for (int i = 0; i < 120; ++i) stars += "*a";
  EXPECT_FALSE(MatchesPattern(stars + "b", std::string(500, 'a')));
}

TEST(Freeze, TurnsMatchesIntoConstantsAndKeepsTheFunction) {
  const Model model = TwoLayers();
  const Model frozen = Freeze(model, std::vector<std::string>{"body.*"}).value();
  EXPECT_EQ(Names(frozen), std::vector<std::string>{"head.weight"});
  EXPECT_EQ(frozen.parameter_count(), 2U);
  EXPECT_EQ(Predict(frozen, {1, -1}), Predict(model, {1, -1}));
  EXPECT_EQ(frozen.inputs()[0].name, "x");
  const Result<Differentiated> gradient =
      Differentiate(frozen.graph(), frozen.graph().outputs()[0], 1);
  ASSERT_TRUE(gradient.ok());
  EXPECT_NE(gradient->gradients[0], kNoValue);
  EXPECT_EQ(model.parameters().size(), 3U);  // untouched
}

TEST(Freeze, KeepsTheOrderOfWhatIsLeft) {
  const Model frozen = Freeze(TwoLayers(), std::vector<std::string>{"body.bias"}).value();
  EXPECT_EQ(Names(frozen), (std::vector<std::string>{"body.weight", "head.weight"}));
  Bindings<double> bindings;
  bindings.inputs = {{ElementType::kFloat32, {1, 2}, {1, 0}, {}}};
  bindings.parameters = {{0, 0, 0, 0}, {1, 10}};
  // With zero weights the first layer is its frozen bias, (5, 6).
  EXPECT_EQ(Interpret<double>(frozen.graph(), bindings, frozen.graph().outputs()).value()[0].reals,
            std::vector<double>{65});
}

TEST(Freeze, NoPatternsChangeNothing) {
  EXPECT_EQ(Names(Freeze(TwoLayers(), {}).value()).size(), 3U);
}

TEST(Freeze, Refuses) {
  const Model model = TwoLayers();
  EXPECT_NE(Refusal(model, {"head.*", "tail.*"}).find("'tail.*' matches no parameter"),
            std::string::npos);
  EXPECT_NE(Refusal(model, {"*"}).find("all parameters"), std::string::npos);
  EXPECT_NE(Refusal(model, {"body*", "head*"}).find("all parameters"), std::string::npos);
  EXPECT_NE(Refusal(model, {""}).find("printable"), std::string::npos);
  EXPECT_NE(Refusal(model, {"body\n"}).find("printable"), std::string::npos);
  EXPECT_NE(Refusal(model, {std::string(kFreezePatternBytesMax + 1, '*')}).find("printable"),
            std::string::npos);
  EXPECT_NE(Refusal(model, std::vector<std::string>(kFreezePatternsMax + 1, "*")).find("at most"),
            std::string::npos);
  OnnxBuilder b({2});
  b.Input("w", {1}, 2).Weight("b", {1}, {3}).Node("Gemm", {"x", "w", "b"}, {"y"});
  const Model drawn = ImportOnnx(b.Output("y").Write()).value();
  EXPECT_NE(Refusal(drawn, {"w"}).find("has no numbers"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::graph
