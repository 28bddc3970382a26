#include "trusted/dp/rdp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "shared/base/limits.h"
#include "trusted/dp/calibrate.h"
#include "trusted/dp/mechanism.h"
#include "trusted/dp/rdp_moments.h"

namespace anchorhold::dp {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

PoissonSampledGaussian Event(double q, double noise, std::uint64_t steps) {
  return {SamplingProbability(q), NoiseMultiplier(noise), steps};
}

double EpsilonAt(double q, double noise, std::uint64_t steps, double delta) {
  const Result<Epsilon> epsilon = EpsilonOf(Event(q, noise, steps), Delta(delta));
  EXPECT_TRUE(epsilon.ok());
  return epsilon.ok() ? epsilon->value() : kNan;
}

// The two computations share no code: a binomial sum and a quadrature.
TEST(RdpMoments, QuadratureMeetsTheBinomialSumAtIntegerOrders) {
  for (const double q : {1e-7, 1e-4, 0.01, 0.2, 0.5, 0.9, 0.999999}) {
    for (const double s : {0.05, 0.1, 0.35, 0.7, 1.0, 2.0, 8.0, 100.0, 1e5}) {
      for (const int order : {2, 3, 7, 11, 64, 300}) {
        const double sum = LogMomentInteger(q, s, order);
        const double quadrature = LogMomentQuadrature(q, s, order);
        EXPECT_NEAR(quadrature / sum, 1, 1e-10) << q << " " << s << " " << order;
      }
    }
  }
}

// By hand for order 2: A = 1 + q^2 (exp(1/s^2) - 1).
TEST(RdpMoments, OrderTwoByHand) {
  for (const double q : {1e-6, 0.03, 0.7}) {
    for (const double s : {0.3, 1.0, 40.0}) {
      const double expected = std::log1p(q * q * std::expm1(1 / (s * s)));
      EXPECT_NEAR(LogMomentInteger(q, s, 2) / expected, 1, 1e-13);
      const double r = SampledGaussianRdp(SamplingProbability(q), NoiseMultiplier(s), 2);
      EXPECT_GE(r, expected);  // rounded up
      EXPECT_LE(r, expected * (1 + 2 * kRdpMargin));
    }
  }
}

// (order - 1) r is convex in the order, and r grows with it: a fractional order lies between.
TEST(RdpMoments, FractionalOrdersLieBetweenTheirNeighbours) {
  for (const double q : {1e-5, 0.01, 0.3, 0.95}) {
    for (const double s : {0.06, 0.5, 1.5, 30.0}) {
      double before = 0;
      for (double order = 1.1; order < 9; order += 0.1) {
        const double r = SampledGaussianRdp(SamplingProbability(q), NoiseMultiplier(s), order);
        EXPECT_GE(r, before * (1 - 1e-8)) << q << " " << s << " " << order;
        before = r;
        const double low = std::floor(order);
        const double at_low = low < 2 ? 0 : LogMomentInteger(q, s, static_cast<int>(low));
        const double at_high = LogMomentInteger(q, s, static_cast<int>(low) + 1);
        const double chord = at_low + (order - low) * (at_high - at_low);
        EXPECT_LE(r * (order - 1), chord * (1 + 1e-8) + 1e-300) << q << " " << s << " " << order;
      }
    }
  }
}

TEST(SampledGaussianRdp, LimitingCases) {
  EXPECT_EQ(SampledGaussianRdp(SamplingProbability(0), NoiseMultiplier(1), 3.5), 0);
  EXPECT_EQ(SampledGaussianRdp(SamplingProbability(0), NoiseMultiplier(0), 3.5), 0);
  EXPECT_EQ(SampledGaussianRdp(SamplingProbability(0.1), NoiseMultiplier(0), 3.5), kInfinity);
  EXPECT_NEAR(SampledGaussianRdp(SamplingProbability(1), NoiseMultiplier(2), 3.5), 3.5 / 8, 1e-8);
  // Continuous at q = 1.
  const double near_one =
      SampledGaussianRdp(SamplingProbability(1 - 1e-12), NoiseMultiplier(2), 3.5);
  EXPECT_NEAR(near_one, 3.5 / 8, 1e-8);
  // Tiny noise: finite or infinite, never NaN, never below the next larger noise.
  double before = 0;
  for (const double noise : {0.1, 0.06, 0.05, 0.049, 0.01, 1e-3, 1e-9, 1e-160, 5e-324}) {
    const double r = SampledGaussianRdp(SamplingProbability(1e-3), NoiseMultiplier(noise), 1.5);
    EXPECT_GE(r, before) << noise;
    before = r;
  }
}

TEST(RdpAccountant, GrowsWithStepsAndSamplingAndFallsWithNoise) {
  double before = 0;
  for (const std::uint64_t steps : {1U, 10U, 100U, 5000U, 1000000U}) {
    const double epsilon = EpsilonAt(0.01, 1.1, steps, 1e-5);
    EXPECT_GT(epsilon, before);
    before = epsilon;
  }
  before = 0;
  for (const double q : {1e-4, 1e-3, 0.01, 0.2, 0.5, 0.999, 1.0}) {
    const double epsilon = EpsilonAt(q, 1.1, 100, 1e-5);
    EXPECT_GT(epsilon, before);
    before = epsilon;
  }
  before = kInfinity;
  for (const double noise : {0.01, 0.04, 0.06, 0.3, 0.9, 2.0, 7.0, 40.0, 500.0}) {
    const double epsilon = EpsilonAt(0.05, noise, 100, 1e-5);
    EXPECT_LT(epsilon, before);
    before = epsilon;
  }
  before = kInfinity;
  for (const double delta : {1e-15, 1e-10, 1e-5, 1e-2, 0.5}) {
    const double epsilon = EpsilonAt(0.05, 1, 100, delta);
    EXPECT_LT(epsilon, before);
    before = epsilon;
  }
}

TEST(RdpAccountant, ComposesInAnyOrderAndSplit) {
  RdpAccountant one;
  ASSERT_TRUE(one.Add(Event(0.01, 1.0, 500)).ok());
  ASSERT_TRUE(one.Add(Event(0.02, 2.0, 500)).ok());
  RdpAccountant other;
  ASSERT_TRUE(other.Add(Event(0.02, 2.0, 499)).ok());
  ASSERT_TRUE(other.Add(Event(0.01, 1.0, 500)).ok());
  ASSERT_TRUE(other.Add(Event(0.02, 2.0, 1)).ok());
  const double a = one.EpsilonAt(Delta(1e-5))->value();
  const double b = other.EpsilonAt(Delta(1e-5))->value();
  EXPECT_NEAR(a, b, 1e-12);
  // Less than the sum of the parts, more than each.
  const double first = EpsilonAt(0.01, 1.0, 500, 1e-5);
  const double second = EpsilonAt(0.02, 2.0, 500, 1e-5);
  EXPECT_GT(a, std::max(first, second));
  EXPECT_LT(a, first + second);
}

TEST(RdpAccountant, NothingCostsNothing) {
  RdpAccountant accountant;
  EXPECT_EQ(accountant.EpsilonAt(Delta(1e-5))->value(), 0);
  ASSERT_TRUE(accountant.Add(Event(0.1, 1, 0)).ok());
  ASSERT_TRUE(accountant.Add(Event(0, 1, 1000)).ok());
  EXPECT_EQ(accountant.EpsilonAt(Delta(1e-10))->value(), 0);
  ASSERT_TRUE(accountant.Add(Event(0.1, 0, 1)).ok());
  EXPECT_EQ(accountant.EpsilonAt(Delta(1e-5))->value(), kInfinity);
}

// Full batch, closed form: the least over all real orders of Proposition 12 at r = a t / (2 s^2).
TEST(RdpAccountant, FullBatchIsWithinAPercentOfTheBestRealOrder) {
  const double rho = 30.0 / (2 * 12.0 * 12.0);
  const double log_delta = std::log(1e-5);
  double best = kInfinity;
  for (double a = 1.0005; a < 3000; a *= 1.0005) {
    best = std::min(best, a * rho + std::log1p(-1 / a) - (log_delta + std::log(a)) / (a - 1));
  }
  const double ours = EpsilonAt(1, 12, 30, 1e-5);
  EXPECT_GE(ours, best * (1 - 1e-6));
  EXPECT_LE(ours, best * 1.001);
}

TEST(RdpAccountant, RefusesWhatItCannotAccountFor) {
  const DpEvent unknown = UnknownEvent{"laplace"};
  EXPECT_FALSE(RdpAccountant::Supports(unknown));
  EXPECT_TRUE(RdpAccountant::Supports(Event(0.1, 1, 1)));
  RdpAccountant accountant;
  const Status refused = accountant.Add(unknown);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
  for (const auto& bad :
       {Event(-0.1, 1, 1), Event(1.1, 1, 1), Event(kNan, 1, 1), Event(0.1, -1, 1),
        Event(0.1, kNan, 1), Event(0.1, kInfinity, 1), Event(0.1, 1, limits::kStepsMax + 1)}) {
    EXPECT_FALSE(accountant.Add(bad).ok());
  }
  for (const double delta : {0.0, 1.0, -1.0, 2.0, kNan}) {
    EXPECT_FALSE(accountant.EpsilonAt(Delta(delta)).ok());
  }
  EXPECT_EQ(accountant.EpsilonAt(Delta(1e-5))->value(), 0);  // the refused left no trace
}

TEST(ValidateEvent, SaysWhatIsWrong) {
  EXPECT_TRUE(ValidateEvent(Event(1, 0.5, limits::kStepsMax)).ok());
  EXPECT_EQ(ValidateEpsilon(Epsilon(-1)).error().message(),
            "epsilon must be a positive finite number; got -1");
  for (const double bad : {0.0, -1.0, kInfinity, kNan}) {
    EXPECT_FALSE(ValidateEpsilon(Epsilon(bad)).ok());
    EXPECT_FALSE(ValidateEvent(Event(0.5, bad, 1)).ok());
  }
  for (const double bad : {0.0, -0.5, 1.0000001, kInfinity, kNan}) {
    EXPECT_FALSE(ValidateEvent(Event(bad, 1, 1)).ok());
  }
  EXPECT_EQ(ValidateEvent(Event(0.5, 1, 0)).error().message(), "steps must be at least 1; got 0");
  EXPECT_EQ(ValidateEvent(Event(0.5, 1, limits::kStepsMax + 1)).error().code(),
            ErrorCode::kLimitExceeded);
  EXPECT_EQ(ValidateEvent(UnknownEvent{"x"}).error().code(), ErrorCode::kUnsupported);
}

CalibrationTarget Target(double q, std::uint64_t steps, double epsilon, double delta) {
  return {.sampling_probability = SamplingProbability(q),
          .steps = steps,
          .epsilon = Epsilon(epsilon),
          .delta = Delta(delta)};
}

TEST(CalibrateNoise, IsTheSmallestThatKeeps) {
  struct Case {
    double q;
    std::uint64_t steps;
    double epsilon;
  };
  for (const Case& c :
       {Case{0.25, 40, 1}, Case{0.01, 1000, 0.1}, Case{1, 10, 3}, Case{1e-4, 1, 8}}) {
    const Result<NoiseMultiplier> noise = CalibrateNoise(Target(c.q, c.steps, c.epsilon, 1e-4));
    ASSERT_TRUE(noise.ok());
    EXPECT_LE(EpsilonAt(c.q, noise->value(), c.steps, 1e-4), c.epsilon);
    EXPECT_GT(EpsilonAt(c.q, noise->value() * (1 - 1e-6), c.steps, 1e-4), c.epsilon);
  }
}

TEST(CalibrateNoise, RefusesBadTargets) {
  EXPECT_FALSE(CalibrateNoise(Target(0, 1, 1, 1e-5)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 0, 1, 1e-5)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 1, 0, 1e-5)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 1, -1, 1e-5)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 1, kInfinity, 1e-5)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 1, 1, 0)).ok());
  EXPECT_FALSE(CalibrateNoise(Target(0.1, 1, 1, 1)).ok());
  const auto too_small = CalibrateNoise(Target(1, limits::kStepsMax, 1e-6, 1e-15));
  ASSERT_FALSE(too_small.ok());
  EXPECT_EQ(too_small.error().code(), ErrorCode::kLimitExceeded);
  // A budget that needs hardly any noise gets the mechanism's least.
  EXPECT_EQ(CalibrateNoise(Target(0.1, 1, 1e12, 1e-5))->value(), kNoiseMultiplierMin);
}

}  // namespace
}  // namespace anchorhold::dp
