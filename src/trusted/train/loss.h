// The losses that the enclave itself computes. The model's (first) output is the prediction z.
//   cross-entropy         -log softmax(z)[class]           z: [classes] logits; label: class index
//   binary-cross-entropy  softplus(z) - y z                z: [1] logit; label: class 0 or 1
//   mse                   mean_j (z_j - y_j)^2             z, y: [targets]
// A model that ends in Softmax (or Sigmoid) gives probabilities; the loss then starts from that
// operator's input, which is the same function, computed without cancellation.
#pragma once

#include <string_view>

#include "shared/base/result.h"

namespace anchorhold::train {

enum class Loss : unsigned char {
  kCrossEntropy = 1,
  kBinaryCrossEntropy = 2,
  kMeanSquaredError = 3
};

std::string_view LossName(Loss loss);  // "cross-entropy", "binary-cross-entropy", "mse"
Result<Loss> ParseLoss(std::string_view name);

}  // namespace anchorhold::train
