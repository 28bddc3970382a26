// Resize, Upsample, DepthToSpace, SpaceToDepth: sizes, values, gradients, refusals.
#include <gtest/gtest.h>

#include <cmath>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/refusal_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Compute;
using testing::Draws;
using testing::ExpectGradients;
using testing::ExpectRefused;
using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;
using testing::Text;

using NodeAttributes = std::vector<onnx::AttributeProto>;
using Numbers = std::vector<double>;

void ExpectNumbers(const Numbers& actual, const Numbers& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6) << i;
}

// Resizes [N, 1, n] by a factor.
Numbers Scaled(float scale, const NodeAttributes& attributes, const Numbers& x, int opset = 19) {
  OnnxBuilder b({1, static_cast<std::int64_t>(x.size())}, opset);
  b.Constant("scales", {3}, {1, 1, scale});
  const std::vector<std::string> inputs = opset == 10 ? std::vector<std::string>{"x", "scales"}
                                                      : std::vector<std::string>{"x", "", "scales"};
  b.Node("Resize", inputs, {"y"}, attributes).Output("y");
  const auto outputs = Compute(b, x);
  return outputs.empty() ? Numbers{} : outputs[0].reals;
}

Numbers Sized(std::int64_t size, const NodeAttributes& attributes, const Numbers& x) {
  OnnxBuilder b({1, static_cast<std::int64_t>(x.size())}, 19);
  b.Integers("sizes", {size});
  NodeAttributes all = {Ints("axes", {-1})};
  all.insert(all.end(), attributes.begin(), attributes.end());
  b.Node("Resize", {"x", "", "", "sizes"}, {"y"}, all).Output("y");
  const auto outputs = Compute(b, x);
  return outputs.empty() ? Numbers{} : outputs[0].reals;
}

NodeAttributes Mode(const std::string& mode, const std::string& coordinates,
                    const std::string& nearest = "round_prefer_floor") {
  return {Text("mode", mode), Text("coordinate_transformation_mode", coordinates),
          Text("nearest_mode", nearest)};
}

TEST(Resize, NearestByHand) {
  const Numbers x = {1, 2, 3, 4};
  EXPECT_EQ(Scaled(2, {}, {1, 2}), (Numbers{1, 1, 2, 2}));
  // Sources -0.25, 0.5, 1.25, 2, 2.75, 3.5 for six outputs, less a quarter: half_pixel.
  EXPECT_EQ(Sized(2, Mode("nearest", "half_pixel"), x), (Numbers{1, 3}));
  EXPECT_EQ(Sized(2, Mode("nearest", "half_pixel", "round_prefer_ceil"), x), (Numbers{2, 4}));
  EXPECT_EQ(Sized(2, Mode("nearest", "half_pixel", "floor"), x), (Numbers{1, 3}));
  EXPECT_EQ(Sized(2, Mode("nearest", "half_pixel", "ceil"), x), (Numbers{2, 4}));
  EXPECT_EQ(Sized(2, Mode("nearest", "asymmetric"), x), (Numbers{1, 3}));
  EXPECT_EQ(Sized(2, Mode("nearest", "align_corners"), x), (Numbers{1, 4}));
  EXPECT_EQ(Sized(2, Mode("nearest", "tf_half_pixel_for_nn", "floor"), x), (Numbers{2, 4}));
  EXPECT_EQ(Sized(1, Mode("nearest", "pytorch_half_pixel", "ceil"), x), (Numbers{1}));
}

TEST(Resize, BeforeOpset11NearestRoundsUpWhenItShrinks) {
  EXPECT_EQ(Scaled(0.6F, {}, {1, 2, 3, 4}, 10), (Numbers{1, 3}));
  EXPECT_EQ(Scaled(1.5F, {}, {1, 2}, 10), (Numbers{1, 1, 2}));
  ExpectNumbers(Scaled(2, {Text("mode", "linear")}, {1, 2}, 10), {1, 1.5, 2, 2});
}

TEST(Resize, LinearByHand) {
  ExpectNumbers(Scaled(2, Mode("linear", "half_pixel"), {0, 4}), {0, 1, 3, 4});
  ExpectNumbers(Sized(3, Mode("linear", "align_corners"), {0, 4}), {0, 2, 4});
  ExpectNumbers(Sized(1, Mode("linear", "align_corners"), {3, 4}), {3});
  ExpectNumbers(Scaled(2, Mode("linear", "asymmetric"), {0, 4}), {0, 2, 4, 4});
  ExpectNumbers(Sized(1, Mode("linear", "half_pixel"), {0, 1, 2, 5}), {1.5});
  ExpectNumbers(Sized(1, Mode("linear", "pytorch_half_pixel"), {7, 1, 2, 5}), {7});
  // 2.4 positions, of which 2 remain: the symmetric variant moves them by 4/2 (1 - 2/2.4) = 1/3.
  const Numbers line = {0, 1, 2, 3};
  const double first = 0.5 / 0.6 - 0.5;
  ExpectNumbers(Scaled(0.6F, Mode("linear", "half_pixel"), line), {first, 1.5 / 0.6 - 0.5});
  ExpectNumbers(Scaled(0.6F, Mode("linear", "half_pixel_symmetric"), line),
                {first + 1.0 / 3, 1.5 / 0.6 - 0.5 + 1.0 / 3});
}

TEST(Resize, AntialiasAveragesWhatItSkips) {
  NodeAttributes attributes = Mode("linear", "half_pixel");
  attributes.push_back(Int("antialias", 1));
  // The centre of the two is 0.5; weights 1 - |j - 0.5| / 2 at -1, 0, 1, 2 are 1/4, 3/4, 3/4, 1/4,
  // the outermost ones read the edge or the next number.
  ExpectNumbers(Sized(2, attributes, {0, 1, 2, 3}),
                {(0.75 + 0.5) / 2, (2.25 + 0.25 + 1.5 + 0.75) / 2});
  attributes.push_back(Int("exclude_outside", 1));
  ExpectNumbers(Sized(2, attributes, {0, 1, 2, 3}), {1.25 / 1.75, (0.25 + 1.5 + 2.25) / 1.75});
}

TEST(Resize, CubicReproducesStraightLinesAndTakesItsCoefficient) {
  NodeAttributes attributes = Mode("cubic", "asymmetric");
  attributes.push_back(Float("cubic_coeff_a", -0.5F));
  const Numbers y = Scaled(2, attributes, {0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_EQ(y.size(), 16u);
  for (std::size_t i = 2; i < 11; ++i) EXPECT_NEAR(y[i], 0.5 * static_cast<double>(i), 1e-6);
  // At 1.5, Keys' weights for a = -0.75: -0.09375, 0.59375, 0.59375, -0.09375.
  const Numbers z = Scaled(2, Mode("cubic", "asymmetric"), {1, 0, 0, 0});
  ASSERT_EQ(z.size(), 8u);
  EXPECT_NEAR(z[3], -0.09375, 1e-6);
}

TEST(Resize, CropsAndExtrapolates) {
  OnnxBuilder b({1, 5}, 19);
  b.Constant("roi", {2}, {0.5F, 1.5F}).Integers("sizes", {3});
  NodeAttributes attributes = Mode("linear", "tf_crop_and_resize");
  attributes.insert(attributes.end(), {Ints("axes", {2}), Float("extrapolation_value", -9)});
  b.Node("Resize", {"x", "roi", "", "sizes"}, {"y"}, attributes).Output("y");
  ExpectNumbers(Compute(b, {10, 11, 12, 13, 14})[0].reals, {12, 14, -9});
}

TEST(Resize, KeepsTheAspectRatio) {
  const auto shape = [](const std::string& policy) {
    OnnxBuilder b({3, 4, 6}, 18);
    b.Integers("sizes", {8, 9});
    const NodeAttributes attributes = {Ints("axes", {2, 3}),
                                       Text("keep_aspect_ratio_policy", policy)};
    b.Node("Resize", {"x", "", "", "sizes"}, {"y"}, attributes).Output("y");
    const Result<Model> model = ImportOnnx(b.Write());
    return model.ok() ? FormatType(model->graph().type(model->graph().outputs()[0]))
                      : model.error().message();
  };
  EXPECT_EQ(shape("stretch"), "example x 3 x 8 x 9 float32");
  EXPECT_EQ(shape("not_larger"), "example x 3 x 6 x 9 float32");
  EXPECT_EQ(shape("not_smaller"), "example x 3 x 8 x 12 float32");
}

// As exporters of opset 11 write it: roi and scales are empty, sizes come from the shape.
TEST(Resize, ReadsWhatExportersWrite) {
  for (const bool initializer : {true, false}) {
    OnnxBuilder b({3, 4, 6}, 11);
    if (initializer) {
      b.Weight("none", {0}, {});
    } else {
      b.Constant("none", {0}, {});
    }
    b.Integers("starts", {0}).Integers("ends", {2}).Integers("axes", {0}).Integers("to", {8, 9});
    b.Node("Shape", {"x"}, {"s"}).Node("Slice", {"s", "starts", "ends", "axes"}, {"head"});
    b.Node("Concat", {"head", "to"}, {"sizes"}, {Int("axis", 0)});
    b.Node("Resize", {"x", "none", "none", "sizes"}, {"y"}, {Text("mode", "linear")}).Output("y");
    const Result<Model> model = ImportOnnx(b.Write());
    ASSERT_TRUE(model.ok()) << model.error().message();
    EXPECT_EQ(model->outputs()[0].shape, (Shape{3, 8, 9}));
  }
}

TEST(Resize, AFixedBatchMayBeNamedInTheSizes) {
  OnnxBuilder b({1, 4}, 13, 2);
  b.Integers("sizes", {2, 1, 8}).Node("Resize", {"x", "", "", "sizes"}, {"y"}).Output("y");
  const Result<Model> model = ImportOnnx(b.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->outputs()[0].shape, (Shape{1, 8}));
}

// [N, 2, 3, 4] to 5 x 3.
OnnxBuilder Trained(const NodeAttributes& attributes, std::vector<float> roi = {}) {
  OnnxBuilder b({2, 3, 4}, 19);
  b.Weight("h", {1, 2, 3, 4}, Draws(3).Floats(24)).Node("Add", {"x", "h"}, {"z"});
  NodeAttributes all = {Ints("axes", {2, 3})};
  all.insert(all.end(), attributes.begin(), attributes.end());
  if (!roi.empty()) b.Constant("roi", {4}, roi);
  b.Integers("sizes", {5, 3});
  b.Node("Resize", {"z", roi.empty() ? "" : "roi", "", "sizes"}, {"y"}, all);
  return b.Output("y");
}

TEST(Resize, Gradients) {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* coordinates : {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                    "align_corners", "asymmetric", "tf_half_pixel_for_nn"}) {
      ExpectGradients(Trained(Mode(mode, coordinates)));
    }
    ExpectGradients(Trained(Mode(mode, "tf_crop_and_resize"), {0.1F, -0.2F, 0.8F, 1.1F}));
  }
  NodeAttributes antialias = Mode("cubic", "half_pixel");
  antialias.insert(antialias.end(), {Int("antialias", 1), Int("exclude_outside", 1)});
  ExpectGradients(Trained(antialias));
}

TEST(Upsample, BothForms) {
  OnnxBuilder attribute({1, 2}, 7);
  onnx::AttributeProto scales;
  scales.set_name("scales");
  scales.set_type(onnx::AttributeProto::FLOATS);
  for (const float scale : {1.0F, 1.0F, 2.0F}) scales.add_floats(scale);
  attribute.Node("Upsample", {"x"}, {"y"}, {scales}).Output("y");
  EXPECT_EQ(Compute(attribute, {1, 2})[0].reals, (Numbers{1, 1, 2, 2}));
  OnnxBuilder input({1, 2}, 9);
  input.Weight("scales", {3}, {1, 1, 2});
  input.Node("Upsample", {"x", "scales"}, {"y"}, {Text("mode", "linear")}).Output("y");
  ExpectNumbers(Compute(input, {1, 2})[0].reals, {1, 1.5, 2, 2});
}

OnnxBuilder Resized(const std::vector<float>& scales) {
  OnnxBuilder b({1, 4}, 13);
  b.Constant("scales", {static_cast<std::int64_t>(scales.size())}, scales);
  return b.Node("Resize", {"x", "", "scales"}, {"y"}).Output("y");
}

OnnxBuilder ResizedTo(const std::vector<std::int64_t>& sizes) {
  OnnxBuilder b({1, 4}, 13);
  return b.Integers("sizes", sizes).Node("Resize", {"x", "", "", "sizes"}, {"y"}).Output("y");
}

TEST(Resize, RefusesToMixExamples) {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    OnnxBuilder b({1, 4}, 13);
    b.Constant("scales", {3}, {2, 1, 1});
    b.Node("Resize", {"x", "", "scales"}, {"y"}, {Text("mode", mode)}).Output("y");
    ExpectRefused(b, ErrorCode::kPrivacyRefused, {"resizes the example axis", "would mix"});
  }
  ExpectRefused(ResizedTo({3, 1, 4}), ErrorCode::kPrivacyRefused, {"example axis", "would mix"});
  OnnxBuilder shape({1, 4}, 13);
  shape.Integers("i", {1, 1, 0}).Node("Shape", {"x"}, {"s"}).Node("Gather", {"s", "i"}, {"sizes"});
  shape.Node("Resize", {"x", "", "", "sizes"}, {"y"}).Output("y");
  ExpectRefused(shape, ErrorCode::kPrivacyRefused, {"example axis"});
  OnnxBuilder crop({1, 4}, 13);
  crop.Constant("roi", {6}, {0.5F, 0, 0, 1, 1, 1}).Constant("scales", {3}, {2, 1, 1});
  const NodeAttributes attributes = Mode("linear", "tf_crop_and_resize");
  crop.Node("Resize", {"x", "roi", "scales"}, {"y"}, attributes).Output("y");
  ExpectRefused(crop, ErrorCode::kPrivacyRefused, {"resizes the example axis"});
}

TEST(Resize, RefusesAbsurdNumbers) {
  for (const float scale : {0.0F, -1.0F, 0.1F, 1e30F, std::nanf(""), HUGE_VALF}) {
    ExpectRefused(Resized({1, 1, scale}), ErrorCode::kInvalidInput, {"a scale of"});
  }
  ExpectRefused(Resized({1, 2}), ErrorCode::kInvalidInput, {"scales has 2 numbers"});
  ExpectRefused(Resized({1, 1, 1e8F}), ErrorCode::kLimitExceeded, {});
  OnnxBuilder sizes({1, 4}, 19);
  sizes.Integers("sizes", {-3});
  sizes.Node("Resize", {"x", "", "", "sizes"}, {"y"}, {Ints("axes", {2})}).Output("y");
  ExpectRefused(sizes, ErrorCode::kInvalidInput, {"a size of -3"});
  OnnxBuilder twice({1, 4}, 19);
  twice.Integers("sizes", {4, 4});
  twice.Node("Resize", {"x", "", "", "sizes"}, {"y"}, {Ints("axes", {2, -1})}).Output("y");
  ExpectRefused(twice, ErrorCode::kInvalidInput, {"named twice"});
  OnnxBuilder neither({1, 4}, 13);
  neither.Node("Resize", {"x"}, {"y"}).Output("y");
  ExpectRefused(neither, ErrorCode::kInvalidInput, {"either scales or sizes"});
  OnnxBuilder mode({1, 4}, 13);
  mode.Constant("scales", {3}, {1, 1, 2});
  mode.Node("Resize", {"x", "", "scales"}, {"y"}, {Text("mode", "lanczos")}).Output("y");
  ExpectRefused(mode, ErrorCode::kUnsupported, {"mode is", "lanczos"});
  OnnxBuilder matrix({1, 100000}, 13);
  matrix.Constant("scales", {3}, {1, 1, 2});
  matrix.Node("Resize", {"x", "", "scales"}, {"y"}, {Text("mode", "linear")}).Output("y");
  ExpectRefused(matrix, ErrorCode::kLimitExceeded, {});
}

Numbers Blocks(const std::string& op, const Shape& example, const NodeAttributes& attributes,
               const Numbers& x) {
  OnnxBuilder b(example);
  b.Node(op, {"x"}, {"y"}, attributes).Output("y");
  const auto outputs = Compute(b, x);
  return outputs.empty() ? Numbers{} : outputs[0].reals;
}

TEST(DepthToSpace, ValuesByHand) {
  const Numbers x = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(Blocks("DepthToSpace", {8, 1, 1}, {Int("blocksize", 2)}, x),
            (Numbers{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT_EQ(Blocks("DepthToSpace", {8, 1, 1}, {Int("blocksize", 2), Text("mode", "CRD")}, x), x);
  EXPECT_EQ(Blocks("SpaceToDepth", {2, 2, 2}, {Int("blocksize", 2)}, x),
            (Numbers{0, 4, 1, 5, 2, 6, 3, 7}));
}

TEST(DepthToSpace, Gradients) {
  for (const char* op : {"DepthToSpace", "SpaceToDepth"}) {
    OnnxBuilder b({4, 2, 4});
    b.Weight("h", {1, 4, 2, 4}, Draws(3).Floats(32)).Node("Add", {"x", "h"}, {"z"});
    b.Node(op, {"z"}, {"y"}, {Int("blocksize", 2)}).Output("y");
    ExpectGradients(b);
  }
}

TEST(DepthToSpace, Refusals) {
  const auto single = [](const std::string& op, const Shape& example, std::int64_t block) {
    OnnxBuilder b(example);
    b.Node(op, {"x"}, {"y"}, {Int("blocksize", block)}).Output("y");
    return b;
  };
  for (const char* op : {"DepthToSpace", "SpaceToDepth"}) {
    for (const std::int64_t block : {std::int64_t{0}, std::int64_t{-2}, std::int64_t{1} << 62}) {
      ExpectRefused(single(op, {4, 4, 4}, block), ErrorCode::kInvalidInput, {"blocksize is"});
    }
    ExpectRefused(single(op, {4, 4}, 2), ErrorCode::kInvalidInput, {"[batch, channels"});
    ExpectRefused(single(op, {3, 3, 3}, 2), ErrorCode::kInvalidInput, {"2x2"});
    for (const Shape& permutation : {Shape{1, 0, 2, 3}, Shape{1, 2, 0, 3}, Shape{1, 2, 3, 0}}) {
      OnnxBuilder b({4, 4, 4});
      b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", permutation)});
      b.Node(op, {"t"}, {"y"}, {Int("blocksize", 2)}).Output("y");
      ExpectRefused(b, ErrorCode::kPrivacyRefused, {"examples would mix", "axis 0"});
    }
  }
}

}  // namespace
}  // namespace anchorhold::graph
