#include "trusted/train/training_engine.h"

#include <utility>

#include "trusted/engine/simplify.h"
#include "trusted/graph/graph.h"
#include "trusted/train/example_row.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {

class TrainingEngine::Rows final : public engine::Batch {
 public:
  Rows(const LossOptions& loss, std::span<const BatchRow> rows) : loss_(loss), rows_(rows) {}

  std::size_t size() const override { return rows_.size(); }
  std::span<const float> Features(std::size_t i) const override {
    return FeaturesOf(*rows_[i].examples, rows_[i].row);
  }
  float LossAndSeed(std::size_t i, std::span<const float> result,
                    std::span<float> seed) const override {
    return train::LossAndSeed(loss_, result, LabelOf(loss_.kind, *rows_[i].examples, rows_[i].row),
                              seed);
  }
  bool Counts(std::size_t i) const override { return rows_[i].counts; }

 private:
  const LossOptions& loss_;
  std::span<const BatchRow> rows_;
};

TrainingEngine::TrainingEngine(const LossOptions& loss, std::size_t parameter_count,
                               std::shared_ptr<engine::ThreadPool> pool, engine::Engine engine)
    : loss_(loss),
      parameter_count_(parameter_count),
      pool_(std::move(pool)),
      engine_(std::make_unique<engine::Engine>(std::move(engine))) {}

namespace {

// What the engine is asked to compute.
struct Training {
  graph::Model model;
  std::shared_ptr<const graph::Graph> graph;
  engine::Goal goal;
};

Result<Training> TrainingOf(const graph::Model& model, const LossOptions& loss, engine::Mode mode) {
  AH_ASSIGN_OR_RETURN(graph::Model simple, engine::Simplify(model));
  AH_ASSIGN_OR_RETURN(TrainingGoal training, MakeTrainingGoal(simple, loss));
  engine::Goal goal;
  goal.result = training.goal.result;
  goal.parameter_offsets = ParameterOffsets(simple);
  if (mode != engine::Mode::kInference) {
    goal.seed = training.goal.seed;
    goal.gradients = std::move(training.goal.gradients);
  }
  return Training{std::move(simple), std::move(training.graph), std::move(goal)};
}

}  // namespace

Result<TrainingEngine> TrainingEngine::Create(const graph::Model& model, const LossOptions& loss,
                                              const engine::EngineOptions& options,
                                              std::shared_ptr<engine::ThreadPool> pool) {
  AH_ASSIGN_OR_RETURN(const Training training, TrainingOf(model, loss, options.mode));
  if (pool == nullptr) pool = std::make_shared<engine::ThreadPool>(1);
  AH_ASSIGN_OR_RETURN(engine::Engine engine, engine::Engine::Create(training.model, training.graph,
                                                                    training.goal, options, *pool));
  return TrainingEngine(loss, training.model.parameter_count(), std::move(pool), std::move(engine));
}

Status TrainingEngine::Check(const graph::Model& model, const LossOptions& loss,
                             const engine::EngineOptions& options) {
  AH_ASSIGN_OR_RETURN(const Training training, TrainingOf(model, loss, options.mode));
  return engine::Engine::Check(training.model, training.graph, training.goal, options);
}

Result<TrainingEngine> TrainingEngine::ForInference(const graph::Model& model,
                                                    const engine::EngineOptions& options,
                                                    std::shared_ptr<engine::ThreadPool> pool) {
  AH_ASSIGN_OR_RETURN(const graph::Model simple, engine::Simplify(model));
  engine::Goal goal;
  goal.result = simple.graph().outputs()[0];
  goal.parameter_offsets = ParameterOffsets(simple);
  engine::EngineOptions inference = options;
  inference.mode = engine::Mode::kInference;
  if (pool == nullptr) pool = std::make_shared<engine::ThreadPool>(1);
  AH_ASSIGN_OR_RETURN(engine::Engine engine,
                      engine::Engine::Create(simple, simple.share_graph(), goal, inference, *pool));
  return TrainingEngine(Loss::kMeanSquaredError, simple.parameter_count(), std::move(pool),
                        std::move(engine));
}

std::size_t TrainingEngine::output_width() const { return engine_->program().result.size; }

void TrainingEngine::SumGradients(std::span<const float> parameters, std::span<const BatchRow> rows,
                                  const engine::SumTarget& target,
                                  const engine::StepResults& results) {
  engine_->SumGradients(parameters, Rows(loss_, rows), target, results);
}

void TrainingEngine::SumClipped(std::span<const float> parameters, std::span<const BatchRow> rows,
                                const engine::Clipping& clipping, const engine::SumTarget& target,
                                const engine::StepResults& results) {
  engine_->SumClipped(parameters, Rows(loss_, rows), clipping, target, results);
}

void TrainingEngine::Predict(std::span<const float> parameters, std::span<const BatchRow> rows,
                             std::span<float> predictions, std::span<float> losses) {
  const Rows batch(loss_, rows);
  engine_->Predict(parameters, batch, predictions);
  if (losses.empty()) return;
  std::vector<float> seed(output_width());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    losses[i] = batch.LossAndSeed(i, predictions.subspan(i * seed.size(), seed.size()), seed);
  }
}

std::vector<BatchRow> AllRows(const ExampleSet& examples) {
  std::vector<BatchRow> rows;
  rows.reserve(examples.rows);
  for (std::size_t row = 0; row < examples.rows; ++row) rows.push_back({&examples, row, true});
  return rows;
}

}  // namespace anchorhold::train
