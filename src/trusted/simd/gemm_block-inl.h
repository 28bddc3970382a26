// Blocked matrix products: C (+)= A B^T, with both factors seen as rows of length `inner`.
//
//   for each slab of `depth` of the inner dimension      so that a panel of B stays in L1
//     for each block of rows                             so that its slab of A stays in L2
//       for each panel of columns                        packed, or read where it lies
//         for each tile of rows                          gemm_tile-inl.h
//
// Chains go on from slab to slab through C, so none of the block sizes shows in the result.
#if defined(ANCHORHOLD_SIMD_GEMM_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_BLOCK_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_BLOCK_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_BLOCK_INL_H_
#endif

#include "trusted/simd/gemm_pack-inl.h"
#include "trusted/simd/gemm_sink-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// One factor of a product: element (row i, inner k) is data[i row + k step]; row or step is 1.
struct Factor {
  const float* data = nullptr;
  std::size_t row = 0;
  std::size_t step = 0;
};

// Sizes and ways of one product, of C [rows, columns] as it is computed (perhaps C^T).
struct BlockPlan {
  std::size_t rows = 0;
  std::size_t inner = 0;
  std::size_t columns = 0;
  std::size_t depth = 0;          // of a slab
  std::size_t row_block = 0;      // a multiple of tile_rows
  std::size_t tile_rows = 0;      // of all tiles but the last
  std::size_t panel_vectors = 0;  // of all panels but the last
  bool pack_a = false;
  bool pack_b = false;   // else whole panels are read where they lie
  bool swapped = false;  // C^T = B A^T is computed
};

// Floats of a panel of B and of a block of A. AVX-512: both in L2, whose 64 bytes a cycle suffice
// for the panel, and deeper slabs load and store C less often. Otherwise: L1 and L2.
#if HWY_TARGET == HWY_AVX3
inline constexpr std::size_t kPanelFloats = 18432;
inline constexpr std::size_t kBlockFloats = std::size_t{128} << 10;
#else
inline constexpr std::size_t kPanelFloats = 4096;
inline constexpr std::size_t kBlockFloats = std::size_t{64} << 10;
#endif

HWY_INLINE constexpr std::size_t Quotient(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

// n in equal parts of at most `most`, each a multiple of `unit`: the size of a part.
HWY_INLINE constexpr std::size_t EqualParts(std::size_t n, std::size_t most, std::size_t unit) {
  if (n <= most) return n;
  const std::size_t part = Quotient(n, Quotient(n, most));
  return Quotient(part, unit) * unit;
}

HWY_INLINE std::size_t PanelCount(const BlockPlan& plan) {
  return Quotient(plan.columns, plan.panel_vectors * kLanes);
}

// Scratch memory: the panels of B, then those of A; and room to align them to a cache line.
inline constexpr std::size_t kLineFloats = 16;

HWY_INLINE std::size_t FloatsB(const BlockPlan& plan) {
  return plan.depth * plan.panel_vectors * kLanes;
}

HWY_INLINE std::size_t FloatsA(const BlockPlan& plan) {
  if (!plan.pack_a) return 0;
  const std::size_t rows = HWY_MIN(plan.row_block, plan.rows);
  return Quotient(rows, plan.tile_rows) * PanelFloatsA(plan.depth);
}

HWY_INLINE std::size_t ScratchFloats(const BlockPlan& plan) {
  return kLineFloats + FloatsB(plan) + FloatsA(plan);
}

HWY_INLINE float* AlignToLine(float* p) {
  const std::size_t bytes = kLineFloats * sizeof(float);
  return p + (bytes - reinterpret_cast<std::size_t>(p) % bytes) % bytes / sizeof(float);
}

HWY_INLINE Epilogue EpilogueAt(const Epilogue& epilogue, std::size_t i, std::size_t j) {
  Epilogue shifted = epilogue;
  if (shifted.row_bias != nullptr) shifted.row_bias += i;
  if (shifted.column_bias != nullptr) shifted.column_bias += j;
  return shifted;
}

// A product under way.
struct BlockJob {
  BlockPlan plan;
  Factor a;
  Factor b;
  RowScale scale;  // of k, of outer_sum
  float* c = nullptr;
  std::size_t ldc = 0;
  bool accumulate = false;
  bool finish = false;  // there is an epilogue
  Epilogue epilogue;
  float* packed_b = nullptr;
  float* packed_a = nullptr;
};

// A slab: inner k0 .. k0 + depth - 1.
struct Slab {
  std::size_t k0 = 0;
  std::size_t depth = 0;
  bool load = false;
  bool last = false;
};

// Columns j0 .. j0 + columns - 1, in whole vectors; and where their part of a slab is.
struct Panel {
  std::size_t j0 = 0;
  std::size_t columns = 0;
  std::size_t vectors = 0;
  const float* b = nullptr;
  std::size_t stride = 0;
};

HWY_INLINE RowScale ScaleAt(const BlockJob& job, const Slab& slab) {
  return {job.scale.scale, job.scale.positions, slab.k0};
}

HWY_INLINE void PackPanelB(const BlockJob& job, const Slab& slab, const Panel& panel, float* to) {
  const float* from = job.b.data + panel.j0 * job.b.row + slab.k0 * job.b.step;
  if (job.scale.scale != nullptr) {
    PackBMasked(from, job.b.step, ScaleAt(job, slab), slab.depth, panel.columns, panel.vectors, to);
  } else if (job.b.row == 1) {
    PackBRows(from, job.b.step, slab.depth, panel.columns, panel.vectors, to);
  } else {
    PackBTransposed(from, job.b.row, slab.depth, panel.columns, panel.vectors, to);
  }
}

HWY_INLINE Panel PanelAt(const BlockJob& job, std::size_t index) {
  Panel panel;
  panel.j0 = index * job.plan.panel_vectors * kLanes;
  panel.columns = HWY_MIN(job.plan.columns - panel.j0, job.plan.panel_vectors * kLanes);
  panel.vectors = Quotient(panel.columns, kLanes);
  panel.stride = panel.vectors * kLanes;
  return panel;
}

// The panel, packed or where it lies.
HWY_INLINE Panel ReadyPanel(const BlockJob& job, const Slab& slab, std::size_t index) {
  Panel panel = PanelAt(job, index);
  if (!job.plan.pack_b && panel.columns == panel.stride) {
    panel.b = job.b.data + panel.j0 + slab.k0 * job.b.step;
    panel.stride = job.b.step;
    return panel;
  }
  PackPanelB(job, slab, panel, job.packed_b);
  panel.b = job.packed_b;
  return panel;
}

HWY_INLINE void PackBlockA(const BlockJob& job, const Slab& slab, std::size_t i0, std::size_t end) {
  float* to = job.packed_a;
  for (std::size_t i = i0; i < end; i += job.plan.tile_rows) {
    const std::size_t rows = HWY_MIN(end - i, job.plan.tile_rows);
    const float* from = job.a.data + i * job.a.row + slab.k0 * job.a.step;
    if (job.scale.scale != nullptr) {
      PackAScaled(from, job.a.step, ScaleAt(job, slab), slab.depth, rows, to);
    } else if (job.a.step == 1) {
      PackARows(from, job.a.row, slab.depth, rows, to);
    } else {
      PackATransposed(from, job.a.step, slab.depth, rows, to);
    }
    to += PanelFloatsA(slab.depth);
  }
}

// With fewer tiles to a panel there is too little time between a piece and the next one.
inline constexpr std::size_t kFetchTiles = 16;

// Fetches a piece of what the next panel will be packed from: its rows lie far apart in memory,
// which the machine's own prefetching does not foresee.
class NextPanel {
 public:
  HWY_INLINE NextPanel(const BlockJob& job, const Slab& slab, std::size_t index, std::size_t tiles)
      : stride_(job.b.step) {
    const Panel next = PanelAt(job, index + 1);
    bytes_ = next.columns * sizeof(float);
    at_ = job.b.data + next.j0 + slab.k0 * stride_;
    left_ = slab.depth;
    share_ = Quotient(slab.depth, tiles);
  }
  HWY_INLINE NextPanel() = default;

  HWY_INLINE void Fetch() {
    for (std::size_t i = HWY_MIN(share_, left_); i != 0; --i) {
      for (std::size_t byte = 0; byte < bytes_; byte += 64) {
        __builtin_prefetch(reinterpret_cast<const char*>(at_) + byte, 0, 2);
      }
      at_ += stride_;
      --left_;
    }
  }

 private:
  const float* at_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t bytes_ = 0;
  std::size_t left_ = 0;
  std::size_t share_ = 0;
};

// All tiles of rows i0 .. end - 1 in one panel.
template <class Sink>
HWY_INLINE void RunPanel(const BlockJob& job, const Slab& slab, const Panel& panel, std::size_t i0,
                         std::size_t end, NextPanel next) {
  const bool finish = job.finish && slab.last;
  const std::size_t row = job.plan.swapped ? 1 : job.ldc;
  const std::size_t column = job.plan.swapped ? job.ldc : 1;
  Epilogue epilogue = EpilogueAt(job.epilogue, i0, panel.j0);
  Sink sink{job.c + i0 * row + panel.j0 * column, job.ldc, panel.columns, slab.load,
            finish ? &epilogue : nullptr};
  const float* packed = job.packed_a;
  for (std::size_t i = i0; i < end; i += job.plan.tile_rows) {
    const std::size_t rows = HWY_MIN(end - i, job.plan.tile_rows);
    const float* from = job.a.data + i * job.a.row + slab.k0 * job.a.step;
    next.Fetch();
    if (job.plan.pack_a) {
      RunTile(rows, panel.vectors, slab.depth, AInterleaved{packed, kTileRows}, panel.b,
              panel.stride, sink);
      packed += PanelFloatsA(slab.depth);
    } else if (job.a.step == 1) {
      RunTile(rows, panel.vectors, slab.depth, ARows{from, job.a.row}, panel.b, panel.stride, sink);
    } else {
      RunTile(rows, panel.vectors, slab.depth, AInterleaved{from, job.a.step}, panel.b,
              panel.stride, sink);
    }
    sink.c += rows * row;
    if (epilogue.row_bias != nullptr) epilogue.row_bias += rows;
  }
}

template <class Sink>
HWY_NOINLINE void RunBlocks(const BlockJob& job) {
  const BlockPlan& plan = job.plan;
  const std::size_t panels = PanelCount(plan);
  std::size_t k0 = 0;
  do {  // once at least: an empty sum is zero
    const std::size_t depth = HWY_MIN(plan.inner - k0, plan.depth);
    const Slab slab{k0, depth, job.accumulate || k0 != 0, k0 + depth == plan.inner};
    for (std::size_t i0 = 0; i0 < plan.rows; i0 += plan.row_block) {
      const std::size_t end = HWY_MIN(plan.rows, i0 + plan.row_block);
      if (plan.pack_a) PackBlockA(job, slab, i0, end);
      for (std::size_t index = 0; index < panels; ++index) {
        const Panel panel = ReadyPanel(job, slab, index);
        NextPanel next;
        const std::size_t tiles = Quotient(end - i0, plan.tile_rows);
        if (plan.pack_b && job.b.row == 1 && index + 1 < panels && tiles >= kFetchTiles) {
          next = NextPanel(job, slab, index, tiles);
        }
        RunPanel<Sink>(job, slab, panel, i0, end, next);
      }
    }
    k0 += depth;
  } while (k0 < plan.inner);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
