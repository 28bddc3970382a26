// Blocked matrix products: C (+)= A B^T, with both factors seen as rows of length `inner`.
//
//   for each slab of `depth` of the inner dimension      so that a panel of B stays in L1
//     for each block of rows                             so that its slab of A stays in L2
//       for each panel of columns                        packed, or read where it lies
//         for each tile of rows                          gemm_tile-inl.h
//
// With many tiles to a panel, the next panel is packed meanwhile: a piece after each tile, from
// memory that the tile before it has fetched. Weights come from far away, in pieces of rows that
// the machine's own prefetching does not foresee; spread over the arithmetic, the way is hidden.
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
  bool ahead = false;    // the next panel is packed meanwhile
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
  return plan.depth * plan.panel_vectors * kLanes * (plan.ahead ? 2 : 1);
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

// Where a product is: a slab, a block of rows i0 .. end - 1, and a panel.
struct BlockPlace {
  Slab slab;
  std::size_t i0 = 0;
  std::size_t end = 0;
  std::size_t index = 0;  // of the panel
  bool done = false;      // behind the last place
};

HWY_INLINE void BeginBlock(const BlockPlan& plan, std::size_t i0, BlockPlace& place) {
  place.i0 = i0;
  place.end = HWY_MIN(plan.rows, i0 + plan.row_block);
  place.index = 0;
}

HWY_INLINE BlockPlace BeginSlab(const BlockJob& job, std::size_t k0) {
  const std::size_t depth = HWY_MIN(job.plan.inner - k0, job.plan.depth);
  BlockPlace place;
  place.slab = {k0, depth, job.accumulate || k0 != 0, k0 + depth == job.plan.inner};
  BeginBlock(job.plan, 0, place);
  return place;
}

HWY_INLINE BlockPlace After(const BlockJob& job, BlockPlace place) {
  if (++place.index < PanelCount(job.plan)) return place;
  if (place.end < job.plan.rows) {
    BeginBlock(job.plan, place.end, place);
  } else if (!place.slab.last) {
    place = BeginSlab(job, place.slab.k0 + place.slab.depth);
  } else {
    place.done = true;
  }
  return place;
}

// A panel that is packed piece by piece while another one multiplies.
class PanelAhead {
 public:
  // Within the time of `tiles` tiles, 2 at least.
  HWY_INLINE PanelAhead(const BlockJob& job, const BlockPlace& place, std::size_t tiles, float* to)
      : slab_(place.slab),
        panel_(PanelAt(job, place.index)),
        to_(to),
        left_(slab_.depth),
        share_(ShareOf(left_, tiles - 1, job.b.row == 1 ? kTinyPiece : kLineFloats)) {
    const std::size_t row = job.b.row * sizeof(float);
    const std::size_t step = job.b.step * sizeof(float);
    const float* from = job.b.data + panel_.j0 * job.b.row + slab_.k0 * job.b.step;
    fetch_.at = reinterpret_cast<const char*>(from);
    to_next_ = share_ * step;
    to_fetch_ = left_;
    if (job.b.row == 1 && kTileColumns > kLineFloats) {  // rows of about three lines
      fetch_.near = kLineBytes;
      fetch_.far = step;
      fetch_.count = share_;
    } else if (job.b.row == 1) {  // of one
      fetch_.near = step;
      fetch_.far = 3 * step;
      fetch_.count = Quotient(share_, 3);
    } else if (share_ == kLineFloats) {  // a line of each row
      fetch_.near = row;
      fetch_.far = 3 * row;
      fetch_.count = Quotient(panel_.columns, 3);
    } else {  // three lines of each row; the machine goes on from there
      fetch_.near = kLineBytes;
      fetch_.far = row;
      fetch_.count = panel_.columns;
    }
  }

  // What the next tile shall fetch.
  HWY_INLINE Fetching Fetch() {
    Fetching fetch = fetch_;
    if (to_fetch_ == 0) fetch.count = 0;
    fetch_.at += to_next_;
    to_fetch_ -= HWY_MIN(to_fetch_, share_);
    return fetch;
  }

  // Packs a piece of what was fetched before the last call of Fetch.
  HWY_INLINE void Pack(const BlockJob& job) {
    if (!begun_) {
      begun_ = true;
      return;
    }
    if (left_ == 0) return;
    Slab piece = slab_;
    piece.depth = HWY_MIN(left_, share_);
    PackPanelB(job, piece, panel_, to_);
    slab_.k0 += piece.depth;
    left_ -= piece.depth;
    to_ += piece.depth * panel_.stride;
  }

 private:
  static constexpr std::size_t kLineBytes = kLineFloats * sizeof(float);
  static constexpr std::size_t kTinyPiece = 4;

  static HWY_INLINE std::size_t ShareOf(std::size_t n, std::size_t parts, std::size_t unit) {
    return Quotient(Quotient(n, parts), unit) * unit;
  }

  Slab slab_;
  Panel panel_;
  float* to_ = nullptr;
  std::size_t left_ = 0;
  std::size_t share_ = 0;
  Fetching fetch_;
  std::size_t to_next_ = 0;
  std::size_t to_fetch_ = 0;
  bool begun_ = false;
};

// All tiles of the place's rows in one panel. `ahead`: null where nothing is packed meanwhile.
template <class Sink>
HWY_INLINE void RunPanel(const BlockJob& job, const BlockPlace& place, const Panel& panel,
                         PanelAhead* ahead) {
  const Slab& slab = place.slab;
  const bool finish = job.finish && slab.last;
  const std::size_t row = job.plan.swapped ? 1 : job.ldc;
  const std::size_t column = job.plan.swapped ? job.ldc : 1;
  Epilogue epilogue = EpilogueAt(job.epilogue, place.i0, panel.j0);
  Sink sink{job.c + place.i0 * row + panel.j0 * column, job.ldc, panel.columns, slab.load,
            finish ? &epilogue : nullptr};
  const float* packed = job.packed_a;
  for (std::size_t i = place.i0; i < place.end; i += job.plan.tile_rows) {
    const std::size_t rows = HWY_MIN(place.end - i, job.plan.tile_rows);
    const float* from = job.a.data + i * job.a.row + slab.k0 * job.a.step;
    TileShape tile{rows, panel.vectors, slab.depth, {}};
    if (ahead != nullptr) tile.fetch = ahead->Fetch();
    if (job.plan.pack_a) {
      RunTile(tile, AInterleaved{packed, kTileRows}, panel.b, panel.stride, sink);
      packed += PanelFloatsA(slab.depth);
    } else if (job.a.step == 1) {
      RunTile(tile, ARows{from, job.a.row}, panel.b, panel.stride, sink);
    } else {
      RunTile(tile, AInterleaved{from, job.a.step}, panel.b, panel.stride, sink);
    }
    if (ahead != nullptr) ahead->Pack(job);
    sink.c += rows * row;
    if (epilogue.row_bias != nullptr) epilogue.row_bias += rows;
  }
}

template <class Sink>
HWY_NOINLINE void RunBlocks(const BlockJob& job) {
  const BlockPlan& plan = job.plan;
  float* other = job.packed_b + FloatsB(plan) / 2;
  const float* ready = nullptr;  // the panel that is packed already
  BlockPlace place = BeginSlab(job, 0);
  while (!place.done) {  // once at least: an empty sum is zero
    if (plan.pack_a && place.index == 0) PackBlockA(job, place.slab, place.i0, place.end);
    Panel panel;
    if (ready != nullptr) {
      panel = PanelAt(job, place.index);
      panel.b = ready;
    } else {
      panel = ReadyPanel(job, place.slab, place.index);
    }
    const BlockPlace next = After(job, place);
    const std::size_t tiles = Quotient(place.end - place.i0, plan.tile_rows);
    ready = nullptr;
    if (plan.ahead && !next.done && tiles >= 2) {
      float* to = panel.b == other ? job.packed_b : other;
      PanelAhead ahead(job, next, tiles, to);
      RunPanel<Sink>(job, place, panel, &ahead);
      ready = to;
    } else {
      RunPanel<Sink>(job, place, panel, nullptr);
    }
    place = next;
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
