// Convolutions of images, fast: two spatial axes (a one-dimensional one has height 1), any stride,
// dilation, padding and groups, for a group of examples.
//
//   x [examples, G C, H, W]    w [G M, C, KH, KW]    y [examples, G M, OH, OW]
//
// The maps are kernels/convolution.h's. Dense ones are matrix products whose packing reads the
// image directly (no im2col matrix in memory); depthwise ones (C = M = 1) hold channels or columns
// in the lanes; other groups are dense ones a group at a time. Small images (few outputs an
// example) take several examples as the columns of one product; where there are enough of them to
// fill the lanes, examples are the lanes. Windows of 3 x 3 with stride 1, enough channels and
// packed weights are computed by minimal filtering, in 16 multiplications instead of 36 for four
// outputs (winograd_transform-inl.h): an output's error then is bounded by the magnitudes in the 4
// x 4 inputs that its tile reads, and what is not finite among these may spread to its outputs. So
// are the gradients of such weights. Target kAmx computes many convolutions with windows of one
// position on the matrix unit, if their weights are packed, and the gradients of such weights
// (convolution_amx.cc has the order), with the bound of amx_unit.h.
#pragma once

#include <cstddef>

#include "trusted/kernels/convolution.h"
#include "trusted/simd/gemm.h"
#include "trusted/simd/target.h"

namespace anchorhold::simd {

enum class ConvolutionMap : unsigned char { kForward, kInput, kWeight };

// Weights, as they are or by `pack` for the map that is asked for.
struct Filter {
  const float* weights = nullptr;
  bool packed = false;
};

// An order of a gradient of weights that saves sorting them: of each output channel's numbers
// [C, KH KW], so many channels at a time (at the end, what is left) are [KH KW, channels].
inline constexpr std::size_t kTapChannels = 16;

// Where gradients of weights go, by example: number i of example e to data[e stride + i],
// overwritten. `by_taps`: in the order of kTapChannels, where weight_by_taps. `far`: they are read
// so late that they had better be written past the caches.
struct WeightResults {
  float* data = nullptr;
  std::size_t stride = 0;
  bool by_taps = false;
  bool far = false;
};

struct ConvolutionKernels {
  // True if these kernels serve the shape (one or two spatial axes, sizes within 31 bits).
  // shape.batch is the number of examples of the group.
  bool (*serves)(const kernels::ConvolutionShape& shape);
  // True if the map of the shape is computed by minimal filtering (with packed weights), for any
  // number of examples.
  bool (*minimal)(const kernels::ConvolutionShape& shape, ConvolutionMap map);
  // Scratch memory, in floats, for any one of the calls.
  std::size_t (*scratch)(const kernels::ConvolutionShape& shape);
  // Weights in the order in which `forward` or `input` reads them, for calls with many groups of
  // examples: how many floats that takes (0: nothing is gained), and the reordering. The results
  // are the same bits, but for those of minimal filtering and of the matrix unit. shape.batch does
  // not matter.
  std::size_t (*packed)(const kernels::ConvolutionShape& shape, ConvolutionMap map);
  void (*pack)(const kernels::ConvolutionShape& shape, ConvolutionMap map, const float* w,
               float* packed);
  // epilogue.row_bias is by output channel [G M]; column_bias is not used.
  void (*forward)(const kernels::ConvolutionShape& shape, const float* x, const Filter& w,
                  const Epilogue& epilogue, float* y, float* scratch);
  void (*input)(const kernels::ConvolutionShape& shape, const float* y, const Filter& w, float* x,
                float* scratch);
  // Whether `weight` can leave them in the order of kTapChannels: the same answer on all targets.
  bool (*weight_by_taps)(const kernels::ConvolutionShape& shape);
  // squares[e], unless null, becomes the sum of the squares of example e's gradient, as
  // SumKernels::squares states it, which is cheap while what was written is still near.
  void (*weight)(const kernels::ConvolutionShape& shape, const float* x, const float* y,
                 const WeightResults& results, double* squares, float* scratch);
};

// nullptr for kScalar.
const ConvolutionKernels* ConvolutionKernelsFor(Target target);

// kAmx's, and those that all other targets have.
const ConvolutionKernels* AmxConvolutionKernels();
const ConvolutionKernels* VectorConvolutionKernelsFor(Target target);

}  // namespace anchorhold::simd
