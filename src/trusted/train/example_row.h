// One row of an ExampleSet, as a model and its loss read it.
#pragma once

#include <cstddef>
#include <span>

#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {

// Precondition of both: row < examples.rows, and the examples fit the model and loss (CheckFits).
std::span<const float> FeaturesOf(const ExampleSet& examples, std::size_t row);
// Binary cross-entropy reads targets where the examples have no classes.
Label LabelOf(Loss loss, const ExampleSet& examples, std::size_t row);

}  // namespace anchorhold::train
