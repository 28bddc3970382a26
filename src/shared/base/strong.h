// Strong<Tag, T>: a number with a meaning, so that no epsilon is passed where a delta belongs.
#pragma once

#include <compare>

namespace anchorhold {

template <typename Tag, typename T>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(value) {}
  constexpr T value() const { return value_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

 private:
  T value_{};
};

// Differential privacy, add/remove neighbours: a mechanism M is (epsilon, delta)-DP when
// P[M(D) in S] <= exp(epsilon) P[M(D') in S] + delta for all neighbours D, D' and all sets S.
using Epsilon = Strong<struct EpsilonTag, double>;
using Delta = Strong<struct DeltaTag, double>;
// Standard deviation of the noise divided by the clipping norm: sigma / C.
using NoiseMultiplier = Strong<struct NoiseMultiplierTag, double>;
// Probability with which Poisson sampling takes each unit into a step.
using SamplingProbability = Strong<struct SamplingProbabilityTag, double>;
// The clipping norm C: the largest L2 norm that one unit's gradient may have.
using MaxGradNorm = Strong<struct MaxGradNormTag, double>;

}  // namespace anchorhold
