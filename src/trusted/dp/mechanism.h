// The numbers of the mechanism that PoissonSampledGaussian (event.h) names, in one place.
#pragma once

#include <cstdint>

namespace anchorhold::dp {

// S: the noise's standard deviation in grid units, 2^24 unless a coarser grid serves better
// (grid_numbers.h). It makes the grid about as fine as the fraction of a float32 against the noise,
// so that rounding costs no accuracy; and it lets models of 10^8 parameters at a noise multiplier
// of 10 lose only 0.3 % of the clipping norm to rounding (clip.h). A power of two keeps the sampler
// in whole numbers.
inline constexpr int kNoiseScaleLog2 = 24;
inline constexpr std::int64_t kNoiseScale = std::int64_t{1} << kNoiseScaleLog2;
inline constexpr int kNoiseScaleLog2Min = 18;  // of the coarsest grid

// Noise multipliers that the mechanism takes. Below 2^-6 epsilon is in the thousands, and a
// contribution, S / sigma <= 2^30 grid units, would no longer fit the engine's 32 bits.
// At 2^20 a contribution is 16 grid units, and clip.h refuses all but the smallest models before.
inline constexpr double kNoiseMultiplierMin = 0x1p-6;
inline constexpr double kNoiseMultiplierMax = 0x1p20;

// Clipping norms that the mechanism takes: far from underflow and overflow of anything computed.
inline constexpr double kMaxGradNormMin = 0x1p-40;
inline constexpr double kMaxGradNormMax = 0x1p40;

}  // namespace anchorhold::dp
