#include "tests/engine_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "trusted/train/training_engine.h"
#include "trusted/train/trainer.h"

namespace anchorhold::testing {
namespace {

using Numbers = std::vector<double>;

double Norm(const Numbers& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

struct Way {
  simd::Target target;
  std::optional<engine::Method> norms;
  std::size_t group = 1;
  std::size_t threads = 1;

  std::string Text() const {
    return std::string(simd::TargetName(target)) + ", norms " +
           (norms ? std::string(engine::MethodName(*norms)) : "chosen") + ", groups of " +
           std::to_string(group) + ", threads " + std::to_string(threads);
  }
};

struct Sums {
  std::vector<float> reals;
  std::vector<std::int32_t> grid;
  std::vector<double> squares;
  std::vector<float> predictions;
};

// In units of the grid, the clipping norm is this.
constexpr double kGridRadius = 1 << 22;

class Checker {
 public:
  Checker(const graph::Model& model, const train::LossOptions& loss,
          const train::ExampleSet& examples, double bound)
      : model_(model),
        loss_(loss),
        rows_(train::AllRows(examples)),
        parameters_(train::FlatParameters(model)),
        bound_(bound) {}

  Sums Run(const Way& way) const {
    const auto pool = std::make_shared<engine::ThreadPool>(way.threads);
    engine::EngineOptions options;
    options.mode = engine::Mode::kPrivateTraining;
    options.batch = rows_.size();
    options.group = way.group;
    options.target = way.target;
    options.norms = way.norms;
    auto made = train::TrainingEngine::Create(model_, loss_, options, pool);
    EXPECT_TRUE(made.ok()) << made.error().message();
    EXPECT_TRUE(engine::CheckProgram(made->engine().program()).ok());
    Sums sums;
    sums.reals.assign(parameters_.size(), 99);
    sums.grid.assign(parameters_.size(), 99);
    sums.squares.resize(rows_.size());
    engine::Clipping clipping;
    clipping.bound = bound_;
    engine::SumTarget target;
    target.reals = sums.reals.data();
    engine::StepResults results;
    results.squared_norms = sums.squares;
    made->SumClipped(parameters_, rows_, clipping, target, results);

    clipping.bound = kGridRadius * (1 - 0x1p-16);
    clipping.unit = kGridRadius / bound_;
    engine::SumTarget grid;
    grid.grid = sums.grid.data();
    grid.capacity = 256;
    grid.squares_max = kGridRadius * kGridRadius;
    made->SumClipped(parameters_, rows_, clipping, grid);
    return sums;
  }

 private:
  const graph::Model& model_;
  const train::LossOptions& loss_;
  std::vector<train::BatchRow> rows_;
  std::vector<float> parameters_;
  double bound_;
};

}  // namespace

void ExpectEngineAgrees(const graph::Model& model, const train::LossOptions& loss,
                        const train::ExampleSet& examples, const std::vector<Numbers>& gradients,
                        const EngineBounds& bounds, std::uint64_t seed) {
  Numbers norms;
  for (const Numbers& gradient : gradients) norms.push_back(Norm(gradient));
  Numbers sorted = norms;
  std::sort(sorted.begin(), sorted.end());
  const double bound = std::max(sorted[sorted.size() / 2], 1e-3);
  const std::size_t size = gradients[0].size();
  Numbers expected(size);
  for (std::size_t b = 0; b < gradients.size(); ++b) {
    for (std::size_t i = 0; i < size; ++i) {
      expected[i] += gradients[b][i] * std::min(1.0, bound / norms[b]);
    }
  }
  const double allowed = bounds.sum * (Norm(expected) + bounds.small);
  const Checker checker(model, loss, examples, bound);
  const std::optional<engine::Method> methods[] = {std::nullopt, engine::Method::kGhost,
                                                   engine::Method::kInstantiate};
  for (const simd::Target target : simd::AvailableTargets()) {
    const Way first{target, methods[seed % 3], 1, 1};
    const Way second{target, first.norms, 2 + seed % 2, 1 + (seed / 2) % 2};
    SCOPED_TRACE(second.Text());
    const Sums one = checker.Run(first);
    const Sums other = checker.Run(second);
    const double rounding =
        static_cast<double>(gradients.size()) * bound / kGridRadius + allowed;
    for (std::size_t b = 0; b < norms.size(); ++b) {
      EXPECT_NEAR(std::sqrt(one.squares[b]), norms[b], bounds.sum * (norms[b] + bounds.small));
    }
    double worst = 0;
    double worst_grid = 0;
    for (std::size_t i = 0; i < size; ++i) {
      worst = std::max(worst, std::abs(one.reals[i] - expected[i]));
      worst_grid = std::max(
          worst_grid, std::abs(one.grid[i] * bound / kGridRadius * (1 + 0x1p-16) - expected[i]));
    }
    EXPECT_LE(worst, allowed);
    EXPECT_LE(worst_grid, rounding);
    // The same bits in any group and on any number of threads.
    EXPECT_EQ(one.squares, other.squares);
    EXPECT_EQ(one.grid, other.grid);
  }
}

}  // namespace anchorhold::testing
