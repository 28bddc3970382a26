#include "trusted/dp/clip.h"

#include <algorithm>
#include <cmath>

#include "shared/base/check.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/event.h"
#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {
namespace {

// Fewer contributions than this keep the sum within 64 bits (header comment).
constexpr std::uint64_t kContributionsMax = std::uint64_t{1} << 32;

}  // namespace

Result<ClipGrid> ClipGrid::Create(NoiseMultiplier noise, MaxGradNorm max_grad_norm,
                                  std::size_t parameters) {
  const double sigma = noise.value();
  const double norm = max_grad_norm.value();
  if (!(sigma >= kNoiseMultiplierMin && sigma <= kNoiseMultiplierMax)) {
    return InvalidInput("noise multiplier must be between " + NumberText(kNoiseMultiplierMin) +
                        " and " + NumberText(kNoiseMultiplierMax) + "; got " + NumberText(sigma));
  }
  if (!(norm >= kMaxGradNormMin && norm <= kMaxGradNormMax)) {
    return InvalidInput("clipping norm (max_grad_norm) must be between " +
                        NumberText(kMaxGradNormMin) + " and " + NumberText(kMaxGradNormMax) +
                        "; got " + NumberText(norm));
  }
  if (parameters == 0) return InvalidInput("a model without parameters cannot be trained");

  ClipGrid grid;
  const double scale = static_cast<double>(kNoiseScale);
  const double limit = scale / sigma;  // exact to 2^-53, like everything below
  grid.parameters_ = parameters;
  grid.granularity_ = norm * sigma / scale;
  grid.limit_ = limit;
  // 1 - 2^-40 leaves room for the roundings of a factor in double precision, a few times 2^-53.
  grid.radius_ = limit * (1 - 0x1p-40) - std::sqrt(static_cast<double>(parameters)) / 2;
  // 1 - 2^-48 covers the three roundings of this expression itself.
  grid.squares_max_ = limit * limit * (1 - 0x1p-48);
  if (grid.radius_ < limit / 2) {
    return Unsupported("a model of " + std::to_string(parameters) +
                       " parameters is too large for noise multiplier " + NumberText(sigma) +
                       ": take a smaller model, fewer steps or a larger epsilon");
  }
  return grid;
}

// An entry of a contribution is at most its norm.
GridSum::GridSum(const ClipGrid& grid) : grid_(grid), sums_(grid.parameters()) {
  constexpr double kMost = 2147483647;
  capacity_ = static_cast<std::size_t>(std::max(1.0, std::floor(kMost / grid.limit())));
}

void GridSum::Prepare(std::size_t contributions) {
  AH_CHECK(contributions < kContributionsMax);
  uses_totals_ = contributions > capacity_;
  if (uses_totals_) totals_.resize(sums_.size());
}

void GridSum::TakeNoised(std::size_t begin, crypto::RandomSource& noise, double expected_batch_size,
                         std::span<std::int64_t> scratch, std::span<float> gradient) const {
  AH_CHECK(expected_batch_size > 0 && scratch.size() == gradient.size());
  AH_CHECK(begin + gradient.size() <= sums_.size());
  SampleDiscreteGaussian(kNoiseScaleLog2, noise, scratch);
  const double unit = grid_.granularity() / expected_batch_size;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const std::int64_t sum = uses_totals_ ? totals_[begin + i] : sums_[begin + i];
    gradient[i] = static_cast<float>(static_cast<double>(sum + scratch[i]) * unit);
  }
}

}  // namespace anchorhold::dp
