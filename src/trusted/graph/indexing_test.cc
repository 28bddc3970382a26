// Operators that read or write by index: numbers, gradients, indices out of range, and what must be
// refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/operator_run_for_test.h"
#include "trusted/graph/refusal_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::ExpectNumbers;
using testing::ExpectRefused;
using testing::GradientCheck;
using testing::Int;
using testing::OnnxBuilder;
using testing::RunReals;
using testing::Text;

using Attributes = std::vector<onnx::AttributeProto>;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr const char* kReductions[] = {"none", "add", "mul", "max", "min"};

// An initializer of integers with several axes.
void AddIndices(OnnxBuilder& b, const std::string& name, const std::vector<std::int64_t>& dims,
                const std::vector<std::int64_t>& numbers) {
  b.Integers(name, numbers);
  onnx::TensorProto* tensor =
      b.proto().mutable_graph()->mutable_initializer(b.proto().graph().initializer_size() - 1);
  tensor->clear_dims();
  for (const std::int64_t dim : dims) tensor->add_dims(dim);
}

// Declares the input `at` to be of int64.
void MakeIntegers(OnnxBuilder& b, int at) {
  b.proto()
      .mutable_graph()
      ->mutable_input(at)
      ->mutable_type()
      ->mutable_tensor_type()
      ->set_elem_type(onnx::TensorProto::INT64);
}

Tensor<double> Indices(const Shape& shape, const std::vector<std::int64_t>& numbers) {
  return {ElementType::kInt64, shape, {}, numbers};
}

// y = table[x], x integers of each example.
OnnxBuilder Embedding(std::int64_t rows, std::int64_t width) {
  OnnxBuilder b({4});
  MakeIntegers(b, 0);
  b.Weight("table", {rows, width}, Draws().Floats(static_cast<std::size_t>(rows * width)));
  b.Node("Gather", {"table", "x"}, {"y"}, {Int("axis", 0)}).Output("y");
  return b;
}

TEST(Gather, EmbeddingReadsRowsAndLearnsThem) {
  GradientCheck check;
  check.inputs = {Indices({1, 4}, {2, 0, -1, 2})};  // a row twice: its gradients are added
  ExpectGradients(Embedding(3, 2), check);
}

TEST(Gather, IndexOutOfRangeGivesNaNAndNoGradient) {
  const Result<Model> model = ImportOnnx(Embedding(3, 1).Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  Bindings<float> bindings;
  bindings.parameters = ParameterValues<float>(*model);
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  bindings.inputs = {{ElementType::kInt64, {1, 4}, {}, {0, 3, -4, kLeast}}};
  const auto y = Interpret<float>(model->graph(), bindings, model->graph().outputs());
  ASSERT_TRUE(y.ok());
  ExpectNumbers((*y)[0].reals, {bindings.parameters[0][0], kNaN, kNaN, kNaN});

  const auto gradient = Differentiate(model->graph(), model->graph().outputs()[0], 1);
  ASSERT_TRUE(gradient.ok());
  bindings.seed = {ElementType::kFloat32, {1, 4, 1}, {1, 10, 100, 1000}, {}};
  const auto dx = Interpret<float>(*gradient->graph, bindings, gradient->gradients);
  ASSERT_TRUE(dx.ok());
  ExpectNumbers((*dx)[0].reals, {1, 0, 0});
}

TEST(Gather, AlongAFeatureAxis) {
  OnnxBuilder b({2, 3});
  b.Integers("i", {2, -3}).Node("Gather", {"x", "i"}, {"y"}, {Int("axis", 2)}).Output("y");
  ExpectNumbers(RunReals(b, {{0, 1, 2, 10, 11, 12}}), {2, 0, 12, 10});
  OnnxBuilder scalar({2, 3});
  scalar.Integers("i", {1}, true).Node("Gather", {"x", "i"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectNumbers(RunReals(scalar, {{0, 1, 2, 10, 11, 12}}), {10, 11, 12});
}

TEST(Gather, KnownIndexOutOfRangeIsRefused) {
  OnnxBuilder b({3});
  b.Integers("i", {3}).Node("Gather", {"x", "i"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(b, ErrorCode::kInvalidInput, {"index 3", "size 3"});
}

TEST(Gather, MixingIsRefused) {
  OnnxBuilder along({3});
  along.Integers("i", {0}).Node("Gather", {"x", "i"}, {"y"}).Output("y");
  ExpectRefused(along, ErrorCode::kPrivacyRefused, {"along the example axis", "feature axis"});
  OnnxBuilder pairs({3});
  pairs.Input("i", {2});
  MakeIntegers(pairs, 1);
  pairs.Node("Gather", {"x", "i"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(pairs, ErrorCode::kPrivacyRefused, {"every other", "GatherElements"});
  OnnxBuilder reals({3});
  reals.Node("Gather", {"x", "x"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(reals, ErrorCode::kInvalidInput, {"int64"});
}

TEST(GatherElements, EachExampleByItsOwnIndices) {
  OnnxBuilder b({3});
  b.Input("i", {2});
  MakeIntegers(b, 1);
  b.Weight("w", {3}, {2, 3, 5}).Node("Mul", {"x", "w"}, {"m"});
  b.Node("GatherElements", {"m", "i"}, {"y"}, {Int("axis", 1)}).Output("y");
  GradientCheck check;
  check.inputs = {{ElementType::kFloat32, {1, 3}, {1, 2, 3}, {}}, Indices({1, 2}, {2, 2})};
  ExpectGradients(b, check);
}

TEST(GatherElements, ATableByExamplesAlongItsAxis) {
  OnnxBuilder b({2});
  MakeIntegers(b, 0);
  b.Weight("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  b.Node("GatherElements", {"w", "x"}, {"y"}, {Int("axis", 0)}).Output("y");
  GradientCheck check;
  check.inputs = {Indices({1, 2}, {2, 0})};
  ExpectGradients(b, check);
}

TEST(GatherElements, MixingIsRefused) {
  const auto refused = [](std::int64_t axis, const std::vector<std::int64_t>& dims,
                          const std::string& words) {
    OnnxBuilder b({2, 3});
    AddIndices(b, "i", dims, std::vector<std::int64_t>(6, 0));
    b.Node("GatherElements", {"x", "i"}, {"y"}, {Int("axis", axis)}).Output("y");
    ExpectRefused(b, ErrorCode::kPrivacyRefused, {words});
  };
  refused(0, {1, 2, 3}, "along the example axis");
  refused(1, {1, 2, 3}, "place in the batch");
  OnnxBuilder table({2});
  MakeIntegers(table, 0);
  table.Weight("w", {1, 3}, {1, 2, 3});
  table.Node("GatherElements", {"w", "x"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(table, ErrorCode::kPrivacyRefused, {"place in the batch"});
}

TEST(GatherNd, PlacesThatAreTheSameForAllAndBatchDims) {
  OnnxBuilder table({2, 2});
  MakeIntegers(table, 0);
  table.Weight("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  table.Node("GatherND", {"w", "x"}, {"y"}).Output("y");
  GradientCheck check;
  check.inputs = {Indices({1, 2, 2}, {1, 2, 0, 0})};
  ExpectGradients(table, check);

  OnnxBuilder own({3, 2});
  own.Input("i", {2, 1});
  MakeIntegers(own, 1);
  own.Weight("w", {3, 2}, {2, 3, 5, 7, 11, 13}).Node("Mul", {"x", "w"}, {"m"});
  own.Node("GatherND", {"m", "i"}, {"y"}, {Int("batch_dims", 1)}).Output("y");
  check.inputs = {{ElementType::kFloat32, {1, 3, 2}, {1, 2, 3, 4, 5, 6}, {}},
                  Indices({1, 2, 1}, {2, 0})};
  ExpectGradients(own, check);
}

TEST(GatherNd, MixingIsRefused) {
  OnnxBuilder along({3});
  along.Input("i", {1});
  MakeIntegers(along, 1);
  along.Node("GatherND", {"x", "i"}, {"y"}).Output("y");
  ExpectRefused(along, ErrorCode::kPrivacyRefused, {"example axis", "batch_dims"});
  OnnxBuilder table({2});
  MakeIntegers(table, 0);
  table.Weight("w", {1, 3}, {1, 2, 3});
  table.Node("GatherND", {"w", "x"}, {"y"}, {Int("batch_dims", 1)}).Output("y");
  ExpectRefused(table, ErrorCode::kInvalidInput, {"too many axes"});
  OnnxBuilder absurd({3});
  absurd.Integers("i", {0}).Node("GatherND", {"x", "i"}, {"y"}, {Int("batch_dims", 1LL << 40)});
  ExpectRefused(absurd.Output("y"), ErrorCode::kInvalidInput, {"batch_dims"});
}

TEST(ScatterElements, GradientsOfEachReduction) {
  for (const std::string reduction : kReductions) {
    OnnxBuilder b({4}, 18);
    b.Input("i", {3});
    MakeIntegers(b, 1);
    b.Weight("w", {4}, {2, 3, 5, 7}).Weight("u", {3}, {1.5, -2, 4});
    b.Node("Mul", {"x", "w"}, {"m"});
    // Each example's updates: u times one of x's numbers.
    b.Integers("s", {0}).Integers("e", {3}).Integers("a", {1});
    b.Node("Slice", {"x", "s", "e", "a"}, {"part"}).Node("Mul", {"part", "u"}, {"updates"});
    const Attributes attributes = {Int("axis", 1), Text("reduction", reduction)};
    b.Node("ScatterElements", {"m", "i", "updates"}, {"y"}, attributes).Output("y");
    GradientCheck check;
    check.inputs = {{ElementType::kFloat32, {1, 4}, {1, 2, 0.5, -1}, {}},
                    Indices({1, 3}, {2, 0, 2})};  // two updates meet
    SCOPED_TRACE(reduction);
    ExpectGradients(b, check);
  }
}

TEST(ScatterElements, OutOfRangeWritesNothing) {
  OnnxBuilder b({3}, 18);
  b.Input("i", {3});
  MakeIntegers(b, 1);
  b.Node("ScatterElements", {"x", "i", "x"}, {"y"}, {Int("axis", 1), Text("reduction", "add")});
  const Result<Model> model = ImportOnnx(b.Output("y").Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  Bindings<float> bindings;
  bindings.inputs = {{ElementType::kFloat32, {1, 3}, {1, 2, 4}, {}},
                     {ElementType::kInt64, {1, 3}, {}, {3, -1, -4}}};
  const auto y = Interpret<float>(model->graph(), bindings, model->graph().outputs());
  ASSERT_TRUE(y.ok());
  ExpectNumbers((*y)[0].reals, {1, 2, 6});
}

TEST(ScatterElements, MixingIsRefused) {
  OnnxBuilder along({3});
  along.Input("i", {3});
  MakeIntegers(along, 1);
  along.Node("ScatterElements", {"x", "i", "x"}, {"y"}).Output("y");
  ExpectRefused(along, ErrorCode::kPrivacyRefused, {"along the example axis", "feature axis"});
  // All examples would write into one constant.
  OnnxBuilder shared({3});
  shared.Input("i", {3});
  MakeIntegers(shared, 1);
  shared.Weight("w", {1, 3}, {0, 0, 0});
  shared.Node("ScatterElements", {"w", "i", "x"}, {"y"}, {Int("axis", 1)}).Output("y");
  ExpectRefused(shared, ErrorCode::kPrivacyRefused, {"stay with its example", "expand"});
}

TEST(ScatterNd, PlacesThatAreTheSameForAll) {
  for (const std::string reduction : kReductions) {
    OnnxBuilder b({3}, 18);
    b.Weight("w", {3, 1}, {2, 3, 5}).Weight("u", {2, 1}, {7, -4});
    b.Node("Transpose", {"x"}, {"t"}).Node("Mul", {"t", "w"}, {"m"});
    b.Integers("s", {0}).Integers("e", {2}).Integers("a", {0});
    b.Node("Slice", {"t", "s", "e", "a"}, {"part"}).Node("Mul", {"part", "u"}, {"updates"});
    AddIndices(b, "i", {2, 1}, {2, 2});
    b.Node("ScatterND", {"m", "i", "updates"}, {"z"}, {Text("reduction", reduction)});
    b.Node("Transpose", {"z"}, {"y"}).Output("y");
    GradientCheck check;
    check.inputs = {{ElementType::kFloat32, {1, 3}, {1, 2, 0.5}, {}}};
    SCOPED_TRACE(reduction);
    ExpectGradients(b, check);
  }
}

TEST(ScatterNd, MixingIsRefused) {
  OnnxBuilder b({3});
  AddIndices(b, "i", {1, 1}, {0});
  b.Node("ScatterND", {"x", "i", "x"}, {"y"}).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"along the example axis"});
  OnnxBuilder shared({1});
  MakeIntegers(shared, 0);
  shared.Weight("w", {3}, {0, 0, 0}).Weight("u", {1}, {1});
  shared.Node("ScatterND", {"w", "x", "u"}, {"y"}).Output("y");
  ExpectRefused(shared, ErrorCode::kPrivacyRefused, {"stay with its example"});
  OnnxBuilder unknown({3}, 18);
  AddIndices(unknown, "i", {1, 1}, {0});
  unknown.Node("ScatterND", {"x", "i", "x"}, {"y"}, {Text("reduction", "mode\n")}).Output("y");
  ExpectRefused(unknown, ErrorCode::kUnsupported, {"reduction"});
}

OnnxBuilder OneHot(std::int64_t depth, std::int64_t axis) {
  OnnxBuilder b({2});
  MakeIntegers(b, 0);
  b.Integers("depth", {depth}, true).Constant("values", {2}, {-1, 3});
  b.Node("OneHot", {"x", "depth", "values"}, {"y"}, {Int("axis", axis)}).Output("y");
  return b;
}

TEST(OneHot, MarksPlacesAndKeepsExamplesFirst) {
  const Result<Model> model = ImportOnnx(OneHot(3, 1).Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->outputs()[0].shape, (Shape{3, 2}));
  Bindings<float> bindings;
  bindings.inputs = {{ElementType::kInt64, {1, 2}, {}, {-1, 3}}};
  const auto y = Interpret<float>(model->graph(), bindings, model->graph().outputs());
  ASSERT_TRUE(y.ok());
  ExpectNumbers((*y)[0].reals, {-1, -1, -1, -1, 3, -1});
  ExpectRefused(OneHot(3, 0), ErrorCode::kUnsupported, {"later axis"});
  ExpectRefused(OneHot(0, 1), ErrorCode::kInvalidInput, {"0 places"});
  ExpectRefused(OneHot(1LL << 60, 1), ErrorCode::kLimitExceeded, {"elements"});
}

TEST(ReverseSequence, EachExampleByItsOwnLength) {
  OnnxBuilder b({4});
  b.Input("n", {});
  MakeIntegers(b, 1);
  const Attributes attributes = {Int("batch_axis", 0), Int("time_axis", 1)};
  b.Weight("w", {4}, {2, 3, 5, 7}).Node("Mul", {"x", "w"}, {"m"});
  b.Node("ReverseSequence", {"m", "n"}, {"y"}, attributes).Output("y");
  GradientCheck check;
  check.inputs = {{ElementType::kFloat32, {1, 4}, {1, 2, 3, 4}, {}}, Indices({1}, {3})};
  ExpectGradients(b, check);
  OnnxBuilder same({4});
  same.Integers("n", {3}).Node("ReverseSequence", {"x", "n"}, {"y"}, attributes).Output("y");
  ExpectRefused(same, ErrorCode::kPrivacyRefused, {"place in the batch"});
}

}  // namespace
}  // namespace anchorhold::graph
