// What steps the engine makes of a model, and what it adds up, beside the interpreter.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "trusted/kernels/float_mode.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train::testing {

// Whether there are fast kernels here at all.
inline bool IsFast() { return simd::BestTarget() != simd::Target::kScalar; }

// The network so far, `size` numbers of an example named `x`, with a head of three classes.
inline graph::Model Finish(graph::testing::OnnxBuilder& b, const std::string& x,
                           std::int64_t size) {
  b.Weight("head", {size, 3}, Draw(static_cast<std::size_t>(3 * size), 9, 0.5F));
  b.Node("Flatten", {x}, {"flat"}).Node("MatMul", {"flat", "head"}, {"y"});
  auto model = graph::ImportOnnx(b.Output("y").Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  return *std::move(model);
}

inline engine::LoweredProgram ProgramOf(const graph::Model& model, engine::Mode mode) {
  engine::EngineOptions options;
  options.mode = mode;
  return TrainingEngine::Create(model, Loss::kCrossEntropy, options, nullptr)
      .value()
      .engine()
      .program();
}

// The steps, forwards and backwards, of which wanted(step) is true.
template <typename Wanted>
std::size_t CountSteps(const engine::LoweredProgram& program, Wanted wanted) {
  return static_cast<std::size_t>(
      std::count_if(program.forward.begin(), program.forward.end(), wanted) +
      std::count_if(program.backward.begin(), program.backward.end(), wanted));
}

inline std::size_t CountSteps(const engine::LoweredProgram& program, engine::StepKind kind) {
  return CountSteps(program, [kind](const engine::Step& step) { return step.kind == kind; });
}

// Real features of about the given size, and three classes.
inline ExampleSet DrawRows(const graph::Model& model, std::size_t rows, float deviation) {
  ExampleSet set;
  set.rows = rows;
  set.feature_width = model.input_width();
  set.features = Draw(rows * set.feature_width, 17, deviation);
  for (std::size_t i = 0; i < rows; ++i) set.classes.push_back(static_cast<std::int64_t>(i % 3));
  return set;
}

inline double SquaresOf(const std::vector<float>& v) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  return squares;
}

inline constexpr double kUnit = 1 << 16;  // steps of the grid to one

struct Found {
  std::vector<double> sum;
  std::vector<double> squares;
};

// bound 0: the plain sum.
inline Found Run(const graph::Model& model, const ExampleSet& set, double bound, bool on_grid,
                 const engine::EngineOptions& options, std::size_t threads) {
  const std::vector<float> parameters = FlatParameters(model);
  auto made = TrainingEngine::Create(model, Loss::kCrossEntropy, options,
                                     std::make_shared<engine::ThreadPool>(threads))
                  .value();
  EXPECT_TRUE(engine::CheckProgram(made.engine().program()).ok());
  std::vector<float> reals(parameters.size());
  std::vector<std::int32_t> grid(parameters.size());
  Found found;
  found.squares.resize(set.rows);
  engine::SumTarget target;
  target.reals = reals.data();
  engine::StepResults results;
  results.squared_norms = found.squares;
  const std::vector<BatchRow> rows = AllRows(set);
  if (bound == 0) {
    made.SumGradients(parameters, rows, target);
  } else {
    const double unit = on_grid ? kUnit : 1;
    if (on_grid) {
      target.reals = nullptr;
      target.grid = grid.data();
      target.capacity = set.rows;
      target.squares_max = bound * bound * unit * unit * 1.01;
    }
    made.SumClipped(parameters, rows, {engine::ClippingKind::kFlat, bound * unit, unit}, target,
                    results);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    found.sum.push_back(bound > 0 && on_grid ? grid[i] / kUnit : reals[i]);
  }
  return found;
}

// The sums of gradients, plain and clipped, in floats and on a grid, and the norms, by the engine
// on every target against the interpreter's gradients of each row.
inline void ExpectSums(const graph::Model& model, const ExampleSet& set) {
  const kernels::FlushSubnormals flush;
  const auto gradients = Gradients(model, Loss::kCrossEntropy, FlatParameters(model), set);
  std::vector<double> squares;
  for (const auto& gradient : gradients) squares.push_back(SquaresOf(gradient));
  std::vector<double> sorted = squares;
  std::sort(sorted.begin(), sorted.end());
  const double median = std::sqrt(sorted[sorted.size() / 2]);
  for (const double bound : {0.0, median}) {
    std::vector<double> expected(gradients[0].size());
    for (std::size_t e = 0; e < set.rows; ++e) {
      const double factor = bound == 0 ? 1 : std::min(1.0, bound / std::sqrt(squares[e]));
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += factor * gradients[e][i];
    }
    double size = 0;
    for (const double x : expected) size = std::max(size, std::abs(x));
    for (const simd::Target target : simd::AvailableTargets()) {
      for (const bool on_grid : {false, true}) {
        for (const std::size_t threads : {1U, 3U}) {
          SCOPED_TRACE(std::string(simd::TargetName(target)) + ", bound " + std::to_string(bound) +
                       (on_grid ? ", on a grid, " : ", ") + std::to_string(threads) + " threads");
          engine::EngineOptions options;
          options.mode = bound == 0 ? engine::Mode::kTraining : engine::Mode::kPrivateTraining;
          options.target = target;
          options.group = threads == 1 ? 4 : 2;
          const Found found = Run(model, set, bound, on_grid, options, threads);
          const double rounding = on_grid ? static_cast<double>(set.rows) / kUnit : 0;
          for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_NEAR(found.sum[i], expected[i], 1e-5 * size + rounding) << "parameter " << i;
          }
          for (std::size_t e = 0; bound > 0 && e < set.rows; ++e) {
            ASSERT_NEAR(found.squares[e], squares[e], 1e-4 * squares[e] + 1e-12) << "example " << e;
          }
        }
      }
    }
  }
}

}  // namespace anchorhold::train::testing
