// Made-up rows for timing a model: what it computes with them means nothing, how long it takes is
// as with others.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/model.h"
#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

// One more than the largest id that each of the model's integer inputs may hold: the rows of the
// smallest table that the graph reads at them; 2 where it reads none, and for reals.
std::vector<std::int64_t> IdRanges(const graph::Model& model);

// `rows` rows, a function of `seed`: reals standard normal, integers uniform in [0, IdRanges),
// truth values and labels uniform, targets of a regression standard normal. kInvalidInput where the
// model's output does not suit the loss (train::CheckOutput).
Result<train::ExampleSet> RandomExamples(const graph::Model& model, const train::LossOptions& loss,
                                         std::size_t rows, std::uint64_t seed);
// The same without labels, for inference.
train::ExampleSet RandomFeatures(const graph::Model& model, std::size_t rows, std::uint64_t seed);

}  // namespace anchorhold::client
