// --optimizer, --learning-rate and --momentum, as train and model fit take them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "trusted/train/optimizer.h"

namespace anchorhold::client {

struct OptimizerOptions {
  std::string optimizer = "sgd";
  std::string learning_rate;  // empty: 1 for sgd, 0.05 for adam
  std::string momentum = "0";

  void AddTo(CLI::App* command);
  // kInvalidInput naming the option.
  Result<train::OptimizerConfig> Read() const;
};

}  // namespace anchorhold::client
