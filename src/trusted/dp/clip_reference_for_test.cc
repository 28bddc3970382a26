#include "trusted/dp/clip_reference_for_test.h"

#include <algorithm>
#include <cmath>

#include "shared/base/check.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/mechanism.h"

namespace anchorhold::dp::testing {
namespace {

// More than any allowed entry, small enough to square and add in 128 bits.
constexpr std::int64_t kEntryMax = std::int64_t{1} << 31;

}  // namespace

bool Allows(const ClipGrid& grid, std::span<const std::int64_t> contribution) {
  unsigned __int128 squares = 0;
  for (const std::int64_t entry : contribution) {
    if (entry > kEntryMax || entry < -kEntryMax) return false;
    squares += static_cast<unsigned __int128>(entry * entry);
  }
  const double limit = grid.limit();
  return squares <= static_cast<unsigned __int128>(limit * limit * (1 - 0x1p-48));
}

// Why |v| <= S / sigma, u being 2^-53. The square of a float is exact in a double and each of at
// most P additions has a relative error of u, so the true norm is at most
// sqrt(squares) (1 + (P + 8) 2^-52). The factor and its product with an entry are computed with
// three more roundings, so the vector before rounding has a norm of at most R (1 + 4u), and v of at
// most R (1 + 4u) + sqrt(P) / 2 <= S / sigma, by the choice of R.
void ContributionOf(const ClipGrid& grid, std::span<const float> gradient,
                    std::span<std::int64_t> contribution) {
  AH_CHECK(gradient.size() == grid.parameters());
  AH_CHECK(contribution.size() == grid.parameters());
  double squares = 0;
  for (const double entry : gradient) squares += entry * entry;
  if (!std::isfinite(squares)) {
    std::fill(contribution.begin(), contribution.end(), 0);
    return;
  }
  const double norm =
      std::sqrt(squares) * (1 + (static_cast<double>(grid.parameters()) + 8) * 0x1p-52);
  const double factor = std::min(1 / grid.granularity(), grid.radius() / norm);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    contribution[i] = std::llrint(gradient[i] * factor);
  }
}

ClippedSum::ClippedSum(const ClipGrid& grid)
    : grid_(grid), sum_(grid.parameters(), 0), scratch_(grid.parameters(), 0) {}

void ClippedSum::Add(std::span<const float> gradient, std::uint64_t weight) {
  AH_CHECK(weight <= 1);
  ContributionOf(grid_, gradient, scratch_);
  if (weight == 1) AddContribution(scratch_);
}

void ClippedSum::AddContribution(std::span<const std::int64_t> contribution) {
  AH_CHECK(Allows(grid_, contribution));
  for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += contribution[i];
}

void ClippedSum::TakeNoised(crypto::RandomSource& noise, double expected_batch_size,
                            std::span<float> gradient) {
  AH_CHECK(expected_batch_size > 0);
  AH_CHECK(gradient.size() == sum_.size());
  SampleDiscreteGaussian(grid_.noise_scale_log2(), noise, scratch_);
  const double unit = grid_.granularity() / expected_batch_size;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    gradient[i] = static_cast<float>(static_cast<double>(sum_[i] + scratch_[i]) * unit);
  }
  std::fill(sum_.begin(), sum_.end(), 0);
}

}  // namespace anchorhold::dp::testing
