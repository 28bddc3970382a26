// The options of optimizers and learning-rate schedules, and --freeze, as train and model fit take
// them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "trusted/train/optimizer.h"
#include "trusted/train/schedule.h"

namespace anchorhold::client {

struct OptimizerOptions {
  std::string optimizer = "sgd";
  std::string learning_rate;  // empty: 1 for sgd, 0.05 for the others
  // Empty, or false: the optimizer's own default (train::DefaultsOf).
  std::string momentum;
  bool nesterov = false;
  std::string weight_decay;
  std::string beta1;
  std::string beta2;
  std::string epsilon;
  std::string alpha;
  bool centered = false;
  std::string lr_decay;
  std::string initial_accumulator;
  std::string schedule = "constant";
  std::vector<std::string> freeze;  // patterns

  void AddTo(CLI::App* command);
  // kInvalidInput naming the option.
  Result<train::OptimizerConfig> Read() const;
  Result<train::LearningRateSchedule> ReadSchedule(double rate, std::uint64_t steps) const;
};

}  // namespace anchorhold::client
