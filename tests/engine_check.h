// Holds the engine to what a slow and obvious way computed: norms and clipped sums of a few
// examples, on every target of the machine, with either norm method, in groups of several sizes, on
// one thread and on two.
#pragma once

#include <cstdint>
#include <vector>

#include "trusted/graph/model.h"
#include "trusted/train/example_set.h"
#include "trusted/train/loss.h"

namespace anchorhold::testing {

struct EngineBounds {
  double sum = 1e-3;    // largest difference of the clipped sum, relative to the norm's scale
  double small = 1e-2;  // below this, absolutely
};

// `gradients` are the examples' own, in double precision, row after row of `examples`. `seed` draws
// which combinations are tried. Fails the current test where the engine differs.
void ExpectEngineAgrees(const graph::Model& model, const train::LossOptions& loss,
                        const train::ExampleSet& examples,
                        const std::vector<std::vector<double>>& gradients,
                        const EngineBounds& bounds, std::uint64_t seed);

}  // namespace anchorhold::testing
