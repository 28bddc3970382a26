// Within target kAmx's convolutions (convolution_amx.cc), and for its tests.
#pragma once

#include "trusted/simd/convolution.h"

namespace anchorhold::simd::amx {

// Whether a map of this shape, which the kernels serve, is computed on the unit: `forward` and
// `input` with packed weights.
bool TakesConvolution(const kernels::ConvolutionShape& shape, ConvolutionMap map);

}  // namespace anchorhold::simd::amx
