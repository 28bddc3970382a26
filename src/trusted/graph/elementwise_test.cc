// Elementwise operators: values at special points, in float32, and gradients against central
// differences, in double.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/operator_run_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::ExpectGradients;
using testing::ExpectNumbers;
using testing::Float;
using testing::Int;
using testing::OnnxBuilder;
using testing::RunIntegers;
using testing::RunReals;
using testing::Text;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int kNewest = 24;

using Attributes = std::vector<onnx::AttributeProto>;

std::vector<float> Unary(const std::string& op, const std::vector<float>& x,
                         const Attributes& attributes = {}, int opset = kNewest) {
  OnnxBuilder b({static_cast<std::int64_t>(x.size())}, opset);
  b.Node(op, {"x"}, {"y"}, attributes).Output("y");
  return RunReals(b, {x});
}

struct Case {
  const char* op;
  Attributes attributes{};
  // What the operator is to compute, in double.
  std::function<double(double)> reference{};
  double low = -3;
  double high = 3;
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double Softplus(double x) { return std::log1p(std::exp(x)); }

std::vector<Case> Smooth() {
  return {
      {"Exp", {}, [](double x) { return std::exp(x); }},
      {"Log", {}, [](double x) { return std::log(x); }, 0.1, 3},
      {"Sqrt", {}, [](double x) { return std::sqrt(x); }, 0.1, 3},
      {"Reciprocal", {}, [](double x) { return 1 / x; }, 0.2, 3},
      {"Neg", {}, [](double x) { return -x; }},
      {"Abs", {}, [](double x) { return std::fabs(x); }},
      {"Sin", {}, [](double x) { return std::sin(x); }},
      {"Cos", {}, [](double x) { return std::cos(x); }},
      {"Tan", {}, [](double x) { return std::tan(x); }, -1.3, 1.3},
      {"Asin", {}, [](double x) { return std::asin(x); }, -0.95, 0.95},
      {"Acos", {}, [](double x) { return std::acos(x); }, -0.95, 0.95},
      {"Atan", {}, [](double x) { return std::atan(x); }},
      {"Sinh", {}, [](double x) { return std::sinh(x); }},
      {"Cosh", {}, [](double x) { return std::cosh(x); }},
      {"Asinh", {}, [](double x) { return std::asinh(x); }},
      {"Acosh", {}, [](double x) { return std::acosh(x); }, 1.1, 4},
      {"Atanh", {}, [](double x) { return std::atanh(x); }, -0.95, 0.95},
      {"Tanh", {}, [](double x) { return std::tanh(x); }},
      {"Sigmoid", {}, Sigmoid},
      {"Erf", {}, [](double x) { return std::erf(x); }},
      {"Relu", {}, [](double x) { return std::max(x, 0.0); }},
      {"LeakyRelu", {Float("alpha", 0.25F)}, [](double x) { return x > 0 ? x : x / 4; }},
      {"Elu", {Float("alpha", 1.5F)}, [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }},
      {"Celu", {Float("alpha", 2)}, [](double x) { return x > 0 ? x : 2 * std::expm1(x / 2); }},
      {"Selu",
       {Float("alpha", 2), Float("gamma", 3)},
       [](double x) { return 3 * (x > 0 ? x : 2 * std::expm1(x)); }},
      {"Gelu", {}, [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"Gelu",
       {Text("approximate", "tanh")},
       [](double x) {
         return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       }},
      {"HardSigmoid",
       {Float("alpha", 0.25F), Float("beta", 0.5F)},
       [](double x) { return std::min(1.0, std::max(0.0, x / 4 + 0.5)); }},
      {"HardSwish", {}, [](double x) { return x * std::min(1.0, std::max(0.0, x / 6 + 0.5)); }},
      {"Swish", {Float("alpha", 0.5F)}, [](double x) { return x * Sigmoid(x / 2); }},
      {"Mish", {}, [](double x) { return x * std::tanh(Softplus(x)); }},
      {"Softplus", {}, Softplus},
      {"Softsign", {}, [](double x) { return x / (1 + std::fabs(x)); }},
      {"ThresholdedRelu", {Float("alpha", 0.5F)}, [](double x) { return x > 0.5 ? x : 0; }},
      {"Shrink",
       {Float("bias", 0.25F), Float("lambd", 1)},
       [](double x) { return x < -1  ? x + 0.25
                             : x > 1 ? x - 0.25
                                     : 0; }},
  };
}

// Numbers from low to high that avoid the kinks, which lie at multiples of 1/8.
std::vector<float> Points(const Case& c) {
  std::vector<float> points;
  constexpr int kPoints = 23;
  for (int i = 0; i < kPoints; ++i) {
    const double x = c.low + (c.high - c.low) * (i + 0.3) / kPoints;
    points.push_back(static_cast<float>(x));
  }
  return points;
}

TEST(Unary, ValuesAreThoseOfTheDefinition) {
  for (const Case& c : Smooth()) {
    const std::vector<float> x = Points(c);
    const std::vector<float> y = Unary(c.op, x, c.attributes);
    ASSERT_EQ(y.size(), x.size()) << c.op;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = c.reference(x[i]);
      EXPECT_NEAR(y[i], expected, 1e-7 + 2e-6 * std::fabs(expected)) << c.op << " at " << x[i];
    }
  }
}

TEST(Unary, GradientsAreDifferences) {
  for (const Case& c : Smooth()) {
    SCOPED_TRACE(c.op);
    const std::vector<float> points = Points(c);
    const auto n = static_cast<std::int64_t>(points.size());
    OnnxBuilder b({n}, kNewest);
    // Beside x, so that the model has examples.
    b.Weight("w", {n}, points).Node(c.op, {"w"}, {"f"}, c.attributes);
    b.Node("Mul", {"x", "f"}, {"y"}).Output("y");
    ExpectGradients(b);
  }
}

TEST(Unary, SpecialPoints) {
  const std::vector<float> x = {-kInf, -0.0F, 0, kInf, kNaN};
  ExpectNumbers(Unary("Relu", x), {0, 0, 0, kInf, kNaN});
  ExpectNumbers(Unary("Sigmoid", x), {0, 0.5F, 0.5F, 1, kNaN});
  ExpectNumbers(Unary("Softplus", x), {0, std::log(2.0F), std::log(2.0F), kInf, kNaN});
  ExpectNumbers(Unary("Erf", x), {-1, 0, 0, 1, kNaN});
  ExpectNumbers(Unary("Elu", x), {-1, 0, 0, kInf, kNaN});
  ExpectNumbers(Unary("Sign", x), {-1, 0, 0, 1, kNaN});
  ExpectNumbers(Unary("Log", x), {kNaN, -kInf, -kInf, kInf, kNaN});
  ExpectNumbers(Unary("Abs", x), {kInf, 0, 0, kInf, kNaN});
  ExpectNumbers(Unary("ThresholdedRelu", x), {0, 0, 0, kInf, kNaN});
  ExpectNumbers(Unary("Reciprocal", {kInf, 0, -4}), {0, kInf, -0.25F});
  ExpectNumbers(Unary("Round", {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 2.4F}), {0, 2, 2, 0, -2, 2});
  ExpectNumbers(Unary("Floor", {-1.5F, 1.5F}), {-2, 1});
  ExpectNumbers(Unary("Ceil", {-1.5F, 1.5F}), {-1, 2});
}

TEST(Unary, TailsKeepTheirDigits) {
  // 1 + erf would cancel: a relative error of one per cent or nothing left at all.
  const std::vector<float> gelu = Unary("Gelu", {-5, -8});
  EXPECT_NEAR(gelu[0] / (-5 * 2.866515718791939e-07), 1, 1e-5);
  EXPECT_NEAR(gelu[1] / (-8 * 6.22096057427178e-16), 1, 1e-5);
  EXPECT_NEAR(Unary("Softplus", {-20})[0] / std::exp(-20.0), 1, 1e-6);
  EXPECT_EQ(Unary("Softplus", {100})[0], 100);
  EXPECT_NEAR(Unary("Elu", {-1e-6F})[0] / -1e-6, 1, 1e-6);
  ExpectNumbers(Unary("Gelu", {1e30F, -1e30F}, {Text("approximate", "tanh")}), {1e30F, 0});
}

// The gradient of sum f(w) by w, in double.
std::vector<double> GradientOf(const std::string& op, const std::vector<float>& w,
                               const Attributes& attributes = {}) {
  const auto n = static_cast<std::int64_t>(w.size());
  OnnxBuilder b({n}, kNewest);
  b.Weight("w", {n}, w).Node(op, {"w"}, {"f"}, attributes);
  b.Node("Add", {"x", "f"}, {"y"}).Output("y");
  return testing::ParameterGradient(b, std::vector<double>(w.size(), 1));
}

TEST(Unary, GradientsAtKinksAndFarOut) {
  EXPECT_EQ(GradientOf("Relu", {-1, 0, 1}), (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(GradientOf("Abs", {-2, 0, 2}), (std::vector<double>{-1, 0, 1}));
  EXPECT_EQ(GradientOf("Elu", {0}), (std::vector<double>{1}));
  EXPECT_EQ(GradientOf("Gelu", {40, -40}), (std::vector<double>{1, 0}));
  EXPECT_EQ(GradientOf("Gelu", {1e30F, -1e30F}, {Text("approximate", "tanh")}),
            (std::vector<double>{1, 0}));
  EXPECT_EQ(GradientOf("Softplus", {800, -800}), (std::vector<double>{1, 0}));
  for (const char* op : {"Floor", "Ceil", "Round", "Sign"}) {
    OnnxBuilder b({1}, kNewest);
    b.Weight("w", {1}, {1.5F}).Weight("v", {1}, {1}).Node(op, {"w"}, {"f"});
    b.Node("Mul", {"f", "v"}, {"g"}).Node("Add", {"x", "g"}, {"y"}).Output("y");
    const std::vector<double> g = testing::ParameterGradient(b, {1});
    ASSERT_EQ(g.size(), 2u) << op;
    EXPECT_EQ(g[0], 0) << op;
    EXPECT_NE(g[1], 0) << op;
  }
}

TEST(PRelu, SlopesBroadcastAndLearn) {
  OnnxBuilder b({2, 3}, 9);
  b.Weight("s", {2, 1}, {0.5F, -1}).Weight("w", {2, 3}, {1, -1, 2, -2, 3, -3});
  b.Node("Mul", {"x", "w"}, {"v"}).Node("PRelu", {"v", "s"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(b, {{1, 1, 1, 1, 1, 1}}), {1, -0.5F, 2, 2, 3, 3});
  ExpectGradients(b);

  OnnxBuilder channels({2, 2}, 6);  // one slope a channel, as a list
  channels.Weight("s", {2}, {0.5F, 2}).Node("PRelu", {"x", "s"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(channels, {{-1, 1, -1, 1}}), {-0.5F, 1, -2, 1});

  OnnxBuilder wide({3}, 16);
  wide.Weight("s", {2, 1, 3}, std::vector<float>(6)).Node("PRelu", {"x", "s"}, {"y"}).Output("y");
  EXPECT_FALSE(ImportOnnx(wide.Write()).ok());
}

OnnxBuilder OverWeights(const std::string& op, const std::vector<std::int64_t>& shape_a,
                        const std::vector<std::int64_t>& shape_b, std::vector<float> a,
                        std::vector<float> b, const Attributes& attributes = {}) {
  OnnxBuilder builder({2, 3}, kNewest);
  builder.Weight("a", shape_a, a).Weight("b", shape_b, b);
  builder.Node(op, {"a", "b"}, {"f"}, attributes).Node("Mul", {"x", "f"}, {"y"}).Output("y");
  return builder;
}

TEST(Binary, GradientsWithBroadcasting) {
  const std::vector<float> a = {0.5F, 1.25F, 2.1F, 0.7F, 1.9F, 3.3F};
  const std::vector<float> column = {0.6F, 1.7F};
  const std::vector<float> row = {-1.5F, 0.8F, 2.2F};
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean"}) {
    SCOPED_TRACE(op);
    ExpectGradients(OverWeights(op, {2, 3}, {2, 1}, a, column));
    ExpectGradients(OverWeights(op, {2, 3}, {3}, a, row));
    ExpectGradients(OverWeights(op, {2, 1}, {3}, column, row));
    ExpectGradients(OverWeights(op, {2, 3}, {1}, a, {1.3F}));
  }
  ExpectGradients(OverWeights("Mod", {2, 3}, {2, 1}, a, column, {Int("fmod", 1)}));
  ExpectGradients(OverWeights("Mod", {2, 3}, {3}, a, row));
}

TEST(Binary, PowAtItsEdges) {
  const auto gradient = [](std::vector<float> a, std::vector<float> e) {
    OnnxBuilder b({2, 3}, kNewest);
    b.Weight("a", {2, 3}, a).Weight("e", {2, 3}, e);
    b.Node("Pow", {"a", "e"}, {"f"}).Node("Add", {"x", "f"}, {"y"}).Output("y");
    return testing::ParameterGradient(b, std::vector<double>(6, 1));
  };
  const std::vector<double> g = gradient({0, 0, 0, 0, -2, -2}, {0, 1, 2, 3, 2, 3});
  ASSERT_EQ(g.size(), 12u);
  EXPECT_EQ(std::vector<double>(g.begin(), g.begin() + 6),
            (std::vector<double>{0, 1, 0, 0, -4, 12}));
  EXPECT_EQ(std::vector<double>(g.begin() + 6, g.end()), std::vector<double>(6, 0));

  // A stored scalar exponent is no weight; a list of one is.
  OnnxBuilder literal({2});
  literal.Weight("e", {}, {2}).Node("Pow", {"x", "e"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(literal.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_TRUE(model->parameters().empty());
  OnnxBuilder learned({2});
  learned.Weight("e", {1}, {3}).Node("Pow", {"x", "e"}, {"y"}).Output("y");
  const Result<Model> mean = ImportOnnx(learned.Write());
  ASSERT_TRUE(mean.ok()) << mean.error().message();
  EXPECT_EQ(mean->parameters().size(), 1u);
}

TEST(Binary, TiesShareTheGradient) {
  for (const char* op : {"Max", "Min"}) {
    OnnxBuilder b({2}, kNewest);
    b.Weight("a", {2}, {1, 2}).Weight("b", {2}, {1, 2});
    b.Node(op, {"a", "b"}, {"f"}).Node("Add", {"x", "f"}, {"y"}).Output("y");
    EXPECT_EQ(testing::ParameterGradient(b, {1, 3}), (std::vector<double>{0.5, 1.5, 0.5, 1.5}));
  }
}

TEST(Binary, NaNIsNotHidden) {
  for (const char* op : {"Max", "Min"}) {
    OnnxBuilder b({2}, kNewest);
    b.Constant("c", {2}, {kNaN, 1}).Node(op, {"x", "c"}, {"y"}).Output("y");
    ExpectNumbers(RunReals(b, {{1, kNaN}}), {kNaN, kNaN});
  }
}

TEST(Binary, OldAlignmentByAxis) {
  OnnxBuilder b({2, 2}, 6);
  b.Weight("w", {2}, {10, 20});
  b.Node("Add", {"x", "w"}, {"y"}, {Int("broadcast", 1), Int("axis", 1)}).Output("y");
  ExpectNumbers(RunReals(b, {{1, 2, 3, 4}}), {11, 12, 23, 24});
  ExpectGradients(b);
  OnnxBuilder beyond({2, 2}, 6);
  beyond.Weight("w", {2, 2}, std::vector<float>(4));
  beyond.Node("Add", {"x", "w"}, {"y"}, {Int("broadcast", 1), Int("axis", 2)}).Output("y");
  EXPECT_FALSE(ImportOnnx(beyond.Write()).ok());
}

std::vector<std::int64_t> OnIntegers(const std::string& op, ElementType element,
                                     const std::vector<std::int64_t>& a,
                                     const std::vector<std::int64_t>& b,
                                     const Attributes& attributes = {}) {
  return RunIntegers(op, element, {a, b}, attributes);
}

TEST(Integers, WrapToTheirWidthAndNeverStop) {
  using I = std::vector<std::int64_t>;
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr ElementType k64 = ElementType::kInt64;
  EXPECT_EQ(OnIntegers("Add", ElementType::kInt8, {100, -100}, {100, -100}), (I{-56, 56}));
  EXPECT_EQ(OnIntegers("Mul", ElementType::kUInt8, {16, 255}, {17, 255}), (I{16, 1}));
  EXPECT_EQ(OnIntegers("Sub", ElementType::kUInt32, {0, 5}, {1, 2}), (I{4294967295, 3}));
  EXPECT_EQ(OnIntegers("Div", k64, {7, -7, 7, kLeast}, {2, 2, 0, -1}), (I{3, -3, 0, kLeast}));
  EXPECT_EQ(OnIntegers("Mod", k64, {7, -7, 7, kLeast}, {-3, 3, 0, -1}), (I{-2, 2, 0, 0}));
  EXPECT_EQ(OnIntegers("Mod", k64, {7, -7}, {-3, 3}, {Int("fmod", 1)}), (I{1, -1}));
  EXPECT_EQ(OnIntegers("Pow", k64, {2, 3, -1, 2, 0, 1}, {10, 0, -3, -1, -1, -5}),
            (I{1024, 1, -1, 0, 0, 1}));
  EXPECT_EQ(OnIntegers("Div", ElementType::kUInt64, {-1}, {2}),
            I{std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(OnIntegers("Max", ElementType::kUInt64, {-1, 3}, {5, 2}), (I{-1, 3}));
  EXPECT_EQ(OnIntegers("Max", k64, {-1, 3}, {5, 2}), (I{5, 3}));
  EXPECT_EQ(RunIntegers("Neg", k64, {{5, kLeast}}), (I{-5, kLeast}));
  EXPECT_EQ(RunIntegers("Abs", ElementType::kInt32, {{-5, 5}}), (I{5, 5}));
  EXPECT_EQ(RunIntegers("Sign", k64, {{-5, 0, 5}}), (I{-1, 0, 1}));
  EXPECT_EQ(RunIntegers("Relu", k64, {{-5, 0, 5}}), (I{0, 0, 5}));
  EXPECT_EQ(
      OnIntegers("BitShift", ElementType::kUInt8, {16, 129}, {1, 1}, {Text("direction", "LEFT")}),
      (I{32, 2}));
  EXPECT_EQ(
      OnIntegers("BitShift", ElementType::kUInt64, {-1, 1}, {63, 64}, {Text("direction", "RIGHT")}),
      (I{1, 0}));
  EXPECT_EQ(OnIntegers("BitwiseXor", ElementType::kInt16, {5, -1}, {3, 1}), (I{6, -2}));
  EXPECT_EQ(RunIntegers("BitwiseNot", ElementType::kUInt8, {{1, 255}}), (I{254, 0}));
  EXPECT_EQ(RunIntegers("BitwiseNot", ElementType::kInt32, {{0, -1}}), (I{-1, 0}));
}

TEST(Pow, MixedElementTypes) {
  OnnxBuilder b({3});
  b.Integers("e", {2, 0, -1}).Node("Pow", {"x", "e"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(b, {{3, 0, 2}}), {9, 1, 0.5F});
}

TEST(Clip, BoundsAreAttributesConstantsOrValues) {
  OnnxBuilder attributes({4}, 6);
  attributes.Node("Clip", {"x"}, {"y"}, {Float("min", -1), Float("max", 2)}).Output("y");
  ExpectNumbers(RunReals(attributes, {{-3, 0, 5, kNaN}}), {-1, 0, 2, kNaN});

  OnnxBuilder upper({3}, 13);
  upper.Constant("high", {}, {2}).Node("Clip", {"x", "", "high"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(upper, {{-kInf, 0, kInf}}), {-kInf, 0, 2});

  OnnxBuilder computed({3}, 13);  // bounds that the model computes from a weight
  computed.Weight("w", {}, {1}).Node("Neg", {"w"}, {"low"}).Node("Exp", {"w"}, {"high"});
  computed.Node("Clip", {"x", "low", "high"}, {"y"}).Output("y");
  ExpectNumbers(RunReals(computed, {{-3, 0.5F, 5}}), {-1, 0.5F, std::exp(1.0F)});
  testing::GradientCheck check;
  check.inputs = {{ElementType::kFloat32, {1, 3}, {-3, 0.5, 5}, {}}};
  ExpectGradients(computed, check);

  OnnxBuilder list({3}, 13);
  list.Constant("low", {3}, {0, 1, 2}).Node("Clip", {"x", "low"}, {"y"}).Output("y");
  EXPECT_FALSE(ImportOnnx(list.Write()).ok());
}

TEST(Dropout, IsTheIdentityAndKeepsAll) {
  OnnxBuilder b({2}, 13);
  b.Constant("ratio", {}, {0.5F}).Node("Dropout", {"x", "ratio"}, {"y", "mask"});
  b.Node("Not", {"mask"}, {"dropped"}).Constant("c", {}, {7});
  b.Node("Where", {"dropped", "c", "y"}, {"z"}).Output("z");
  ExpectNumbers(RunReals(b, {{3, kNaN}}), {3, kNaN});
  OnnxBuilder old({2}, 7);
  old.Node("Dropout", {"x"}, {"y", "mask"}, {Float("ratio", 0.5F)});
  old.Node("Mul", {"y", "mask"}, {"z"}).Output("z");
  ExpectNumbers(RunReals(old, {{3, -4}}), {3, -4});
}

TEST(Identity, AnInitializerStaysWhatItsReaderNeeds) {
  OnnxBuilder b({2}, 13);
  b.Weight("w", {}, {2}).Node("Identity", {"w"}, {"high"});
  b.Node("Clip", {"x", "", "high"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_TRUE(model->parameters().empty());
}

}  // namespace
}  // namespace anchorhold::graph
