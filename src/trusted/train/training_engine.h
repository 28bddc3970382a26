// TrainingEngine: a model under a loss, planned and ready to work on batches of rows. Where
// executor.h runs one example at a time with the reference kernels, this is the fast way: groups of
// examples, several threads, fast kernels (engine/engine.h). Both compute the same.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/engine/engine.h"
#include "trusted/graph/model.h"
#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"

namespace anchorhold::train {

// A row of a batch. One that does not count costs the same work, and adds nothing.
struct BatchRow {
  const ExampleSet* examples = nullptr;
  std::size_t row = 0;
  bool counts = true;
};

class TrainingEngine {
 public:
  // Refuses what Executor::ForTraining refuses. The mode kInference computes what the loss starts
  // from: the model's output, or its logits (loss.h). Without a pool, on the caller's thread.
  static Result<TrainingEngine> Create(const graph::Model& model, const LossOptions& loss,
                                       const engine::EngineOptions& options,
                                       std::shared_ptr<engine::ThreadPool> pool);

  // Whether Create would refuse, found without taking memory: before a job is paid for.
  static Status Check(const graph::Model& model, const LossOptions& loss,
                      const engine::EngineOptions& options);

  // For predictions alone: the model's first output as it is, under no loss. options.mode is not
  // looked at; Predict gives no losses.
  static Result<TrainingEngine> ForInference(const graph::Model& model,
                                             const engine::EngineOptions& options,
                                             std::shared_ptr<engine::ThreadPool> pool);

  std::size_t parameter_count() const { return parameter_count_; }
  std::size_t output_width() const;
  const engine::PlanReport& report() const { return engine_->report(); }
  engine::Engine& engine() { return *engine_; }
  engine::ThreadPool& pool() { return *pool_; }

  // See engine::Engine. The rows fit the model and the loss (CheckFits).
  void SumGradients(std::span<const float> parameters, std::span<const BatchRow> rows,
                    const engine::SumTarget& target, const engine::StepResults& results = {});
  void SumClipped(std::span<const float> parameters, std::span<const BatchRow> rows,
                  const engine::Clipping& clipping, const engine::SumTarget& target,
                  const engine::StepResults& results = {});
  // Forward only: predictions [rows, output_width()], and the losses where wanted.
  void Predict(std::span<const float> parameters, std::span<const BatchRow> rows,
               std::span<float> predictions, std::span<float> losses = {});

 private:
  class Rows;
  TrainingEngine(const LossOptions& loss, std::size_t parameter_count,
                 std::shared_ptr<engine::ThreadPool> pool, engine::Engine engine);

  LossOptions loss_;
  std::size_t parameter_count_ = 0;
  std::shared_ptr<engine::ThreadPool> pool_;
  std::unique_ptr<engine::Engine> engine_;
};

// All rows of a set, in order.
std::vector<BatchRow> AllRows(const ExampleSet& examples);

}  // namespace anchorhold::train
