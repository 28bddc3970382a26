// What an epilogue does to sums of the matrix unit on their way to where they belong.
#pragma once

#include "trusted/simd/amx_unit.h"
#include "trusted/simd/gemm.h"

namespace anchorhold::simd::amx {

// 16 neighbours of a row, from column j on, as kernels in registers have it (FinishTile);
// epilogue.row_bias is the row's own.
ANCHORHOLD_AMX_INLINE __m512 Finished(const Epilogue& epilogue, __mmask16 mask, std::size_t j,
                                      __m512 x) {
  if (epilogue.row_bias != nullptr) x = _mm512_add_ps(x, _mm512_set1_ps(*epilogue.row_bias));
  if (epilogue.column_bias != nullptr) {
    x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, epilogue.column_bias + j));
  }
  if (epilogue.clip) {  // the second operand is the result where one is a NaN
    x = _mm512_max_ps(_mm512_set1_ps(epilogue.low), x);
    x = _mm512_min_ps(_mm512_set1_ps(epilogue.high), x);
  }
  return x;
}

}  // namespace anchorhold::simd::amx
