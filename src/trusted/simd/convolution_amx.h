// Within target kAmx's convolutions (convolution_amx.cc), and for its tests.
#pragma once

#include "trusted/simd/convolution.h"

namespace anchorhold::simd::amx {

// Whether `forward` or `input` of this shape is computed on the unit, with packed weights.
bool TakesConvolution(const kernels::ConvolutionShape& shape, ConvolutionMap map);

}  // namespace anchorhold::simd::amx
