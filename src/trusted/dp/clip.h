// Clipping on a grid: from per-example gradients to the noised sum of event.h's mechanism.
//
// A step, for P parameters, noise multiplier sigma, clipping norm C and S = kNoiseScale:
//
//   grid           g = sigma C / S. In units of g, the clipping norm is S / sigma and the noise has
//                  standard deviation S, whatever sigma and C are.
//   contribution   v = round(min(1/g, R / |x|) x) of an example's gradient x, to the nearest whole
//                  numbers, with R = S / sigma - sqrt(P) / 2: rounding moves each coordinate by at
//                  most 1/2, so it lengthens a vector by at most sqrt(P) / 2. A gradient with an
//                  entry that is infinite or NaN counts as zero.
//   bound          |v|^2 <= (S / sigma)^2 is then tested in whole numbers, for every contribution;
//                  one that failed would not be added. So the guarantee rests on integer arithmetic
//                  alone; that the test never fails is the floating-point arithmetic's affair
//                  (ContributionOf, clip.cc) and costs accuracy, not privacy, if it were wrong.
//   sum            of the v, in 64 bits: exact, and the same in any order and on any number of
//                  threads. |v_i| <= S / sigma <= 2^30, fewer than 2^32 contributions and noise
//                  below 2^45 (discrete_gaussian.cc) stay below 2^63.
//   noise          one draw of N_Z(0, S^2) a coordinate, once per step.
//   release        g (sum + noise) / (q n), n the public number of rows; never the realised batch.
//
// Why whole numbers: see discrete_gaussian.h for what goes wrong with floating point, and rdp.h for
// why the accounting of the continuous Gaussian holds for this one.
//
// Control flow and addresses do not depend on gradients, nor on an example's weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/strong.h"
#include "shared/crypto/random.h"

namespace anchorhold::dp {

class ClipGrid {
 public:
  // kInvalidInput for a noise multiplier or norm outside of mechanism.h's limits; kUnsupported if
  // rounding so many parameters would take more than half of the clipping norm (R < S / 2 sigma).
  static Result<ClipGrid> Create(NoiseMultiplier noise, MaxGradNorm max_grad_norm,
                                 std::size_t parameters);

  std::size_t parameters() const { return parameters_; }
  double granularity() const { return granularity_; }  // g
  double limit() const { return limit_; }              // S / sigma, the norm in grid units
  double radius() const { return radius_; }            // R, in grid units, rounded down

  // Whether a vector of whole numbers is a contribution that the mechanism may add: its exact
  // squared norm is at most (S / sigma)^2 (rounded down).
  bool Allows(std::span<const std::int64_t> contribution) const;

 private:
  ClipGrid() = default;

  std::size_t parameters_ = 0;
  double granularity_ = 0;
  double limit_ = 0;
  double radius_ = 0;
  std::uint64_t norm_squared_max_ = 0;
};

// The sum of a step as the engine makes it: contributions are added in 32 bits, as many as fit there,
// and moved to 64 bits where a batch has more. Whoever adds sees to it that no contribution is longer
// than grid.limit(); there is no way to read the sum without noise but through the places to add to.
class GridSum {
 public:
  explicit GridSum(const ClipGrid& grid);

  const ClipGrid& grid() const { return grid_; }
  // How many contributions the 32 bits hold.
  std::size_t capacity() const { return capacity_; }
  // Room for the sum of so many contributions, at most kContributionsMax. What it holds is left to
  // whoever adds: the first addition overwrites.
  void Prepare(std::size_t contributions);
  std::int32_t* sums() { return sums_.data(); }
  // Null where the 32 bits do: otherwise the sum is there in the end.
  std::int64_t* totals() { return uses_totals_ ? totals_.data() : nullptr; }

  // g (sum + noise) / expected_batch_size of the parameters from `begin` on, written over
  // `gradient`; `scratch` has as many places. Every parameter is taken once a step. Threads may take
  // different ranges at once, each with a random source of its own.
  void TakeNoised(std::size_t begin, crypto::RandomSource& noise, double expected_batch_size,
                  std::span<std::int64_t> scratch, std::span<float> gradient) const;

 private:
  ClipGrid grid_;
  std::size_t capacity_ = 0;
  bool uses_totals_ = false;
  std::vector<std::int32_t> sums_;
  std::vector<std::int64_t> totals_;
};

// v of the header comment, written over `contribution`. Sizes equal to grid.parameters() are
// preconditions.
void ContributionOf(const ClipGrid& grid, std::span<const float> gradient,
                    std::span<std::int64_t> contribution);

// The sum of one step. One instance a thread; Merge them before the noise.
class ClippedSum {
 public:
  explicit ClippedSum(const ClipGrid& grid);

  // weight: 1 for an example of the batch, 0 for padding, which does the same work and adds
  // nothing.
  void Add(std::span<const float> gradient, std::uint64_t weight);

  // Adds the other's contributions and empties it.
  void Merge(ClippedSum& other);

  // Adds the noise and writes g (sum + noise) / expected_batch_size over `gradient`; the sum is
  // empty afterwards, ready for the next step. There is no way to read it without noise.
  void TakeNoised(crypto::RandomSource& noise, double expected_batch_size,
                  std::span<float> gradient);

 private:
  ClipGrid grid_;
  std::uint64_t count_ = 0;  // examples added, padding among them
  std::vector<std::int64_t> sum_;
  std::vector<std::int64_t> scratch_;
};

}  // namespace anchorhold::dp
