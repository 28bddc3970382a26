#include "trusted/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "trusted/dp/poisson.h"
#include "trusted/kernels/float_mode.h"

namespace anchorhold::train {
namespace {

Status CheckFinite(std::span<const float> parameters, std::uint64_t step) {
  if (std::all_of(parameters.begin(), parameters.end(), [](float x) { return std::isfinite(x); })) {
    return Ok();
  }
  return InvalidInput("the parameters grew beyond all numbers in step " + std::to_string(step) +
                      ": take a smaller learning rate");
}

Status CheckSets(const graph::Model& model, const LossOptions& loss,
                 const std::vector<const ExampleSet*>& sets) {
  for (const ExampleSet* set : sets) AH_RETURN_IF_ERROR(CheckFits(model, loss, *set));
  return Ok();
}

}  // namespace

std::vector<float> FlatParameters(const graph::Model& model) {
  std::vector<float> flat;
  flat.reserve(model.parameter_count());
  for (const graph::Parameter& parameter : model.parameters()) {
    flat.insert(flat.end(), parameter.values.begin(), parameter.values.end());
  }
  return flat;
}

Result<RowPool> RowPool::Create(std::vector<const ExampleSet*> sets) {
  RowPool pool;
  for (const ExampleSet* set : sets) {
    AH_CHECK(set != nullptr);
    pool.rows_ += set->rows;
    if (pool.rows_ >> 32 != 0) return LimitExceeded("more than 2^32 rows in one job");
  }
  if (pool.rows_ == 0) return InvalidInput("no rows to train on");
  pool.sets_ = std::move(sets);
  return pool;
}

// Looks at every set, so that the time does not depend on whose row it is.
RowPool::Place RowPool::Find(std::uint32_t index) const {
  AH_CHECK(index < rows_);
  std::size_t which = 0;
  std::size_t row = index;
  std::size_t start = 0;
  for (std::size_t i = 0; i < sets_.size(); ++i) {
    const bool reached = index >= start;
    which = reached ? i : which;
    row = reached ? index - start : row;
    start += sets_[i]->rows;
  }
  return {sets_[which], row};
}

Result<PrivateTrainer> PrivateTrainer::Create(const graph::Model& model,
                                              std::vector<const ExampleSet*> sets,
                                              const TrainerConfig& config,
                                              const PrivateTraining& training,
                                              RandomStreams random) {
  AH_CHECK(random.sampling != nullptr && random.noise != nullptr);
  AH_CHECK(random.sampling != random.noise);
  AH_RETURN_IF_ERROR(dp::ValidateEvent(dp::PoissonSampledGaussian{
      training.sampling_probability, training.noise_multiplier, training.steps}));
  if (training.public_rows == 0) return InvalidInput("the public number of rows must not be 0");
  AH_RETURN_IF_ERROR(ValidateSchedule(config.schedule, config.optimizer.learning_rate));
  if (config.schedule.steps != 0 && config.schedule.steps != training.steps) {
    return InvalidInput("the learning-rate schedule is for another number of steps");
  }
  AH_RETURN_IF_ERROR(CheckSets(model, config.loss, sets));
  AH_ASSIGN_OR_RETURN(RowPool pool, RowPool::Create(std::move(sets)));
  StepOptions options;
  options.pool = config.pool;
  options.batch = dp::PublicBatchCapacity(training.sampling_probability, training.public_rows);
  AH_ASSIGN_OR_RETURN(PrivateStep step,
                      PrivateStep::Create(model, config.loss, config.optimizer, config.clipping,
                                          training.noise_multiplier, training.max_grad_norm,
                                          options));
  return PrivateTrainer(std::move(step), std::move(pool), training, random, config,
                        FlatParameters(model));
}

PrivateTrainer::PrivateTrainer(PrivateStep step, RowPool pool, const PrivateTraining& training,
                               RandomStreams random, const TrainerConfig& config,
                               std::vector<float> parameters)
    : step_(std::move(step)),
      pool_(std::move(pool)),
      training_(training),
      random_(random),
      schedule_(config.schedule),
      learning_rate_(config.optimizer.learning_rate),
      parameters_(std::move(parameters)) {}

std::vector<BatchRow> PrivateTrainer::DrawBatch() {
  const std::vector<std::uint32_t> drawn =
      dp::PoissonSample(training_.sampling_probability, pool_.rows(), *random_.sampling);
  const std::size_t capacity =
      dp::PublicBatchCapacity(training_.sampling_probability, training_.public_rows);
  std::vector<BatchRow> batch;
  batch.reserve(std::max(drawn.size(), capacity));
  const auto add = [&](std::uint32_t index, bool counts) {
    const RowPool::Place place = pool_.Find(index);
    batch.push_back({place.set, place.row, counts});
  };
  for (const std::uint32_t index : drawn) add(index, true);
  while (batch.size() < capacity) {
    add(static_cast<std::uint32_t>(batch.size() % pool_.rows()), false);
  }
  return batch;
}

Status PrivateTrainer::Step() {
  if (steps_done_ >= training_.steps) {
    return InvalidInput("all " + std::to_string(training_.steps) +
                        " agreed steps of this job are done");
  }
  ++steps_done_;  // spent from here on, whatever happens
  const kernels::FlushSubnormals flush;
  const std::vector<BatchRow> batch = DrawBatch();
  const double expected_batch_size =
      training_.sampling_probability.value() * static_cast<double>(training_.public_rows);
  step_.Run(batch, expected_batch_size, *random_.noise,
            LearningRateAt(schedule_, learning_rate_, steps_done_ - 1), parameters_);
  return CheckFinite(parameters_, steps_done_);
}

dp::DpEvent PrivateTrainer::SpentSoFar() const {
  return dp::PoissonSampledGaussian{training_.sampling_probability, training_.noise_multiplier,
                                    steps_done_};
}

dp::Unreleased<std::vector<float>> PrivateTrainer::TakeParameters() && {
  return dp::Unreleased<std::vector<float>>(std::move(parameters_));
}

Result<NonPrivateTrainer> NonPrivateTrainer::Create(const graph::Model& model,
                                                    std::vector<const ExampleSet*> sets,
                                                    const TrainerConfig& config,
                                                    std::size_t batch_size, std::uint64_t seed) {
  AH_RETURN_IF_ERROR(ValidateSchedule(config.schedule, config.optimizer.learning_rate));
  AH_RETURN_IF_ERROR(CheckSets(model, config.loss, sets));
  AH_ASSIGN_OR_RETURN(RowPool pool, RowPool::Create(std::move(sets)));
  const std::size_t rows = pool.rows();
  const std::size_t batch = batch_size == 0 ? rows : std::min(batch_size, rows);
  StepOptions options;
  options.pool = config.pool;
  options.batch = batch;
  AH_ASSIGN_OR_RETURN(PlainStep step,
                      PlainStep::Create(model, config.loss, config.optimizer, options));
  return NonPrivateTrainer(std::move(step), std::move(pool), batch, seed, config,
                           FlatParameters(model));
}

NonPrivateTrainer::NonPrivateTrainer(PlainStep step, RowPool pool, std::size_t batch_size,
                                     std::uint64_t seed, const TrainerConfig& config,
                                     std::vector<float> parameters)
    : step_(std::move(step)),
      pool_(std::move(pool)),
      batch_size_(batch_size),
      random_(std::make_unique<crypto::InsecureSeededRandom>(seed)),
      schedule_(config.schedule),
      learning_rate_(config.optimizer.learning_rate),
      parameters_(std::move(parameters)),
      order_(pool_.rows()) {
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
  next_ = order_.size();
}

// Fisher and Yates.
void NonPrivateTrainer::Shuffle() {
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[random_->NextU64() % i]);
  }
  next_ = 0;
}

Status NonPrivateTrainer::Step() {
  if (next_ + batch_size_ > order_.size()) Shuffle();
  batch_.clear();
  for (std::size_t i = 0; i < batch_size_; ++i) {
    const RowPool::Place place = pool_.Find(order_[next_++]);
    batch_.push_back({place.set, place.row, true});
  }
  last_mean_loss_ = step_.Run(
      batch_, LearningRateAt(schedule_, learning_rate_, step_.steps_done()), parameters_);
  return CheckFinite(parameters_, step_.steps_done());
}

}  // namespace anchorhold::train
