// The passes of simd/sums.h that gradient sums need, with plain loops where the target has no
// kernels. Every function has the contract that simd/sums.h states.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/engine/program.h"

namespace anchorhold::engine {

void FindRepeats(const Kernels& kernels, std::size_t n, const std::int32_t* rows,
                 std::int32_t* first);
double SquaresOf(const Kernels& kernels, std::size_t n, const float* x);
void AddScaled(const Kernels& kernels, std::size_t n, const float* x, float scale, float* y);
double AddGrid(const Kernels& kernels, std::size_t n, const float* x, float scale,
               std::int32_t sign, std::int32_t* sum);
void AddScaledRows(const Kernels& kernels, const simd::TableRows& rows, const float* x, float scale,
                   float* table);
double AddGridRows(const Kernels& kernels, const simd::TableRows& rows, const float* x, float scale,
                   std::int32_t sign, std::int32_t* table);
void FlushGrid(const Kernels& kernels, std::size_t n, std::int32_t* sum, std::int64_t* total);

}  // namespace anchorhold::engine
