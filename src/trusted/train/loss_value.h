// The losses' values and derivatives for one example (formulas in loss.h).
//   cross-entropy         dz_c = W p_c - q_c, with q_c = w_c ((1 - s) [c = y] + s / K), W = sum q
//   binary-cross-entropy  dz_j = (p y (sigmoid(z) - 1) + (1 - y) sigmoid(z)) / n
//   mse                   dz_j = 2 (z_j - y_j) / n
//   l1                    dz_j = sign(z_j - y_j) / n, 0 where they are equal
//   huber                 dz_j = max(-delta, min(delta, z_j - y_j)) / n
// log sum exp and softplus are computed around the largest exponent, so nothing overflows:
//   log sum_j e^z_j = m + log sum_j e^(z_j - m), m = max_j z_j
//   softplus(z) = log(1 + e^z) = max(z, 0) + log1p(e^-|z|)
// A position with the ignored index is computed like every other and then left out, so that the
// work does not depend on the labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trusted/train/loss.h"

namespace anchorhold::train {

// One example's label, as its loss reads it: one of the two.
struct Label {
  // cross-entropy: one for each position; binary cross-entropy: one
  std::span<const std::int64_t> classes{};
  std::span<const float> targets{};  // the others; as many as predictions
};

// The loss at prediction `z`; its gradient is written over `dz`, of the same size. The label fits
// (CheckFits): a class index is within range. T is float, or double in tests.
template <typename T>
T LossAndSeed(const LossOptions& loss, std::span<const T> z, const Label& label, std::span<T> dz);

}  // namespace anchorhold::train
