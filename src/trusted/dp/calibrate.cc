#include "trusted/dp/calibrate.h"

#include "trusted/dp/mechanism.h"
#include "trusted/dp/rdp.h"

namespace anchorhold::dp {
namespace {

constexpr double kRelativePrecision = 1e-7;

// Whether `noise` keeps within the target. The target is valid.
bool Keeps(const CalibrationTarget& target, double noise) {
  const PoissonSampledGaussian event{target.sampling_probability, NoiseMultiplier(noise),
                                     target.steps};
  const Result<Epsilon> epsilon = EpsilonOf(event, target.delta);
  AH_CHECK(epsilon.ok());
  return epsilon->value() <= target.epsilon.value();
}

}  // namespace

Result<NoiseMultiplier> CalibrateNoise(const CalibrationTarget& target) {
  AH_RETURN_IF_ERROR(ValidateSamplingProbability(target.sampling_probability));
  AH_RETURN_IF_ERROR(ValidateSteps(target.steps));
  AH_RETURN_IF_ERROR(ValidateEpsilon(target.epsilon));
  AH_RETURN_IF_ERROR(ValidateDelta(target.delta));

  // A factor of two around the answer: `low` does not keep within the target, `high` does.
  double high = 1;
  if (Keeps(target, high)) {
    while (high > kNoiseMultiplierMin && Keeps(target, high / 2)) high /= 2;
    if (high <= kNoiseMultiplierMin) return NoiseMultiplier(kNoiseMultiplierMin);
  } else {
    while (high < kNoiseMultiplierMax && !Keeps(target, high)) high *= 2;
    if (!Keeps(target, high)) {
      return LimitExceeded("epsilon " + NumberText(target.epsilon.value()) + " is too small for " +
                           std::to_string(target.steps) + " steps at sampling probability " +
                           NumberText(target.sampling_probability.value()) +
                           ": take fewer steps or a larger epsilon");
    }
  }
  double low = high / 2;
  while (high > low * (1 + kRelativePrecision)) {
    const double middle = low + (high - low) / 2;
    (Keeps(target, middle) ? high : low) = middle;
  }
  AH_CHECK(Keeps(target, high));
  return NoiseMultiplier(high);
}

}  // namespace anchorhold::dp
