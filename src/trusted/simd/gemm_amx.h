// Within target kAmx's products (gemm_amx.cc), and for its tests.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/simd/gemm.h"

namespace anchorhold::simd::amx {

// k's of a slab, a product of depth `inner` being summed slab by slab: C = C + (sum of the slab).
std::size_t SlabDepth(std::size_t inner);

// Whether gradients of this shape are summed on the unit, for any number of examples: by outer_sum,
// in one chain over all examples' positions, and by outer_grid, example by example.
bool TakesSum(const OuterShape& shape);
bool TakesGrid(const OuterShape& shape);

// gemm.h's outer_grid, for at least one example and one position.
std::size_t GridScratch(const OuterShape& shape);
void RunGrid(const OuterShape& shape, std::size_t begin, std::size_t end, const float* g,
             const float* a, const float* scale, std::int32_t sign, bool accumulate,
             std::int32_t* sum, double* squares, float* scratch);

}  // namespace anchorhold::simd::amx
