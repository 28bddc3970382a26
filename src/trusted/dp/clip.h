// Clipping on a grid: from per-example gradients to the noised sum of event.h's mechanism.
//
// A step, for P parameters, noise multiplier sigma, clipping norm C and S = 2^24, or less where
// many contributions are to fit 32 bits (grid_numbers.h):
//
//   grid           g = sigma C / S. In units of g, the clipping norm is S / sigma and the noise has
//                  standard deviation S, whatever sigma and C are.
//   contribution   v = round(s x) of an example's gradient x, to the nearest whole numbers, with a
//                  factor s that makes |s x| <= R = S / sigma - sqrt(P) / 2: rounding moves each
//                  coordinate by at most 1/2, so it lengthens a vector by at most sqrt(P) / 2. Flat
//                  clipping takes s = min(1 / g, R / |x|); the other ways are in engine/engine.h,
//                  and none makes s x longer. A gradient that is not finite counts as zero.
//   bound          |v|^2 <= (S / sigma)^2 for every v that is added.
//   sum            of the v, in whole numbers: exact, and the same in any order and on any number
//                  of threads. |v_i| <= S / sigma <= 2^30, fewer than 2^32 contributions and noise
//                  below 2^45 (discrete_gaussian.h) stay below 2^63.
//   noise          one draw of N_Z(0, S^2) a coordinate, once per step.
//   release        g (sum + noise) / (q n), n the public number of rows; never the realised batch.
//
// Who does what. The grid, the noise and the release are here. Norms, factors and the addition are
// the engine's (engine/group_sums.cc), whose kernels scale each example's gradient by its
// factor, round it by itself to 32-bit whole numbers and add those (simd/gemm.h, simd/sums.h). Its
// norms are floating-point numbers with a stated relative error, or, where they come from Gram
// matrices, with one that cancellation can make larger; so the factor aims 2^-16 below R, and the
// bound does not rest on it: the kernels also return |v|^2 of what they added, too low by a factor
// of 1 - 2^-18 at most, and the engine allows for twice that. A contribution that may be too long
// is taken back, exactly, for the same numbers give the same v, and is added shortened, or, if that
// is still too long, left out. A wrong norm so costs accuracy and not privacy.
//
// Why whole numbers: see discrete_gaussian.h for what goes wrong with floating point, and rdp.h for
// why the accounting of the continuous Gaussian holds for this one. clip_reference_for_test.h has
// the mechanism for one example at a time, in double precision and 64 bits, to hold the engine
// against.
//
// Control flow and addresses do not depend on gradients, nor on whether an example counts, with the
// exception that docs/side-channels.md names: a contribution that has to be mended.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/strong.h"
#include "shared/crypto/random.h"
#include "trusted/dp/grid_numbers.h"

namespace anchorhold::dp {

class ClipGrid {
 public:
  // kInvalidInput for a noise multiplier or norm outside of mechanism.h's limits; kUnsupported if
  // rounding so many parameters would take more than half of the clipping norm (R < S / 2 sigma).
  // `contributions`: how many a step adds, which is public; the grid is chosen by it.
  static Result<ClipGrid> Create(NoiseMultiplier noise, MaxGradNorm max_grad_norm,
                                 std::size_t parameters, std::size_t contributions = 1);

  std::size_t parameters() const { return parameters_; }
  int noise_scale_log2() const { return numbers_.scale_log2; }  // log2 S
  double granularity() const { return numbers_.granularity; }   // g
  double limit() const { return numbers_.limit; }               // S / sigma, the norm in grid units
  double radius() const { return numbers_.radius; }             // R, in grid units, rounded down
  double aim() const { return numbers_.aim; }                   // what factors aim at, below R
  // The largest |v|^2 that may be added: (S / sigma)^2, rounded down.
  double squares_max() const { return numbers_.squares_max; }
  // How many contributions 32 bits hold.
  std::size_t capacity() const { return numbers_.capacity; }

 private:
  ClipGrid() = default;

  std::size_t parameters_ = 0;
  GridNumbers numbers_;
};

// The sum of a step as the engine makes it: contributions are added in 32 bits, as many as fit
// there, and moved to 64 bits where a batch has more. Whoever adds sees to it that no |v|^2 is
// above grid.squares_max(); there is no way to read the sum without noise but through the places to
// add to.
class GridSum {
 public:
  explicit GridSum(const ClipGrid& grid);

  const ClipGrid& grid() const { return grid_; }
  // How many contributions the 32 bits hold.
  std::size_t capacity() const { return grid_.capacity(); }
  // Room for the sum of so many contributions, at most kContributionsMax. What it holds is left to
  // whoever adds: the first addition overwrites.
  void Prepare(std::size_t contributions);
  std::int32_t* sums() { return sums_.data(); }
  // Null where the 32 bits do: otherwise the sum is there in the end.
  std::int64_t* totals() { return uses_totals_ ? totals_.data() : nullptr; }

  // g (sum + noise) / expected_batch_size of the parameters from `begin` on, written over
  // `gradient`; `scratch` has as many places. Every parameter is taken once a step. Threads may
  // take different ranges at once, each with a random source of its own. `next`: if not null, as
  // many floats that the caller reads then: they and the sum (but for 64-bit totals) come from
  // memory while noise is drawn.
  void TakeNoised(std::size_t begin, crypto::RandomSource& noise, double expected_batch_size,
                  std::span<std::int64_t> scratch, std::span<float> gradient,
                  const float* next = nullptr) const;

 private:
  ClipGrid grid_;
  bool uses_totals_ = false;
  std::vector<std::int32_t> sums_;
  std::vector<std::int64_t> totals_;
};

}  // namespace anchorhold::dp
