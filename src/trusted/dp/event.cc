#include "trusted/dp/event.h"

#include <cmath>
#include <cstdio>

#include "shared/base/limits.h"

namespace anchorhold::dp {

std::string NumberText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

Status ValidateEpsilon(Epsilon epsilon) {
  if (std::isfinite(epsilon.value()) && epsilon.value() > 0) return Ok();
  return InvalidInput("epsilon must be a positive finite number; got " +
                      NumberText(epsilon.value()));
}

Status ValidateDelta(Delta delta) {
  if (delta.value() > 0 && delta.value() < 1) return Ok();
  return InvalidInput("delta must be above 0 and below 1; got " + NumberText(delta.value()));
}

Status ValidateSamplingProbability(SamplingProbability q) {
  if (q.value() > 0 && q.value() <= 1) return Ok();
  return InvalidInput("sampling probability must be above 0 and at most 1; got " +
                      NumberText(q.value()));
}

Status ValidateNoiseMultiplier(NoiseMultiplier noise) {
  if (std::isfinite(noise.value()) && noise.value() > 0) return Ok();
  return InvalidInput("noise multiplier must be a positive finite number; got " +
                      NumberText(noise.value()));
}

Status ValidateSteps(std::uint64_t steps) {
  if (steps == 0) return InvalidInput("steps must be at least 1; got 0");
  if (steps <= limits::kStepsMax) return Ok();
  return LimitExceeded("steps must be at most " + std::to_string(limits::kStepsMax) + "; got " +
                       std::to_string(steps));
}

Status ValidateEvent(const DpEvent& event) {
  const auto* gaussian = std::get_if<PoissonSampledGaussian>(&event);
  if (gaussian == nullptr) {
    return Unsupported("a privacy event of a kind that this version does not know");
  }
  AH_RETURN_IF_ERROR(ValidateSamplingProbability(gaussian->sampling_probability));
  AH_RETURN_IF_ERROR(ValidateNoiseMultiplier(gaussian->noise_multiplier));
  return ValidateSteps(gaussian->steps);
}

}  // namespace anchorhold::dp
