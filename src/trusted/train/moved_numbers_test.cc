// Networks that slice, join and pad, that use weights once for each time, that have signals,
// volumes or several images an example: what steps they become, and that their sums are the
// interpreter's on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "trusted/engine/simplify.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/sums_for_test.h"

namespace anchorhold::train {
namespace {

using engine::StepKind;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::Draw;
using testing::Finish;
using testing::IsFast;

ExampleSet Rows(const graph::Model& model, std::size_t rows) {
  return testing::DrawRows(model, rows, 0.8F);
}

graph::Model Recurrent(const std::string& op, std::int64_t times, std::int64_t hidden,
                       bool both_ways) {
  constexpr std::int64_t kInputs = 3;
  const std::int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  const std::int64_t ways = both_ways ? 2 : 1;
  const auto count = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  OnnxBuilder b({times, kInputs});
  b.Weight("w", {ways, gates * hidden, kInputs},
           Draw(count(ways * gates * hidden * kInputs), 1, 1));
  b.Weight("r", {ways, gates * hidden, hidden},
           Draw(count(ways * gates * hidden * hidden), 2, 0.7F));
  b.Weight("b", {ways, 2 * gates * hidden}, Draw(count(ways * 2 * gates * hidden), 3, 0.3F));
  onnx::AttributeProto direction;
  direction.set_name("direction");
  direction.set_type(onnx::AttributeProto::STRING);
  direction.set_s(both_ways ? "bidirectional" : "forward");
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node(op, {"t", "w", "r", "b"}, {"all", "last"}, {Int("hidden_size", hidden), direction});
  b.Node("Transpose", {"last"}, {"h"}, {Ints("perm", {1, 0, 2})});
  return Finish(b, "h", ways * hidden);
}

// Signals [3, 24], convolved and pooled twice.
graph::Model Signals(const std::string& pool) {
  OnnxBuilder b({3, 24});
  b.Weight("v", {4, 3, 5}, Draw(60, 1, 0.4F)).Weight("w", {6, 4, 3}, Draw(72, 2, 0.4F));
  b.Node("Conv", {"x", "v"}, {"a"}, {Ints("pads", {2, 2})}).Node("Relu", {"a"}, {"r"});
  const std::vector<onnx::AttributeProto> window = {Ints("kernel_shape", {3}), Ints("strides", {2}),
                                                    Ints("pads", {1, 1})};
  b.Node(pool, {"r"}, {"p"}, window).Node("Conv", {"p", "w"}, {"c"}).Node("Tanh", {"c"}, {"s"});
  b.Node(pool, {"s"}, {"q"}, window);
  return Finish(b, "q", 30);
}

using Sizes = std::vector<std::int64_t>;

// One layer of a network for volumes.
struct Layer {
  std::string op;
  std::int64_t out = 0;  // channels, of convolutions
  Sizes kernel;
  Sizes strides = {1, 1, 1};
  Sizes pads = {0, 0, 0, 0, 0, 0};
  Sizes dilations = {1, 1, 1};
  std::int64_t groups = 1;
  bool counts_padding = false;
};

// Convolves volumes [2, sizes], applies the layer and takes the mean over each channel.
graph::Model Volume(const Sizes& sizes, const Layer& layer) {
  constexpr std::int64_t kChannels = 4;
  OnnxBuilder b({2, sizes[0], sizes[1], sizes[2]});
  b.Weight("v", {kChannels, 2, 1, 1, 1}, Draw(2 * kChannels, 1, 0.8F));
  b.Weight("c", {kChannels}, Draw(kChannels, 2, 0.2F));
  b.Node("Conv", {"x", "v", "c"}, {"a"}).Node("Tanh", {"a"}, {"t"});
  std::vector<onnx::AttributeProto> attributes = {
      Ints("kernel_shape", layer.kernel), Ints("strides", layer.strides), Ints("pads", layer.pads)};
  std::int64_t channels = kChannels;
  const bool pools = layer.out == 0;
  if (!pools) {
    const bool transposed = layer.op == "ConvTranspose";
    channels = layer.out;
    Sizes weight = {transposed ? kChannels : layer.out,
                    (transposed ? layer.out : kChannels) / layer.groups};
    weight.insert(weight.end(), layer.kernel.begin(), layer.kernel.end());
    std::size_t count = 1;
    for (const std::int64_t size : weight) count *= static_cast<std::size_t>(size);
    b.Weight("w", weight, Draw(count, 3, 0.4F))
        .Weight("d", {layer.out}, Draw(static_cast<std::size_t>(layer.out), 4, 0.2F));
    attributes.push_back(Ints("dilations", layer.dilations));
    attributes.push_back(Int("group", layer.groups));
    b.Node(layer.op, {"t", "w", "d"}, {"p"}, attributes).Node("Relu", {"p"}, {"r"});
  } else {
    if (layer.op == "AveragePool") {
      attributes.push_back(Int("count_include_pad", layer.counts_padding ? 1 : 0));
    } else {
      attributes.push_back(Ints("dilations", layer.dilations));
    }
    b.Node(layer.op, {"t"}, {"r"}, attributes);
  }
  b.Node("Mul", {"r", "r"}, {"s"});
  b.Node("ReduceMean", {"s"}, {"m"}, {Ints("axes", {2, 3, 4}), Int("keepdims", 0)});
  return Finish(b, "m", channels);
}

std::vector<Layer> VolumeLayers() {
  return {
      {"Conv", 6, {3, 3, 3}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}},
      {"Conv", 6, {2, 3, 1}, {2, 1, 3}, {0, 1, 0, 2, 0, 0}},
      {"Conv", 4, {2, 2, 2}, {1, 1, 1}, {1, 0, 0, 0, 0, 1}, {3, 1, 2}, 2},
      {"Conv", 4, {3, 1, 1}, {3, 1, 1}, {0, 0, 0, 0, 0, 0}, {2, 1, 1}, 4},
      {"Conv", 6, {6, 5, 4}},  // to one position
      {"ConvTranspose", 6, {2, 2, 2}, {2, 2, 2}},
      {"ConvTranspose", 4, {3, 2, 3}, {1, 2, 1}, {1, 0, 1, 1, 0, 1}, {1, 1, 1}, 2},
      {"MaxPool", 0, {2, 2, 2}, {2, 2, 2}},
      {"MaxPool", 0, {3, 2, 3}, {1, 2, 2}, {1, 0, 1, 1, 1, 1}, {2, 1, 1}},
      {"AveragePool", 0, {2, 3, 2}, {2, 1, 1}},
      {"AveragePool", 0, {3, 3, 2}, {2, 1, 2}, {1, 1, 0, 1, 1, 1}},
      {"AveragePool", 0, {3, 3, 2}, {2, 1, 2}, {1, 1, 0, 1, 1, 1}, {1, 1, 1}, 1, true},
  };
}

// Sequences of 5 images, convolved as if each were an example's own, and then added up.
graph::Model Frames(std::int64_t filters, std::int64_t groups) {
  constexpr std::int64_t kFrames = 5;
  OnnxBuilder b({kFrames, 2, 7, 6});
  const auto count = static_cast<std::size_t>(filters * 9 * 2 / groups);
  b.Weight("w", {filters, 2 / groups, 3, 3}, Draw(count, 1, 0.3F));
  b.Weight("c", {filters}, Draw(static_cast<std::size_t>(filters), 2, 0.2F));
  b.Integers("images", {-1, 2, 7, 6}).Node("Reshape", {"x", "images"}, {"i"});
  b.Node("Conv", {"i", "w", "c"}, {"a"}, {Ints("pads", {1, 1, 1, 1}), Int("group", groups)});
  b.Node("Relu", {"a"}, {"r"});
  b.Node("MaxPool", {"r"}, {"p"}, {Ints("kernel_shape", {2, 2}), Ints("strides", {2, 2})});
  b.Weight("u", {filters, filters, 2, 2},
           Draw(static_cast<std::size_t>(4 * filters * filters), 5, 0.1F));
  b.Node("Conv", {"p", "u"}, {"q"}).Node("Tanh", {"q"}, {"t"});
  b.Integers("times", {-1, kFrames, filters * 4}).Node("Reshape", {"t", "times"}, {"s"});
  b.Node("ReduceSum", {"s"}, {"m"}, {Ints("axes", {1}), Int("keepdims", 0)});
  return Finish(b, "m", filters * 4);
}

// Joined along each axis in turn, one part of them twice and one a parameter's, and padded.
graph::Model Joined() {
  OnnxBuilder b({2, 3, 4});
  b.Weight("w", {4, 4}, Draw(16, 1, 0.6F)).Weight("u", {1, 2, 3, 1}, Draw(6, 2, 0.6F));
  b.Node("MatMul", {"x", "w"}, {"h"}).Node("Tanh", {"h"}, {"t"});
  b.Node("Shape", {"x"}, {"size"}).Integers("first", {0}).Node("Gather", {"size", "first"}, {"n"});
  b.Integers("rest", {2, 3, 1}).Node("Concat", {"n", "rest"}, {"to"}, {Int("axis", 0)});
  b.Node("Expand", {"u", "to"}, {"e"});
  b.Node("Concat", {"t", "e", "h"}, {"a"}, {Int("axis", 3)});  // [2, 3, 9]
  b.Node("Concat", {"a", "a"}, {"c"}, {Int("axis", 1)});       // [4, 3, 9]
  b.Node("Mul", {"c", "c"}, {"d"}).Node("Concat", {"c", "d"}, {"f"}, {Int("axis", 2)});
  b.Integers("pads", {0, 1, 0, 0, 0, 2, 0, 0}).Constant("number", {}, {0.25F});
  b.Node("Pad", {"f", "pads", "number"}, {"g"});  // [7, 6, 9]
  b.Integers("wide", {0, 0, 1, 2, 0, 0, 1, 0}).Node("Pad", {"g", "wide"}, {"i"});
  b.Node("Tanh", {"i"}, {"j"});  // [7, 8, 11]
  return Finish(b, "j", 616);
}

// Places of an axis, some twice, the last axis among them; largest numbers; powers.
graph::Model Taken() {
  OnnxBuilder b({3, 4, 5});
  b.Weight("w", {5, 5}, Draw(25, 1, 0.6F)).Node("MatMul", {"x", "w"}, {"h"});
  b.Integers("rows", {2, -3, 2}).Integers("columns", {4, 0, -1, 4, 1, 2, -5});
  b.Node("Gather", {"h", "rows"}, {"r"}, {Int("axis", 2)});     // [3, 3, 5]
  b.Node("Gather", {"r", "columns"}, {"c"}, {Int("axis", 3)});  // [3, 3, 7]
  b.Constant("two", {}, {2}).Constant("three", {1}, {3});
  b.Node("Pow", {"c", "two"}, {"p"}).Node("Pow", {"c", "three"}, {"q"});
  b.Node("Sub", {"p", "q"}, {"s"});
  b.Node("ReduceMax", {"s"}, {"l"}, {Ints("axes", {3}), Int("keepdims", 0)});  // [3, 3]
  b.Node("ReduceMax", {"s"}, {"m"}, {Ints("axes", {1, 2})});                   // [1, 1, 7]
  b.Node("Flatten", {"l"}, {"f"}).Node("Flatten", {"m"}, {"g"});
  b.Node("Concat", {"f", "g"}, {"all"}, {Int("axis", 1)});
  return Finish(b, "all", 16);
}

// What the weights' gradients take: steps with a transposed left side, and sums by their products.
std::size_t WeightProducts(const engine::LoweredProgram& program) {
  std::size_t products = testing::CountSteps(program, [](const engine::Step& step) {
    return step.kind == StepKind::kMatMul && step.gemm.transpose_a;
  });
  for (const engine::GradientSum& sum : program.sums) {
    products += sum.method == engine::Method::kGhost || sum.method == engine::Method::kContract;
  }
  return products;
}

std::size_t NaiveSteps(const graph::Model& model, engine::Mode mode) {
  return testing::CountSteps(testing::ProgramOf(model, mode), StepKind::kNaive);
}

TEST(MovedNumbers, RecurrentWeightsHaveOneProductForAllTimes) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  for (const engine::Mode mode : {engine::Mode::kTraining, engine::Mode::kPrivateTraining}) {
    const auto lstm = testing::ProgramOf(Recurrent("LSTM", 9, 8, false), mode);
    EXPECT_EQ(WeightProducts(lstm), 3U);  // of w, r and the head
    EXPECT_EQ(testing::CountSteps(lstm, StepKind::kPad), 0U);
    EXPECT_EQ(WeightProducts(testing::ProgramOf(Recurrent("RNN", 9, 8, true), mode)), 5U);
  }
}

TEST(MovedNumbers, NothingIsLeftToTheReferenceKernels) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  EXPECT_EQ(NaiveSteps(Signals("MaxPool"), engine::Mode::kPrivateTraining), 0U);
  EXPECT_EQ(NaiveSteps(Signals("AveragePool"), engine::Mode::kPrivateTraining), 0U);
  EXPECT_EQ(NaiveSteps(Recurrent("GRU", 5, 4, true), engine::Mode::kPrivateTraining), 0U);
  EXPECT_EQ(NaiveSteps(Frames(4, 1), engine::Mode::kPrivateTraining), 0U);
  for (const Layer& layer : VolumeLayers()) {
    EXPECT_EQ(NaiveSteps(Volume({6, 5, 4}, layer), engine::Mode::kPrivateTraining), 0U);
  }
}

// A few numbers with much padding around them: unfolded, they would not fit any memory.
TEST(MovedNumbers, VolumesOfPaddingAreLeftToTheReferenceKernels) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  constexpr std::int64_t kLong = 1 << 14;
  const Sizes pads = {kLong, 0, 0, kLong, 0, 0};
  const Layer convolution = {"Conv", 4, {kLong, 1, 1}, {1, 1, 1}, pads};
  EXPECT_GT(NaiveSteps(Volume({1, 1, 1}, convolution), engine::Mode::kTraining), 0U);
  const Layer fits = {"Conv", 4, {64, 1, 1}, {1, 1, 1}, {64, 0, 0, 64, 0, 0}};
  EXPECT_EQ(NaiveSteps(Volume({1, 1, 1}, fits), engine::Mode::kTraining), 0U);
}

TEST(MovedNumbers, SumsOfRecurrentNetworks) {
  for (const std::string op : {"LSTM", "GRU", "RNN"}) {
    for (const std::int64_t times : {1, 2, 9}) {
      SCOPED_TRACE(op + " " + std::to_string(times));
      const graph::Model model = Recurrent(op, times, times == 2 ? 1 : 6, times != 1);
      testing::ExpectSums(model, Rows(model, 11));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(MovedNumbers, SumsOfSignals) {
  for (const std::string pool : {"MaxPool", "AveragePool"}) {
    SCOPED_TRACE(pool);
    const graph::Model model = Signals(pool);
    testing::ExpectSums(model, Rows(model, 11));
  }
}

TEST(MovedNumbers, SumsOfVolumes) {
  std::size_t number = 0;
  for (const Layer& layer : VolumeLayers()) {
    SCOPED_TRACE(layer.op + " " + std::to_string(number++));
    const graph::Model model = Volume({6, 5, 4}, layer);
    testing::ExpectSums(model, Rows(model, 7));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(MovedNumbers, SumsOfSeveralImagesAnExample) {
  for (const std::int64_t filters : {2, 18}) {
    const graph::Model model = Frames(filters, filters == 2 ? 2 : 1);
    testing::ExpectSums(model, Rows(model, 7));
  }
}

TEST(MovedNumbers, SumsOfWhatIsTaken) {
  const graph::Model model = Taken();
  testing::ExpectSums(model, Rows(model, 11));
  EXPECT_TRUE(!IsFast() || NaiveSteps(model, engine::Mode::kPrivateTraining) == 0);
}

TEST(MovedNumbers, SumsOfWhatIsJoinedAndPadded) {
  const graph::Model model = Joined();
  testing::ExpectSums(model, Rows(model, 11));
}

// One place of an axis, from the front or the end, with the axis kept or not.
TEST(MovedNumbers, OnePlaceOfAnAxisIsASlice) {
  for (const bool kept : {false, true}) {
    for (const std::int64_t place : {0, 2, -1}) {
      OnnxBuilder b({3, 4});
      if (kept) {
        b.Integers("place", {place});
      } else {
        b.Integers("place", {place}, true);
      }
      b.Weight("w", {4, 4}, Draw(16, 1, 0.6F)).Node("MatMul", {"x", "w"}, {"h"});
      b.Node("Gather", {"h", "place"}, {"one"}, {Int("axis", 1)}).Node("Tanh", {"one"}, {"t"});
      const graph::Model model = Finish(b, "t", 4);
      const graph::Model simple = engine::Simplify(model).value();
      const auto& nodes = simple.graph().nodes();
      const auto count = [&](const graph::Primitive& primitive) {
        return std::count_if(nodes.begin(), nodes.end(),
                             [&](const graph::Node& node) { return node.primitive == &primitive; });
      };
      EXPECT_EQ(count(graph::primitives::kGather), 0);
      EXPECT_EQ(count(graph::primitives::kSlice), 1);
      testing::ExpectSums(model, Rows(model, 5));
    }
  }
}

}  // namespace
}  // namespace anchorhold::train
