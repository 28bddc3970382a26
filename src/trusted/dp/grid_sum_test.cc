// GridSum as the engine uses it: contributions in 32 bits, moved to 64 bits when those are full,
// and noise once, whoever takes which range.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "trusted/dp/clip.h"
#include "trusted/dp/clip_reference_for_test.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/mechanism.h"

namespace anchorhold::dp {
namespace {

using Contribution = std::vector<std::int64_t>;

ClipGrid Grid(double noise, double norm, std::size_t parameters, std::size_t contributions = 1) {
  return ClipGrid::Create(NoiseMultiplier(noise), MaxGradNorm(norm), parameters, contributions)
      .value();
}

// Adds as the engine does: the first addition overwrites, and full 32 bits are moved on.
void AddAll(GridSum& sum, const std::vector<Contribution>& contributions) {
  const std::size_t size = sum.grid().parameters();
  sum.Prepare(contributions.size());
  std::fill_n(sum.sums(), size, 0);
  if (sum.totals() != nullptr) std::fill_n(sum.totals(), size, 0);
  std::size_t pending = 0;
  const auto flush = [&] {
    for (std::size_t i = 0; i < size; ++i) {
      sum.totals()[i] += sum.sums()[i];
      sum.sums()[i] = 0;
    }
    pending = 0;
  };
  for (const Contribution& contribution : contributions) {
    if (pending == sum.capacity()) flush();
    for (std::size_t i = 0; i < size; ++i) {
      const std::int64_t added = sum.sums()[i] + contribution[i];
      ASSERT_EQ(added, static_cast<std::int32_t>(added)) << "more than the capacity says";
      sum.sums()[i] = static_cast<std::int32_t>(added);
    }
    ++pending;
  }
  if (sum.totals() != nullptr) flush();
}

std::vector<float> Taken(const GridSum& sum, std::uint64_t seed, double expected) {
  crypto::InsecureSeededRandom random(seed);
  std::vector<float> out(sum.grid().parameters());
  Contribution scratch(out.size());
  sum.TakeNoised(0, random, expected, scratch, out);
  return out;
}

// Contributions as long as they may be, all in one direction: the worst for the 32 bits.
std::vector<Contribution> Longest(const ClipGrid& grid, std::size_t count) {
  Contribution longest(grid.parameters(), 0);
  longest[0] = static_cast<std::int64_t>(std::sqrt(grid.squares_max()));
  EXPECT_TRUE(testing::Allows(grid, longest));
  std::vector<Contribution> all(count, longest);
  return all;
}

TEST(GridSum, ItsCapacityIsWhat32BitsHold) {
  for (const double sigma : {0x1p-6, 0x1p-5, 0.3, 1.0, 7.5, 1000.0}) {
    const GridSum sum(Grid(sigma, 2, 4));
    const double limit = sum.grid().limit();
    const auto capacity = static_cast<double>(sum.capacity());
    EXPECT_GE(sum.capacity(), 1U);
    EXPECT_LE(capacity * limit, std::numeric_limits<std::int32_t>::max());
    EXPECT_GT((capacity + 1) * limit, std::numeric_limits<std::int32_t>::max());
  }
  EXPECT_EQ(GridSum(Grid(0x1p-6, 1, 4)).capacity(), 1U);
  EXPECT_EQ(GridSum(Grid(1, 1, 4)).capacity(), 127U);
}

TEST(GridSum, UsesTotalsOnlyBeyondItsCapacity) {
  GridSum sum(Grid(0.5, 1, 3));
  sum.Prepare(sum.capacity());
  EXPECT_EQ(sum.totals(), nullptr);
  sum.Prepare(sum.capacity() + 1);
  EXPECT_NE(sum.totals(), nullptr);
  sum.Prepare(0);
  EXPECT_EQ(sum.totals(), nullptr);
}

// Below, at and far above the capacity, against 64-bit sums.
TEST(GridSum, IsTheReferencesSumForAnyNumberOfContributions) {
  constexpr std::size_t kSize = 21;
  for (const double sigma : {0x1p-6, 0.25, 1.0}) {
    const ClipGrid grid = Grid(sigma, 0.7, kSize);
    GridSum sum(grid);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, sum.capacity(),
                                    sum.capacity() + 1, 5 * sum.capacity() + 3}) {
      std::mt19937 generator(static_cast<unsigned>(count));
      std::normal_distribution<float> normal(0, 0.3F);
      testing::ClippedSum reference(grid);
      std::vector<Contribution> contributions(count, Contribution(kSize));
      for (Contribution& contribution : contributions) {
        std::vector<float> gradient(kSize);
        for (float& x : gradient) x = normal(generator);
        testing::ContributionOf(grid, gradient, contribution);
        reference.AddContribution(contribution);
      }
      AddAll(sum, contributions);
      std::vector<float> expected(kSize);
      crypto::InsecureSeededRandom random(5);
      reference.TakeNoised(random, 12, expected);
      EXPECT_EQ(Taken(sum, 5, 12), expected) << sigma << ", " << count;
    }
  }
}

TEST(GridSum, TheLongestContributionsInOneDirectionFit) {
  const ClipGrid grid = Grid(0.5, 1, 4);
  GridSum sum(grid);
  for (const std::size_t count : {sum.capacity(), 4 * sum.capacity() + 1}) {
    const auto contributions = Longest(grid, count);
    AddAll(sum, contributions);
    const std::int64_t held = sum.totals() == nullptr ? sum.sums()[0] : sum.totals()[0];
    EXPECT_EQ(held, contributions[0][0] * static_cast<std::int64_t>(count));
  }
}

TEST(GridSum, AnEmptyStepIsNoiseAloneAndEveryTakingDrawsAnew) {
  const ClipGrid grid = Grid(1.5, 2, 3);
  GridSum sum(grid);
  AddAll(sum, {});
  crypto::InsecureSeededRandom same(13);
  Contribution noise(3);
  SampleDiscreteGaussian(kNoiseScaleLog2, same, noise);
  crypto::InsecureSeededRandom random(13);
  std::vector<float> first(3);
  std::vector<float> second(3);
  Contribution scratch(3);
  sum.TakeNoised(0, random, 50, scratch, first);
  sum.TakeNoised(0, random, 50, scratch, second);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_FLOAT_EQ(first[i],
                    static_cast<float>(static_cast<double>(noise[i]) * grid.granularity() / 50));
  }
  EXPECT_NE(first, second);
}

// The deviation is sigma C, not more: noise is applied once.
TEST(GridSum, NoiseIsAppliedOnceWithTheStatedDeviation) {
  constexpr std::size_t kSize = 20000;
  for (const std::size_t contributions : {1U, 500U, 100000U}) {
    const ClipGrid grid = Grid(1.5, 2, kSize, contributions);
    GridSum sum(grid);
    Contribution one(kSize, 0);
    one[7] = 1 << 10;
    AddAll(sum, {one});
    const std::vector<float> out = Taken(sum, 17, 10);
    const std::vector<float> again = Taken(sum, 17, 10);  // what is held is not changed by taking
    EXPECT_EQ(out, again);
    double squares = 0;
    for (const float x : out) squares += static_cast<double>(x) * x;
    EXPECT_NEAR(std::sqrt(squares / kSize), 1.5 * 2 / 10, 0.3 * 0.03);
  }
}

// Ranges with sources of their own give the same numbers on one thread, in any order, and on four.
TEST(GridSum, RangesAreIndependentOfThreads) {
  constexpr std::size_t kSize = 1003;
  constexpr std::size_t kPiece = 100;
  const ClipGrid grid = Grid(1, 1, kSize);
  GridSum sum(grid);
  Contribution one(kSize);
  for (std::size_t i = 0; i < kSize; ++i) one[i] = static_cast<std::int64_t>(i) * 37 - 500;
  AddAll(sum, {one});
  const auto take = [&](std::size_t threads, bool backwards) {
    crypto::InsecureSeededRandom random(21);
    std::vector<std::unique_ptr<crypto::BranchedRandom>> branches;
    for (std::size_t begin = 0; begin < kSize; begin += kPiece) {
      branches.push_back(std::make_unique<crypto::BranchedRandom>(random));
    }
    std::vector<float> out(kSize);
    const auto work = [&](std::size_t k) {
      Contribution scratch(kPiece);
      for (std::size_t i = k; i < branches.size(); i += threads) {
        const std::size_t piece = backwards ? branches.size() - 1 - i : i;
        const std::size_t begin = piece * kPiece;
        const std::size_t size = std::min(kPiece, kSize - begin);
        sum.TakeNoised(begin, *branches[piece], 3, std::span(scratch).first(size),
                       std::span(out).subspan(begin, size));
      }
    };
    std::vector<std::thread> others;
    for (std::size_t k = 1; k < threads; ++k) others.emplace_back(work, k);
    work(0);
    for (std::thread& other : others) other.join();
    return out;
  };
  const std::vector<float> one_thread = take(1, false);
  EXPECT_EQ(take(1, true), one_thread);
  EXPECT_EQ(take(4, false), one_thread);
  EXPECT_EQ(take(3, true), one_thread);
}

}  // namespace
}  // namespace anchorhold::dp
