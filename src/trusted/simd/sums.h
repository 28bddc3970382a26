// Passes over gradients: norms, weighted sums, sums on the grid of dp/clip.h, and updates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

struct SumKernels {
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
  // total += sum; sum = 0.
  void (*flush_grid)(std::size_t n, std::int32_t* sum, std::int64_t* total);
  // dst = float(unit * (double(sum) + double(noise))): what leaves the grid.
  void (*from_grid)(std::size_t n, const std::int64_t* sum, const std::int64_t* noise, double unit,
                    float* dst);

  // Optimizer updates (train/optimizer.h has the formulas and the meaning of the arguments); v, m
  // and s are the optimizer's state. All sums are w (1 - decay) first where decay is decoupled.
  struct Update {
    float rate = 0;      // learning rate, bias corrections included
    float decay = 0;     // weight decay, added to the gradient (or decoupled)
    float momentum = 0;  // SGD, RMSprop
    float dampening = 0;
    bool nesterov = false;
    float beta1 = 0;
    float beta2 = 0;  // RMSprop's alpha
    float epsilon = 0;
    float second = 1;  // the bias correction of the second moment
  };
  void (*sgd)(const Update& update, std::size_t n, const float* gradient, float* w, float* m);
  void (*adam)(const Update& update, bool decoupled, std::size_t n, const float* gradient, float* w,
               float* m, float* s);
};

// nullptr for kScalar.
const SumKernels* SumKernelsFor(Target target);

}  // namespace anchorhold::simd
