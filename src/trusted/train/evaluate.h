// How good a model is on rows that one may look at: a test set of one's own. What it returns is not
// differentially private; the enclave does not use it.
#pragma once

#include <optional>
#include <span>

#include "trusted/train/executor.h"

namespace anchorhold::train {

struct Evaluation {
  std::size_t rows = 0;
  double mean_loss = 0;
  // Classification: the share of rows whose class is predicted. Nothing for mean squared error.
  std::optional<double> accuracy;
};

// `executor` was made by ForTraining with `loss`. The predicted class is
//   cross-entropy         the first largest output
//   binary-cross-entropy  1 if the logit is above 0 (probability above one half), else 0. It is
//   read
//                         off the loss, softplus(z) - y z, which is below log 2 exactly if z has
//                         the sign of y's class: the same for models with and without a Sigmoid.
// Preconditions: sizes fit (CheckFits), at least one row.
Evaluation Evaluate(Executor& executor, Loss loss, std::span<const float> parameters,
                    const ExampleSet& examples);

}  // namespace anchorhold::train
