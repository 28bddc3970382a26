// Networks with products of a size that a matrix unit takes: which of them it takes, that sums,
// norms and clipped sums are the interpreter's on every target, and the same bits in any group.
// Elsewhere the same products are the vectors'.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "trusted/engine/group_sums.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/simd/convolution_amx.h"
#include "trusted/simd/gemm_amx.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/sums_for_test.h"

namespace anchorhold::train {
namespace {

using engine::Step;
using engine::StepKind;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;
using testing::CountSteps;
using testing::DrawRows;

constexpr std::int64_t kTokens = 100;
constexpr std::int64_t kGiven = 130;
constexpr std::int64_t kWidth = 190;

// One head of attention over a sequence; neither size is a multiple of anything.
graph::Model Attention() {
  OnnxBuilder b({kTokens, kGiven});
  const auto weight = [&b](const std::string& name, std::int64_t rows, std::int64_t columns) {
    const auto count = static_cast<std::size_t>(rows * columns);
    b.Weight(name, {rows, columns},
             testing::Draw(count, static_cast<unsigned>(count + name[0]), 0.1F));
  };
  for (const std::string name : {"q", "k", "v"}) {
    weight(name, kGiven, kWidth);
    b.Weight(name + "_bias", {kWidth}, testing::Draw(kWidth, 5, 0.1F));
    b.Node("MatMul", {"x", name}, {name + "_0"});
    b.Node("Add", {name + "_0", name + "_bias"}, {name + "_1"});
  }
  b.Node("Transpose", {"k_1"}, {"k_t"}, {Ints("perm", {0, 2, 1})});
  b.Node("MatMul", {"q_1", "k_t"}, {"scores"}).Node("Softmax", {"scores"}, {"p"}, {Int("axis", 2)});
  b.Node("MatMul", {"p", "v_1"}, {"mixed"});
  weight("out", kWidth, kGiven);
  b.Node("MatMul", {"mixed", "out"}, {"out_0"}).Node("Relu", {"out_0"}, {"out_1"});
  b.Node("ReduceMean", {"out_1"}, {"mean"}, {Ints("axes", {1}), Int("keepdims", 0)});
  return testing::Finish(b, "mean", kGiven);
}

TEST(MatrixUnit, TakesLargeProductsAndSums) {
  if (!testing::IsFast()) GTEST_SKIP() << "no fast kernels here";
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  options.norms = engine::Method::kGhost;
  auto made = TrainingEngine::Create(Attention(), Loss::kCrossEntropy, options, nullptr);
  const engine::LoweredProgram& program = made.value().engine().program();
  // q, k, v, mixed, out; the gradients of mixed, v, q and k. The scores, 100 x 100, are too small.
  const std::size_t products = CountSteps(
      program, [](const Step& step) { return step.kind == StepKind::kMatMul && step.gemm.tiles; });
  std::size_t sums = 0;
  for (const engine::GradientSum& sum : program.sums) {
    if (engine::IsOuter(sum.method) && simd::amx::TakesGrid(sum.outer)) ++sums;
  }
#if defined(__x86_64__)
  EXPECT_EQ(products, 9U);
  EXPECT_EQ(sums, 4U);
#else
  EXPECT_EQ(products, 0U);
  EXPECT_EQ(sums, 0U);
#endif
}

// Two convolutions with windows of one position of images `size` x `size`.
graph::Model Points(std::int64_t size) {
  constexpr std::int64_t kChannels[] = {60, 130, 161};
  OnnxBuilder b({kChannels[0], size, size});
  std::string from = "x";
  for (std::size_t i = 1; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    const auto count = static_cast<std::size_t>(kChannels[i] * kChannels[i - 1]);
    b.Weight(name, {kChannels[i], kChannels[i - 1], 1, 1},
             testing::Draw(count, static_cast<unsigned>(i), 0.1F));
    b.Weight(name + "_bias", {kChannels[i]},
             testing::Draw(static_cast<std::size_t>(kChannels[i]), 5, 0.1F));
    b.Node("Conv", {from, name, name + "_bias"}, {name + "_0"});
    b.Node("Relu", {name + "_0"}, {name + "_1"});
    from = name + "_1";
  }
  b.Node("ReduceMean", {from}, {"mean"}, {Ints("axes", {2, 3}), Int("keepdims", 0)});
  return testing::Finish(b, "mean", kChannels[2]);
}

TEST(MatrixUnit, TakesConvolutionsWithWindowsOfOnePosition) {
  if (!testing::IsFast()) GTEST_SKIP() << "no fast kernels here";
  const auto taken = [](std::int64_t size, engine::Mode mode) {
    return CountSteps(testing::ProgramOf(Points(size), mode), [](const Step& step) {
      const bool convolution = step.packed || step.kind == StepKind::kConvolutionWeight;
      return convolution && simd::amx::TakesConvolution(step.convolution, engine::MapOf(step.kind));
    });
  };
  // Two forward maps, one gradient of an input and, of the larger image, one of weights.
#if defined(__x86_64__)
  EXPECT_EQ(taken(9, engine::Mode::kTraining), 4U);
  EXPECT_EQ(taken(9, engine::Mode::kPrivateTraining), 4U);
  EXPECT_EQ(taken(4, engine::Mode::kTraining), 3U);
#else
  EXPECT_EQ(taken(9, engine::Mode::kTraining), 0U);
#endif
}

TEST(MatrixUnit, SumsAreTheInterpreters) {
  for (const graph::Model& model : {Attention(), Points(9), Points(4)}) {
    testing::ExpectSums(model, DrawRows(model, 5, 1));
  }
}

void ExpectSameBitsInAnyGroup(const graph::Model& model, engine::Method norms) {
  const ExampleSet set = DrawRows(model, 9, 1);
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  options.norms = norms;
  options.group = 1;
  const testing::Found expected = testing::Run(model, set, 0.5, true, options, 1);
  for (const std::size_t group : {2U, 3U, 9U}) {
    for (const std::size_t threads : {1U, 2U}) {
      options.group = group;
      const testing::Found found = testing::Run(model, set, 0.5, true, options, threads);
      EXPECT_EQ(found.sum, expected.sum) << group << ", " << threads << " threads";
      EXPECT_EQ(found.squares, expected.squares) << group << ", " << threads << " threads";
    }
  }
}

TEST(MatrixUnit, AnExampleHasTheSameBitsInAnyGroup) {
  if (!testing::IsFast()) GTEST_SKIP() << "no fast kernels here";
  ExpectSameBitsInAnyGroup(Attention(), engine::Method::kGhost);
  ExpectSameBitsInAnyGroup(Points(9), engine::Method::kInstantiate);
  ExpectSameBitsInAnyGroup(Points(4), engine::Method::kGhost);
}

}  // namespace
}  // namespace anchorhold::train
