// Training on several threads inside of a process that is locked in: threads that were made before
// the lock are enough, and nothing that the engine, its threads or malloc do is forbidden.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "trusted/enclave/sandbox.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
#include "trusted/simd/gemm.h"
#include "trusted/train/trainer.h"

namespace anchorhold::enclave {
namespace {

constexpr int kLockFailed = 90;
constexpr int kTrainingFailed = 91;

// More than malloc makes arenas for without asking for the number of processors.
constexpr std::size_t kThreads = 24;
constexpr std::size_t kSteps = 5;

graph::Model LinearModel(std::int64_t inputs, std::int64_t outputs) {
  graph::GraphBuilder builder;
  const graph::ValueId x = builder.AddInput({{1, inputs}, 0});
  const graph::ValueId w = builder.AddParameter({inputs, outputs}, 0);
  const auto y = builder.Emit(graph::primitives::kMatMul, {x, w});
  std::vector<float> zeros(static_cast<std::size_t>(inputs * outputs), 0);
  return graph::Model(std::move(builder).Finish({*y}), {{"w", {inputs, outputs}, zeros}},
                      {{"x", {inputs}}}, {{"y", {outputs}}});
}

train::ExampleSet Examples(std::size_t rows, std::size_t width) {
  train::ExampleSet set;
  set.rows = rows;
  set.feature_width = width;
  for (std::size_t i = 0; i < rows * width; ++i) {
    set.features.push_back(static_cast<float>(i % 17) / 8 - 1);
  }
  for (std::size_t i = 0; i < rows; ++i) set.classes.push_back(static_cast<std::int64_t>(i % 3));
  return set;
}

// The parameters after a few private steps; nothing if training failed.
std::vector<float> Train(const graph::Model& model, const train::ExampleSet& set,
                         std::shared_ptr<engine::ThreadPool> pool) {
  crypto::InsecureSeededRandom sampling(1);
  crypto::InsecureSeededRandom noise(2);
  train::TrainerConfig config;
  config.pool = std::move(pool);
  auto trainer = train::PrivateTrainer::Create(
      model, {&set}, config,
      {SamplingProbability(0.5), NoiseMultiplier(1), MaxGradNorm(1), kSteps, set.rows},
      {&sampling, &noise});
  if (!trainer.ok()) return {};
  for (std::size_t step = 0; step < kSteps; ++step) {
    if (!trainer->Step().ok()) return {};
  }
  return {trainer->parameters().begin(), trainer->parameters().end()};
}

// `body` in a forked child, whose wait status is returned.
int InChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

std::shared_ptr<engine::ThreadPool> LockedIn(std::size_t threads) {
  auto* const pool = new engine::ThreadPool(threads);
  pool->Run([](std::size_t) {});
  const std::array<int, 1> keep = {2};
  if (!LockIn(keep).ok()) ::_exit(kLockFailed);
  return {pool, [](engine::ThreadPool*) {}};
}

TEST(LockedTraining, TrainsOnSeveralThreads) {
  const graph::Model model = LinearModel(40, 3);
  const train::ExampleSet set = Examples(300, 40);
  const std::vector<float> expected = Train(model, set, nullptr);
  ASSERT_EQ(expected.size(), 120U);
  const int status = InChild([&] {
    const auto pool = LockedIn(4);
    for (int i = 0; i < 3; ++i) {
      if (Train(model, set, pool) != expected) return kTrainingFailed;
    }
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Every thread allocates for the first time behind the walls.
TEST(LockedTraining, ManyThreadsMayAllocate) {
  const int status = InChild([] {
    const auto pool = LockedIn(kThreads);
    std::vector<std::vector<float>> held(kThreads);
    for (const std::size_t size : {std::size_t{10}, std::size_t{1} << 22}) {
      pool->Run([&](std::size_t k) { held[k].assign(size, static_cast<float>(k)); });
    }
    for (std::size_t k = 0; k < kThreads; ++k) {
      if (held[k].back() != static_cast<float>(k)) return kTrainingFailed;
    }
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The matrix unit, which the process asked for before, serves every thread behind the walls.
TEST(LockedTraining, TheMatrixUnitComputes) {
  constexpr std::size_t kSize = 64;
  if (simd::BestTarget() != simd::Target::kAmx) GTEST_SKIP() << "no matrix unit here";
  simd::GemmShape shape{kSize, kSize, kSize, false, false, kSize, kSize, kSize};
  shape.tiles = true;
  const simd::GemmKernels& kernels = *simd::GemmKernelsFor(simd::Target::kAmx);
  const std::vector<float> halves(kSize * kSize, 0.5F);
  const int status = InChild([&] {
    const auto pool = LockedIn(4);
    std::vector<int> right(4, 0);
    pool->Run([&](std::size_t k) {
      std::vector<float> scratch(kernels.scratch(shape));
      std::vector<float> c(kSize * kSize);
      kernels.multiply(shape, halves.data(), halves.data(), {}, c.data(), scratch.data());
      right[k] = c == std::vector<float>(kSize * kSize, 0.25F * kSize) ? 1 : 0;
    });
    return right == std::vector<int>(4, 1) ? 0 : kTrainingFailed;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace anchorhold::enclave
