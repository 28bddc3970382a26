// Truth values as real numbers, 1 and 0, so that comparisons and choices are elementwise operations
// like any other (truths.h). They broadcast as Where's operands do.
#pragma once

#include "trusted/graph/primitive.h"

namespace anchorhold::engine {

// Holds (a, b) -> 1 where the comparison `mode`, a kernels::CompareOp, is true, else 0; 0 for a
// NaN.
extern const graph::Primitive kHolds;

// Choose (t, a, b) -> a where t is not 0, else b. The gradient goes to the side that was taken,
// and the other one's is 0 there, whatever the numbers are:
//   KeepWhere (t, g) -> g where (t is not 0) is `mode`, 1 or 0, else 0; t broadcasts to g
extern const graph::Primitive kChoose;
extern const graph::Primitive kKeepWhere;

}  // namespace anchorhold::engine
