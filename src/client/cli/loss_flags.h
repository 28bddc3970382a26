// --loss and the options of losses, as train, model fit and model evaluate take them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "trusted/train/loss.h"

namespace anchorhold::client {

struct LossFlags {
  std::string loss;
  std::string class_weights;
  std::string label_smoothing;
  std::string ignore_index;
  std::string positive_weights;
  std::string huber_delta;

  void AddTo(CLI::App* command);
  // kInvalidInput naming the option.
  Result<train::LossOptions> Read() const;
};

}  // namespace anchorhold::client
