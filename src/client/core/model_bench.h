// One step of inference or training, again and again on the same rows: what `anchorhold model
// bench` times. This file alone knows what runs the steps.
#pragma once

#include <memory>
#include <span>

#include "shared/base/result.h"
#include "trusted/engine/plan.h"
#include "trusted/graph/model.h"
#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

struct BenchStep {
  engine::Mode mode = engine::Mode::kInference;
  train::LossOptions loss = train::Loss::kCrossEntropy;  // not read by inference
  std::size_t threads = 1;
};

// A step reads all rows once. In inference it predicts each; in training it sums the gradients of
// the rows, clipped to norm 1 and noised with multiplier 1 where it is private, and moves the
// parameters by SGD.
class BenchRun {
 public:
  // Precondition: threads >= 1 and examples.rows >= 1; the examples outlive the run. Errors: those
  // of train::CheckFits and of planning the model.
  static Result<BenchRun> Create(const graph::Model& model, const BenchStep& step,
                                 const train::ExampleSet& examples);
  ~BenchRun();
  BenchRun(BenchRun&&) noexcept;
  BenchRun& operator=(BenchRun&&) noexcept;

  void Step();

  std::span<const float> parameters() const;
  const engine::PlanReport& report() const;

  class State;

 private:
  explicit BenchRun(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What the engine would do with steps of so many rows. Errors: those of planning the model.
Result<engine::PlanReport> PlanModel(const graph::Model& model, const BenchStep& step,
                                     std::size_t batch);

}  // namespace anchorhold::client
