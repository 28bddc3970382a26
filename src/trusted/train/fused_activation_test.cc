// Activations that go with the normalisation before them, forwards and backwards: what becomes one
// step, and that the gradients are the interpreter's on every target, in groups of any size.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/simplify.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/float_mode.h"
#include "trusted/train/executor.h"
#include "trusted/train/sums_for_test.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train {
namespace {

using engine::StepKind;
using graph::testing::Float;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::IsFast;
using Sizes = std::vector<std::int64_t>;

std::size_t Product(const Sizes& sizes) {
  std::size_t product = 1;
  for (const std::int64_t size : sizes) product *= static_cast<std::size_t>(size);
  return product;
}

// Writes a network for images [channels, side, side], node by node.
class Net {
 public:
  Net(std::int64_t channels, std::int64_t side) : b_({channels, side, side}) {}

  std::string Node(const std::string& type, const std::vector<std::string>& inputs,
                   const std::vector<onnx::AttributeProto>& attributes = {}) {
    const std::string name = Name();
    b_.Node(type, inputs, {name}, attributes);
    return name;
  }
  std::string Weight(const Sizes& sizes, float around = 0) {
    const std::string name = Name();
    b_.Weight(name, sizes, Numbers(Product(sizes), around));
    return name;
  }
  std::string Constant(const Sizes& sizes, float around) {
    const std::string name = Name();
    b_.Constant(name, sizes, Numbers(Product(sizes), around));
    return name;
  }
  std::string Convolution(const std::string& x, std::int64_t out, std::int64_t in,
                          std::int64_t kernel, std::int64_t groups = 1) {
    const std::string w = Weight({out, in / groups, kernel, kernel});
    return Node("Conv", {x, w}, {Ints("pads", Sizes(4, kernel / 2)), Int("group", groups)});
  }
  // As exporters write it; `learns`: scale and shift are parameters.
  std::string GroupNorm(const std::string& x, std::int64_t channels, std::int64_t groups,
                        bool learns = true) {
    const Sizes by_channel = {channels, 1, 1};
    return Affine(Normal(x, groups),
                  {Number(by_channel, 1, learns), Number(by_channel, 0, learns)});
  }
  std::string Number(const Sizes& sizes, float around, bool learned) {
    return learned ? Weight(sizes, around) : Constant(sizes, around);
  }
  struct ScaleAndShift {
    std::string scale;
    std::string shift;
  };
  std::string Affine(const std::string& normal, const ScaleAndShift& by) {
    return Node("Add", {Node("Mul", {normal, by.scale}), by.shift});
  }
  std::string Silu(const std::string& x, bool sigmoid_first = false) {
    const std::string s = Node("Sigmoid", {x});
    return sigmoid_first ? Node("Mul", {s, x}) : Node("Mul", {x, s});
  }
  std::string Scalar(float number) {
    const std::string name = Name();
    b_.Constant(name, {}, {number});
    return name;
  }
  // Squeeze and excite.
  std::string Gate(const std::string& x, std::int64_t channels) {
    const std::string mean = Node("ReduceMean", {x}, {Ints("axes", {2, 3})});
    const std::string squeezed = Silu(Convolution(mean, 2, channels, 1));
    const std::string gate = Node("Sigmoid", {Convolution(squeezed, channels, 2, 1)});
    return Node("Mul", {gate, x});
  }
  graph::Model Finish(const std::string& x, std::int64_t channels) {
    const std::string mean = Node("ReduceMean", {x}, {Ints("axes", {2, 3}), Int("keepdims", 0)});
    b_.Node("MatMul", {mean, Weight({channels, 3})}, {"y"});
    return graph::ImportOnnx(b_.Output("y").Write()).value();
  }

  std::string Normal(const std::string& x, std::int64_t groups, float epsilon = 1e-3F) {
    const auto count = static_cast<std::size_t>(groups);
    const std::string ones = Name();
    const std::string zeros = Name();
    const std::string folding = Name();
    b_.Constant(ones, {groups}, std::vector<float>(count, 1));
    b_.Constant(zeros, {groups}, std::vector<float>(count, 0));
    b_.Integers(folding, {0, groups, -1});
    const std::string folded = Node("Reshape", {x, folding});
    const std::string normal =
        Node("InstanceNormalization", {folded, ones, zeros}, {Float("epsilon", epsilon)});
    return Node("Reshape", {normal, Node("Shape", {x})});
  }

 private:
  std::string Name() { return "v" + std::to_string(names_++); }
  std::vector<float> Numbers(std::size_t count, float around) {
    std::vector<float> numbers(count);
    for (float& number : numbers) {
      seed_ = seed_ * 1664525 + 1013904223;
      number = around + static_cast<float>(seed_ >> 16) / 65536.0F - 0.5F;
    }
    return numbers;
  }

  OnnxBuilder b_;
  int names_ = 0;
  std::uint32_t seed_ = 1;
};

// EfficientNet's block: expand, depthwise, gate, project, with a normalisation behind each.
graph::Model GatedBlock(std::int64_t side) {
  Net net(3, side);
  const std::string x = net.GroupNorm(net.Convolution("x", 4, 3, 3), 4, 2);
  const std::string expanded = net.Silu(net.GroupNorm(net.Convolution(x, 8, 4, 1), 8, 2));
  const std::string spread = net.Silu(net.GroupNorm(net.Convolution(expanded, 8, 8, 3, 8), 8, 4));
  const std::string gated = net.Gate(spread, 8);
  const std::string y = net.GroupNorm(net.Convolution(gated, 4, 8, 1), 4, 1);
  return net.Finish(net.Node("Add", {x, y}), 4);
}

// The normalised value has readers beside the Silu, before it or both ways.
graph::Model ReadTwice() {
  Net net(3, 5);
  const std::string z = net.GroupNorm(net.Convolution("x", 4, 3, 1), 4, 2);
  const std::string s = net.Silu(z, true);
  return net.Finish(net.Node("Add", {net.Node("Mul", {z, z}), net.Convolution(s, 4, 4, 3)}), 4);
}

// Two normalisations of one value, whose rows differ.
graph::Model TwoOfOne() {
  Net net(3, 4);
  const std::string x = net.Convolution("x", 4, 3, 3);
  const std::string one = net.Silu(net.GroupNorm(x, 4, 1));
  const std::string other = net.Node("Relu", {net.GroupNorm(x, 4, 4)});
  const std::string same = net.Silu(net.GroupNorm(x, 4, 4, false));
  const std::string all = net.Node("Add", {net.Node("Mul", {one, other}), same});
  return net.Finish(net.Convolution(all, 4, 4, 1), 4);
}

graph::Model Unlearned() {
  Net net(2, 6);
  const std::string z = net.GroupNorm(net.Convolution("x", 4, 2, 3), 4, 2, false);
  return net.Finish(net.Convolution(net.Silu(z), 4, 4, 3), 4);
}

// Layer normalisation over the last axis: each number has a scale of its own.
graph::Model ByElement() {
  OnnxBuilder b({4, 21});
  const auto numbers = [](std::size_t n, float around) {
    std::vector<float> v(n);
    for (std::size_t i = 0; i < n; ++i) v[i] = around + static_cast<float>(i * 37 % 29) / 29 - 0.5F;
    return v;
  };
  b.Weight("w", {21, 21}, numbers(441, 0)).Weight("v", {84, 3}, numbers(252, 0));
  b.Weight("scale", {21}, numbers(21, 1)).Weight("shift", {21}, numbers(21, 0));
  b.Node("MatMul", {"x", "w"}, {"h"});
  b.Node("LayerNormalization", {"h", "scale", "shift"}, {"n"}, {Int("axis", -1)});
  b.Node("Sigmoid", {"n"}, {"s"}).Node("Mul", {"n", "s"}, {"a"});
  b.Node("Flatten", {"a"}, {"f"}).Node("MatMul", {"f", "v"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

// A channel's mean, spread over the image, and read again by what comes of it.
graph::Model Spread() {
  OnnxBuilder b({3, 5, 5});
  std::vector<float> w(36);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i * 5 % 13) / 13 - 0.4F;
  b.Weight("w", {4, 3, 1, 1}, {w.begin(), w.begin() + 12});
  b.Weight("v", {4, 3}, {w.begin() + 12, w.begin() + 24}).Integers("to", {1, 4, 5, 5});
  b.Node("Conv", {"x", "w"}, {"h"}).Node("ReduceMean", {"h"}, {"c"}, {Ints("axes", {2, 3})});
  b.Node("Expand", {"c", "to"}, {"a"}).Node("Add", {"h", "a"}, {"t"});
  b.Constant("three", {}, {3}).Node("Mul", {"t", "three"}, {"u"}).Node("Sub", {"u", "c"}, {"d"});
  b.Node("Tanh", {"d"}, {"z"});
  b.Node("ReduceMean", {"z"}, {"m"}, {Ints("axes", {2, 3}), Int("keepdims", 0)});
  b.Node("MatMul", {"m", "v"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

enum class Behind { kNothing, kSilu, kRelu, kClip };

std::string Activation(Net& net, Behind behind, const std::string& z) {
  switch (behind) {
    case Behind::kNothing:
      return z;
    case Behind::kSilu:
      return net.Silu(z);
    case Behind::kRelu:
      return net.Node("Relu", {z});
    case Behind::kClip:
      return net.Node("Clip", {z, net.Scalar(-0.25F), net.Scalar(0.75F)});
  }
  return z;
}

enum class Inputs { kDiffer, kFollow, kSame };  // kSame: with another epsilon

// The sum of two normalisations, which one gradient reaches. Bits of `learned`: scale and shift of
// the first, then of the second, unless the first's are shared.
graph::Model Summed(Behind behind, Inputs inputs, bool shared, unsigned learned) {
  Net net(3, 5);
  const Sizes by_channel = {4, 1, 1};
  const Net::ScaleAndShift one = {net.Number(by_channel, 1, (learned & 1) != 0),
                                  net.Number(by_channel, 0, (learned & 2) != 0)};
  const Net::ScaleAndShift other =
      shared ? one
             : Net::ScaleAndShift{net.Number(by_channel, 1, (learned & 4) != 0),
                                  net.Number(by_channel, 0, (learned & 8) != 0)};
  const std::string x = net.Convolution("x", 4, 3, 1);
  const std::string z = inputs == Inputs::kDiffer   ? net.Convolution("x", 4, 3, 3)
                        : inputs == Inputs::kFollow ? net.Node("Tanh", {x})
                                                    : x;
  std::string a = net.Affine(net.Normal(x, 2), one);
  std::string b = net.Affine(net.Normal(z, 2, inputs == Inputs::kSame ? 0.5F : 1e-3F), other);
  a = Activation(net, behind, a);
  b = Activation(net, behind, b);
  return net.Finish(net.Convolution(net.Node("Add", {a, b}), 4, 4, 1), 4);
}

// One normalisation with one scale and two shifts, the same activation behind either.
graph::Model Twins(Behind behind) {
  Net net(3, 5);
  const std::string normal = net.Normal(net.Convolution("x", 4, 3, 1), 2);
  const std::string scale = net.Weight({4, 1, 1}, 1);
  const std::string a = net.Affine(normal, {scale, net.Weight({4, 1, 1}, 0)});
  const std::string b = net.Affine(normal, {scale, net.Weight({4, 1, 1}, 1)});
  const std::string sum = net.Node("Add", {Activation(net, behind, a), Activation(net, behind, b)});
  return net.Finish(net.Convolution(sum, 4, 4, 1), 4);
}

// What the Relu reads is no normalisation's result.
graph::Model Moved() {
  Net net(3, 5);
  const std::string z = net.GroupNorm(net.Convolution("x", 4, 3, 1), 4, 2);
  const std::string moved = net.Node("Add", {z, net.Constant({4, 5, 5}, 0)});
  return net.Finish(net.Convolution(net.Node("Relu", {moved}), 4, 4, 1), 4);
}

ExampleSet Rows(const graph::Model& model, std::size_t rows) {
  ExampleSet set;
  set.rows = rows;
  set.feature_width = model.input_width();
  for (std::size_t i = 0; i < rows * set.feature_width; ++i) {
    set.features.push_back(static_cast<float>((i * 7919 + i / 13) % 211) / 50 - 2);
  }
  for (std::size_t i = 0; i < rows; ++i) set.classes.push_back(static_cast<std::int64_t>(i % 3));
  return set;
}

void ExpectGradients(const graph::Model& model) {
  const ExampleSet set = Rows(model, 5);
  const std::vector<BatchRow> rows = AllRows(set);
  const std::vector<float> parameters = FlatParameters(model);
  auto reference = Executor::ForTraining(model, Loss::kCrossEntropy).value();
  std::vector<double> expected(parameters.size());
  std::vector<float> gradient(parameters.size());
  double size = 0;
  for (std::size_t row = 0; row < set.rows; ++row) {
    const kernels::FlushSubnormals flush;
    reference.LossAndGradient(parameters, set, row, gradient);
    for (std::size_t i = 0; i < gradient.size(); ++i) expected[i] += double{gradient[i]};
  }
  for (const double number : expected) size = std::max(size, std::abs(number));
  for (const simd::Target target : simd::AvailableTargets()) {
    for (const std::size_t group : {1U, 3U}) {
      SCOPED_TRACE(std::string(simd::TargetName(target)) + ", groups of " + std::to_string(group));
      engine::EngineOptions options;
      options.mode = engine::Mode::kTraining;
      options.target = target;
      options.group = group;
      auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr).value();
      EXPECT_TRUE(engine::CheckProgram(made.engine().program()).ok());
      std::vector<float> sum(parameters.size());
      engine::SumTarget goal;
      goal.reals = sum.data();
      made.SumGradients(parameters, rows, goal);
      for (std::size_t i = 0; i < sum.size(); ++i) {
        ASSERT_NEAR(sum[i], expected[i], 1e-5 * size) << "parameter " << i;
      }
    }
  }
}

struct Counted {
  std::size_t silu_forward = 0;  // normalisations with one behind
  std::size_t silu_backward = 0;
  std::size_t silu_points = 0;  // elementwise, on their own
  std::size_t clip_forward = 0;
  std::size_t clip_backward = 0;
  std::size_t sums_of_products = 0;
  std::size_t layouts = 0;
};

Counted Count(const graph::Model& model) {
  const engine::LoweredProgram program = testing::ProgramOf(model, engine::Mode::kTraining);
  Counted counted;
  for (const auto* steps : {&program.forward, &program.backward}) {
    for (const engine::Step& step : *steps) {
      if (step.kind == StepKind::kNormalise) counted.silu_forward += step.normalise.silu;
      if (step.kind == StepKind::kNormaliseGrad) counted.silu_backward += step.normalise.silu;
      if (step.kind == StepKind::kNormalise) counted.clip_forward += step.normalise.clip;
      if (step.kind == StepKind::kNormaliseGrad) counted.clip_backward += step.normalise.clip;
      if (step.kind == StepKind::kSum) counted.sums_of_products += step.has_second;
      if (step.kind == StepKind::kPermute) ++counted.layouts;
    }
  }
  for (const simd::PointInstruction& instruction : program.instructions) {
    counted.silu_points += instruction.op == simd::PointOp::kSilu;
    counted.silu_points += instruction.op == simd::PointOp::kSiluGrad;
  }
  return counted;
}

TEST(Simplify, FindsSiluEitherWayRound) {
  for (const bool sigmoid_first : {false, true}) {
    Net net(2, 3);
    const graph::Model model = net.Finish(net.Silu("x", sigmoid_first), 2);
    const graph::Model simple = engine::Simplify(model).value();
    const auto& nodes = simple.graph().nodes();
    EXPECT_EQ(
        std::count_if(nodes.begin(), nodes.end(),
                      [](const graph::Node& node) { return node.primitive == &engine::kSilu; }),
        1);
  }
}

TEST(FusedActivation, SilusGoWithTheirNormalisations) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const Counted block = Count(GatedBlock(6));
  EXPECT_EQ(block.silu_forward, 2U);
  EXPECT_EQ(block.silu_backward, 2U);
  EXPECT_EQ(block.silu_points, 2U);  // of the squeezed numbers
  const Counted unlearned = Count(Unlearned());
  EXPECT_EQ(unlearned.silu_forward, 1U);
  EXPECT_EQ(unlearned.silu_backward, 1U);
}

TEST(FusedActivation, SoDoRelusAndClips) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  for (const Behind behind : {Behind::kRelu, Behind::kClip}) {
    for (const graph::Model& model : {Summed(behind, Inputs::kDiffer, false, 15), Twins(behind)}) {
      const Counted counted = Count(model);
      EXPECT_EQ(counted.clip_forward, 2U);
      EXPECT_EQ(counted.clip_backward, 2U);
    }
  }
  EXPECT_EQ(Count(Moved()).clip_backward, 0U);
}

TEST(FusedActivation, ASiluIsAStepOfItsOwnWhereItsInputIsReadElsewhere) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const Counted counted = Count(ReadTwice());
  EXPECT_EQ(counted.silu_forward, 0U);
  EXPECT_EQ(counted.silu_backward, 0U);
  EXPECT_EQ(counted.silu_points, 2U);
}

TEST(FusedActivation, AGateIsSummedAndSpreadWithoutStepsOfTheirOwn) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const Counted counted = Count(GatedBlock(6));
  EXPECT_EQ(counted.sums_of_products, 1U);
  EXPECT_LE(counted.layouts, 1U);  // the last mean's gradient, which a convolution reads
}

TEST(FusedActivation, GradientsOfAGatedBlock) {
  for (const std::int64_t side : {2, 3, 4, 7, 9}) {
    SCOPED_TRACE(side);
    ExpectGradients(GatedBlock(side));
  }
}

TEST(FusedActivation, GradientsWhereInputsAreReadTwice) { ExpectGradients(ReadTwice()); }
TEST(FusedActivation, GradientsOfTwoNormalisationsOfOneValue) { ExpectGradients(TwoOfOne()); }
TEST(FusedActivation, GradientsWithoutLearnedScales) { ExpectGradients(Unlearned()); }

// Which gradients belong to which of two normalisations that are reached by the same one.
TEST(FusedActivation, GradientsOfASumOfNormalisations) {
  for (const Behind behind : {Behind::kNothing, Behind::kSilu, Behind::kRelu, Behind::kClip}) {
    for (const Inputs inputs : {Inputs::kDiffer, Inputs::kFollow, Inputs::kSame}) {
      for (unsigned learned = 0; learned < 16; ++learned) {
        for (const bool shared : {false, true}) {
          if (shared && learned > 3) continue;
          SCOPED_TRACE(std::to_string(static_cast<int>(behind)) + " behind, inputs " +
                       std::to_string(static_cast<int>(inputs)) + ", learned " +
                       std::to_string(learned) + (shared ? ", shared" : ""));
          ExpectGradients(Summed(behind, inputs, shared, learned));
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(FusedActivation, GradientsOfOneNormalisationWithTwoShifts) {
  for (const Behind behind : {Behind::kNothing, Behind::kSilu, Behind::kRelu, Behind::kClip}) {
    ExpectGradients(Twins(behind));
  }
}

TEST(FusedActivation, GradientsOfAReluWhoseInputIsMoved) { ExpectGradients(Moved()); }
TEST(FusedActivation, GradientsOfASpreadMean) { ExpectGradients(Spread()); }
TEST(FusedActivation, GradientsOfLayers) { ExpectGradients(ByElement()); }

}  // namespace
}  // namespace anchorhold::train
