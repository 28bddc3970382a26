// From a budget to the noise that keeps within it.
#pragma once

#include "trusted/dp/event.h"

namespace anchorhold::dp {

// What is to be calibrated: designated initialisers, so that no two numbers swap.
struct CalibrationTarget {
  SamplingProbability sampling_probability;
  std::uint64_t steps = 0;
  Epsilon epsilon;
  Delta delta;
};

// The smallest noise multiplier, to a relative 1e-7 and rounded up, with which the steps cost at
// most `epsilon` at `delta` by RdpAccountant: the accountant, asked about the answer, gives an
// epsilon that is not above the target. Never less than kNoiseMultiplierMin (mechanism.h).
// kInvalidInput for parameters out of range; kLimitExceeded where the answer would lie above
// kNoiseMultiplierMax, the budget being too small for so many steps.
Result<NoiseMultiplier> CalibrateNoise(const CalibrationTarget& target);

}  // namespace anchorhold::dp
