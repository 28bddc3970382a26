// The arithmetic of gaussian.h, word by word and without vector instructions.
#include "trusted/simd/gaussian_scalar.h"

namespace anchorhold::simd {

GaussianCandidate ReadGaussianWord(const GaussianRule& rule, std::uint64_t word) {
  const int unit_log2 = rule.sigma_log2 - 2;
  const std::uint64_t column = word & 15;
  const std::uint64_t entry = rule.table->columns[column];
  // Selections by mask: what a word holds decides no branch.
  const auto own = 0 - static_cast<std::uint64_t>((word & 0xff0) < (entry & 0xff0));
  GaussianCandidate candidate;
  candidate.block = (column & own) | (entry & 15 & ~own);
  candidate.negative = word >> 63;
  const std::uint64_t narrow = (std::uint64_t{1} << unit_log2) - 1;
  const std::uint64_t wide = (std::uint64_t{kGaussianLastBlockUnits} << unit_log2) - 1;
  const auto last = 0 - static_cast<std::uint64_t>(candidate.block == kGaussianBlocks - 1);
  const std::uint64_t low = (word >> 12) & (narrow | (wide & last));
  candidate.magnitude = (candidate.block << unit_log2) + low;
  return candidate;
}

std::uint64_t GaussianProbability(const GaussianRule& rule, const GaussianCandidate& candidate) {
  const std::uint64_t block = candidate.block;
  const std::uint64_t l =
      candidate.magnitude - (block << (rule.sigma_log2 - 2)) + candidate.negative;
  // With sigma scaled to 2^26, so that the product is 2^53 t.
  const std::uint64_t scaled = l << (kGaussianSigmaLog2Max - rule.sigma_log2);
  const std::uint64_t product = scaled * (scaled + (block << 25));
  const std::uint64_t q = (product >> 26) * internal::kLog2E;
  const std::uint64_t f = q >> 26 & 0xffffffff;
  std::uint64_t g = internal::kPowerOfTwo[6];
  for (int i = 5; i >= 0; --i) g = internal::kPowerOfTwo[i] - (g * f >> 32);
  return (rule.table->heights[block] * g) >> (q >> 58);
}

namespace internal {

GaussianProgress AcceptGaussianScalar(const GaussianRule& rule, std::size_t n,
                                      const std::uint64_t* words, std::int64_t* out) {
  const std::int64_t slack = GaussianSlack(rule);
  GaussianProgress progress;
  for (; progress.words < n; ++progress.words) {
    const std::uint64_t word = words[progress.words];
    const GaussianCandidate candidate = ReadGaussianWord(rule, word);
    const auto u = static_cast<std::int64_t>(word << 1 >> 1);
    const auto distance = static_cast<std::int64_t>(GaussianProbability(rule, candidate)) - u;
    const auto accepted = static_cast<std::size_t>(distance >= slack);
    const auto rejected = static_cast<std::size_t>(distance <= -slack);
    if ((accepted | rejected) == 0) break;
    out[progress.draws] = candidate.Value();
    progress.draws += accepted;
  }
  return progress;
}

}  // namespace internal
}  // namespace anchorhold::simd
