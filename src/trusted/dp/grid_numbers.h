// The numbers of clip.h's grid, for programs with a standard library and for those without
// (src/client/runtime).
#pragma once

#include <algorithm>
#include <cstddef>

#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {

struct GridNumbers {
  double granularity = 0;    // g
  double limit = 0;          // S / sigma, the norm in grid units
  double radius = 0;         // R, in grid units, rounded down
  double aim = 0;            // what factors aim at: 2^-16 below R
  double squares_max = 0;    // the largest |v|^2 that may be added: (S / sigma)^2, rounded down
  std::size_t capacity = 0;  // contributions that 32 bits hold: an entry is at most the norm

  // Whether rounding takes at most half of the clipping norm.
  bool usable() const { return radius >= limit / 2; }
};

// NaN is not within.
inline bool NoiseIsWithinLimits(double sigma) {
  return sigma >= kNoiseMultiplierMin && sigma <= kNoiseMultiplierMax;
}
inline bool NormIsWithinLimits(double norm) {
  return norm >= kMaxGradNormMin && norm <= kMaxGradNormMax;
}

// Of noise and norm within the limits. Exact to 2^-53, step by step.
inline GridNumbers GridNumbersOf(double sigma, double norm, std::size_t parameters) {
  GridNumbers grid;
  const auto scale = static_cast<double>(kNoiseScale);
  grid.granularity = norm * sigma / scale;
  grid.limit = scale / sigma;
  // 1 - 2^-40 leaves room for the roundings of a factor in double precision, a few times 2^-53.
  // The builtin is the processor's own instruction where <cmath> may be a library's function.
  grid.radius = grid.limit * (1 - 0x1p-40) - __builtin_sqrt(static_cast<double>(parameters)) / 2;
  // The engine's squared norms are off by 2^-19 at most (simd/sums.h), or by what a Gram matrix's
  // rounding comes to: aimed a little below the radius, hardly a contribution is too long and has
  // to be mended.
  grid.aim = grid.radius * (1 - 0x1p-16);
  // 1 - 2^-48 covers the three roundings of this expression itself.
  grid.squares_max = grid.limit * grid.limit * (1 - 0x1p-48);
  constexpr double kMost = 2147483647;
  grid.capacity = static_cast<std::size_t>(std::max(1.0, kMost / grid.limit));
  return grid;
}

}  // namespace anchorhold::dp
