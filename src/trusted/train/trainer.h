// Trainers: they run steps. PrivateTrainer runs the mechanism of dp/event.h inside the enclave;
// NonPrivateTrainer is for rows that are one's own, on one's own machine.
//
// A private step, for q, sigma, C and the public number of rows n:
//   batch      every row of every owner's set enters with probability q, independently
//   gradients  of the batch's examples, each clipped to C and put on the grid by itself, summed
//   padding    up to PublicBatchCapacity(q, n), other rows do the same work with weight zero
//   noise      once, at the sum; then the division by q n and the optimizer's update
// Nothing computed on the way leaves it: losses and norms are dropped, and parameters come out as
// Unreleased, which only the ledger opens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/crypto/random.h"
#include "trusted/dp/clip.h"
#include "trusted/dp/event.h"
#include "trusted/dp/unreleased.h"
#include "trusted/train/executor.h"
#include "trusted/train/optimizer.h"
#include "trusted/train/schedule.h"
#include "trusted/train/step.h"

namespace anchorhold::train {

struct TrainerConfig {
  LossOptions loss = Loss::kCrossEntropy;
  OptimizerConfig optimizer;
  LearningRateSchedule schedule{};
  Clipping clipping = Clipping::kFlat;  // private training
  // The threads to work on, which do not change a result; none: the caller's alone.
  std::shared_ptr<engine::ThreadPool> pool{};
};

struct PrivateTraining {
  SamplingProbability sampling_probability;
  NoiseMultiplier noise_multiplier;
  MaxGradNorm max_grad_norm;
  std::uint64_t steps = 0;
  // n of q n, the divisor: the number of rows that the contracts make public.
  std::uint64_t public_rows = 0;
};

// Two separate streams, so that what is drawn for one purpose never shifts the other.
struct RandomStreams {
  crypto::RandomSource* sampling = nullptr;
  crypto::RandomSource* noise = nullptr;
};

// The model's initial parameters as one flat vector, in the order that Executor expects.
std::vector<float> FlatParameters(const graph::Model& model);

// Several sets of rows, numbered through. The sets outlive the pool.
class RowPool {
 public:
  // kInvalidInput without a row; kLimitExceeded for 2^32 rows or more.
  static Result<RowPool> Create(std::vector<const ExampleSet*> sets);

  std::size_t rows() const { return rows_; }
  struct Place {
    const ExampleSet* set;
    std::size_t row;
  };
  Place Find(std::uint32_t index) const;

 private:
  std::vector<const ExampleSet*> sets_;
  std::size_t rows_ = 0;
};

class PrivateTrainer {
 public:
  // Refuses what CheckFits, Executor::ForTraining, the optimizer, its schedule, dp::ValidateEvent
  // or dp::ClipGrid refuse, and a schedule for another number of steps. The sets and streams
  // outlive the trainer.
  static Result<PrivateTrainer> Create(const graph::Model& model,
                                       std::vector<const ExampleSet*> sets,
                                       const TrainerConfig& config, const PrivateTraining& training,
                                       RandomStreams random);

  // One more step. kInvalidInput if all agreed steps are done, or if the parameters left the range
  // of a float (known from noised values alone); such a step is spent like any other.
  Status Step();

  std::uint64_t steps_done() const { return steps_done_; }
  // The event of the steps so far: a step counts from before it reads its first row.
  dp::DpEvent SpentSoFar() const;

  // The trained parameters; the trainer is at its end.
  dp::Unreleased<std::vector<float>> TakeParameters() &&;
  // For tests and checkpoints that stay sealed.
  std::span<const float> parameters() const { return parameters_; }

 private:
  PrivateTrainer(PrivateStep step, RowPool pool, const PrivateTraining& training,
                 RandomStreams random, const TrainerConfig& config, std::vector<float> parameters);
  std::vector<BatchRow> DrawBatch();

  PrivateStep step_;
  RowPool pool_;
  PrivateTraining training_;
  RandomStreams random_;
  LearningRateSchedule schedule_;
  double learning_rate_;
  std::vector<float> parameters_;
  std::uint64_t steps_done_ = 0;
};

// Plain gradient descent without any privacy: no clipping, no noise, batches from a shuffled pass
// over the rows. Never for another owner's rows; the enclave does not use it.
class NonPrivateTrainer {
 public:
  // batch_size 0 takes all rows in every step. The sets outlive the trainer.
  static Result<NonPrivateTrainer> Create(const graph::Model& model,
                                          std::vector<const ExampleSet*> sets,
                                          const TrainerConfig& config, std::size_t batch_size,
                                          std::uint64_t seed);

  // kInvalidInput if the loss or a parameter left the range of a float: lower the learning rate.
  Status Step();

  std::uint64_t steps_done() const { return step_.steps_done(); }
  double last_mean_loss() const { return last_mean_loss_; }  // over the last step's batch
  std::span<const float> parameters() const { return parameters_; }

 private:
  NonPrivateTrainer(PlainStep step, RowPool pool, std::size_t batch_size, std::uint64_t seed,
                    const TrainerConfig& config, std::vector<float> parameters);
  void Shuffle();

  PlainStep step_;
  RowPool pool_;
  std::size_t batch_size_;
  std::unique_ptr<crypto::RandomSource> random_;
  LearningRateSchedule schedule_;
  double learning_rate_;
  std::vector<float> parameters_;
  std::vector<BatchRow> batch_;
  std::vector<std::uint32_t> order_;
  std::size_t next_ = 0;  // place in order_
  double last_mean_loss_ = 0;
};

}  // namespace anchorhold::train
