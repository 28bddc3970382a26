#include "trusted/dp/discrete_gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace anchorhold::dp {
namespace {

std::vector<std::int64_t> Draw(int sigma_log2, std::size_t count, std::uint64_t seed) {
  crypto::InsecureSeededRandom random(seed);
  std::vector<std::int64_t> out(count);
  SampleDiscreteGaussian(sigma_log2, random, out);
  return out;
}

// P[y] by the definition.
double Probability(std::int64_t y, double sigma) {
  const auto weight = [&](double z) { return std::exp(-z * z / (2 * sigma * sigma)); };
  double total = 0;
  for (double z = -60 * sigma; z <= 60 * sigma; ++z) total += weight(z);
  return weight(static_cast<double>(y)) / total;
}

// Pearson's statistic over single values, both tails pooled where fewer than 10 are expected.
TEST(DiscreteGaussian, ChiSquaredAgainstTheExactProbabilities) {
  for (const int sigma_log2 : {0, 1, 2, 3}) {
    const double sigma = std::ldexp(1, sigma_log2);
    constexpr std::size_t kDraws = 200000;
    std::map<std::int64_t, double> seen;
    for (const std::int64_t y : Draw(sigma_log2, kDraws, 11)) ++seen[y];
    double statistic = 0;
    double expected_tail = kDraws;
    double seen_tail = kDraws;
    int cells = 0;
    const std::int64_t reach = std::int64_t{5} << sigma_log2;
    for (std::int64_t y = -reach; y <= reach; ++y) {
      const double expected = kDraws * Probability(y, sigma);
      if (expected < 10) continue;
      statistic += (seen[y] - expected) * (seen[y] - expected) / expected;
      expected_tail -= expected;
      seen_tail -= seen[y];
      ++cells;
    }
    statistic += (seen_tail - expected_tail) * (seen_tail - expected_tail) / expected_tail;
    // Mean `cells`, variance 2 cells; five standard deviations, fixed seed.
    EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells)) << sigma;
    EXPECT_GT(statistic, cells - 5 * std::sqrt(2.0 * cells)) << sigma;
  }
}

// For large sigma the distribution function is the normal one to 1/sigma.
TEST(DiscreteGaussian, KolmogorovAgainstTheNormalForLargeSigma) {
  for (const int sigma_log2 : {16, 24, 26}) {
    constexpr std::size_t kDraws = 50000;
    std::vector<std::int64_t> draws = Draw(sigma_log2, kDraws, 5);
    std::sort(draws.begin(), draws.end());
    double distance = 0;
    for (std::size_t i = 0; i < kDraws; ++i) {
      const double x = std::ldexp(static_cast<double>(draws[i]), -sigma_log2);
      const double exact = 0.5 * std::erfc(-x / std::sqrt(2.0));
      distance = std::max(distance, std::abs(exact - (static_cast<double>(i) + 0.5) / kDraws));
    }
    EXPECT_LT(distance * std::sqrt(kDraws), 1.95) << sigma_log2;  // 0.1 % quantile
  }
}

TEST(DiscreteGaussian, MomentsAndSymmetry) {
  for (const int sigma_log2 : {0, 4, 24}) {
    constexpr std::size_t kDraws = 200000;
    double sum = 0;
    double squares = 0;
    double fourth = 0;
    double positive = 0;
    double negative = 0;
    for (const std::int64_t y : Draw(sigma_log2, kDraws, 23)) {
      const double x = std::ldexp(static_cast<double>(y), -sigma_log2);
      sum += x;
      squares += x * x;
      fourth += x * x * x * x;
      positive += y > 0;
      negative += y < 0;
    }
    const double error = 5 / std::sqrt(static_cast<double>(kDraws));
    EXPECT_NEAR(sum / kDraws, 0, error);
    EXPECT_NEAR(squares / kDraws, 1, error * std::sqrt(2.0));  // at sigma = 1: 1 - 1e-7
    EXPECT_NEAR(fourth / kDraws, 3, error * std::sqrt(96.0));
    EXPECT_NEAR((positive - negative) / kDraws, 0, error);
  }
}

TEST(DiscreteGaussian, TailsAreThereAndNotHeavier) {
  constexpr std::size_t kDraws = 1000000;
  double beyond3 = 0;
  double beyond4 = 0;
  for (const std::int64_t y : Draw(24, kDraws, 31)) {
    const double x = std::abs(std::ldexp(static_cast<double>(y), -24));
    beyond3 += x > 3;
    beyond4 += x > 4;
    EXPECT_LT(x, 7);
  }
  EXPECT_NEAR(beyond3, 2699.8, 5 * std::sqrt(2699.8));
  EXPECT_NEAR(beyond4, 63.3, 5 * std::sqrt(63.3));
}

// The lowest bits are uniform: the grid carries no pattern.
TEST(DiscreteGaussian, LowBitsAreUniform) {
  constexpr std::size_t kDraws = 160000;
  int counts[16] = {};
  for (const std::int64_t y : Draw(24, kDraws, 37)) ++counts[y & 15];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

// Counts the words that it gives.
class CountingRandom final : public crypto::RandomSource {
 public:
  void Fill(MutableByteSpan out) override {
    bytes += out.size();
    for (std::byte& b : out) b = static_cast<std::byte>(generator_());
  }
  std::size_t bytes = 0;

 private:
  std::mt19937_64 generator_{99};
};

TEST(DiscreteGaussian, EveryDrawUsesFreshBits) {
  CountingRandom random;
  std::vector<std::int64_t> out(10000);
  SampleDiscreteGaussian(24, random, out);
  // A draw holds log2(2^24 sqrt(2 pi e)) = 26 bits of entropy; fewer bits in would be reuse.
  EXPECT_GT(random.bytes, out.size() * 26 / 8);
  EXPECT_LT(random.bytes, out.size() * 9);  // 8 / 0.904 and little more
  // Neighbours are uncorrelated, and a second call goes on with the stream.
  std::vector<std::int64_t> more(10000);
  SampleDiscreteGaussian(24, random, more);
  EXPECT_NE(out, more);
  double lag = 0;
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    lag += std::ldexp(static_cast<double>(out[i]), -24) *
           std::ldexp(static_cast<double>(out[i + 1]), -24);
  }
  EXPECT_LT(std::abs(lag), 500);
}

}  // namespace
}  // namespace anchorhold::dp
