#include "client/core/bench_measure.h"

#include <gtest/gtest.h>

#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using engine::Mode;
using graph::testing::OnnxBuilder;

graph::Model Linear() {
  OnnxBuilder b({3});
  b.Weight("w", {3, 2}, {1, 2, 3, 4, 5, 6}).Node("MatMul", {"x", "w"}, {"y"});
  return *graph::ImportOnnx(b.Output("y").Write());
}

// What the figures must be to each other, whatever they are.
TEST(BenchMeasure, FiguresAgree) {
  const double multiply_adds[] = {6, 12, 12};
  for (const Mode mode : {Mode::kInference, Mode::kTraining, Mode::kPrivateTraining}) {
    const auto result =
        BenchModel(Linear(), {.step = {.mode = mode, .threads = 2}, .batch = 5, .seconds = 0.02});
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_GE(result->steps, 1u);
    EXPECT_GT(result->step_ms, 0);
    EXPECT_DOUBLE_EQ(result->examples_per_second, 5 / (result->step_ms / 1e3));
    const double work = 2 * multiply_adds[static_cast<int>(mode)];
    EXPECT_DOUBLE_EQ(result->gflops, work * result->examples_per_second / 1e9);
    EXPECT_GT(result->peak_gflops, 0);
    EXPECT_GT(result->peak_bytes, 0u);
    EXPECT_EQ(result->plan.mode, mode);
  }
}

TEST(BenchMeasure, RefusesALossThatDoesNotSuit) {
  const auto result = BenchModel(
      Linear(), {.step = {.mode = Mode::kTraining, .loss = train::LossOptions(train::Loss::kHuber)},
                 .batch = 2,
                 .seconds = 0.01});
  EXPECT_TRUE(result.ok());
  train::LossOptions weighted(train::Loss::kCrossEntropy);
  weighted.class_weights = {1, 2, 3};
  const auto refused = BenchModel(
      Linear(), {.step = {.mode = Mode::kTraining, .loss = weighted}, .batch = 2, .seconds = 0.01});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("class weights"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::client
