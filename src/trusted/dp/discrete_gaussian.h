// The discrete Gaussian N_Z(0, sigma^2): the whole numbers, with
//
//   P[y] = exp(-y^2 / (2 sigma^2)) / sum_z exp(-z^2 / (2 sigma^2)).
//
// Noise in floating point is refused: the set of values that a rounded Gaussian can take depends on
// what it is added to, and gives the sum away (Mironov 2012, "On Significance of the Least
// Significant Bits For Differential Privacy"). Whole numbers plus whole numbers have no such set.
//
// The sampler is exact, if the random bits are: not near the distribution, but of it. It is
// rejection sampling, from proposals that bits alone decide, with comparisons that are made as
// precisely as they need to be. Let sigma = 2^s, s >= 2, and h = sigma / 4.
//
//   1. A block k is drawn with probability n_k / 4096, by Walker's alias method: block k < 15 are
//      the magnitudes [k h, (k + 1) h), block 15 those of [15 h, 31 h). Then a sign, and the low
//      bits of the magnitude. Negative numbers are the complements of magnitudes, -1 - m, so that
//      every whole number is proposed in one way.
//   2. For the last unit of block 15, [30 h, 31 h), stand all magnitudes from 30 h on: coins are
//      tossed up to the first head, and j tails move the magnitude by j h.
//   3. y is accepted if u < p(y), u uniform on [0, 1), and else all is drawn anew. In block k,
//        p(y) = A W_k e^(-y^2 / (2 sigma^2)) / n_k,  times 2^(j + 1) in the case of 2.,
//      W_k the units of the block. gaussian_table.h sees to p <= 1; by 2., a step of j multiplies
//      the largest p by 2 e^(-61/32) < 1 or less, and for j = 0 it is below 2^-29.
//
// The probability of proposing y times p(y) is A / (8192 h) e^(-y^2 / (2 sigma^2)) for every whole
// number y, in whatever block it lies: n_k, W_k and the coins cancel. So what is accepted has the
// distribution asked for. That holds for every table with p <= 1; a bad one would only be slow.
//
// The comparison u < p is decided from 25 bits of u (for s = 24) and a p that is off by a proven
// bound of 2^-25 (simd/gaussian.h) when these settle it. When they do not, once in 2^23 proposals,
// u gets 64 more random bits at a time, and p is computed to 2^-64, 2^-128, ... with error bounds
// (exact_exp.h), until the two intervals part. In the case of 2., u < 2^-25 leads there, and all
// else is rejected, as p < 2^-29; the coins are tossed there.
//
// For s = 0 and 1, draws with s = 2 of which those divisible by 4 and 2 are kept: sigma and the
// numbers scale alike.
//
// Two probabilities of failure are assumed away, with a broken random source behind them: 48 tails
// in a row in 2. (2^-48 of what happens once in 2^37 proposals), and a comparison that is open
// after 1024 bits.
//
// What it costs: 8 random bytes a proposal, of which 90.4 % are accepted.
//
// Side channels: control flow and addresses depend on which proposals are accepted, rejected, or
// undecided, and on which groups of 8 or 16 words were judged twice (simd/gaussian_screen-inl.h).
// Whether a proposal is accepted says nothing of the values that are accepted: these are
// independent of how many were rejected before them. What is left are the undecided and those that
// were judged twice; docs/side-channels.md.
//
// Threads: give each range of coordinates a random source of its own (crypto::BranchedRandom makes
// independent ones from one); nothing else is shared.
#pragma once

#include <cstdint>
#include <span>

#include "shared/crypto/random.h"
#include "trusted/simd/gaussian.h"

namespace anchorhold::dp {

inline constexpr int kSigmaLog2Max = simd::kGaussianSigmaLog2Max;

// Fills `out` with independent draws, sigma = 2^sigma_log2; each is below 2^(sigma_log2 + 5) in
// magnitude. Every draw uses bits that no other draw used. The same bits give the same draws on
// every machine. `ahead`: memory that the caller will want then, for kernels to fetch meanwhile.
// Precondition: 0 <= sigma_log2 <= kSigmaLog2Max.
void SampleDiscreteGaussian(int sigma_log2, crypto::RandomSource& random,
                            std::span<std::int64_t> out, const simd::GaussianAhead& ahead = {});

namespace internal {

// For tests: the instructions to use, a margin that leaves more to exact arithmetic, and a source
// of its own for the further bits of undecided comparisons.
struct GaussianOptions {
  simd::Target target = simd::BestTarget();
  std::uint32_t margin = simd::kGaussianMargin;
  simd::GaussianAhead ahead = {};
};
void SampleDiscreteGaussianWith(const GaussianOptions& options, int sigma_log2,
                                crypto::RandomSource& words, crypto::RandomSource& further,
                                std::span<std::int64_t> out);

}  // namespace internal
}  // namespace anchorhold::dp
