// The discrete Gaussian N_Z(0, sigma^2): the whole numbers, with
//
//   P[y] = exp(-y^2 / (2 sigma^2)) / sum_z exp(-z^2 / (2 sigma^2)).
//
// Noise in floating point is refused: the set of values that a rounded Gaussian can take depends on
// what it is added to, and gives the sum away (Mironov 2012, "On Significance of the Least
// Significant Bits For Differential Privacy"). Whole numbers plus whole numbers have no such set.
//
// Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy"
// (arXiv:2004.00010), Algorithms 1 to 3, in whole numbers only: exact, if the random bits are. The
// algorithms hold for every scale t of their Laplace proposals; with sigma = t = 2^k every
// probability is a fraction of a power of two, or 1/j for a small j.
//
// Not constant time: the number of rejected proposals depends on the random bits, and on nothing
// else. An observer of the time learns a little about proposals, among them, faintly, about the
// size of the accepted one; docs/side-channels.md says so.
#pragma once

#include <cstdint>
#include <span>

#include "shared/crypto/random.h"

namespace anchorhold::dp {

inline constexpr int kSigmaLog2Max = 30;

// Fills `out` with independent draws, sigma = 2^sigma_log2. Every draw uses bits that no other draw
// used. Precondition: 0 <= sigma_log2 <= kSigmaLog2Max.
void SampleDiscreteGaussian(int sigma_log2, crypto::RandomSource& random,
                            std::span<std::int64_t> out);

}  // namespace anchorhold::dp
