#include "trusted/dp/poisson.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace anchorhold::dp {
namespace {

// Hands out given 64-bit words, then fails the test.
class ReplayRandom final : public crypto::RandomSource {
 public:
  explicit ReplayRandom(std::vector<std::uint64_t> words) : words_(std::move(words)) {}
  void Fill(MutableByteSpan out) override {
    ASSERT_LE(next_ + out.size(), words_.size() * sizeof(std::uint64_t));
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(words_.data()) + next_, out.size());
    next_ += out.size();
  }
  bool used_up() const { return next_ == words_.size() * sizeof(std::uint64_t); }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t next_ = 0;
};

TEST(PoissonSample, ComparesEachDrawWithTheThreshold) {
  const std::uint64_t quarter = std::uint64_t{1} << 62;
  ReplayRandom random({0, quarter - 1, quarter, ~std::uint64_t{0}, 1});
  EXPECT_EQ(PoissonSample(SamplingProbability(0.25), 5, random),
            (std::vector<std::uint32_t>{0, 1, 4}));
  EXPECT_TRUE(random.used_up());
}

TEST(PoissonSample, ThresholdIsRoundedDown) {
  // q = 2.5 2^-64: the draws 0 and 1 are below it, 2 is not.
  ReplayRandom random({0, 1, 2, 3});
  EXPECT_EQ(PoissonSample(SamplingProbability(std::ldexp(2.5, -64)), 4, random).size(), 2U);
}

TEST(PoissonSample, LimitingProbabilities) {
  crypto::InsecureSeededRandom random(1);
  EXPECT_EQ(PoissonSample(SamplingProbability(1), 1000, random).size(), 1000U);
  EXPECT_TRUE(PoissonSample(SamplingProbability(0), 1000, random).empty());
  EXPECT_TRUE(PoissonSample(SamplingProbability(0.5), 0, random).empty());
  ReplayRandom top({~std::uint64_t{0}});
  EXPECT_EQ(PoissonSample(SamplingProbability(1), 1, top).size(), 1U);
}

// Counts of each unit and of each pair over many batches, against the binomial's five sigma.
TEST(PoissonSample, UnitsAreIndependent) {
  crypto::InsecureSeededRandom random(7);
  constexpr int kBatches = 20000;
  constexpr std::size_t kUnits = 6;
  const double q = 0.3;
  int single[kUnits] = {};
  int pair[kUnits][kUnits] = {};
  double size_sum = 0;
  double size_squares = 0;
  for (int i = 0; i < kBatches; ++i) {
    const auto batch = PoissonSample(SamplingProbability(q), kUnits, random);
    for (std::size_t a = 0; a < batch.size(); ++a) {
      ++single[batch[a]];
      for (std::size_t b = 0; b < a; ++b) ++pair[batch[b]][batch[a]];
    }
    const auto size = static_cast<double>(batch.size());
    size_sum += size;
    size_squares += size * size;
  }
  const auto near = [&](double count, double p) {
    return std::abs(count - kBatches * p) < 5 * std::sqrt(kBatches * p * (1 - p));
  };
  for (std::size_t a = 0; a < kUnits; ++a) {
    EXPECT_TRUE(near(single[a], q)) << a;
    for (std::size_t b = a + 1; b < kUnits; ++b) EXPECT_TRUE(near(pair[a][b], q * q)) << a << b;
  }
  const double mean = size_sum / kBatches;
  EXPECT_NEAR(size_squares / kBatches - mean * mean, kUnits * q * (1 - q), 0.07);
}

TEST(PublicBatchCapacity, ByHand) {
  EXPECT_EQ(PublicBatchCapacity(SamplingProbability(0.5), 400), 200U + 60U + 16U);
  EXPECT_EQ(PublicBatchCapacity(SamplingProbability(0.25), 455),
            186U);  // 113.75 + 55.42 -> 170, + 16
  EXPECT_EQ(PublicBatchCapacity(SamplingProbability(1), 400), 400U);
  EXPECT_EQ(PublicBatchCapacity(SamplingProbability(0), 400), 16U);
  EXPECT_EQ(PublicBatchCapacity(SamplingProbability(0.1), 5), 5U);
}

TEST(PublicBatchCapacity, HoldsNearlyEveryBatch) {
  crypto::InsecureSeededRandom random(3);
  for (const double q : {0.001, 0.02, 0.3, 0.9}) {
    const SamplingProbability probability(q);
    for (int i = 0; i < 2000; ++i) {
      EXPECT_LE(PoissonSample(probability, 455, random).size(),
                PublicBatchCapacity(probability, 455));
    }
  }
}

}  // namespace
}  // namespace anchorhold::dp
