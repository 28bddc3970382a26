// How good a model is on rows that one may look at: a test set of one's own. What it returns is not
// differentially private; the enclave does not use it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "trusted/train/metrics.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::train {

struct Evaluation {
  std::size_t rows = 0;
  double mean_loss = 0;
  // Classification: the share of rows (of positions that are not ignored, of labels) whose class is
  // predicted. Nothing for regression, nor where nothing counts.
  std::optional<double> accuracy;
  std::optional<double> top_five;   // cross-entropy with 10 classes or more
  std::vector<ClassScore> classes;  // by class; by label where there are several
  std::optional<double> macro_f1;
  std::vector<std::uint64_t> confusion;  // [classes, classes] (metrics.h); none for several labels
  std::optional<double> auc;             // two classes: class 1 against class 0
  // Regression, in the numbers that the model predicts.
  std::optional<double> mean_absolute_error;
  std::optional<double> root_mean_squared_error;
  std::optional<double> r_squared;
};

// `engine` was made for kInference with `loss`. The predicted class is
//   cross-entropy         the first largest output of the position
//   binary-cross-entropy  1 if the logit is above 0 (probability above one half), else 0; each
//                         label by itself where there are several.
// Preconditions: sizes fit (CheckFits), at least one row.
Evaluation Evaluate(TrainingEngine& engine, const LossOptions& loss,
                    std::span<const float> parameters, const ExampleSet& examples);

}  // namespace anchorhold::train
