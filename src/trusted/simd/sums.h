// Passes over gradients: norms, weighted sums, sums on the grid of dp/clip.h, and updates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

// Which rows of a table [.., d] are added to: row t of what is added, [count, d], goes to row
// rows[t], if that is within [begin, end), and nowhere otherwise.
struct TableRows {
  std::size_t count = 0;
  std::size_t d = 0;
  const std::int32_t* rows = nullptr;
  std::int32_t begin = 0;
  std::int32_t end = 0;
  // If not null, what is added is one row, [d], times[t] of it to row rows[t].
  const std::int32_t* times = nullptr;
  float Scale(std::size_t t, float scale) const {
    return times == nullptr ? scale : scale * static_cast<float>(times[t]);
  }
  const float* From(std::size_t t, const float* x) const {
    return times == nullptr ? x + t * d : x;
  }
  std::size_t To(std::size_t t) const { return static_cast<std::size_t>(rows[t]) * d; }
};

struct SumKernels {
  // first[t] = the least s <= t with rows[s] = rows[t].
  void (*find_repeats)(std::size_t n, const std::int32_t* rows, std::int32_t* first);
  // sum of x_i^2: squares in float, chains of at most 16 of them, those in double. Not finite
  // exactly if an entry is not, or if a chain is beyond floats (then x is too long for any norm).
  // Relative error at most 2^-19.
  double (*squares)(std::size_t n, const float* x);
  // y += scale x; scale = 0 adds nothing, whatever x is.
  void (*add_scaled)(std::size_t n, const float* x, float scale, float* y);
  // sum += sign v with v = round(scale x) to the nearest even whole number, saturating; scale = 0
  // adds nothing, whatever x is. Returns the sum of v_i^2, low by a factor of 1 - 2^-18 at most.
  double (*add_grid)(std::size_t n, const float* x, float scale, std::int32_t sign,
                     std::int32_t* sum);
  // The same row by row, in the order of t; add_grid_rows returns the squares of what it has added.
  // Addresses depend on the rows, and so does the control flow.
  void (*add_scaled_rows)(const TableRows& rows, const float* x, float scale, float* table);
  double (*add_grid_rows)(const TableRows& rows, const float* x, float scale, std::int32_t sign,
                          std::int32_t* table);
  // total += sum; sum = 0.
  void (*flush_grid)(std::size_t n, std::int32_t* sum, std::int64_t* total);
  // dst = float(unit * double(sum + noise)): what leaves the grid. The sums stay within 64 bits.
  void (*from_grid)(std::size_t n, const std::int64_t* sum, const std::int64_t* noise, double unit,
                    float* dst);
  void (*from_short_grid)(std::size_t n, const std::int32_t* sum, const std::int64_t* noise,
                          double unit, float* dst);

  // Optimizer updates, in one pass over memory: arithmetic in double, state (m, s) and parameters
  // (w) in float. sgd gives the bits of train/optimizer.cc, adam those or, where the exact results
  // are within 2^-50 of the middle between two floats, the neighbour's.
  struct Update {
    double rate = 0;               // learning rate
    double decay = 0;              // weight decay
    double momentum = 0;           // sgd
    bool nesterov = false;         // sgd
    double beta1 = 0;              // adam
    double beta2 = 0;              // adam
    double epsilon = 0;            // adam
    double first_correction = 1;   // adam: 1 - beta1^t
    double second_correction = 1;  // adam: 1 - beta2^t
    float share = 1;               // of the gradient, multiplied in float32
  };
  // m: the velocity; not looked at (and may be null) where momentum is 0.
  void (*sgd)(const Update& update, std::size_t n, const float* gradient, float* w, float* m);
  // decoupled: the decay multiplies w by 1 - rate decay (AdamW) instead of adding to the gradient.
  void (*adam)(const Update& update, bool decoupled, std::size_t n, const float* gradient, float* w,
               float* m, float* s);
};

// nullptr for kScalar.
const SumKernels* SumKernelsFor(Target target);

}  // namespace anchorhold::simd
