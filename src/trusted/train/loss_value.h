// The losses' values and derivatives for one example (formulas in loss.h).
//   cross-entropy         dz_j = softmax(z)_j - [j = class]
//   binary-cross-entropy  dz   = sigmoid(z) - y
//   mse                   dz_j = 2 (z_j - y_j) / n
// log sum exp and softplus are computed around the largest exponent, so nothing overflows:
//   log sum_j e^z_j = m + log sum_j e^(z_j - m), m = max_j z_j
//   softplus(z) = log(1 + e^z) = max(z, 0) + log1p(e^-|z|)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trusted/train/loss.h"

namespace anchorhold::train {

// One example's label, as its loss reads it.
struct Label {
  std::int64_t class_index = 0;      // cross-entropy, binary cross-entropy
  std::span<const float> targets{};  // mse; as many as predictions
};

// The loss at prediction `z`; its gradient is written over `dz`, of the same size. The label fits
// (CheckFits): a class index is within range. T is float, or double in tests.
template <typename T>
T LossAndSeed(Loss loss, std::span<const T> z, const Label& label, std::span<T> dz);

}  // namespace anchorhold::train
