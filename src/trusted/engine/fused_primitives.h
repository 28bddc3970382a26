// Primitives that the engine's passes put in place of several: each is what its parts were, type
// rule, naive kernels for float and double and gradient included, so a graph that holds them is
// checked, differentiated and interpreted like any other.
#pragma once

#include "trusted/graph/primitive.h"

namespace anchorhold::engine {

// NormaliseAffine (x, scale, shift) -> y. x is seen as [outer, groups, channels, inner], attributes
// dims = {groups, channels, inner} being its last axes together; each row of channels * inner
// numbers is normalised (kernels/normalise.h; mode and alpha, the epsilon, as for kNormalise) and
// becomes
//   y = scale[group, channel] x' + shift[group, channel],
// scale and shift having groups * channels numbers. Examples must lie in `outer`.
//
// Gradients, for g of y's shape, with g' = g scale:
//   NormaliseAffineGrad (x, scale, g) -> dx, as kNormaliseGrad of (x, g')
//   NormaliseScaleGrad (x, g, scale) -> sum over outer and inner of g x'
//   NormaliseShiftGrad (g, shift) -> sum over outer and inner of g
extern const graph::Primitive kNormaliseAffine;
extern const graph::Primitive kNormaliseAffineGrad;
extern const graph::Primitive kNormaliseScaleGrad;
extern const graph::Primitive kNormaliseShiftGrad;

// Silu (x) -> x sigmoid(x), also called Swish. SiluGrad (x, g) -> g (s + x s (1 - s)), s being
// sigmoid(x).
extern const graph::Primitive kSilu;
extern const graph::Primitive kSiluGrad;

// The sizes in attributes.dims, and `outer` for a value of `elements` numbers.
struct NormaliseSizes {
  std::size_t outer = 0;
  std::size_t groups = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;
  std::size_t row() const { return channels * inner; }
};
NormaliseSizes SizesOf(const graph::Attributes& attributes, std::size_t elements);

}  // namespace anchorhold::engine
