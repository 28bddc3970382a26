// DpEvents: what was done with private data, each event documenting its mechanism completely, so
// that an accountant needs nothing else. A budget is a list of events, never a sum of epsilons.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "shared/base/result.h"
#include "shared/base/strong.h"

namespace anchorhold::dp {

// `steps` runs, each on the whole dataset and on the outputs of those before it, of this mechanism:
//
//   Neighbours  D and D' = D plus one unit (a unit is a row); "add or remove one unit".
//   Sampling    each unit of D enters the batch with a probability of at most q =
//               sampling_probability, independently of all others and afresh in every step
//               (poisson.h).
//   Query       every unit in the batch contributes one vector of whole numbers v with
//               |v|_2 <= S / sigma, sigma = noise_multiplier: its clipped gradient in units of the
//               grid g = sigma C / S (clip.h). A unit outside contributes nothing. S is a power of
//               two from 2^18 to 2^24, chosen from public numbers alone; what follows holds for
//               each.
//   Noise       the sum of the contributions plus, once per step and per coordinate, an independent
//               draw of the discrete Gaussian N_Z(0, S^2) (discrete_gaussian.h). In the units of
//               the gradient the noise has standard deviation sigma C.
//   Output      that noised sum, and anything computed from it and from public numbers: the public
//               number of rows among them, by whose q-fold the sum is divided.
//
// An empty batch is a step like any other. With q = 1 it is the discrete Gaussian mechanism.
struct PoissonSampledGaussian {
  SamplingProbability sampling_probability;
  NoiseMultiplier noise_multiplier;
  std::uint64_t steps = 0;
  friend bool operator==(const PoissonSampledGaussian&, const PoissonSampledGaussian&) = default;
};

// An event whose kind this version does not know: written by a newer one, say. It can be stored and
// shown. Every accountant refuses it, because what cannot be accounted for must not be free.
struct UnknownEvent {
  std::string kind;
  friend bool operator==(const UnknownEvent&, const UnknownEvent&) = default;
};

using DpEvent = std::variant<PoissonSampledGaussian, UnknownEvent>;

// What a job may ask for; kInvalidInput (kLimitExceeded for too many steps) otherwise.
Status ValidateEpsilon(Epsilon epsilon);                    // finite, > 0
Status ValidateDelta(Delta delta);                          // in (0, 1)
Status ValidateSamplingProbability(SamplingProbability q);  // in (0, 1]
Status ValidateNoiseMultiplier(NoiseMultiplier noise);      // finite, > 0
Status ValidateSteps(std::uint64_t steps);                  // 1 .. limits::kStepsMax
Status ValidateEvent(const DpEvent& event);                 // all of it; kUnsupported if unknown

// A number as error messages show it: at most nine significant digits, "nan", "inf".
std::string NumberText(double value);

}  // namespace anchorhold::dp
