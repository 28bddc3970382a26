// How a product is blocked (gemm_block-inl.h): what is packed, how large the blocks are, and
// whether C or its transpose is computed. Nothing here changes a bit of the result.
#if defined(ANCHORHOLD_SIMD_GEMM_PLAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_PLAN_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_PLAN_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_PLAN_INL_H_
#endif

#include "trusted/simd/gemm_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// A slab of so many floats stays in the first-level cache though it is not packed.
inline constexpr std::size_t kCompactFloats = 6144;

// Depth of a slab whose packed panels are used by one tile only: they stay in the first-level
// cache.
inline constexpr std::size_t kOnceDepth = 128;

// Rows that are a multiple of so many floats apart fall on the same few lines of the caches. Other
// rows of A are better read where they lie, where there are registers for all their addresses.
inline constexpr std::size_t kAliasFloats = 1024;

// Tiles to a panel from which on the next panel is packed meanwhile.
inline constexpr std::size_t kAheadTiles = 8;

HWY_INLINE Factor FactorA(const GemmShape& shape, const float* a) {
  return shape.transpose_a ? Factor{a, 1, shape.lda} : Factor{a, shape.lda, 1};
}

HWY_INLINE Factor FactorB(const GemmShape& shape, const float* b) {
  return shape.transpose_b ? Factor{b, shape.ldb, 1} : Factor{b, 1, shape.ldb};
}

// The strides of A (rows of C as computed) and B; data pointers do not matter. `masked`: both
// factors must be packed.
inline BlockPlan PlanBlocks(std::size_t rows, std::size_t inner, std::size_t columns,
                            const Factor& a, const Factor& b, bool masked) {
  BlockPlan plan;
  plan.rows = rows;
  plan.inner = inner;
  plan.columns = columns;
  const std::size_t tiles = Quotient(rows, kTileRows);
  plan.tile_rows = tiles <= 4 ? Quotient(rows, tiles) : kTileRows;
  plan.panel_vectors = EqualParts(Quotient(columns, kLanes), kTileVectors, 1);
  const std::size_t panel_columns = plan.panel_vectors * kLanes;
  const std::size_t panels = Quotient(columns, panel_columns);
  plan.depth = HWY_MAX(EqualParts(inner, kPanelFloats / panel_columns, 4), 1);
  if (b.row != 1 || masked) {
    plan.pack_b = true;
    if (tiles == 1) plan.depth = HWY_MIN(plan.depth, kOnceDepth);
  } else if (tiles == 1) {
    // Nothing would be used twice. Shallow slabs read all of a row before the next one.
    plan.depth = HWY_MIN(plan.depth, 32);
  } else {
    plan.pack_b = tiles > 4 && plan.depth * b.step > kCompactFloats;
  }
  plan.ahead =
      plan.pack_b && tiles >= kAheadTiles && panels > 1 && plan.panel_vectors == kTileVectors;
  if (masked) {
    plan.pack_a = true;
  } else if (a.step == 1) {
    plan.pack_a = tiles > 1 && panels >= 6 && (HWY_TARGET != HWY_AVX3 || a.row % kAliasFloats == 0);
  } else {
    plan.pack_a = panels >= 3;
  }
  if (!plan.pack_a && panels == 1) {  // A is read once only
    plan.row_block = rows;
    return plan;
  }
  plan.row_block = EqualParts(rows, HWY_MAX(kBlockFloats / plan.depth, kTileRows), plan.tile_rows);
  return plan;
}

// C^T is computed where C's rows are too short for vectors, or where a matrix B that is stored
// transposed would be transposed for a few rows only (but not so few that C's columns are short).
HWY_INLINE bool PrefersTransposed(const GemmShape& shape) {
  if (shape.columns <= kLanes / 4) return shape.rows > shape.columns;
  return shape.transpose_b && shape.rows > kLanes / 2 && shape.rows <= 4 * kTileRows &&
         shape.columns >= 4 * shape.rows;
}

inline BlockPlan PlanProduct(const GemmShape& shape) {
  const Factor a = FactorA(shape, nullptr);
  const Factor b = FactorB(shape, nullptr);
  if (!PrefersTransposed(shape)) {
    return PlanBlocks(shape.rows, shape.inner, shape.columns, a, b, false);
  }
  BlockPlan plan = PlanBlocks(shape.columns, shape.inner, shape.rows, b, a, false);
  plan.swapped = true;
  return plan;
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
