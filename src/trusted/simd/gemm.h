// Matrix products, fast: C (+)= op(A) op(B) + bias, activated; and two that private training needs.
//
//   op(A): [rows, inner]    op(B): [inner, columns]    C: [rows, columns]; row-major with leading
//   dimensions lda, ldb, ldc (elements from one stored row to the next).
//
// Each element is one chain of fused multiply-adds in an order that `inner` and the target fix;
// |error| <= inner 2^-24 sum_k |a_ik b_kj| (and that of the epilogue). Target kAmx computes
// products whose shape says `tiles` on the matrix unit, in an order and with a bound of their own
// (amx_unit.h); of an infinity it makes a NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

struct GemmShape {
  std::size_t rows = 0;
  std::size_t inner = 0;
  std::size_t columns = 0;
  bool transpose_a = false;  // A is stored [inner, rows]
  bool transpose_b = false;  // B is stored [columns, inner]
  std::size_t lda = 0;
  std::size_t ldb = 0;
  std::size_t ldc = 0;
  bool accumulate = false;  // adds to C instead of overwriting it
  bool tiles = false;       // may be computed on a matrix unit: WorthTiles
};

// Whether a product is faster on a matrix unit, where there is one, than by vectors. Not to be
// asked with the sizes of a group, so that an example's bits are the same in any group.
bool WorthTiles(std::size_t rows, std::size_t inner, std::size_t columns);

// What is done to an element before it is stored. y = x + biases, then clipped to [low, high]:
// Relu is low = 0, high = infinity.
struct Epilogue {
  const float* row_bias = nullptr;     // [rows]
  const float* column_bias = nullptr;  // [columns]
  bool clip = false;
  float low = 0;
  float high = 0;
};

// `count` products of one shape; operand i of the batch starts i strides on (0: shared by all).
struct GemmBatch {
  std::size_t count = 1;
  std::size_t stride_a = 0;
  std::size_t stride_b = 0;
  std::size_t stride_c = 0;
};

// Gradients of a matrix product, by example: V_e = sum over t < positions of g_et a_et^T, a [p, d]
// matrix, with g [examples, positions, p] (rows ldg apart) and a [examples, positions, d] (rows lda
// apart; examples positions rows apart).
struct OuterShape {
  std::size_t examples = 1;
  std::size_t positions = 1;
  std::size_t p = 0;
  std::size_t d = 0;
  std::size_t ldg = 0;
  std::size_t lda = 0;
};

struct GemmKernels {
  // Scratch memory, in floats, for one call.
  std::size_t (*scratch)(const GemmShape& shape);
  void (*multiply)(const GemmShape& shape, const float* a, const float* b, const Epilogue& epilogue,
                   float* c, float* scratch);
  void (*multiply_batch)(const GemmShape& shape, const GemmBatch& batch, const float* a,
                         const float* b, const Epilogue& epilogue, float* c, float* scratch);

  // squares[e] = |V_e|^2 without forming V_e: sum over s, t of (g_es . g_et)(a_es . a_et),
  // symmetric in s and t (Li et al. 2022, "Large Language Models Can Be Strong Differentially
  // Private Learners", section 4: ghost clipping). Sums over s and t in double precision.
  std::size_t (*outer_squares_scratch)(const OuterShape& shape);
  void (*outer_squares)(const OuterShape& shape, const float* g, const float* a, double* squares,
                        float* scratch);

  // sum [p, d] (+)= sum over e of scale[e] V_e, in floats.
  std::size_t (*outer_sum_scratch)(const OuterShape& shape);
  void (*outer_sum)(const OuterShape& shape, const float* g, const float* a, const float* scale,
                    bool accumulate, float* sum, float* scratch);

  // sum [p, d] (+)= sum over e of sign v_e, v_e = round(scale[e] V_e) to the nearest even whole
  // number, saturating: each V_e is one chain over its own positions, rounded by itself and added
  // in whole numbers, so the sum is exact and the same in any order. squares[e] += |v_e|^2, from
  // below by a factor of 1 - 2^-18 at most. scale[e] = 0 contributes nothing, whatever V_e is (NaN
  // and infinities included). The caller sees to it that no sum leaves 32 bits. rows [begin, end)
  // of the p rows only: threads share the work by rows; `squares` then holds those rows' part.
  std::size_t (*outer_grid_scratch)(const OuterShape& shape);
  void (*outer_grid)(const OuterShape& shape, std::size_t begin, std::size_t end, const float* g,
                     const float* a, const float* scale, std::int32_t sign, bool accumulate,
                     std::int32_t* sum, double* squares, float* scratch);
};

// nullptr for kScalar.
const GemmKernels* GemmKernelsFor(Target target);

// kAmx's, and those that all other targets have.
const GemmKernels* AmxGemmKernels();
const GemmKernels* VectorGemmKernelsFor(Target target);

}  // namespace anchorhold::simd
