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
extern const Primitive kScale;      // alpha x + beta
extern const Primitive kLeakyRelu;  // slope alpha; Relu is alpha = 0
extern const Primitive kClip;       // to [alpha, beta]
extern const Primitive kElu;        // alpha (e^(x / beta) - 1) below 0
extern const Primitive kGelu;       // mode: 0 by the error function, 1 by tanh
// Gradients: (x or y, g) -> dx.
extern const Primitive kLeakyReluGrad;
extern const Primitive kClipGrad;
extern const Primitive kSigmoidGrad;
extern const Primitive kTanhGrad;
extern const Primitive kEluGrad;
extern const Primitive kGeluGrad;
// Functions of one number without attributes (primitives_functions.cc).
extern const Primitive kAbs;
extern const Primitive kSign;
extern const Primitive kFloor;
extern const Primitive kCeil;
extern const Primitive kRound;  // halves to the even integer
extern const Primitive kSin;
extern const Primitive kCos;
extern const Primitive kAsin;
extern const Primitive kAcos;
extern const Primitive kAtan;
extern const Primitive kSinh;
extern const Primitive kCosh;
extern const Primitive kAsinh;
extern const Primitive kAcosh;
extern const Primitive kAtanh;
extern const Primitive kErf;
extern const Primitive kErfSlope;  // its derivative, 2 / sqrt(pi) e^(-x^2)
extern const Primitive kSoftplus;

// Elementwise with broadcasting, aligned at the last axis (primitives_binary.cc). Two values with
// examples must have them at the same place; a value without must be 1 there or lack the axis.
extern const Primitive kAdd;
extern const Primitive kSub;
extern const Primitive kMul;
extern const Primitive kDiv;
extern const Primitive kPow;
extern const Primitive kMod;       // of the dividend's sign
extern const Primitive kFloorMod;  // of the divisor's sign
extern const Primitive kMax;
extern const Primitive kMin;
// Partial derivatives, for gradients (kernels/binary.h).
extern const Primitive kMaxShare;
extern const Primitive kPowByBase;
extern const Primitive kPowByExponent;
extern const Primitive kDivOrZero;

// Truth values and bits, with the same broadcasting (primitives_logic.cc). Compare: to bool; mode
// is a kernels::CompareOp. Bitwise: integers or bools; mode a kernels::BitOp. Where: (bool, a, b).
// Mask: (bool, g) -> g where the bool is `mode`, else 0.
extern const Primitive kCompare;
extern const Primitive kBitwise;
extern const Primitive kWhere;
extern const Primitive kMask;

// SumOver: sums over the axes `dims` (ascending), which stay with size 1. BroadcastTo: repeats to
// the shape `dims`, examples at `example_axis`; each the other's gradient (primitives_reduce.cc).
extern const Primitive kSumOver;
extern const Primitive kBroadcastTo;
// Over the axes `dims` like SumOver (primitives_extremes.cc, kernels/reduce.h).
extern const Primitive kMaxOver;
extern const Primitive kMinOver;
extern const Primitive kProdOver;
extern const Primitive kProdOverGrad;  // (x, g) -> dx
extern const Primitive kNormOver;      // Euclidean
extern const Primitive kLogSumExpOver;

// MatMul: op(a) [.., m, k] times op(b) [.., k, p], leading axes broadcasting
// (primitives_matmul.cc).
extern const Primitive kMatMul;

// Softmax and LogSoftmax along `axis` (primitives_softmax.cc).
extern const Primitive kSoftmax;
extern const Primitive kLogSoftmax;
extern const Primitive kSoftmaxGrad;
extern const Primitive kLogSoftmaxGrad;

// Normalise: over the axes from `axis` to the last; mode is a kernels::NormaliseMode, alpha the
// epsilon (primitives_normalise.cc). Gradient: (x, g) -> dx.
extern const Primitive kNormalise;
extern const Primitive kNormaliseGrad;

// Ordering, along `axis`, reals or integers (primitives_ordering.cc). ArgExtreme: the index of the
// largest element, `axis` staying with size 1; mode: kSmallest, kLastIndex. TopKIndices: dims =
// {k}; mode: kSmallest. Hardmax: 1 at the first of the largest. CumSum: mode: kExclusive,
// kReverse. Triangle, of the last two axes: keeps column - row <= dims[0], or >= it if mode is 1.
inline constexpr int kSmallest = 1;
inline constexpr int kLastIndex = 2;
inline constexpr int kExclusive = 1;
inline constexpr int kReverse = 2;
extern const Primitive kArgExtreme;
extern const Primitive kTopKIndices;
extern const Primitive kHardmax;
extern const Primitive kCumSum;
extern const Primitive kTriangle;

// Layout (primitives_layout.cc). Reshape: to `dims`, with the example axis at `example_axis`; the
// same numbers in the same order. Transpose: output axis k is input axis dims[k]. Concat: along
// `axis`. Slice: dims = {start, size} along `axis`.
extern const Primitive kReshape;
extern const Primitive kTranspose;
extern const Primitive kConcat;
extern const Primitive kSlice;
extern const Primitive kPad;  // dims: numbers before each axis, then after each; filled with alpha

// Cast: to the element type `element` (primitives_cast.cc).
extern const Primitive kCast;

// Convolution, by `window`, with the result's spatial sizes in dims (primitives_convolution.cc):
// Conv (x, w) -> y; ConvInput (y, w) -> x; ConvWeight (x, y) -> w, whose sizes are the window's.
extern const Primitive kConv;
extern const Primitive kConvInput;
extern const Primitive kConvWeight;

// Pooling, by `window`, with the result's spatial sizes in dims (primitives_pooling.cc). MaxPool,
// MaxPoolIndices (mode: kColumnMajor) x -> y; MaxPoolGrad (x, g) -> dx; AveragePool x -> y and
// AveragePoolGrad g -> dx divide by mode, a kernels::Divisor.
inline constexpr int kColumnMajor = 1;
extern const Primitive kMaxPool;
extern const Primitive kMaxPoolIndices;
extern const Primitive kMaxPoolGrad;
extern const Primitive kAveragePool;
extern const Primitive kAveragePoolGrad;

// Reading by index (primitives_indexing.cc, kernels/indexing.h); an index out of range reads NaN,
// or the least integer. Gather: (data, int64 indices) along `axis`, which the indices' axes take.
// GatherElements: along `axis`, the indices having data's rank. GatherNd: `axis` is the number of
// batch axes. Gradients: (indices, g) to the data's shape `dims`.
extern const Primitive kGather;
extern const Primitive kGatherElements;
extern const Primitive kGatherNd;
extern const Primitive kGatherGrad;
extern const Primitive kGatherElementsGrad;
extern const Primitive kGatherNdGrad;
// OneHot: integers to beta at their place along the new `axis` of size dims[0], alpha elsewhere; of
// the type `element`.
extern const Primitive kOneHot;

// Writing by index (primitives_scatter.cc): (data, int64 indices, updates); mode is a
// kernels::ScatterMode. Gradients: (data, indices, updates, y, g).
extern const Primitive kScatterElements;  // along `axis`
extern const Primitive kScatterNd;
extern const Primitive kScatterElementsDataGrad;
extern const Primitive kScatterElementsUpdatesGrad;
extern const Primitive kScatterNdDataGrad;
extern const Primitive kScatterNdUpdatesGrad;

}  // namespace anchorhold::graph::primitives
