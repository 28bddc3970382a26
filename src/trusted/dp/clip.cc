#include "trusted/dp/clip.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "shared/base/check.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/event.h"
#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {
namespace {

// Fewer contributions than this keep the sum within 64 bits (header comment).
constexpr std::uint64_t kContributionsMax = std::uint64_t{1} << 32;

// More than any allowed entry, small enough to square and add in 128 bits.
constexpr double kEntryMax = 0x1p31;

// x to the nearest whole number, ties to even, |x| <= 2^51: adding 1.5 2^52 leaves no fraction
// bits, and then the low bits of the double are the number. No branch, no library call.
std::int64_t RoundToInteger(double x) {
  constexpr double kShift = 0x1.8p52;
  return std::bit_cast<std::int64_t>(x + kShift) - std::bit_cast<std::int64_t>(kShift);
}

// Four running sums, in a fixed order. The square of a float is exact in a double (48 of 53 bits,
// exponents from -298 to 256) and each of at most P additions has a relative error of u = 2^-53.
double SumOfSquares(std::span<const float> x) {
  double lanes[4] = {0, 0, 0, 0};
  const std::size_t whole = x.size() / 4 * 4;
  for (std::size_t i = 0; i < whole; i += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      const double entry = x[i + j];
      lanes[j] += entry * entry;
    }
  }
  for (std::size_t i = whole; i < x.size(); ++i) {
    const double entry = x[i];
    lanes[0] += entry * entry;
  }
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

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
  // 1 - 2^-40 leaves room for the roundings of ContributionOf, a few times 2^-53 of `limit`.
  grid.radius_ = limit * (1 - 0x1p-40) - std::sqrt(static_cast<double>(parameters)) / 2;
  // 1 - 2^-48 covers the three roundings of this expression itself.
  grid.norm_squared_max_ = static_cast<std::uint64_t>(limit * limit * (1 - 0x1p-48));
  if (grid.radius_ < limit / 2) {
    return Unsupported("a model of " + std::to_string(parameters) +
                       " parameters is too large for noise multiplier " + NumberText(sigma) +
                       ": take a smaller model, fewer steps or a larger epsilon");
  }
  return grid;
}

bool ClipGrid::Allows(std::span<const std::int64_t> contribution) const {
  constexpr auto kMax = static_cast<std::int64_t>(kEntryMax);
  unsigned __int128 norm_squared = 0;
  std::uint64_t too_large = 0;
  for (const std::int64_t entry : contribution) {
    too_large |=
        static_cast<std::uint64_t>(entry > kMax) | static_cast<std::uint64_t>(entry < -kMax);
    const auto bounded = static_cast<std::uint64_t>(std::clamp(entry, -kMax, kMax));
    norm_squared += bounded * bounded;  // modulo 2^64 the square of a negative number is the same
  }
  return (too_large | static_cast<std::uint64_t>(norm_squared > norm_squared_max_)) == 0;
}

// Why |v| <= S / sigma. With n = SumOfSquares, the true norm is at most
// sqrt(n) (1 + (P + 2) u) <= sqrt(n) (1 + (P + 8) 2^-52) =: norm, as computed. The factor and its
// product with an entry are computed with three more roundings, so the vector before rounding has a
// norm of at most R (1 + 4u), and v of at most R (1 + 4u) + sqrt(P) / 2 <= S / sigma, by the choice
// of R.
void ContributionOf(const ClipGrid& grid, std::span<const float> gradient,
                    std::span<std::int64_t> contribution) {
  AH_CHECK(gradient.size() == grid.parameters());
  AH_CHECK(contribution.size() == grid.parameters());
  const double sum_of_squares = SumOfSquares(gradient);
  // Squares of finite floats add up to less than 2^256 2^64: only an entry that is infinite or NaN
  // makes the sum so.
  const auto finite = static_cast<std::uint32_t>(std::isfinite(sum_of_squares));
  const std::uint32_t mask = 0U - finite;
  const double norm =
      std::sqrt(sum_of_squares) * (1 + (static_cast<double>(grid.parameters()) + 8) * 0x1p-52);
  const double factor = std::min(1 / grid.granularity(), grid.radius() / norm);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const float entry = std::bit_cast<float>(std::bit_cast<std::uint32_t>(gradient[i]) & mask);
    contribution[i] = RoundToInteger(std::clamp(entry * factor, -kEntryMax, kEntryMax));
  }
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

void GridSum::TakeNoised(std::size_t begin, crypto::RandomSource& noise,
                         double expected_batch_size, std::span<std::int64_t> scratch,
                         std::span<float> gradient) const {
  AH_CHECK(expected_batch_size > 0 && scratch.size() == gradient.size());
  AH_CHECK(begin + gradient.size() <= sums_.size());
  SampleDiscreteGaussian(kNoiseScaleLog2, noise, scratch);
  const double unit = grid_.granularity() / expected_batch_size;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const std::int64_t sum = uses_totals_ ? totals_[begin + i] : sums_[begin + i];
    gradient[i] = static_cast<float>(static_cast<double>(sum + scratch[i]) * unit);
  }
}

ClippedSum::ClippedSum(const ClipGrid& grid)
    : grid_(grid), sum_(grid.parameters(), 0), scratch_(grid.parameters(), 0) {}

void ClippedSum::Add(std::span<const float> gradient, std::uint64_t weight) {
  AH_CHECK(weight <= 1);
  ++count_;
  AH_CHECK(count_ < kContributionsMax);
  ContributionOf(grid_, gradient, scratch_);
  const auto keep = weight & static_cast<std::uint64_t>(grid_.Allows(scratch_));
  const auto mask = -static_cast<std::int64_t>(keep);
  for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += scratch_[i] & mask;
}

void ClippedSum::Merge(ClippedSum& other) {
  AH_CHECK(other.sum_.size() == sum_.size());
  count_ += other.count_;
  AH_CHECK(count_ < kContributionsMax);
  for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += other.sum_[i];
  std::fill(other.sum_.begin(), other.sum_.end(), 0);
  other.count_ = 0;
}

void ClippedSum::TakeNoised(crypto::RandomSource& noise, double expected_batch_size,
                            std::span<float> gradient) {
  AH_CHECK(expected_batch_size > 0);
  AH_CHECK(gradient.size() == sum_.size());
  SampleDiscreteGaussian(kNoiseScaleLog2, noise, scratch_);
  const double unit = grid_.granularity() / expected_batch_size;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    gradient[i] = static_cast<float>(static_cast<double>(sum_[i] + scratch_[i]) * unit);
  }
  std::fill(sum_.begin(), sum_.end(), 0);
  count_ = 0;
}

}  // namespace anchorhold::dp
