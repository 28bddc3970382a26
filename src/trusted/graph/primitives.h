// All primitives. Shapes are ValueType shapes: of one example, or of a batch of one.
#pragma once

#include "trusted/graph/primitive.h"

namespace anchorhold::graph::primitives {

// Elementwise; any shape (primitives_elementwise.cc, kernels/elementwise.h).
extern const Primitive kNeg;
extern const Primitive kExp;
extern const Primitive kLog;
extern const Primitive kSqrt;
extern const Primitive kTanh;
extern const Primitive kSigmoid;
extern const Primitive kScale;      // alpha x
extern const Primitive kLeakyRelu;  // slope alpha; Relu is alpha = 0
extern const Primitive kClip;       // to [alpha, beta]
// Gradients: (x or y, g) -> dx.
extern const Primitive kLeakyReluGrad;
extern const Primitive kClipGrad;
extern const Primitive kSigmoidGrad;
extern const Primitive kTanhGrad;

// Elementwise with broadcasting, aligned at the last axis (primitives_binary.cc). Two values with
// examples must have them at the same place; a value without must be 1 there or lack the axis.
extern const Primitive kAdd;
extern const Primitive kSub;
extern const Primitive kMul;
extern const Primitive kDiv;

// SumOver: sums over the axes `dims` (ascending), which stay with size 1. BroadcastTo: repeats to
// the shape `dims`, whose example axis is `example_axis`; each is the other's gradient (primitives_reduce.cc).
extern const Primitive kSumOver;
extern const Primitive kBroadcastTo;

// MatMul: op(a) [.., m, k] times op(b) [.., k, p], leading axes broadcasting
// (primitives_matmul.cc).
extern const Primitive kMatMul;

// Softmax and LogSoftmax along `axis` (primitives_softmax.cc).
extern const Primitive kSoftmax;
extern const Primitive kLogSoftmax;
extern const Primitive kSoftmaxGrad;
extern const Primitive kLogSoftmaxGrad;

// Layout (primitives_layout.cc). Reshape: to `dims`, with the example axis at `example_axis`; the
// same numbers in the same order. Transpose: output axis k is input axis dims[k]. Concat: along
// `axis`. Slice: dims = {start, size} along `axis`.
extern const Primitive kReshape;
extern const Primitive kTranspose;
extern const Primitive kConcat;
extern const Primitive kSlice;
extern const Primitive kPad;  // dims: numbers before each axis, then after each; filled with alpha

}  // namespace anchorhold::graph::primitives
