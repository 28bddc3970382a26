// Reductions, comparisons, Where and matrix products: values, gradients against central
// differences, and what must be refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/operator_run_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::ExpectGradients;
using testing::ExpectNumbers;
using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;
using testing::ParameterGradient;
using testing::RunIntegers;
using testing::RunReals;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

constexpr const char* kReductions[] = {
    "ReduceSum", "ReduceMean", "ReduceMax",       "ReduceMin",    "ReduceProd",
    "ReduceL1",  "ReduceL2",   "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"};

// f(w) reduced, times x.
OnnxBuilder Reduced(const std::string& op, const std::vector<std::int64_t>& axes, bool keep,
                    const std::vector<float>& w, const std::vector<std::int64_t>& example) {
  OnnxBuilder b(example, 18);
  b.Weight("w", {2, 3, 2}, w).Integers("axes", axes);
  b.Node(op, {"w", "axes"}, {"r"}, {Int("keepdims", keep ? 1 : 0)});
  b.Node("Mul", {"x", "r"}, {"y"}).Output("y");
  return b;
}

TEST(Reduce, GradientsAreDifferences) {
  const std::vector<float> w = {0.5F, 1.3F, -0.7F, 2.1F, 1.1F,  0.9F,
                                1.7F, 0.3F, 2.3F,  0.6F, -0.4F, 1.9F};
  for (const char* op : kReductions) {
    SCOPED_TRACE(op);
    ExpectGradients(Reduced(op, {1}, true, w, {2, 1, 2}));
    ExpectGradients(Reduced(op, {0, -1}, false, w, {3}));
    ExpectGradients(Reduced(op, {0, 1, 2}, false, w, {1}));
  }
}

TEST(Reduce, ValuesByAxes) {
  const std::vector<float> x = {1, -2, 3, 4, 5, -6};
  const auto along = [&](const std::string& op, int opset) {
    OnnxBuilder b({2, 3}, opset);
    b.Node(op, {"x"}, {"y"}, {Ints("axes", {-1}), Int("keepdims", 0)}).Output("y");
    return RunReals(b, {x});
  };
  for (const int opset : {6, 11}) ExpectNumbers(along("ReduceSum", opset), {2, 3});
  for (const int opset : {6, 13, 17}) {
    ExpectNumbers(along("ReduceMean", opset), {2.0F / 3, 1});
    ExpectNumbers(along("ReduceMax", opset), {3, 5});
    ExpectNumbers(along("ReduceMin", opset), {-2, -6});
    ExpectNumbers(along("ReduceProd", opset), {-6, -120});
    ExpectNumbers(along("ReduceL1", opset), {6, 15});
    ExpectNumbers(along("ReduceL2", opset), {std::sqrt(14.0F), std::sqrt(77.0F)});
    ExpectNumbers(along("ReduceSumSquare", opset), {14, 77});
    ExpectNumbers(along("ReduceLogSum", opset), {std::log(2.0F), std::log(3.0F)});
  }
}

TEST(Reduce, NoAxes) {
  const auto with = [](const std::string& op, std::int64_t noop) {
    OnnxBuilder b({3}, 18);
    b.Constant("c", {3}, {-1, 2, 2});
    b.Node(op, {"c"}, {"r"}, {Int("noop_with_empty_axes", noop), Int("keepdims", 0)});
    b.Node("Add", {"x", "r"}, {"y"}).Output("y");
    return RunReals(b, {{0, 0, 0}});
  };
  ExpectNumbers(with("ReduceSum", 0), {3, 3, 3});
  ExpectNumbers(with("ReduceSum", 1), {-1, 2, 2});
  ExpectNumbers(with("ReduceMax", 1), {-1, 2, 2});
  ExpectNumbers(with("ReduceL2", 0), {3, 3, 3});
  ExpectNumbers(with("ReduceL2", 1), {1, 2, 2});
  ExpectNumbers(with("ReduceSumSquare", 1), {1, 4, 4});
}

std::vector<float> OverAll(const std::string& op, const std::vector<float>& x) {
  OnnxBuilder b({static_cast<std::int64_t>(x.size())}, 17);
  b.Node(op, {"x"}, {"y"}, {Ints("axes", {1}), Int("keepdims", 1)}).Output("y");
  return RunReals(b, {x});
}

TEST(Reduce, SpecialPoints) {
  ExpectNumbers(OverAll("ReduceLogSumExp", {1000, 1000}), {1000 + std::log(2.0F)});
  ExpectNumbers(OverAll("ReduceLogSumExp", {-1000, -1001}), {-1000 + std::log1p(std::exp(-1.0F))});
  ExpectNumbers(OverAll("ReduceLogSumExp", {-kInf, -kInf}), {-kInf});
  ExpectNumbers(OverAll("ReduceLogSumExp", {-kInf, 3}), {3});
  ExpectNumbers(OverAll("ReduceLogSumExp", {kInf, 3}), {kInf});
  ExpectNumbers(OverAll("ReduceLogSumExp", {kNaN, 3}), {kNaN});
  ExpectNumbers(OverAll("ReduceMax", {1, kNaN, 3}), {kNaN});
  ExpectNumbers(OverAll("ReduceMin", {1, kNaN, 3}), {kNaN});
  ExpectNumbers(OverAll("ReduceMax", {-kInf, -kInf}), {-kInf});
  ExpectNumbers(OverAll("ReduceL2", {1e30F, 1e30F}), {1e30F * std::sqrt(2.0F)});
}

std::vector<double> GradientOf(const std::string& op, const std::vector<float>& w) {
  OnnxBuilder b({1}, 17);
  b.Weight("w", {static_cast<std::int64_t>(w.size())}, w);
  b.Node(op, {"w"}, {"r"}, {Ints("axes", {0})}).Node("Add", {"x", "r"}, {"y"}).Output("y");
  return ParameterGradient(b, {6});
}

TEST(Reduce, GradientsAtKinks) {
  using D = std::vector<double>;
  EXPECT_EQ(GradientOf("ReduceMax", {1, 3, 2, 3}), (D{0, 3, 0, 3}));
  EXPECT_EQ(GradientOf("ReduceMin", {2, 2, 2}), (D{2, 2, 2}));
  EXPECT_EQ(GradientOf("ReduceL2", {0, 0}), (D{0, 0}));
  EXPECT_EQ(GradientOf("ReduceL1", {0, -1}), (D{0, -6}));
  EXPECT_EQ(GradientOf("ReduceProd", {2, 0, 4}), (D{0, 48, 0}));
  EXPECT_EQ(GradientOf("ReduceProd", {2, 0, 0}), (D{0, 0, 0}));
  EXPECT_EQ(GradientOf("ReduceProd", {2, 3, 4}), (D{72, 48, 36}));
}

TEST(Reduce, Integers) {
  using I = std::vector<std::int64_t>;
  constexpr ElementType k64 = ElementType::kInt64;
  EXPECT_EQ(RunIntegers("ReduceSum", k64, {{5, -7}}), I{-2});
  EXPECT_EQ(RunIntegers("ReduceSum", ElementType::kInt8, {{100, 100}}), I{-56});
  EXPECT_EQ(RunIntegers("ReduceMax", k64, {{5, -7}}), I{5});
  EXPECT_EQ(RunIntegers("ReduceMin", ElementType::kUInt64, {{5, -7}}), I{5});
  EXPECT_EQ(RunIntegers("ReduceProd", ElementType::kUInt8, {{16, 17}}), I{16});
  EXPECT_EQ(RunIntegers("ReduceMean", k64, {{5, 6}}), I{5});
  EXPECT_EQ(RunIntegers("ReduceSumSquare", k64, {{5, 6}}), I{61});
  EXPECT_EQ(RunIntegers("ReduceMax", ElementType::kBool, {{0, 1, 0}}), I{1});
}

void ExpectMixing(const OnnxBuilder& builder, const std::string& words) {
  const Result<Model> model = ImportOnnx(builder.Write());
  ASSERT_FALSE(model.ok()) << "accepted";
  EXPECT_EQ(model.error().code(), ErrorCode::kPrivacyRefused) << model.error().message();
  EXPECT_NE(model.error().message().find(words), std::string::npos) << model.error().message();
}

TEST(Reduce, TheExampleAxisIsRefused) {
  for (const char* op : kReductions) {
    SCOPED_TRACE(op);
    OnnxBuilder all({3}, 17);
    if (std::string(op) != "ReduceSum") {
      all.Node(op, {"x"}, {"y"}, {Ints("axes", {0, 1})}).Output("y");
    } else {
      all.Node(op, {"x"}, {"y"}).Output("y");
    }
    ExpectMixing(all, "reduces the example axis");
    OnnxBuilder by_input({3}, 18);
    by_input.Integers("axes", {-2}).Node(op, {"x", "axes"}, {"y"}).Output("y");
    ExpectMixing(by_input, "reduces the example axis");
  }
}

// Where(compare(x, c), 1, 0)
std::vector<float> Compared(const std::string& op, const std::vector<float>& x, float c) {
  OnnxBuilder b({static_cast<std::int64_t>(x.size())}, 16);
  b.Constant("c", {}, {c}).Constant("one", {}, {1}).Constant("zero", {}, {0});
  b.Node(op, {"x", "c"}, {"m"}).Node("Where", {"m", "one", "zero"}, {"y"}).Output("y");
  return RunReals(b, {x});
}

TEST(Compare, RealsAndNaN) {
  const std::vector<float> x = {-1, 2, 3, kInf, kNaN};
  ExpectNumbers(Compared("Equal", x, 2), {0, 1, 0, 0, 0});
  ExpectNumbers(Compared("Less", x, 2), {1, 0, 0, 0, 0});
  ExpectNumbers(Compared("Greater", x, 2), {0, 0, 1, 1, 0});
  ExpectNumbers(Compared("LessOrEqual", x, 2), {1, 1, 0, 0, 0});
  ExpectNumbers(Compared("GreaterOrEqual", x, 2), {0, 1, 1, 1, 0});
  ExpectNumbers(Compared("GreaterOrEqual", x, kNaN), {0, 0, 0, 0, 0});
}

TEST(Compare, Integers) {
  using I = std::vector<std::int64_t>;
  EXPECT_EQ(RunIntegers("Less", ElementType::kInt64, {{-1, 3}, {2, 2}}), (I{1, 0}));
  EXPECT_EQ(RunIntegers("Less", ElementType::kUInt64, {{-1, 3}, {2, 9}}), (I{0, 1}));
  EXPECT_EQ(RunIntegers("And", ElementType::kBool, {{0, 0, 1, 1}, {0, 1, 0, 1}}), (I{0, 0, 0, 1}));
  EXPECT_EQ(RunIntegers("Or", ElementType::kBool, {{0, 0, 1, 1}, {0, 1, 0, 1}}), (I{0, 1, 1, 1}));
  EXPECT_EQ(RunIntegers("Xor", ElementType::kBool, {{0, 0, 1, 1}, {0, 1, 0, 1}}), (I{0, 1, 1, 0}));
  EXPECT_EQ(RunIntegers("Not", ElementType::kBool, {{0, 1}}), (I{1, 0}));
}

TEST(Logic, NaNAndInfinity) {
  const auto found = [](const std::string& op,
                        const std::vector<onnx::AttributeProto>& attributes) {
    OnnxBuilder b({4}, 13);
    b.Constant("one", {}, {1}).Constant("zero", {}, {0}).Node(op, {"x"}, {"m"}, attributes);
    b.Node("Where", {"m", "one", "zero"}, {"y"}).Output("y");
    return RunReals(b, {{-kInf, 5, kInf, kNaN}});
  };
  ExpectNumbers(found("IsNaN", {}), {0, 0, 0, 1});
  ExpectNumbers(found("IsInf", {}), {1, 0, 1, 0});
  ExpectNumbers(found("IsInf", {Int("detect_negative", 0)}), {0, 0, 1, 0});
  ExpectNumbers(found("IsInf", {Int("detect_positive", 0)}), {1, 0, 0, 0});
}

TEST(Where, GradientsOfBothSidesWithBroadcasting) {
  OnnxBuilder b({2, 3}, 16);
  b.Weight("p", {2, 1}, {2, 3}).Weight("q", {3}, {4, 5, 6}).Constant("c", {3}, {1, -1, 0});
  b.Constant("zero", {}, {0}).Node("Less", {"c", "zero"}, {"m"});
  b.Node("Where", {"m", "p", "q"}, {"f"}).Node("Mul", {"x", "f"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(b, {{1, 1, 1, 1, 1, 1}}), {4, 2, 6, 4, 3, 6});
  ExpectGradients(b);
}

TEST(Where, TheSideNotTakenContributesNothing) {
  OnnxBuilder b({3}, 16);  // log w where w > 0, else w: the logarithm is NaN or infinite elsewhere
  b.Weight("w", {3}, {2, -1, 0}).Constant("zero", {}, {0}).Node("Greater", {"w", "zero"}, {"m"});
  b.Node("Log", {"w"}, {"l"}).Node("Where", {"m", "l", "w"}, {"f"});
  b.Node("Add", {"x", "f"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(b, {{0, 0, 0}}), {std::log(2.0F), -1, 0});
  // What reaches Log is 0, and its derivative at 0 is infinite: 0 / 0 remains there.
  const std::vector<double> g = ParameterGradient(b, {1, 1, 1});
  ASSERT_EQ(g.size(), 3u);
  EXPECT_EQ(g[0], 0.5);
  EXPECT_EQ(g[1], 1);

  OnnxBuilder masked({2}, 16);  // the gradient that Where passes on, seen without Log's
  masked.Weight("w", {2}, {2, -1}).Constant("nan", {2}, {kNaN, 3});
  masked.Constant("zero", {}, {0}).Node("Less", {"w", "zero"}, {"m"});
  masked.Node("Where", {"m", "nan", "w"}, {"f"}).Node("Mul", {"f", "f"}, {"g"});
  masked.Node("Add", {"x", "g"}, {"y"}).Output("y");
  EXPECT_EQ(ParameterGradient(masked, {1, 1}), (std::vector<double>{4, 0}));
}

TEST(Where, MasksAcrossExamplesAreRefused) {
  OnnxBuilder pairs({1}, 16);  // x = x^T: [B, B]
  pairs.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0})}).Node("Equal", {"x", "t"}, {"m"});
  pairs.Node("Where", {"m", "x", "x"}, {"y"}).Output("y");
  ExpectMixing(pairs, "pairs every example with every other");

  OnnxBuilder misaligned({1}, 16);  // a mask along the last axis, where the features are
  misaligned.Constant("zero", {}, {0}).Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0})});
  misaligned.Node("Less", {"t", "zero"}, {"m"});
  misaligned.Node("Where", {"m", "x", "zero"}, {"y"}).Output("y");
  ExpectMixing(misaligned, "pairs every example with every other");

  OnnxBuilder places({3}, 16);  // row j of the mask for the j-th example of the batch
  places.Constant("c", {4, 1}, {1, 0, 1, 0}).Constant("zero", {}, {0});
  places.Node("Less", {"zero", "c"}, {"m"}).Node("Where", {"m", "x", "zero"}, {"y"}).Output("y");
  ExpectMixing(places, "place in the batch");
}

TEST(Where, TheConditionIsOfTruthValues) {
  OnnxBuilder b({3}, 16);
  b.Node("Where", {"x", "x", "x"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("truth values"), std::string::npos);
}

TEST(MatMul, Vectors) {
  OnnxBuilder dot({2, 3}, 13);
  dot.Weight("v", {3}, {1, 2, 3}).Node("MatMul", {"x", "v"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(dot, {{1, 0, 0, 0, 1, 1}}), {1, 5});
  ExpectGradients(dot);
  OnnxBuilder row({3, 2}, 13);
  row.Weight("v", {3}, {1, 2, 3}).Node("MatMul", {"v", "x"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(row, {{1, 0, 0, 1, 1, 1}}), {4, 5});
  ExpectGradients(row);
  OnnxBuilder numbers({1}, 13);
  numbers.Weight("v", {3}, {1, 2, 3}).Weight("w", {3}, {4, 5, 6});
  numbers.Node("MatMul", {"v", "w"}, {"d"}).Node("Mul", {"x", "d"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(numbers, {{1}}), {32});
  ExpectGradients(numbers);
}

TEST(Gemm, EveryAttribute) {
  for (const bool transpose_b : {false, true}) {
    OnnxBuilder b({2}, 13);
    b.Weight("w", transpose_b ? Shape{3, 2} : Shape{2, 3}, {1, 2, 3, 4, 5, 6});
    b.Weight("c", {1, 3}, {1, -1, 2});
    b.Node("Gemm", {"x", "w", "c"}, {"y"},
           {Float("alpha", 0.5F), Float("beta", 2), Int("transB", transpose_b ? 1 : 0)});
    b.Output("y");
    ExpectNumbers(RunReals(b, {{2, 4}}),
                  transpose_b ? std::vector<float>{7, 9, 21} : std::vector<float>{11, 10, 19});
    ExpectGradients(b);
  }
  OnnxBuilder old({2}, 6);
  old.Weight("w", {2, 3}, {1, 2, 3, 4, 5, 6}).Weight("c", {3}, {1, 2, 3});
  old.Node("Gemm", {"x", "w", "c"}, {"y"}, {Int("broadcast", 1)}).Output("y");
  ExpectNumbers(RunReals(old, {{1, 0}}), {2, 4, 6});
}

}  // namespace
}  // namespace anchorhold::graph
