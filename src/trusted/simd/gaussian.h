// Proposals of the discrete Gaussian, judged many at a time. dp/discrete_gaussian.h has the
// algorithm and the proof that it is exact; here is its arithmetic: from a word of 64 random bits a
// candidate y and a number P close to 2^63 p, p being the probability that y is to be accepted
// with. Whole numbers only, so every target gives the same draws for the same words.
//
// With s = sigma_log2 and the unit h = sigma / 4 = 2^(s - 2), the magnitudes are cut into blocks:
// block k = 0 .. 14 is [k h, (k + 1) h), block 15 is [15 h, 31 h). The word, lowest bits first:
//
//   bits  0 ..  3       column     of the alias table
//   bits  4 .. 11       r          block = column if r < threshold[column], else alias[column]
//   bits 12 .. s + 13   low        s - 2 of these bits, in block 15 all s + 2
//   bits s + 14 .. 62   u          the first 49 - s bits of a uniform number of [0, 1)
//   bit  63             negative
//
//   y = block h + low, or -1 - (block h + low) if negative: each whole number in one way.
//
// P follows from p = height[block] 2^-32 e^-t, with a = block h, l = |y| - a = low + negative and
// t = l (l + 2 a) / (2 sigma^2). It is an integer, in steps that round down:
//
//   T = 2^27 t      from the exact product, which is below 2^58; t <= 23
//   Q = T R         R = 2^31 log2(e), rounded; n = Q >> 58, f = bits 26 .. 57 of Q: t log2(e) = n.f
//   G = 2^31 2^-f   by Horner's rule, each product shifted down by 32
//   P = (height G) >> n
//
// The polynomial is the Chebyshev series of 2^-f on [0, 1] up to degree 6: with b = ln(2) / 2,
// 2^-f = 2^-1/2 (I_0(b) + 2 sum_k (-1)^k I_k(b) T_k(2 f - 1)), I_k being the modified Bessel
// functions; what is left out adds up to less than 2^-29.4. In units of 2^31, |P - 2^63 p| is at
// most 33 for T, 0.6 for R (x 2^-x <= 1 / (e ln 2) for x = t log2(e), and R is off by 2^-32.5 of
// itself), 0.8 for f, 6.2 for the series, 19 for G (seven coefficients rounded to 2^-32, six
// products rounded down by up to 2^-31), 2 for the height and the last shift: less than 64 in all.
// kGaussianMargin is twice that. Let U be bits 0 .. 62 of the word and g = 2^(s + 14), so that
// 2^63 u, whatever the further bits of u are, is less than g from U. With
// slack = 2^31 margin + g, the word is
//
//   accepted   if P - U >= slack:  u < p;
//   rejected   if U - P >= slack:  u > p;
//   undecided  otherwise, once in 2^23 words for s = 24: the caller asks for further bits.
//
// With AVX-512 and AVX2 a screen in front (gaussian_screen-inl.h) decides all words but one in 2^16
// as this arithmetic would, and leaves the rest open for it.
//
// Control flow and addresses depend on which words are accepted, rejected or undecided, and left
// open by the screen, and on nothing else of them. The tables are read in registers, or (scalar,
// SSE4, NEON) within one line of 64 bytes each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

inline constexpr int kGaussianSigmaLog2Min = 2;
inline constexpr int kGaussianSigmaLog2Max = 26;
inline constexpr std::uint32_t kGaussianMargin = 128;
inline constexpr std::uint32_t kGaussianMarginMax = std::uint32_t{1} << 31;
inline constexpr std::uint32_t kGaussianBlocks = 16;
inline constexpr std::uint32_t kGaussianLastBlockUnits = 16;  // the others are one unit wide

struct GaussianTable {
  // Bits 0 .. 3: alias; bits 4 .. 11: threshold.
  alignas(64) std::uint32_t columns[kGaussianBlocks];
  // 2^32 p at the inner end of the block, rounded down, up to 1 off.
  alignas(64) std::uint32_t heights[kGaussianBlocks];
};

struct GaussianRule {
  const GaussianTable* table = nullptr;
  int sigma_log2 = 0;  // kGaussianSigmaLog2Min .. kGaussianSigmaLog2Max
  // More, up to kGaussianMarginMax, only makes more words undecided.
  std::uint32_t margin = kGaussianMargin;
};

// What a word proposes.
struct GaussianCandidate {
  std::uint64_t block = 0;
  std::uint64_t negative = 0;   // 0 or 1
  std::uint64_t magnitude = 0;  // block h + low

  std::int64_t Value() const { return static_cast<std::int64_t>(magnitude ^ (0 - negative)); }
};

// The number of bits of u in a word, from 23 to 47, and the words' bits so that these are highest.
inline constexpr int GaussianDigits(int sigma_log2) { return 49 - sigma_log2; }
inline constexpr std::uint64_t GaussianDigitsFirst(std::uint64_t word) { return word << 1; }

struct GaussianProgress {
  std::size_t words = 0;  // judged
  std::size_t draws = 0;  // accepted
};

// Two stretches of memory that are wanted after the draws: the screen fetches a line of either with
// each vector of words, since it waits for memory for nothing else. Targets without one leave them.
struct GaussianAhead {
  const char* at[2] = {};  // moves on
  std::size_t lines = 0;   // of 64 bytes, still to be fetched from either
};

// Writes the accepted of words[0 .. n) to `out` in their order, and stops before the first that is
// undecided. All of out[0 .. n) may be overwritten.
using GaussianAccept = GaussianProgress (*)(const GaussianRule& rule, std::size_t n,
                                            const std::uint64_t* words, std::int64_t* out,
                                            GaussianAhead& ahead);

GaussianCandidate ReadGaussianWord(const GaussianRule& rule, std::uint64_t word);
// P.
std::uint64_t GaussianProbability(const GaussianRule& rule, const GaussianCandidate& candidate);

// For every target, kScalar among them.
GaussianAccept GaussianAcceptFor(Target target);

}  // namespace anchorhold::simd
