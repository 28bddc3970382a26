// Executor: a model, differentiated for one loss and planned, ready to run one example at a time.
// The reference, with naive kernels, and what judges a model and its examples before a job;
// trainers and tools run the same on training_engine.h, which is held against this.
//
// Parameters and gradients are one flat float vector: the model's parameters in the order of
// graph::Model::parameters(), each row-major.
#pragma once

#include <memory>
#include <span>

#include "shared/base/result.h"
#include "trusted/graph/model.h"
#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"

namespace anchorhold::train {

class Executor {
 public:
  // Forward only. kUnsupported or kInvalidInput if the model cannot be run.
  static Result<Executor> ForInference(const graph::Model& model);
  // Forward and backward. The output's shape must suit the loss (kInvalidInput, naming both).
  static Result<Executor> ForTraining(const graph::Model& model, const LossOptions& loss);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  // A second executor of the same plan with its own scratch memory, for another thread.
  Executor Clone() const;

  std::size_t parameter_count() const;
  std::size_t input_width() const;   // values an example
  std::size_t output_width() const;  // values an example

  // The prediction of one example: the model's first output, as the model defines it (with its
  // Softmax or Sigmoid, if it has one). Sizes are preconditions.
  void Infer(std::span<const float> parameters, std::span<const float> input,
             std::span<float> output);

  // Loss of example `row` and its gradient with respect to every parameter, written over
  // `gradient` [parameter_count()]. For one example only: nothing of another row is read.
  float LossAndGradient(std::span<const float> parameters, const ExampleSet& examples,
                        std::size_t row, std::span<float> gradient);

  // The same loss without a gradient, and the prediction that it was computed from: the model's
  // output, or its logits where the loss starts from those (loss.h). `prediction` has
  // output_width() places. Precondition: made by ForTraining.
  float LossAndPrediction(std::span<const float> parameters, const ExampleSet& examples,
                          std::size_t row, std::span<float> prediction);

 private:
  class Plan;
  explicit Executor(std::unique_ptr<Plan> plan);
  std::unique_ptr<Plan> plan_;
};

// The first reason why `examples` cannot be fed to `model` under `loss`, naming shapes and columns,
// never values: feature width against the input, missing or unexpected labels.
Status CheckFits(const graph::Model& model, const LossOptions& loss, const ExampleSet& examples);

}  // namespace anchorhold::train
