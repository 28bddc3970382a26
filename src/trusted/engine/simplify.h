// Simplify: a pass that rewrites exporters' idioms into what they mean, Graph -> Graph.
//
//   x * 1, x + 0                                    x
//   x * c, x / c, x + c, x - c, c one number        Scale
//   x (1 + erf(x / sqrt 2)) / 2                     Gelu
//   x sigmoid(x)                                    Silu (fused_primitives.h)
//   x + A B, A or B zeros                           x: what a recurrent network's first state adds
//   x^2, x^3                                        x x, x x x
//   x at one place of an axis                       a slice, whose gradient joins others'
//   Where by truth values, Cast of them      Choose by numbers 1 and 0, these numbers (truths.h)
//   ReduceMin                                 minus the largest of -x
//   scale * normalised + shift, by channel          NormaliseAffine (the same)
//
// What is computed stays the same up to the rounding of one operation a rewrite. Every new node
// goes through GraphBuilder::Emit, so the type check that examples do not mix is made once more.
#pragma once

#include "shared/base/result.h"
#include "trusted/graph/model.h"

namespace anchorhold::engine {

// The same model: inputs, parameters and outputs keep their places. Errors are type rules'.
Result<graph::Model> Simplify(const graph::Model& model);

}  // namespace anchorhold::engine
