// Depthwise convolutions (one input and one output channel a group), for convolution.cc.
#pragma once

#include <cstddef>

#include "trusted/simd/convolution.h"

namespace anchorhold::simd {

// As in ConvolutionKernels, for shapes with in_channels = out_channels = 1. Scratch memory must
// begin on a cache line.
struct DepthwiseKernels {
  std::size_t (*scratch)(const kernels::ConvolutionShape& shape);
  void (*forward)(const kernels::ConvolutionShape& shape, const float* x, const float* w,
                  const Epilogue& epilogue, float* y, float* scratch);
  void (*input)(const kernels::ConvolutionShape& shape, const float* y, const float* w, float* x,
                float* scratch);
  void (*weight)(const kernels::ConvolutionShape& shape, const float* x, const float* y,
                 std::size_t stride_w, float* w, float* scratch);
};

}  // namespace anchorhold::simd
