// The grid, and the reference that the engine is held against: that no contribution is longer than
// the grid allows, and that nearly all of the clipping norm is used.
#include "trusted/dp/clip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "trusted/dp/clip_reference_for_test.h"
#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {
namespace {

using testing::Allows;
using testing::ClippedSum;
using testing::ContributionOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
constexpr float kHuge = std::numeric_limits<float>::max();

using Gradient = std::vector<float>;

ClipGrid Grid(double noise, double norm, std::size_t parameters) {
  auto grid = ClipGrid::Create(NoiseMultiplier(noise), MaxGradNorm(norm), parameters);
  EXPECT_TRUE(grid.ok()) << (grid.ok() ? "" : grid.error().message());
  return *std::move(grid);
}

std::vector<std::int64_t> Contribution(const ClipGrid& grid, const Gradient& gradient) {
  std::vector<std::int64_t> out(gradient.size());
  ContributionOf(grid, gradient, out);
  return out;
}

// Exact: the squares are below 2^62.
unsigned __int128 NormSquared(const std::vector<std::int64_t>& v) {
  unsigned __int128 sum = 0;
  for (const std::int64_t entry : v) sum += static_cast<unsigned __int128>(entry * entry);
  return sum;
}

// floor(S / sigma)^2 for a sigma that divides S.
unsigned __int128 Bound(std::int64_t sigma) {
  const std::int64_t limit = kNoiseScale / sigma;
  return static_cast<unsigned __int128>(limit) * static_cast<unsigned __int128>(limit);
}

std::vector<Gradient> AdversarialGradients(std::size_t size) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-44, 38);
  std::vector<Gradient> out;
  for (const float value : {0.0F, -0.0F, 1.0F, -1.0F, kHuge, -kHuge, kDenormal, 1e-30F, 1e-20F,
                            0.5F / std::sqrt(static_cast<float>(size)),
                            1.0F / std::sqrt(static_cast<float>(size)), 3e19F}) {
    out.emplace_back(size, value);
    Gradient lonely(size, 0.0F);
    lonely[size / 2] = value;
    out.push_back(lonely);
    Gradient mixed(size, kDenormal);
    mixed[0] = value;
    out.push_back(mixed);
  }
  for (int i = 0; i < 200; ++i) {
    Gradient random(size);
    const float scale = std::pow(10.0F, exponent(generator));
    for (float& x : random) x = std::clamp(normal(generator) * scale, -kHuge, kHuge);
    out.push_back(random);
    for (float& x : random) x = std::pow(10.0F, exponent(generator));
    out.push_back(random);
  }
  return out;
}

TEST(ContributionOf, NeverExceedsTheBound) {
  for (const std::int64_t sigma : {1, 4, 64}) {
    for (const std::size_t size : {1U, 2U, 31U, 5000U}) {
      for (const double norm : {1e-9, 0.1, 1.0, 1e9}) {
        const ClipGrid grid = Grid(static_cast<double>(sigma), norm, size);
        for (const Gradient& gradient : AdversarialGradients(size)) {
          const auto v = Contribution(grid, gradient);
          ASSERT_LE(NormSquared(v), Bound(sigma));
          ASSERT_TRUE(Allows(grid, v));
        }
      }
    }
  }
}

// The rounding error that sqrt(P) / 2 allows for, at its worst: every entry lies half-way.
TEST(ContributionOf, RoundingAwayFromZeroStaysWithinTheBound) {
  constexpr std::size_t kSize = 65536;
  const ClipGrid grid = Grid(512, 1, kSize);  // S / sigma = 32768, sqrt(P) / 2 = 128
  for (double halves = 100.5; halves < 140; ++halves) {
    const auto entry = static_cast<float>(halves * grid.granularity());
    const auto v = Contribution(grid, Gradient(kSize, entry));
    ASSERT_LE(NormSquared(v), Bound(512));
    ASSERT_TRUE(Allows(grid, v));
  }
}

TEST(ContributionOf, LargeGradientsKeepNearlyAllOfTheNorm) {
  const ClipGrid grid = Grid(4, 1, 31);
  const auto v = Contribution(grid, Gradient(31, 5.0F));
  const double norm = std::sqrt(static_cast<double>(NormSquared(v)));
  EXPECT_GT(norm, static_cast<double>(kNoiseScale / 4) - 31);
  EXPECT_TRUE(std::all_of(v.begin(), v.end(), [&](auto x) { return x == v[0] && x > 0; }));
}

TEST(ContributionOf, SmallGradientsAreOnlyRounded) {
  const ClipGrid grid = Grid(4, 1, 31);
  std::mt19937 generator(5);
  std::normal_distribution<float> normal(0, 0.05F);
  for (int i = 0; i < 50; ++i) {
    Gradient gradient(31);
    for (float& x : gradient) x = normal(generator);
    const auto v = Contribution(grid, gradient);
    for (std::size_t j = 0; j < 31; ++j) {
      EXPECT_NEAR(static_cast<double>(v[j]), gradient[j] / grid.granularity(), 0.5 + 1e-6);
    }
  }
}

TEST(ContributionOf, NonFiniteGradientsCountAsZero) {
  const ClipGrid grid = Grid(1, 1, 5);
  for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
    for (std::size_t at = 0; at < 5; ++at) {
      Gradient gradient{1, -2, 3, kHuge, 0};
      gradient[at] = bad;
      EXPECT_EQ(Contribution(grid, gradient), std::vector<std::int64_t>(5, 0));
    }
  }
}

TEST(Reference, AllowsIsExactAtTheBoundary) {
  const ClipGrid grid = Grid(4, 1, 3);  // S / sigma = 2^22; the squares' bound is 2^44 (1 - 2^-48)
  const std::int64_t limit = std::int64_t{1} << 22;
  EXPECT_TRUE(Allows(grid, std::vector<std::int64_t>{limit - 1, 0, 0}));
  EXPECT_FALSE(Allows(grid, std::vector<std::int64_t>{limit + 1, 0, 0}));
  EXPECT_FALSE(Allows(grid, std::vector<std::int64_t>{limit, 1, 0}));
  EXPECT_FALSE(Allows(grid, std::vector<std::int64_t>{0, -limit, -limit}));
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_FALSE(Allows(grid, std::vector<std::int64_t>{lowest, 0, 0}));
  EXPECT_FALSE(Allows(grid, std::vector<std::int64_t>{0, -(lowest + 1), 0}));
}

TEST(ClipGrid, BoundsTheSquareFromBelow) {
  for (const double sigma : {0x1p-6, 0.7, 1.0, 4.0, 1024.0}) {
    const ClipGrid grid = Grid(sigma, 0.3, 100);
    const double limit = static_cast<double>(kNoiseScale) / sigma;
    EXPECT_EQ(grid.limit(), limit);
    EXPECT_LE(grid.squares_max(), limit * limit);
    EXPECT_GE(grid.squares_max(), limit * limit * (1 - 0x1p-40));
    EXPECT_LE(grid.radius() + 5, limit);  // sqrt(100) / 2
    EXPECT_GE(grid.radius() + 5, limit * (1 - 0x1p-36));
  }
}

TEST(ClipGrid, RefusesWhatTheGridCannotHold) {
  const auto code = [](double noise, double norm, std::size_t parameters) {
    const auto grid = ClipGrid::Create(NoiseMultiplier(noise), MaxGradNorm(norm), parameters);
    EXPECT_FALSE(grid.ok());
    return grid.ok() ? ErrorCode::kInternal : grid.error().code();
  };
  for (const double bad : {0.0, -1.0, 0.01, 2e6, double{kInfinity}, double{kNan}}) {
    EXPECT_EQ(code(bad, 1, 10), ErrorCode::kInvalidInput) << bad;
  }
  for (const double bad : {0.0, -1.0, 1e-20, 1e20, double{kInfinity}, double{kNan}}) {
    EXPECT_EQ(code(1, bad, 10), ErrorCode::kInvalidInput) << bad;
  }
  EXPECT_EQ(code(1, 1, 0), ErrorCode::kInvalidInput);
  // S / sigma = 16384 and sqrt(P) / 2 = 8192.5: just over the half.
  EXPECT_EQ(code(1024, 1, 16385UL * 16385UL), ErrorCode::kUnsupported);
  EXPECT_TRUE(ClipGrid::Create(NoiseMultiplier(1024), MaxGradNorm(1), 16380UL * 16380UL).ok());
}

TEST(ClipGrid, IsAsFineAsItsContributionsAllow) {
  const auto grid = [](double noise, std::size_t parameters, std::size_t contributions) {
    return ClipGrid::Create(NoiseMultiplier(noise), MaxGradNorm(1), parameters, contributions)
        .value();
  };
  EXPECT_EQ(grid(1, 1000, 1).noise_scale_log2(), kNoiseScaleLog2);
  EXPECT_EQ(grid(1, 1000, 127).noise_scale_log2(), kNoiseScaleLog2);
  EXPECT_EQ(grid(1, 1000, 128).noise_scale_log2(), kNoiseScaleLog2 - 1);
  EXPECT_EQ(grid(2, 1000, 128).noise_scale_log2(), kNoiseScaleLog2);
  EXPECT_EQ(grid(1, 1000, 1000).noise_scale_log2(), kNoiseScaleLog2 - 3);
  EXPECT_EQ(grid(1, 1000, 1 << 30).noise_scale_log2(), kNoiseScaleLog2Min);
  // Rounding 2^26 entries moves a vector by 2^12, which is 2^-12 of S / sigma.
  EXPECT_EQ(grid(1, 67108864, 1 << 30).noise_scale_log2(), kNoiseScaleLog2);
  EXPECT_EQ(grid(1, 16777000, 1 << 30).noise_scale_log2(), kNoiseScaleLog2 - 1);
  for (const std::size_t contributions : {1U, 200U, 5000U, 1000000U}) {
    for (const double noise : {0.1, 1.0, 30.0}) {
      const ClipGrid chosen = grid(noise, 300000, contributions);
      const double scale = std::exp2(chosen.noise_scale_log2());
      EXPECT_EQ(chosen.limit(), scale / noise);
      EXPECT_EQ(chosen.granularity(), noise / scale);
      EXPECT_GE(chosen.radius(), chosen.limit() * (1 - 0x1p-9));
      EXPECT_LE(static_cast<double>(chosen.capacity()) * chosen.limit(), 2147483647);
    }
  }
}

std::vector<Gradient> RandomGradients(std::size_t count, std::size_t size, float scale) {
  std::mt19937 generator(8);
  std::normal_distribution<float> normal(0, scale);
  std::vector<Gradient> out(count, Gradient(size));
  for (Gradient& gradient : out) {
    for (float& x : gradient) x = normal(generator);
  }
  return out;
}

TEST(Reference, EqualsANaiveDoubleLoop) {
  constexpr std::size_t kSize = 37;
  const double norm = 0.8;
  const ClipGrid grid = Grid(1.3, norm, kSize);
  const auto gradients = RandomGradients(60, kSize, 0.13F);  // some above the norm, some below
  ClippedSum sum(grid);
  std::vector<double> naive(kSize, 0);
  int clipped = 0;
  for (const Gradient& gradient : gradients) {
    sum.Add(gradient, 1);
    double length = 0;
    for (const float x : gradient) length += static_cast<double>(x) * x;
    const double factor = std::min(1.0, norm / std::sqrt(length));
    clipped += factor < 1;
    for (std::size_t i = 0; i < kSize; ++i) naive[i] += factor * gradient[i];
  }
  EXPECT_GT(clipped, 10);
  EXPECT_LT(clipped, 50);
  sum.Add(Gradient(kSize, 9.0F), 0);
  for (std::size_t i = 0; i < kSize; ++i) {
    EXPECT_NEAR(static_cast<double>(sum.sum()[i]) * grid.granularity(), naive[i], 2e-5);
  }
}

}  // namespace
}  // namespace anchorhold::dp
