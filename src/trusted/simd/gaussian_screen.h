// The constants of gaussian_screen-inl.h, which has the arithmetic.
#pragma once

#include "trusted/simd/gaussian_scalar.h"

namespace anchorhold::simd::internal {

// e^(k^2 / 32), rounded.
inline constexpr float kScreenEdges[kGaussianBlocks] = {
    1.0F,        1.03174341F, 1.13314843F, 1.32478476F, 1.64872122F, 2.18420076F,
    3.08021688F, 4.62395334F, 7.38905621F, 12.5692081F, 22.7598953F, 43.8708458F,
    90.017128F,  196.615494F, 457.144714F, 1131.44409F};
// log2(e), rounded.
inline constexpr float kScreenLog2E = 1.44269502F;
// The coefficients of the series of 2^f by powers of f, rounded.
inline constexpr float kScreenPowerOfTwo[5] = {1.00000012F, 0.693121016F, 0.240221068F,
                                               0.0559220351F, 0.00967603736F};

inline constexpr float GaussianScreenSlack(const GaussianRule& rule) {
  return static_cast<float>((std::int64_t{1} << 14) + (GaussianSlack(rule) >> 32));
}

}  // namespace anchorhold::simd::internal
