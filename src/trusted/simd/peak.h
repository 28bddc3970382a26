// The machine's arithmetic peak: a loop that multiplies and adds in registers alone. What it
// reaches in a second is what the other kernels' arithmetic is measured against.
#pragma once

#include <cstddef>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

struct PeakKernels {
  // Floating-point operations of one round, a multiplication and an addition counting as two.
  std::size_t operations = 0;
  // `rounds` rounds of x <- x m + a on vectors that do not wait for each other; returns the sum of
  // what they became, so that no compiler leaves the loop out. |start| <= 1 keeps them finite.
  float (*run)(std::size_t rounds, float start) = nullptr;
};

// kScalar has one too: plain code, as the compiler makes it.
const PeakKernels* PeakKernelsFor(Target target);

}  // namespace anchorhold::simd
