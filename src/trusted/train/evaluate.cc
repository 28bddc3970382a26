#include "trusted/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace anchorhold::train {
namespace {

// With z = 0 both classes have the loss log 2, and class 0 is predicted.
bool BinaryIsCorrect(float loss, std::int64_t label) {
  const float undecided = std::log(2.0F);
  return label == 1 ? loss < undecided : loss <= undecided;
}

bool ArgmaxIsCorrect(std::span<const float> output, std::int64_t label) {
  const auto best = std::max_element(output.begin(), output.end());
  return best - output.begin() == label;
}

}  // namespace

Evaluation Evaluate(Executor& executor, Loss loss, std::span<const float> parameters,
                    const ExampleSet& examples) {
  AH_CHECK(examples.rows > 0);
  std::vector<float> gradient(executor.parameter_count());
  std::vector<float> output(executor.output_width());
  std::size_t correct = 0;
  double total = 0;
  for (std::size_t row = 0; row < examples.rows; ++row) {
    const float row_loss = executor.LossAndGradient(parameters, examples, row, gradient);
    total += row_loss;
    if (loss == Loss::kBinaryCrossEntropy) {
      correct += BinaryIsCorrect(row_loss, examples.classes[row]);
    } else if (loss == Loss::kCrossEntropy) {
      const std::span<const float> features(examples.features);
      executor.Infer(parameters,
                     features.subspan(row * examples.feature_width, examples.feature_width),
                     output);
      correct += ArgmaxIsCorrect(output, examples.classes[row]);
    }
  }
  Evaluation evaluation;
  evaluation.rows = examples.rows;
  const auto rows = static_cast<double>(examples.rows);
  evaluation.mean_loss = total / rows;
  if (loss != Loss::kMeanSquaredError) {
    evaluation.accuracy = static_cast<double>(correct) / rows;
  }
  return evaluation;
}

}  // namespace anchorhold::train
