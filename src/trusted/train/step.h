// One training step on a batch: gradients, their sum, its release, the update. The trainers draw
// the batches and keep count; what is here is the arithmetic, on all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "shared/crypto/random.h"
#include "trusted/dp/clip.h"
#include "trusted/train/optimizer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train {

// How an example's gradient is clipped to the norm C (engine::ClippingKind has the formulas). The
// sensitivity of the sum is C in all three, and so is the privacy.
enum class Clipping : unsigned char { kFlat = 1, kPerLayer = 2, kAutomatic = 3 };

struct StepOptions {
  std::shared_ptr<engine::ThreadPool> pool{};  // none: the caller's thread alone
  std::size_t batch = 0;                       // what is expected: for the plan
  engine::EngineOptions engine{};              // its mode and batch are set here
};

// Without privacy: the mean of the gradients.
class PlainStep {
 public:
  static Result<PlainStep> Create(const graph::Model& model, const LossOptions& loss,
                                  const OptimizerConfig& optimizer, const StepOptions& options);

  // The mean loss of the rows, before the update. Precondition: at least one row.
  double Run(std::span<const BatchRow> rows, double learning_rate, std::span<float> parameters);

  const engine::PlanReport& report() const { return engine_.report(); }
  std::uint64_t steps_done() const { return optimizer_.steps_done(); }

 private:
  PlainStep(TrainingEngine engine, Optimizer optimizer);

  TrainingEngine engine_;
  Optimizer optimizer_;
  std::vector<float> gradient_;
  std::vector<float> losses_;
};

// With privacy: the mechanism of dp/clip.h. Noise is drawn in the pieces of engine/pieces.h, each
// from a branch of its own of the random source, so that neither the number of threads nor their
// order changes a draw.
class PrivateStep {
 public:
  // Refuses what TrainingEngine, the optimizer or dp::ClipGrid refuse.
  static Result<PrivateStep> Create(const graph::Model& model, const LossOptions& loss,
                                    const OptimizerConfig& optimizer, Clipping clipping,
                                    NoiseMultiplier noise_multiplier, MaxGradNorm max_grad_norm,
                                    const StepOptions& options);

  // Rows that do not count cost the same. The sum is divided by `expected_batch_size`.
  void Run(std::span<const BatchRow> rows, double expected_batch_size, crypto::RandomSource& noise,
           double learning_rate, std::span<float> parameters);

  const engine::PlanReport& report() const { return engine_.report(); }
  std::uint64_t steps_done() const { return optimizer_.steps_done(); }

 private:
  PrivateStep(TrainingEngine engine, Optimizer optimizer, Clipping clipping,
              const dp::ClipGrid& grid);
  void Release(double expected_batch_size, crypto::RandomSource& noise, double learning_rate,
               std::span<float> parameters);

  TrainingEngine engine_;
  Optimizer optimizer_;
  Clipping clipping_;
  dp::GridSum sum_;
  struct Scratch {  // a thread's
    std::vector<std::int64_t> noise;
    std::vector<float> gradient;
  };
  std::vector<Scratch> scratch_;
};

engine::ClippingKind KindOf(Clipping clipping);
// "flat", "per-layer", "automatic".
std::string_view ClippingName(Clipping clipping);
Result<Clipping> ParseClipping(std::string_view name);

}  // namespace anchorhold::train
