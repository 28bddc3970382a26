#include "client/core/model_bench.h"

#include <optional>
#include <utility>
#include <vector>

#include "shared/base/check.h"
#include "shared/crypto/random.h"
#include "trusted/train/executor.h"
#include "trusted/train/step.h"
#include "trusted/train/trainer.h"

namespace anchorhold::client {
namespace {

constexpr double kMaxGradNorm = 1;
constexpr double kNoiseMultiplier = 1;
// Small, so that many steps on random labels stay in the range of floats.
constexpr double kLearningRate = 1e-4;

train::OptimizerConfig Sgd() {
  train::OptimizerConfig config;
  config.learning_rate = kLearningRate;
  return config;
}

}  // namespace

class BenchRun::State {
 public:
  State(const train::ExampleSet& examples, std::vector<float> parameters)
      : rows_(train::AllRows(examples)), parameters_(std::move(parameters)) {}

  void Step() {
    if (private_) {
      private_->Run(rows_, static_cast<double>(rows_.size()), noise_, kLearningRate, parameters_);
    } else if (plain_) {
      plain_->Run(rows_, kLearningRate, parameters_);
    } else {
      inference_->Predict(parameters_, rows_, predictions_);
    }
  }

  Status Plan(const graph::Model& model, const BenchStep& step, std::size_t batch) {
    train::StepOptions options;
    options.pool = std::make_shared<engine::ThreadPool>(step.threads);
    options.batch = batch;
    if (step.mode == engine::Mode::kPrivateTraining) {
      AH_ASSIGN_OR_RETURN(
          private_,
          train::PrivateStep::Create(model, step.loss, Sgd(), train::Clipping::kFlat,
                                     NoiseMultiplier(kNoiseMultiplier), MaxGradNorm(kMaxGradNorm),
                                     options));
    } else if (step.mode == engine::Mode::kTraining) {
      AH_ASSIGN_OR_RETURN(plain_, train::PlainStep::Create(model, step.loss, Sgd(), options));
    } else {
      engine::EngineOptions engine;
      engine.batch = batch;
      AH_ASSIGN_OR_RETURN(inference_,
                          train::TrainingEngine::ForInference(model, engine, options.pool));
      predictions_.resize(rows_.size() * inference_->output_width());
    }
    return Ok();
  }

  std::span<const float> parameters() const { return parameters_; }
  const engine::PlanReport& report() const {
    return private_ ? private_->report() : plain_ ? plain_->report() : inference_->report();
  }

 private:
  std::vector<train::BatchRow> rows_;
  std::vector<float> parameters_;
  std::vector<float> predictions_;
  std::optional<train::TrainingEngine> inference_;
  std::optional<train::PlainStep> plain_;
  std::optional<train::PrivateStep> private_;
  crypto::SystemRandom noise_;
};

Result<BenchRun> BenchRun::Create(const graph::Model& model, const BenchStep& step,
                                  const train::ExampleSet& examples) {
  AH_CHECK(step.threads >= 1 && examples.rows >= 1);
  if (step.mode != engine::Mode::kInference) {
    AH_RETURN_IF_ERROR(train::CheckFits(model, step.loss, examples));
  }
  auto state = std::make_unique<State>(examples, train::FlatParameters(model));
  AH_RETURN_IF_ERROR(state->Plan(model, step, examples.rows));
  return BenchRun(std::move(state));
}

BenchRun::BenchRun(std::unique_ptr<State> state) : state_(std::move(state)) {}
BenchRun::~BenchRun() = default;
BenchRun::BenchRun(BenchRun&&) noexcept = default;
BenchRun& BenchRun::operator=(BenchRun&&) noexcept = default;

void BenchRun::Step() { state_->Step(); }
std::span<const float> BenchRun::parameters() const { return state_->parameters(); }
const engine::PlanReport& BenchRun::report() const { return state_->report(); }

Result<engine::PlanReport> PlanModel(const graph::Model& model, const BenchStep& step,
                                     std::size_t batch) {
  BenchRun::State state(train::ExampleSet{}, train::FlatParameters(model));
  AH_RETURN_IF_ERROR(state.Plan(model, step, batch));
  return state.report();
}

}  // namespace anchorhold::client
