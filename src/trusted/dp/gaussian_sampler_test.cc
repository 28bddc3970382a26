// The sampler's parts (simd/gaussian.h, gaussian_table.h) and its paths; what it draws in the whole
// is discrete_gaussian_test.cc's.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/gaussian_series_for_test.h"
#include "trusted/dp/gaussian_table.h"
#include "trusted/dp/reference_gaussian_for_test.h"
#include "trusted/simd/gaussian_scalar.h"

namespace anchorhold::dp::internal {
namespace {

using simd::GaussianCandidate;
using simd::GaussianRule;

GaussianRule Rule(int sigma_log2) { return {.table = &kGaussianTable, .sigma_log2 = sigma_log2}; }

std::vector<std::uint64_t> Words(std::size_t count, std::uint64_t seed) {
  crypto::InsecureSeededRandom random(seed);
  std::vector<std::uint64_t> words(count);
  random.Fill(std::as_writable_bytes(std::span(words)));
  return words;
}

TEST(GaussianArithmetic, ConstantsAreWhatTheyAreSaidToBe) {
  EXPECT_EQ(simd::internal::kLog2E,
            static_cast<std::uint64_t>(std::llround(0x1p31L / std::log(2.0L))));
  const std::vector<long double> series = SeriesByPowers(6, -1, -1);
  for (std::size_t i = 0; i < 7; ++i) {
    const long double signed_value = i % 2 == 0 ? series[i] : -series[i];
    EXPECT_EQ(simd::internal::kPowerOfTwo[i],
              static_cast<std::uint64_t>(std::llround(0x1p31L / std::sqrt(2.0L) * signed_value)));
  }
  EXPECT_LT(LeftOutOfSeries(6) / std::sqrt(2.0L), std::exp2(-29.4L));
}

// p of a candidate, in double precision.
double Acceptance(const GaussianCandidate& candidate, int sigma_log2) {
  const auto block = static_cast<std::size_t>(candidate.block);
  const double y = std::ldexp(static_cast<double>(candidate.Value()), -sigma_log2);
  return static_cast<double>(kGaussianScale * BlockUnits(block)) * std::exp(-y * y / 2) /
         kBlockSlots[block];
}

TEST(GaussianArithmetic, ProbabilitiesAreWithinHalfTheMargin) {
  for (int sigma_log2 = 2; sigma_log2 <= simd::kGaussianSigmaLog2Max; ++sigma_log2) {
    double worst = 0;
    std::vector<std::uint64_t> words = Words(100000, 3);
    // The ends of every block, by every column and both alternatives.
    for (std::uint64_t first = 0; first < 4096; ++first) {
      for (const std::uint64_t rest : {std::uint64_t{0}, ~std::uint64_t{0}}) {
        words.push_back(first | rest << 12);
        words.push_back((first | rest << 12) ^ (std::uint64_t{1} << 63));
      }
    }
    for (const std::uint64_t word : words) {
      const GaussianCandidate candidate = simd::ReadGaussianWord(Rule(sigma_log2), word);
      const std::uint64_t p = simd::GaussianProbability(Rule(sigma_log2), candidate);
      ASSERT_LT(p, std::uint64_t{1} << 63);
      const double off =
          std::ldexp(static_cast<double>(p), -31) - 0x1p32 * Acceptance(candidate, sigma_log2);
      worst = std::max(worst, std::abs(off));
    }
    EXPECT_LT(worst, simd::kGaussianMargin / 2);
    EXPECT_GT(worst, 1);  // the comparison is with something
  }
}

// No word's probability exceeds 1, nor what the rejection of the open unit relies on.
TEST(GaussianTable, BoundsHold) {
  for (std::uint64_t block = 0; block < simd::kGaussianBlocks; ++block) {
    const double edge = static_cast<double>(block) / 4;
    const double p = static_cast<double>(kGaussianScale * BlockUnits(block)) *
                     std::exp(-edge * edge / 2) / kBlockSlots[block];
    EXPECT_LE(p, 1);
    EXPECT_GT(p, 0.8);
    EXPECT_NEAR(kGaussianTable.heights[block], 0x1p32 * p, 1.001);
  }
  double open =
      2 * static_cast<double>(kGaussianScale * 16) * std::exp(-7.5 * 7.5 / 2) / kBlockSlots[15];
  EXPECT_LT(open, 0x1p-29);
  EXPECT_EQ(kOpenUnit, 30U);
}

// Every word for a small sigma, but for u: the probabilities that come out are the formula's.
TEST(GaussianArithmetic, AllWordsTogetherGiveTheExactProbabilities) {
  for (const int sigma_log2 : {2, 3, 4}) {
    const double sigma = std::ldexp(1, sigma_log2);
    std::map<std::int64_t, double> weights;
    for (std::uint64_t low = 0; low < std::uint64_t{1} << (sigma_log2 + 14); ++low) {
      for (const std::uint64_t sign : {std::uint64_t{0}, std::uint64_t{1}}) {
        const GaussianRule rule = Rule(sigma_log2);
        const GaussianCandidate candidate = simd::ReadGaussianWord(rule, low | sign << 63);
        weights[candidate.Value()] +=
            std::ldexp(static_cast<double>(simd::GaussianProbability(rule, candidate)), -63);
      }
    }
    double total = 0;
    for (const auto& [y, weight] : weights) total += weight;
    double all = 0;
    const auto exact = [&](std::int64_t y) {
      const double x = static_cast<double>(y) / sigma;
      return std::exp(-x * x / 2);
    };
    for (std::int64_t y = -20 << sigma_log2; y <= 20 << sigma_log2; ++y) all += exact(y);
    EXPECT_EQ(weights.size(), std::size_t{62} << (sigma_log2 - 2));
    for (const auto& [y, weight] : weights) {
      EXPECT_NEAR(weight / total, exact(y) / all, 0x1p-26) << y;
    }
  }
}

std::vector<std::int64_t> DrawWith(const GaussianOptions& options, int sigma_log2,
                                   std::size_t count, std::uint64_t seed) {
  crypto::InsecureSeededRandom words(seed);
  crypto::InsecureSeededRandom further(seed + 1);
  std::vector<std::int64_t> out(count);
  SampleDiscreteGaussianWith(options, sigma_log2, words, further, out);
  return out;
}

TEST(DiscreteGaussianPaths, EveryTargetGivesTheSameDraws) {
  for (const int sigma_log2 : {0, 1, 2, 3, 7, 17, 18, 24, 26}) {
    const std::size_t many = sigma_log2 < 2 ? 2000 : 100003;
    for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{33}, many}) {
      const auto expected = DrawWith({.target = simd::Target::kScalar}, sigma_log2, count, 5);
      for (const simd::Target target : simd::AvailableTargets()) {
        EXPECT_EQ(DrawWith({.target = target}, sigma_log2, count, 5), expected)
            << simd::TargetName(target) << " " << sigma_log2 << " " << count;
      }
    }
  }
}

// A margin that leaves much, or nearly all, to exact arithmetic changes no draw: what the further
// bits would have to settle is too rare to happen here.
TEST(DiscreteGaussianPaths, ExactArithmeticAgreesWithTheFast) {
  for (const int sigma_log2 : {2, 10, 24, 26}) {
    const auto expected = DrawWith({}, sigma_log2, 20000, 9);
    for (const simd::Target target : simd::AvailableTargets()) {
      for (const std::uint32_t margin : {1U << 20, 1U << 28, simd::kGaussianMarginMax}) {
        EXPECT_EQ(DrawWith({.target = target, .margin = margin}, sigma_log2, 20000, 9), expected)
            << simd::TargetName(target) << " " << sigma_log2 << " " << margin;
      }
    }
  }
}

// Words that a target's screen judges at once; without one, more than there are.
std::size_t LanesOfScreen(simd::Target target) {
  if (target == simd::Target::kAvx2) return 8;
  return target == simd::Target::kAvx512 || target == simd::Target::kAmx ? 16 : SIZE_MAX;
}

// Within the place that the caller gave, wherever it lies, and stopping before undecided words.
TEST(DiscreteGaussianPaths, KernelsKeepToTheirPlace) {
  const std::vector<std::uint64_t> words = Words(300, 12);
  for (const simd::Target target : simd::AvailableTargets()) {
    for (std::size_t n = 0; n < 100; ++n) {
      for (const std::uint32_t margin : {simd::kGaussianMargin, 1U << 27}) {
        GaussianRule rule = Rule(24);
        rule.margin = margin;
        std::vector<std::int64_t> expected(n + 2, 77);
        std::vector<std::int64_t> out(n + 2, 77);
        const std::uint64_t* from = words.data() + n;
        const auto wanted =
            simd::internal::AcceptGaussianScalar(rule, n, from, expected.data() + 1);
        const std::vector<char> memory(128);
        simd::GaussianAhead ahead{{memory.data(), memory.data()}, 2};
        const auto got = simd::GaussianAcceptFor(target)(rule, n, from, out.data() + 1, ahead);
        // A line of each for a vector of words at most, and none beyond the last.
        const std::size_t fetched = 2 - ahead.lines;
        EXPECT_LE(fetched, std::min<std::size_t>(n / 8, 2));
        for (const char* at : ahead.at) EXPECT_EQ(at, memory.data() + 64 * fetched);
        EXPECT_EQ(fetched > 0, n >= LanesOfScreen(target)) << simd::TargetName(target);
        EXPECT_EQ(got.words, wanted.words);
        ASSERT_EQ(got.draws, wanted.draws);
        const auto draws = static_cast<std::ptrdiff_t>(got.draws);
        EXPECT_TRUE(std::equal(out.begin(), out.begin() + 1 + draws, expected.begin()));
        EXPECT_EQ(out.back(), 77);
      }
    }
  }
}

// Gives the same word again and again.
class OneWord final : public crypto::RandomSource {
 public:
  explicit OneWord(std::uint64_t word) : word_(word) {}
  void Fill(MutableByteSpan out) override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::byte>(word_ >> (8 * (i % 8)));
    }
  }

 private:
  std::uint64_t word_;
};

// A word that proposes the open unit, with the given low bits and sign and u = 0.
std::uint64_t OpenWord(int sigma_log2, std::uint64_t low, bool negative) {
  for (std::uint64_t first = 0; first < 4096; ++first) {
    if (simd::ReadGaussianWord(Rule(sigma_log2), first).block != 15) continue;
    const int unit_log2 = sigma_log2 - 2;
    return first | (std::uint64_t{15} << unit_log2 | low) << 12 |
           static_cast<std::uint64_t>(negative) << 63;
  }
  return 0;
}

TEST(DiscreteGaussianPaths, TheOpenUnitReachesOnWithItsCoins) {
  // Coins: the lowest bits of 8, so three tails; as digits of u they are below every p.
  for (const bool negative : {false, true}) {
    OneWord words(OpenWord(24, 5, negative));
    OneWord further(8);
    std::int64_t y = 0;
    SampleDiscreteGaussianWith({}, 24, words, further, std::span(&y, 1));
    const std::int64_t magnitude = (std::int64_t{33} << 22) + 5;
    EXPECT_EQ(y, negative ? -1 - magnitude : magnitude);
  }
}

// Of proposals of the open unit with u below 2^-23, the magnitudes 30 h, 31 h, ... are accepted in
// proportion to their probabilities.
TEST(DiscreteGaussianPaths, TheOpenUnitHasTheRightDistribution) {
  OneWord words(OpenWord(26, 0, false));
  crypto::InsecureSeededRandom further(8);
  constexpr int kDraws = 1000;
  std::vector<std::int64_t> out(kDraws);
  SampleDiscreteGaussianWith({}, 26, words, further, out);
  std::map<std::int64_t, double> seen;
  for (const std::int64_t y : out) {
    EXPECT_EQ(y & ((1 << 24) - 1), 0);
    ++seen[y >> 24];
  }
  double total = 0;
  const auto weight = [](int units) { return std::exp(-units * units / 32.0); };
  for (int units = 30; units < 60; ++units) total += weight(units);
  for (int units = 30; units < 34; ++units) {
    const double expected = kDraws * weight(units) / total;
    EXPECT_NEAR(seen[units], expected, 5 * std::sqrt(expected) + 1) << units;
  }
}

// Counts in 64 cells of equal probability, nearly, and the outermost split four times more.
std::vector<double> Cells(std::span<const std::int64_t> draws, int sigma_log2) {
  std::vector<double> cells(72, 0);
  for (const std::int64_t y : draws) {
    const double x = std::ldexp(static_cast<double>(y) + 0.5, -sigma_log2);
    const double position = 64 * 0.5 * std::erfc(-x / std::sqrt(2.0));
    auto cell = std::min<std::size_t>(63, static_cast<std::size_t>(position));
    if (cell == 0 || cell == 63) {
      const double tail = cell == 0 ? position : 64 - position;
      const int depth = std::min(4, static_cast<int>(-std::log2(std::max(tail, 0x1p-20)) / 2));
      cell = static_cast<std::size_t>((cell == 0 ? 64 : 68) + std::min(depth, 3));
    }
    ++cells[cell];
  }
  return cells;
}

TEST(DiscreteGaussianPaths, AgreesWithTheReferenceSampler) {
  for (const int sigma_log2 : {10, 24}) {
    std::vector<std::int64_t> ours(4000000);
    crypto::InsecureSeededRandom random(21);
    SampleDiscreteGaussian(sigma_log2, random, ours);
    std::vector<std::int64_t> theirs(400000);
    SampleReferenceGaussian(sigma_log2, random, theirs);
    const std::vector<double> a = Cells(ours, sigma_log2);
    const std::vector<double> b = Cells(theirs, sigma_log2);
    const double ratio = std::sqrt(10.0);
    double statistic = 0;
    int cells = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] + b[i] == 0) continue;
      statistic += std::pow(a[i] / ratio - b[i] * ratio, 2) / (a[i] + b[i]);
      ++cells;
    }
    EXPECT_GE(cells, 68);
    EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells)) << sigma_log2;
    EXPECT_GT(statistic, cells - 5 * std::sqrt(2.0 * cells)) << sigma_log2;
  }
}

// Four million draws against the normal distribution in 1000 cells, and their moments.
TEST(DiscreteGaussianPaths, ManyDrawsHaveTheDistributionAndItsMoments) {
  constexpr std::size_t kDraws = 4000000;
  std::vector<std::int64_t> draws(kDraws);
  crypto::InsecureSeededRandom random(33);
  SampleDiscreteGaussian(24, random, draws);
  std::vector<double> seen(1000, 0);
  double moments[5] = {};
  for (const std::int64_t y : draws) {
    const double x = std::ldexp(static_cast<double>(y), -24);
    ++seen[std::min<std::size_t>(999,
                                 static_cast<std::size_t>(500 * std::erfc(-x / std::sqrt(2.0))))];
    for (int i = 0; i < 5; ++i) moments[i] += std::pow(x, i + 1) / kDraws;
  }
  double statistic = 0;
  for (const double count : seen) statistic += (count - 4000) * (count - 4000) / 4000;
  EXPECT_NEAR(statistic, 999, 5 * std::sqrt(2.0 * 999));
  const double expected[5] = {0, 1, 0, 3, 0};
  const double variance[5] = {1, 2, 15, 96, 945};
  for (int i = 0; i < 5; ++i) {
    EXPECT_NEAR(moments[i], expected[i], 5 * std::sqrt(variance[i] / kDraws)) << i + 1;
  }
}

}  // namespace
}  // namespace anchorhold::dp::internal
