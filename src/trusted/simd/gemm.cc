#include "trusted/simd/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/gemm.cc"
#include "trusted/simd/tables.h"
// foreach_target.h includes this file again for each target but the last.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/gemm_ghost-inl.h"
#include "trusted/simd/gemm_grid-inl.h"
#include "trusted/simd/gemm_plan-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

std::size_t Scratch(const GemmShape& shape) {
  if (shape.rows == 0 || shape.columns == 0) return 0;
  return ScratchFloats(PlanProduct(shape));
}

BlockJob JobOf(const GemmShape& shape, const Epilogue& epilogue, float* scratch) {
  BlockJob job;
  job.plan = PlanProduct(shape);
  job.ldc = shape.ldc;
  job.accumulate = shape.accumulate;
  job.epilogue = epilogue;
  if (job.plan.swapped) {
    job.epilogue.row_bias = epilogue.column_bias;
    job.epilogue.column_bias = epilogue.row_bias;
  }
  job.finish = epilogue.row_bias != nullptr || epilogue.column_bias != nullptr || epilogue.clip;
  job.packed_b = AlignToLine(scratch);
  job.packed_a = job.packed_b + FloatsB(job.plan);
  return job;
}

void MultiplyBatch(const GemmShape& shape, const GemmBatch& batch, const float* a, const float* b,
                   const Epilogue& epilogue, float* c, float* scratch) {
  if (shape.rows == 0 || shape.columns == 0) return;
  BlockJob job = JobOf(shape, epilogue, scratch);
  for (std::size_t i = 0; i < batch.count; ++i) {
    job.a = FactorA(shape, a + i * batch.stride_a);
    job.b = FactorB(shape, b + i * batch.stride_b);
    job.c = c + i * batch.stride_c;
    if (job.plan.swapped) {
      const Factor swap = job.a;
      job.a = job.b;
      job.b = swap;
      RunBlocks<TransposedSink>(job);
    } else {
      RunBlocks<MatrixSink>(job);
    }
  }
}

void Multiply(const GemmShape& shape, const float* a, const float* b, const Epilogue& epilogue,
              float* c, float* scratch) {
  MultiplyBatch(shape, GemmBatch{}, a, b, epilogue, c, scratch);
}

// sum = (scale g)^T a, of all examples' positions in a row.
BlockPlan PlanSum(const OuterShape& shape) {
  return PlanBlocks(shape.p, shape.examples * shape.positions, shape.d,
                    Factor{nullptr, 1, shape.ldg}, Factor{nullptr, 1, shape.lda}, true);
}

std::size_t OuterSumScratch(const OuterShape& shape) {
  return shape.p == 0 || shape.d == 0 ? 0 : ScratchFloats(PlanSum(shape));
}

void OuterSum(const OuterShape& shape, const float* g, const float* a, const float* scale,
              bool accumulate, float* sum, float* scratch) {
  if (shape.p == 0 || shape.d == 0) return;
  BlockJob job;
  job.plan = PlanSum(shape);
  job.a = Factor{g, 1, shape.ldg};
  job.b = Factor{a, 1, shape.lda};
  job.scale = RowScale{scale, HWY_MAX(shape.positions, 1), 0};
  job.c = sum;
  job.ldc = shape.d;
  job.accumulate = accumulate;
  job.packed_b = AlignToLine(scratch);
  job.packed_a = job.packed_b + FloatsB(job.plan);
  RunBlocks<MatrixSink>(job);
}

}  // namespace

extern const GemmKernels kGemm;
const GemmKernels kGemm = {.scratch = &Scratch,
                           .multiply = &Multiply,
                           .multiply_batch = &MultiplyBatch,
                           .outer_squares_scratch = &OuterSquaresScratch,
                           .outer_squares = &OuterSquares,
                           .outer_sum_scratch = &OuterSumScratch,
                           .outer_sum = &OuterSum,
                           .outer_grid_scratch = &OuterGridScratch,
                           .outer_grid = &OuterGrid};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(GemmKernels, VectorGemmKernelsFor, kGemm)

const GemmKernels* GemmKernelsFor(Target target) {
  return target == Target::kAmx ? AmxGemmKernels() : VectorGemmKernelsFor(target);
}
}  // namespace anchorhold::simd
#endif
