// The losses that the enclave itself computes, each a function of one example alone. The model's
// (first) output is the prediction z; y is the example's label.
//   cross-entropy         z: [.., positions, classes] logits; y: a class index for each position
//     l = (1 - s) w_y (-log p_y) + s / K sum_c w_c (-log p_c),  p = softmax(z), K classes
//     w: class weights (1 without them), s: label smoothing. With several positions, their mean;
//     positions whose label is the ignored index do not count, and without any other l = 0. An
//     output with one axis longer than 1 has one position.
//   binary-cross-entropy  z: [labels] logits; y: 0 or 1 each
//     l = mean_j (p_j y_j softplus(-z_j) + (1 - y_j) softplus(z_j)),  p: positive weights
//   mse                   l = mean_j (z_j - y_j)^2
//   l1                    l = mean_j |z_j - y_j|
//   huber                 l = mean_j (d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)),
//                         d = z_j - y_j
// These are PyTorch's CrossEntropyLoss (label smoothing: Szegedy et al. 2016, section 7),
// BCEWithLogitsLoss, MSELoss, L1Loss and HuberLoss for one example. One difference follows from
// that: where PyTorch divides a batch's weighted cross-entropy by the weights of the classes that
// are in it, an example here keeps its own weight whatever the others are.
//
// A model that ends in Softmax (or Sigmoid) gives probabilities; the loss then starts from that
// operator's input, which is the same function, computed without cancellation.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "trusted/train/loss_formulas.h"

namespace anchorhold::train {

// "cross-entropy", "binary-cross-entropy", "mse", "l1", "huber".
std::string_view LossName(Loss loss);
Result<Loss> ParseLoss(std::string_view name);

inline constexpr std::size_t kLossWeightsMax = 1024;
inline constexpr double kLossWeightMax = 1e6;

struct LossOptions {
  // Implicit: most losses need nothing beside their name.
  LossOptions(Loss loss) : kind(loss) {}  // NOLINT(google-explicit-constructor)

  Loss kind;
  // cross-entropy: none, or w for each class; in [0, kLossWeightMax], not all 0.
  std::vector<double> class_weights;
  double label_smoothing = 0;                // cross-entropy: s, in [0, 1)
  std::optional<std::int64_t> ignore_index;  // cross-entropy
  // binary-cross-entropy: none, one p for all labels, or one each; in (0, kLossWeightMax].
  std::vector<double> positive_weights;
  double huber_delta = 1;  // huber: finite, > 0
  friend bool operator==(const LossOptions&, const LossOptions&) = default;
};

// The same as terms, which point into `loss`.
LossTerms TermsOf(const LossOptions& loss);

// kInvalidInput naming the first option that is out of its range or belongs to another loss;
// kLimitExceeded for more than kLossWeightsMax weights. Whether the number of weights fits the
// model is CheckOutput's question (executor_goal.h).
Status ValidateLoss(const LossOptions& loss);

// Whether the labels are class indices alone (cross-entropy), or real targets alone (mse, l1,
// huber). Binary cross-entropy takes either: a class 0 or 1, or targets that are 0 or 1.
inline bool NeedsClasses(Loss loss) { return loss == Loss::kCrossEntropy; }
inline bool IsRegression(Loss loss) {
  return loss != Loss::kCrossEntropy && loss != Loss::kBinaryCrossEntropy;
}

}  // namespace anchorhold::train
