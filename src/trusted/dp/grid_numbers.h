// The numbers of clip.h's grid, for programs with a standard library and for those without
// (src/client/runtime).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {

struct GridNumbers {
  int scale_log2 = 0;        // log2 S
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

// Of noise and norm within the limits, and one S. Exact to 2^-53, step by step.
inline GridNumbers GridNumbersAt(int scale_log2, double sigma, double norm,
                                 std::size_t parameters) {
  GridNumbers grid;
  grid.scale_log2 = scale_log2;
  const auto scale = static_cast<double>(std::int64_t{1} << scale_log2);
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

// The finest of the grids of which 32 bits hold so many contributions, so that no pass over a sum
// of 64 bits is needed; but none so coarse that rounding takes more than 2^-12 of the clipping
// norm, for then an ordinary entry of a clipped gradient, S / (sigma sqrt(P)), is at least 2^11
// units.
inline GridNumbers GridNumbersOf(double sigma, double norm, std::size_t parameters,
                                 std::size_t contributions) {
  GridNumbers grid = GridNumbersAt(kNoiseScaleLog2, sigma, norm, parameters);
  while (grid.capacity < contributions && grid.scale_log2 > kNoiseScaleLog2Min) {
    const GridNumbers coarser = GridNumbersAt(grid.scale_log2 - 1, sigma, norm, parameters);
    if (coarser.radius < coarser.limit * (1 - 0x1p-12)) break;
    grid = coarser;
  }
  return grid;
}

}  // namespace anchorhold::dp
