#include "trusted/dp/clip.h"

#include "shared/base/check.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/event.h"
#include "trusted/simd/sums.h"

namespace anchorhold::dp {
namespace {

// Fewer contributions than this keep the sum within 64 bits (header comment).
constexpr std::uint64_t kContributionsMax = std::uint64_t{1} << 32;

template <typename Whole>
void FromGrid(const Whole* sum, std::span<const std::int64_t> noise, double unit,
              std::span<float> out) {
  if (const simd::SumKernels* kernels = simd::SumKernelsFor(simd::BestTarget())) {
    if constexpr (sizeof(Whole) == sizeof(std::int64_t)) {
      kernels->from_grid(out.size(), sum, noise.data(), unit, out.data());
    } else {
      kernels->from_short_grid(out.size(), sum, noise.data(), unit, out.data());
    }
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(static_cast<double>(sum[i] + noise[i]) * unit);
  }
}

// Both are n numbers of 4 bytes.
simd::GaussianAhead Ahead(const std::int32_t* sums, const float* next, std::size_t n) {
  if (next == nullptr) return {};
  return {{reinterpret_cast<const char*>(sums), reinterpret_cast<const char*>(next)}, n / 16};
}

}  // namespace

Result<ClipGrid> ClipGrid::Create(NoiseMultiplier noise, MaxGradNorm max_grad_norm,
                                  std::size_t parameters, std::size_t contributions) {
  const double sigma = noise.value();
  const double norm = max_grad_norm.value();
  if (!NoiseIsWithinLimits(sigma)) {
    return InvalidInput("noise multiplier must be between " + NumberText(kNoiseMultiplierMin) +
                        " and " + NumberText(kNoiseMultiplierMax) + "; got " + NumberText(sigma));
  }
  if (!NormIsWithinLimits(norm)) {
    return InvalidInput("clipping norm (max_grad_norm) must be between " +
                        NumberText(kMaxGradNormMin) + " and " + NumberText(kMaxGradNormMax) +
                        "; got " + NumberText(norm));
  }
  if (parameters == 0) return InvalidInput("a model without parameters cannot be trained");

  ClipGrid grid;
  grid.parameters_ = parameters;
  grid.numbers_ = GridNumbersOf(sigma, norm, parameters, contributions);
  if (!grid.numbers_.usable()) {
    return Unsupported("a model of " + std::to_string(parameters) +
                       " parameters is too large for noise multiplier " + NumberText(sigma) +
                       ": take a smaller model, fewer steps or a larger epsilon");
  }
  return grid;
}

GridSum::GridSum(const ClipGrid& grid) : grid_(grid), sums_(grid.parameters()) {}

void GridSum::Prepare(std::size_t contributions) {
  AH_CHECK(contributions < kContributionsMax);
  uses_totals_ = contributions > capacity();
  if (uses_totals_) totals_.resize(sums_.size());
}

void GridSum::TakeNoised(std::size_t begin, crypto::RandomSource& noise, double expected_batch_size,
                         std::span<std::int64_t> scratch, std::span<float> gradient,
                         const float* next) const {
  AH_CHECK(expected_batch_size > 0 && scratch.size() == gradient.size());
  AH_CHECK(begin + gradient.size() <= sums_.size());
  SampleDiscreteGaussian(
      grid_.noise_scale_log2(), noise, scratch,
      Ahead(sums_.data() + begin, uses_totals_ ? nullptr : next, gradient.size()));
  const double unit = grid_.granularity() / expected_batch_size;
  if (uses_totals_) {
    FromGrid(totals_.data() + begin, scratch, unit, gradient);
  } else {
    FromGrid(sums_.data() + begin, scratch, unit, gradient);
  }
}

}  // namespace anchorhold::dp
