// What training a model under a loss computes: where the loss starts, and the gradients.
#pragma once

#include <memory>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/model.h"
#include "trusted/train/executor_program.h"
#include "trusted/train/loss.h"

namespace anchorhold::train {

struct TrainingGoal {
  std::shared_ptr<const graph::Graph> graph;
  ProgramGoal goal;
};

// Differentiates the model from the value that the loss reads: its first output, or, where that is
// a Softmax for cross-entropy (a Sigmoid for binary cross-entropy), that operator's input. Errors
// as for CheckOutput and graph::Differentiate.
Result<TrainingGoal> MakeTrainingGoal(const graph::Model& model, const LossOptions& loss);

// How many classes an output of this shape tells apart under cross-entropy: the size of the last
// axis, or of the only one that is longer than 1.
std::size_t ClassCount(const graph::Shape& shape);

// Whether the loss's options are valid (ValidateLoss) and suit the model's first output: two or
// more classes for cross-entropy, as many weights as classes or labels. kInvalidInput, naming both,
// if not.
Status CheckOutput(const graph::Model& model, const LossOptions& loss);

// Where each parameter begins in the flat vector; the vector's size is the last entry.
std::vector<std::size_t> ParameterOffsets(const graph::Model& model);

}  // namespace anchorhold::train
