#include "trusted/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/rows_parts-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

extern const RowKernels kRows;
const RowKernels kRows = {Normalise, NormaliseGrad, Softmax,     SoftmaxGrad,     Sum,    SumRows,
                          MaxPool,   MaxPoolGrad,   AveragePool, AveragePoolGrad, Permute};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(RowKernels, RowKernelsFor, kRows)
}  // namespace anchorhold::simd
#endif
