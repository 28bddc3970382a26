// What the files of gaussian.h share.
#pragma once

#include "trusted/simd/gaussian.h"

namespace anchorhold::simd::internal {

inline constexpr std::uint64_t kLog2E = 3098164009;  // R
// The series' coefficients by powers of f, times 2^31; the signs alternate, + first.
inline constexpr std::uint64_t kPowerOfTwo[7] = {2147483645, 1488521950, 515877875, 119166091,
                                                 20573019,   2739580,    234908};

inline constexpr std::int64_t GaussianSlack(const GaussianRule& rule) {
  return (std::int64_t{rule.margin} << 31) + (std::int64_t{1} << (rule.sigma_log2 + 14));
}

struct GaussianKernels {
  GaussianAccept accept;
};

GaussianProgress AcceptGaussianScalar(const GaussianRule& rule, std::size_t n,
                                      const std::uint64_t* words, std::int64_t* out);

}  // namespace anchorhold::simd::internal
