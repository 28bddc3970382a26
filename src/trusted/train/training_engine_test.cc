// What the engine makes of a model: which idioms and chains it finds, how it sums gradients, what
// it promises about memory. That its numbers are right is tests/random_graph_test's matter.
#include "trusted/train/training_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/group_sums.h"
#include "trusted/engine/simplify.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/trainer.h"

namespace anchorhold::train {
namespace {

using engine::Method;
using engine::Mode;
using engine::StepKind;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;

std::vector<float> Numbers(std::size_t count, int seed) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto k = static_cast<int>(i);
    numbers[i] = static_cast<float>((k * 37 + seed * 11) % 29 - 14) / 29;
  }
  return numbers;
}

bool Has(const graph::Graph& graph, const graph::Primitive& primitive) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [&](const graph::Node& node) { return node.primitive == &primitive; });
}

// Layer normalisation as PyTorch's exporter writes it, and Gelu, both taken apart.
graph::Model Idioms() {
  OnnxBuilder b({2, 6});
  b.Weight("scale", {6}, Numbers(6, 1)).Weight("shift", {6}, Numbers(6, 2));
  b.Constant("root", {}, {1.41421354F}).Constant("one", {}, {1}).Constant("half", {}, {0.5F});
  b.Constant("ones", {6}, std::vector<float>(6, 1)).Constant("zeros", {6}, std::vector<float>(6));
  b.Node("LayerNormalization", {"x", "ones", "zeros"}, {"n"}, {Int("axis", -1)});
  b.Node("Mul", {"n", "scale"}, {"m"}).Node("Add", {"m", "shift"}, {"h"});
  b.Node("Div", {"h", "root"}, {"d"}).Node("Erf", {"d"}, {"e"}).Node("Add", {"e", "one"}, {"p"});
  b.Node("Mul", {"h", "p"}, {"q"}).Node("Mul", {"q", "half"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

// Convolution, Relu, pooling and two linear layers.
graph::Model SmallNet() {
  OnnxBuilder b({2, 8, 8});
  b.Weight("w1", {4, 2, 3, 3}, Numbers(72, 1)).Weight("b1", {4}, Numbers(4, 2));
  b.Weight("w2", {5, 64}, Numbers(320, 3)).Weight("b2", {5}, Numbers(5, 4));
  b.Weight("w3", {3, 5}, Numbers(15, 5)).Weight("b3", {3}, Numbers(3, 6));
  b.Node("Conv", {"x", "w1", "b1"}, {"c"}, {Ints("pads", {1, 1, 1, 1})});
  b.Node("Relu", {"c"}, {"r"});
  b.Node("MaxPool", {"r"}, {"m"}, {Ints("kernel_shape", {2, 2}), Ints("strides", {2, 2})});
  b.Node("Flatten", {"m"}, {"f"}).Node("Gemm", {"f", "w2", "b2"}, {"g"}, {Int("transB", 1)});
  b.Node("Relu", {"g"}, {"h"}).Node("Gemm", {"h", "w3", "b3"}, {"y"}, {Int("transB", 1)});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

ExampleSet Rows(const graph::Model& model, std::size_t rows) {
  ExampleSet set;
  set.rows = rows;
  set.feature_width = model.input_width();
  set.features = Numbers(rows * set.feature_width, 7);
  for (std::size_t i = 0; i < rows; ++i) set.classes.push_back(static_cast<std::int64_t>(i % 3));
  return set;
}

TrainingEngine Make(const graph::Model& model, Mode mode, engine::EngineOptions options = {}) {
  options.mode = mode;
  return TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr).value();
}

bool IsFast() { return simd::BestTarget() != simd::Target::kScalar; }

// Its convolutions' blocks take the most scratch memory in groups that are no power of two.
graph::Model LeNet() {
  OnnxBuilder b({1, 12, 12});
  b.Weight("w1", {3, 1, 3, 3}, Numbers(27, 1)).Weight("w2", {4, 3, 3, 3}, Numbers(108, 2));
  b.Weight("w3", {16, 3}, Numbers(48, 3));
  const auto pool = {Ints("kernel_shape", {2, 2}), Ints("strides", {2, 2})};
  b.Node("Conv", {"x", "w1"}, {"c1"}, {Ints("pads", {1, 1, 1, 1})}).Node("Relu", {"c1"}, {"r1"});
  b.Node("MaxPool", {"r1"}, {"p1"}, pool);
  b.Node("Conv", {"p1", "w2"}, {"c2"}).Node("Relu", {"c2"}, {"r2"});
  b.Node("MaxPool", {"r2"}, {"p2"}, pool);
  b.Node("Flatten", {"p2"}, {"f"}).Node("MatMul", {"f", "w3"}, {"y"});
  return graph::ImportOnnx(b.Output("y").Write()).value();
}

TEST(Simplify, FindsIdiomsAndKeepsWhatTheyCompute) {
  const graph::Model model = Idioms();
  const graph::Model simple = engine::Simplify(model).value();
  EXPECT_TRUE(Has(simple.graph(), engine::kNormaliseAffine));
  EXPECT_TRUE(Has(simple.graph(), graph::primitives::kGelu));
  graph::Bindings<double> bindings;
  bindings.parameters = graph::ParameterValues<double>(model);
  graph::Tensor<double> x;
  x.shape = {1, 2, 6};
  for (const float number : Numbers(12, 3)) x.reals.push_back(number);
  bindings.inputs = {x};
  const auto before = graph::Interpret<double>(model.graph(), bindings, model.graph().outputs());
  const auto after = graph::Interpret<double>(simple.graph(), bindings, simple.graph().outputs());
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR((*before)[0].reals[i], (*after)[0].reals[i], 1e-6);
  }
}

TEST(Simplify, ANormalisationAcrossExamplesIsNotMade) {
  graph::GraphBuilder builder;
  const graph::ValueId x = builder.AddInput({{4, 6}, 1});
  const graph::ValueId scale = builder.AddParameter({6}, 0);
  graph::Attributes sizes;
  sizes.dims = {1, 6, 1};
  const auto made = builder.Emit(engine::kNormaliseAffine, {x, scale, scale}, sizes);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::kPrivacyRefused);
}

TEST(Lowering, BiasesAndActivationsGoWithTheirProducts) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const TrainingEngine engine = Make(SmallNet(), Mode::kPrivateTraining);
  const engine::PlanReport& report = engine.report();
  EXPECT_EQ(report.steps_forward, 4U);  // convolution, pool, two products
  EXPECT_EQ(report.steps_naive, 0U);
}

TEST(Lowering, GradientsAreSummedByTheCheaperWay) {
  if (!IsFast()) GTEST_SKIP() << "this machine has no vector target";
  const TrainingEngine engine = Make(SmallNet(), Mode::kPrivateTraining);
  const auto& parameters = engine.report().parameters;
  ASSERT_EQ(parameters.size(), 6U);
  for (const engine::ParameterPlan& plan : parameters) {
    const bool product = plan.name == "w2" || plan.name == "w3";  // one position
    EXPECT_EQ(plan.method, product ? Method::kGhost : Method::kInstantiate) << plan.name;
    EXPECT_EQ(plan.kind, plan.name == "w1" ? "convolution" : product ? "matrix product" : "direct");
  }
}

TEST(Lowering, NoBufferIsOverwrittenWhileItIsNeeded) {
  for (const Mode mode : {Mode::kInference, Mode::kTraining, Mode::kPrivateTraining}) {
    for (const std::size_t group : {1, 3, 8}) {
      engine::EngineOptions options;
      options.group = group;
      TrainingEngine made = Make(SmallNet(), mode, options);
      engine::LoweredProgram program = made.engine().program();
      EXPECT_TRUE(engine::CheckProgram(program).ok());
      if (mode == Mode::kInference || !IsFast()) continue;
      // A checker that could not fail would prove nothing: one result moved onto another.
      const engine::Operand input = program.inputs[0].operand;
      program.forward[0].out[0].offset = input.offset;
      EXPECT_FALSE(engine::CheckProgram(program).ok());
    }
  }
}

TEST(Memory, DoesNotGrowWithTheBatch) {
  engine::EngineOptions small;
  small.batch = 64;
  engine::EngineOptions large;
  large.batch = 1 << 20;
  const TrainingEngine one = Make(SmallNet(), Mode::kPrivateTraining, small);
  const TrainingEngine other = Make(SmallNet(), Mode::kPrivateTraining, large);
  EXPECT_EQ(one.report().peak_bytes, other.report().peak_bytes);
}

// The last group of a batch has any size, and blocks of it are cut as suits that size.
TEST(Memory, ScratchServesGroupsOfEverySize) {
  const graph::Model model = LeNet();
  for (const simd::Target target : simd::AvailableTargets()) {
    engine::EngineOptions options;
    options.mode = Mode::kPrivateTraining;
    options.group = 16;
    options.target = target;
    auto engine = TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr).value();
    const engine::LoweredProgram& program = engine.engine().program();
    for (const auto* steps : {&program.prologue, &program.forward, &program.backward}) {
      for (const engine::Step& step : *steps) {
        for (std::size_t examples = 1; examples <= 16; ++examples) {
          const std::size_t needed =
              engine::ScratchOf(step, program.Tables(), engine::KernelsFor(target), examples);
          EXPECT_LE(needed * sizeof(float), engine.report().scratch_bytes)
              << simd::TargetName(target) << ", " << examples << " examples";
        }
      }
    }
  }
}

TEST(Batches, OfAnySizeGiveTheSumOfTheirRows) {
  const graph::Model model = SmallNet();
  const ExampleSet set = Rows(model, 23);
  const std::vector<BatchRow> rows = AllRows(set);
  const std::vector<float> parameters = FlatParameters(model);
  engine::EngineOptions options;
  options.group = 4;
  TrainingEngine engine = Make(model, Mode::kTraining, options);
  std::vector<double> expected(parameters.size());
  std::vector<float> sum(parameters.size());
  engine::SumTarget target;
  target.reals = sum.data();
  for (const BatchRow& row : rows) {
    engine.SumGradients(parameters, std::span(&row, 1), target);
    for (std::size_t i = 0; i < sum.size(); ++i) expected[i] += sum[i];
  }
  for (const std::size_t count : {std::size_t{0}, std::size_t{23}}) {
    engine.SumGradients(parameters, std::span(rows).first(count), target);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      EXPECT_NEAR(sum[i], count == 0 ? 0 : expected[i], 1e-4);
    }
  }
}

TEST(Clipping, PerLayerAndAutomaticFollowTheirFormulas) {
  const graph::Model model = SmallNet();
  const ExampleSet set = Rows(model, 5);
  const std::vector<BatchRow> rows = AllRows(set);
  const std::vector<float> parameters = FlatParameters(model);
  TrainingEngine engine = Make(model, Mode::kPrivateTraining);
  std::vector<float> gradient(parameters.size());
  std::vector<float> sum(parameters.size());
  engine::SumTarget target;
  for (const auto kind : {engine::ClippingKind::kFlat, engine::ClippingKind::kPerLayer,
                          engine::ClippingKind::kAutomatic}) {
    engine::Clipping clipping;
    clipping.kind = kind;
    clipping.bound = 0.3;
    std::vector<double> expected(parameters.size());
    target.reals = gradient.data();
    for (const BatchRow& row : rows) {
      engine::Clipping none;
      none.bound = 1e30;
      engine.SumClipped(parameters, std::span(&row, 1), none, target);
      double total = 0;
      for (const float g : gradient) total += double{g} * g;
      std::size_t begin = 0;
      for (const graph::Parameter& parameter : model.parameters()) {
        const std::size_t end = begin + parameter.values.size();
        double layer = 0;
        for (std::size_t i = begin; i < end; ++i) layer += double{gradient[i]} * gradient[i];
        double factor = std::min(1.0, 0.3 / std::sqrt(total));
        if (kind == engine::ClippingKind::kPerLayer) {
          factor = std::min(1.0, 0.3 / std::sqrt(6.0) / std::sqrt(layer));
        } else if (kind == engine::ClippingKind::kAutomatic) {
          factor = 0.3 / (std::sqrt(total) + 0.01);
        }
        for (; begin < end; ++begin) expected[begin] += factor * gradient[begin];
      }
    }
    target.reals = sum.data();
    engine.SumClipped(parameters, rows, clipping, target);
    for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], expected[i], 1e-5);
  }
}

// Of 16384 numbers all products of two, and their softmax along each row: a GiB each.
TEST(TrainingEngine, TellsBeforehandThatAModelIsTooLarge) {
  OnnxBuilder b({16384});
  b.Integers("first", {1}).Integers("last", {2}).Weight("w", {16384, 3}, Numbers(49152, 1));
  b.Weight("v", {1}, {0.01F}).Node("Mul", {"x", "v"}, {"u"});
  b.Node("Unsqueeze", {"u", "last"}, {"column"}).Node("Unsqueeze", {"u", "first"}, {"row"});
  b.Node("MatMul", {"column", "row"}, {"products"});
  b.Node("Softmax", {"products"}, {"parts"}, {Int("axis", -1)});
  b.Node("MatMul", {"parts", "w"}, {"rows"});
  b.Node("ReduceMean", {"rows"}, {"y"}, {Ints("axes", {1}), Int("keepdims", 0)});
  const graph::Model large = graph::ImportOnnx(b.Output("y").Write()).value();
  for (const Mode mode : {Mode::kTraining, Mode::kPrivateTraining}) {
    engine::EngineOptions options;
    options.mode = mode;
    EXPECT_TRUE(TrainingEngine::Check(SmallNet(), Loss::kCrossEntropy, options).ok());
    const Status checked = TrainingEngine::Check(large, Loss::kCrossEntropy, options);
    ASSERT_FALSE(checked.ok());
    EXPECT_EQ(checked.error().code(), ErrorCode::kLimitExceeded) << checked.error().message();
    const auto made = TrainingEngine::Create(large, Loss::kCrossEntropy, options, nullptr);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().message(), checked.error().message());
  }
}

TEST(ThreadPool, EveryThreadHasItsTurnInEveryRound) {
  engine::ThreadPool pool(3);
  std::atomic<int> calls[3] = {};
  for (int round = 0; round < 2000; ++round) {
    pool.Run([&](std::size_t k) { calls[k].fetch_add(1); });
  }
  for (const std::atomic<int>& count : calls) EXPECT_EQ(count.load(), 2000);
}

// Threads share a contraction by rows, and a kernel may need more memory for fewer rows.
TEST(SumScratch, IsEnoughForEachItemOfEachGroup) {
  for (const simd::Target target : simd::AvailableTargets()) {
    if (target == simd::Target::kScalar) continue;
    const engine::Kernels kernels = engine::KernelsFor(target);
    for (const std::size_t rows : {1100U, 272U, 2056U, 97U}) {
      for (const std::size_t positions : {8U, 32U, 3U}) {
        engine::GradientSum sum;
        sum.method = Method::kContract;
        sum.outer = {1, positions, rows, 2048, rows, 2048};
        sum.numbers = rows * 2048;
        const std::vector<engine::GradientSum> sums{sum};
        const std::size_t scratch = engine::SumScratch(sums, kernels, 32);
        std::size_t items = 0;
        engine::ForItems(sums, 1 << 14, [&](const engine::SumItem& item, double /*cost*/) {
          ++items;
          simd::OuterShape shape = sum.outer;
          shape.p = item.end - item.begin;
          for (shape.examples = 1; shape.examples <= 32; ++shape.examples) {
            EXPECT_LE(kernels.gemm->outer_sum_scratch(shape), scratch)
                << simd::TargetName(target) << ": " << shape.p << " rows of " << rows << ", "
                << shape.examples << " examples of " << positions;
          }
        });
        EXPECT_EQ(items, rows / 1008 + 1);
      }
    }
  }
}

}  // namespace
}  // namespace anchorhold::train
