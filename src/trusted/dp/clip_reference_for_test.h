// The mechanism of clip.h for one example at a time, in double precision, 64-bit sums and integer
// tests: slow, plain, and what the engine is held against.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trusted/dp/clip.h"

namespace anchorhold::dp::testing {

// Whether a vector of whole numbers is a contribution that the mechanism may add: its exact squared
// norm is at most (S / sigma)^2, rounded down.
bool Allows(const ClipGrid& grid, std::span<const std::int64_t> contribution);

// v = round(min(1 / g, R / |x|) x) of a gradient x, written over `contribution`; zero if an entry
// is infinite or NaN. Sizes equal to grid.parameters() are preconditions.
void ContributionOf(const ClipGrid& grid, std::span<const float> gradient,
                    std::span<std::int64_t> contribution);

// The sum of one step.
class ClippedSum {
 public:
  explicit ClippedSum(const ClipGrid& grid);

  // weight: 1 for an example of the batch, 0 for padding, which adds nothing.
  void Add(std::span<const float> gradient, std::uint64_t weight);
  // One more contribution, as it is. Precondition: Allows(grid, contribution).
  void AddContribution(std::span<const std::int64_t> contribution);
  std::span<const std::int64_t> sum() const { return sum_; }

  // Adds the noise and writes g (sum + noise) / expected_batch_size over `gradient`; the sum is
  // empty afterwards, ready for the next step.
  void TakeNoised(crypto::RandomSource& noise, double expected_batch_size,
                  std::span<float> gradient);

 private:
  ClipGrid grid_;
  std::vector<std::int64_t> sum_;
  std::vector<std::int64_t> scratch_;
};

}  // namespace anchorhold::dp::testing
