// What sums of gradients are told: how each parameter's is made, how examples are clipped, where
// the sum goes. Plain data, which also lies in compiled models (src/client/runtime).
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/engine/program.h"
#include "trusted/engine/tap_order.h"

namespace anchorhold::engine {

// How a parameter's gradient is taken.
enum class Method : unsigned char {
  kNone,         // the loss does not depend on it
  kInstantiate,  // formed for each example, its norm taken, added scaled
  kGhost,        // norm from Gram matrices; one weighted contraction for the whole group
  kContract,     // not private: one contraction for the whole group
  kSparse,       // rows of a table: only those that the example reads
};

// How the sum over examples of one parameter's gradient is made after the backward steps.
struct GradientSum {
  Method method = Method::kNone;
  std::size_t offset = 0;  // in the flat vector
  std::size_t numbers = 0;
  // kInstantiate: the gradient, by example. kSparse: rows [positions, d], with duplicates joined
  // when private; if `repeated`, one row [d], which is that of all positions. Otherwise g.
  Operand gradient;
  Operand other;             // a of simd::OuterShape; kSparse: the indices
  Operand raw;               // kSparse: the rows as they came, which may be the same memory
  Operand squares;           // kInstantiate: a double, if the step that made the gradient has them
  simd::OuterShape outer{};  // of one example: examples = 1
  TapOrder order{};          // kInstantiate: of `gradient`
  std::size_t table_rows = 0;  // kSparse
  bool repeated = false;
};

enum class ClippingKind : unsigned char {
  kFlat,       // min(1, R / |g|)
  kPerLayer,   // for each of the L parameter tensors by itself: min(1, (R / sqrt L) / |g_l|)
  kAutomatic,  // R / (|g| + gamma): Bu et al. 2023, "Automatic Clipping" (AUTO-S)
};

// The factor of an example's gradient: `unit` times the above, R being bound / unit. On a grid,
// unit is the grid's reciprocal spacing and bound is in units of the grid.
struct Clipping {
  ClippingKind kind = ClippingKind::kFlat;
  double bound = 1;
  double unit = 1;
  double gamma = 0.01;
};

// Where a step's sum goes: `reals`, or `grid`, in whole numbers, each contribution rounded by
// itself.
struct SumTarget {
  float* reals = nullptr;
  // `capacity` contributions fit; with `total`, more are possible: everything is moved there. The
  // grid's own 32 bits are overwritten.
  std::int32_t* grid = nullptr;
  std::int64_t* total = nullptr;
  std::size_t capacity = 0;
  bool clears = true;  // `reals` and `total` are overwritten, not added to
  // On a grid: the largest |v|^2 that may be added. A contribution over it (by the rounding of its
  // norm alone) is taken back and added shortened; one that still is over it is left out.
  double squares_max = 0;
};

}  // namespace anchorhold::engine
