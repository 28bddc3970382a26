// The discrete Gaussian by another exact algorithm, slowly: what the sampler is compared with.
//
// Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy"
// (arXiv:2004.00010), Algorithms 1 to 3, in whole numbers only. The algorithms hold for every scale
// t of their Laplace proposals; with sigma = t = 2^k every probability is a fraction of a power of
// two, or 1/j for a small j.
#pragma once

#include <cstdint>
#include <span>

#include "shared/crypto/random.h"

namespace anchorhold::dp {

// As SampleDiscreteGaussian (discrete_gaussian.h). Precondition: 0 <= sigma_log2 <= 30.
void SampleReferenceGaussian(int sigma_log2, crypto::RandomSource& random,
                             std::span<std::int64_t> out);

}  // namespace anchorhold::dp
