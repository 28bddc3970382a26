// BatchTrainer: trains a network with BatchNormalization in training mode, without any privacy.
// Such a network has no gradient of one example: each of its statistics is taken over the batch. So
// the graph is imported for whole batches of a fixed size, differentiated and run as one, and the
// running statistics move along as the graph says. Never for another owner's rows: the enclave,
// which refuses these graphs, does not use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/crypto/random.h"
#include "trusted/train/executor_program.h"
#include "trusted/train/trainer.h"

namespace anchorhold::train {

class BatchTrainer {
 public:
  // `onnx` is the model's file and `model` its import with ImportOptions::inference, which tells
  // inputs and parameters. batch_size 0 takes all rows in every step; a batch of one is refused:
  // its statistics would be of one example. The sets outlive the trainer. Errors as for
  // NonPrivateTrainer.
  static Result<BatchTrainer> Create(ByteSpan onnx, const graph::Model& model,
                                     std::vector<const ExampleSet*> sets,
                                     const TrainerConfig& config, std::size_t batch_size,
                                     std::uint64_t seed);

  // As NonPrivateTrainer::Step.
  Status Step();

  double last_mean_loss() const { return last_mean_loss_; }  // over the last step's batch
  std::span<const float> parameters() const { return parameters_; }
  // The running statistics with their present values.
  std::vector<graph::RunningStatistic> Statistics() const;

 private:
  BatchTrainer(graph::Model batch_model, Program<float> program, RowPool pool,
               const TrainerConfig& config, std::size_t batch_size, std::uint64_t seed,
               Optimizer optimizer);
  void Shuffle();
  // Copies the next batch_size rows into inputs_ and labels_.
  void ReadBatch();
  void ReadInput(std::size_t input, std::size_t row, std::span<const float> numbers);

  graph::Model model_;  // of a whole batch
  Program<float> program_;
  RowPool pool_;
  TrainerConfig config_;
  std::size_t batch_size_;
  std::unique_ptr<crypto::RandomSource> random_;
  Optimizer optimizer_;
  std::vector<float> parameters_;
  std::vector<float> gradient_;
  std::vector<std::vector<float>> statistics_;
  struct Input {
    std::size_t width = 0;  // numbers an example
    std::vector<float> reals;
    std::vector<std::int64_t> integers;
  };
  std::vector<Input> inputs_;
  std::vector<std::int64_t> classes_;
  std::vector<float> targets_;
  std::vector<std::byte> arena_;
  std::vector<const void*> scratch_;
  std::vector<std::uint32_t> order_;
  std::size_t next_ = 0;  // place in order_
  double last_mean_loss_ = 0;
};

}  // namespace anchorhold::train
