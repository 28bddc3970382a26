// Poisson sampling: every unit enters a step's batch independently of all others.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/base/strong.h"
#include "shared/crypto/random.h"

namespace anchorhold::dp {

// The indices of the units in this step's batch, rising, each of 0 .. units - 1 there with
// probability floor(q 2^64) / 2^64: exactly, given uniform random bits, at most q, and below q by
// less than 2^-64. (For q >= 2^-11 it is q itself.) q = 1 takes all.
//
// One fresh 64-bit draw a unit, compared without a branch; the time depends on `units` alone. The
// addresses written depend on how many units were taken so far, which docs/side-channels.md lists.
// Preconditions: 0 <= q <= 1, units < 2^32.
std::vector<std::uint32_t> PoissonSample(SamplingProbability q, std::size_t units,
                                         crypto::RandomSource& random);

// How many examples a step computes, whatever the batch: ceil(n q + 6 sqrt(n q (1 - q))) + 16, and
// never more than n. A smaller batch is padded with examples of weight zero up to this number, so
// that a step's work does not tell the batch's size. What remains: a batch above six standard
// deviations shows by longer work. By Chernoff's bound that has a probability below 2e-8 a step for
// every n and q (the normal tail says 1e-9); the 16 see to small n q.
// Precondition: 0 <= q <= 1.
std::size_t PublicBatchCapacity(SamplingProbability q, std::size_t units);

}  // namespace anchorhold::dp
