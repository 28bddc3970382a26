// A target's row kernels, each family in a file of its own (rows_*.cc), as rows.cc tabulates them.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_PARTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_PARTS_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_PARTS_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_PARTS_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/simd/rows.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

void Normalise(const NormaliseAffineShape& shape, const float* x, const float* scale,
               const float* shift, float* y, float* stats);
void NormaliseGrad(const NormaliseAffineShape& shape, const NormaliseGradInputs& inputs, float* dx,
                   float* dscale, float* dshift);
void Softmax(const SoftmaxShape& shape, const float* x, float* y);
void SoftmaxGrad(const SoftmaxShape& shape, const float* y, const float* g, float* dx);
void Sum(std::size_t outer, std::size_t n, std::size_t inner, const float* x, const float* z,
         float* y);
void SumRows(const TableOfRows& table, std::size_t n, const std::int64_t* indices, float* y);
void MaxPool(std::size_t planes, const kernels::Windows& windows, const float* x, float* y);
void MaxPoolGrad(std::size_t planes, const kernels::Windows& windows, const float* x,
                 const float* g, float* dx);
void AveragePool(std::size_t planes, const kernels::Windows& windows, kernels::Divisor divisor,
                 const float* x, float* y);
void AveragePoolGrad(std::size_t planes, const kernels::Windows& windows, kernels::Divisor divisor,
                     const float* g, float* dx);
void Permute(std::size_t axes, const std::size_t* sizes, const std::size_t* strides, const float* x,
             float* y);

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
