// Matrix products on Intel's matrix unit (amx_unit.h), for target kAmx:
//
//   for each slab of `depth` of the inner dimension
//     for each block of rows, packed                     so that it stays in L2
//       for each panel of 32 columns, packed             so that it stays there
//         for each panel of 32 rows                      2 x 2 tiles of sums
//
// A slab's sums begin at zero and are added to C. Slabs follow from `inner` alone, so neither
// blocks nor panels show in the result. Sums over examples go on from C instead, and an example is
// whole steps, so that they are one chain in the order of the batch, whatever the groups are.
//
// Packing and the way of sums to C come in pieces between the unit's instructions, so that neither
// waits for the other; what will be packed next is fetched ahead.
//
// Products that are not worth it, and ghost norms, are AVX-512's.
#include "trusted/simd/gemm_amx.h"

#include <algorithm>
#include <utility>

#if defined(__x86_64__)

#include "trusted/simd/amx_epilogue.h"
#include "trusted/simd/amx_pack.h"

namespace anchorhold::simd {
namespace amx {
namespace {

// A block of A takes a little over half of a second-level cache of 2 MiB, as processors with AMX
// have; a panel of B 72 KiB.
constexpr std::size_t kDepthMost = 384;
constexpr std::size_t kRowsMost = 256;

// n in equal parts of at most `most`, each a multiple of `unit`, as `most` is: the size of a part.
constexpr std::size_t EqualParts(std::size_t n, std::size_t most, std::size_t unit) {
  return Quotient(Quotient(n, std::max<std::size_t>(Quotient(n, most), 1)), unit) * unit;
}

struct Plan {
  std::size_t depth = 0;        // of a slab: whole steps
  std::size_t row_block = 0;    // whole panels
  std::size_t panel_bytes = 0;  // of `depth`
};

Plan PlanOf(std::size_t rows, std::size_t inner) {
  Plan plan;
  plan.depth = SlabDepth(inner);
  plan.row_block = EqualParts(rows, kRowsMost, kPanel);
  plan.panel_bytes = plan.depth / kStep * kStepBytes;
  return plan;
}

struct Job {
  Plan plan;
  std::size_t rows = 0;
  std::size_t inner = 0;
  std::size_t columns = 0;
  Factor a;
  Factor b;
  float* c = nullptr;
  std::size_t ldc = 0;
  bool accumulate = false;
  bool chain = false;  // sums go on from C
  bool finish = false;
  Epilogue epilogue;
  float* buffers = nullptr;  // three times 32 x 32
  char* packed_b = nullptr;
  char* packed_a = nullptr;
};

std::size_t ScratchFloats(std::size_t rows, std::size_t inner) {
  const Plan plan = PlanOf(rows, inner);
  const std::size_t panels = 2 + 2 * plan.row_block / kPanel;
  return 3 * kPanel * kPanel + (kLineBytes + panels * plan.panel_bytes) / sizeof(float);
}

void PlaceScratch(float* scratch, Job& job) {
  job.buffers = AlignToLine(scratch);
  job.packed_b = reinterpret_cast<char*>(job.buffers + 3 * kPanel * kPanel);
  job.packed_a = job.packed_b + 2 * job.plan.panel_bytes;
}

struct Slab {
  std::size_t k0 = 0;
  std::size_t depth = 0;
  bool load = false;
  bool last = false;
};

// A slab's 32 x 32 sums on their way from a buffer to C, a few rows at a time between the steps of
// the next tiles: C is far away, and the unit need not wait for it.
class Delivery {
 public:
  Delivery() = default;  // nothing to do
  Delivery(const Job& job, const Slab& slab, std::size_t i0, std::size_t j0, const float* buffer)
      : from_(buffer),
        c_(job.c + i0 * job.ldc + j0),
        ldc_(job.ldc),
        rows_(std::min(kPanel, job.rows - i0)),
        low_(FirstOf(job.columns - j0)),
        high_(job.columns - j0 > kHalf ? FirstOf(job.columns - j0 - kHalf) : __mmask16{0}),
        ahead_((job.chain ? 2 : 1) * kPanel * job.ldc),
        load_(slab.load && !job.chain),
        finish_(job.finish && slab.last),
        epilogue_(job.epilogue) {
    if (epilogue_.row_bias != nullptr) epilogue_.row_bias += i0;
    if (epilogue_.column_bias != nullptr) epilogue_.column_bias += j0;
  }

  ANCHORHOLD_AMX_INLINE void Rows(std::size_t n) {
    for (n = std::min(n, rows_); n != 0; --n) {
      Half(low_, 0);
      Half(high_, kHalf);
      from_ += kPanel;
      c_ += ldc_;
      --rows_;
      if (epilogue_.row_bias != nullptr) ++epilogue_.row_bias;
    }
  }

  ANCHORHOLD_AMX_APART void All() { Rows(kPanel); }

 private:
  ANCHORHOLD_AMX_INLINE void Half(__mmask16 mask, std::size_t j) const {
    __builtin_prefetch(c_ + ahead_ + j, 1, 2);  // tiles below; they need not exist
    __m512 x = _mm512_load_ps(from_ + j);
    if (load_) x = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c_ + j), x);
    if (finish_) x = Finished(epilogue_, mask, j, x);
    _mm512_mask_storeu_ps(c_ + j, mask, x);
  }

  const float* from_ = nullptr;
  float* c_ = nullptr;
  std::size_t ldc_ = 0;
  std::size_t rows_ = 0;
  __mmask16 low_ = 0;
  __mmask16 high_ = 0;
  std::size_t ahead_ = 0;
  bool load_ = false;
  bool finish_ = false;
  Epilogue epilogue_;
};

// Where the sums of a chain go on from: 32 x 32 of C, or a copy where not all of them exist.
ANCHORHOLD_AMX SumsPlace StartOf(const Job& job, std::size_t i0, std::size_t j0) {
  float* const c = job.c + i0 * job.ldc + j0;
  const std::size_t rows = std::min(kPanel, job.rows - i0);
  const std::size_t columns = std::min(kPanel, job.columns - j0);
  if (rows == kPanel && columns == kPanel) return {{c, c + kHalf}, job.ldc};
  float* const copy = job.buffers + 2 * kPanel * kPanel;
  std::fill_n(copy, kPanel * kPanel, 0.0F);
  for (std::size_t i = 0; i < rows; ++i) std::copy_n(c + i * job.ldc, columns, copy + i * kPanel);
  return PlaceInBuffer(copy);
}

// A slab's block of rows.
struct Block {
  Slab slab;
  std::size_t begin = 0;
  std::size_t end = 0;  // 0: there is none
};

void SetRows(const Job& job, std::size_t begin, Block& block) {
  block.begin = begin;
  block.end = std::min(job.rows, begin + job.plan.row_block);
}

Block FirstOfSlab(const Job& job, std::size_t k0) {
  Block block;
  block.slab.k0 = k0;
  block.slab.depth = std::min(job.inner - k0, job.plan.depth);
  block.slab.load = job.accumulate || k0 != 0;
  block.slab.last = k0 + block.slab.depth == job.inner;
  SetRows(job, 0, block);
  return block;
}

Block After(const Job& job, Block block) {
  if (block.end < job.rows) {
    SetRows(job, block.end, block);
    return block;
  }
  return block.slab.last ? Block{} : FirstOfSlab(job, block.slab.k0 + block.slab.depth);
}

std::size_t PanelBytes(const Slab& slab) { return Quotient(slab.depth, kStep) * kStepBytes; }

// The panels of a block of A.
template <Scaling kScaling>
struct PanelsOfBlock {
  using Item = Packing<Side::kA, kScaling>;

  const Job* job = nullptr;
  Block block;
  char* to = nullptr;

  bool any() const { return block.begin < block.end; }
  Item Take() {
    const std::size_t rows = std::min(kPanel, block.end - block.begin);
    const Item item(job->a, block.begin, rows, block.slab.k0, block.slab.depth, to);
    block.begin += kPanel;
    to += PanelBytes(block.slab);
    return item;
  }
};

// What is done while the matrix unit works: the sums before are delivered, and some of the next
// panel of B and of the next block of A is packed.
template <Scaling kScalingA, Scaling kScalingB>
struct Meanwhile {
  // Slots of a step (kSlots) for each.
  static constexpr std::size_t kOfDelivery = 3;
  static constexpr std::size_t kOfPanel = 2;
  static constexpr std::size_t kOfBlock = 1;

  Delivery delivery;
  Packing<Side::kB, kScalingB> panel;
  Sequence<PanelsOfBlock<kScalingA>> block;
  // In a slot.
  std::size_t rows = 0;
  std::size_t panel_pieces = 0;
  std::size_t block_pieces = 0;

  ANCHORHOLD_AMX_INLINE void Slot(std::size_t n) {
    if (n % 2 == 0) {
      delivery.Rows(rows);
    } else if (n == 5) {
      block.Pieces(block_pieces);
    } else {
      panel.Pieces(panel_pieces);
    }
  }
};

template <Scaling kScalingA, Scaling kScalingB>
ANCHORHOLD_AMX void Run(const Job& job) {
  using PackingB = Packing<Side::kB, kScalingB>;
  const auto panel_at = [&job](const Slab& slab, std::size_t j, char* to) {
    return PackingB(job.b, j, std::min(kPanel, job.columns - j), slab.k0, slab.depth, to);
  };
  float* buffer = job.buffers;
  float* other_buffer = job.buffers + kPanel * kPanel;
  char* panel = job.packed_b;
  char* next_panel = panel + job.plan.panel_bytes;
  char* packed = job.packed_a;
  char* next_packed = packed + job.plan.row_block / kPanel * job.plan.panel_bytes;
  Block block = FirstOfSlab(job, 0);
  Block next = After(job, block);
  using PanelsA = PanelsOfBlock<kScalingA>;
  Meanwhile<kScalingA, kScalingB> other;
  other.block = Sequence<PanelsA>({&job, block, packed});
  other.block.All();
  panel_at(block.slab, 0, panel).All();
  for (; block.end != 0; block = next, next = After(job, next)) {
    const std::size_t steps = Quotient(block.slab.depth, kStep);
    const std::size_t panels = Quotient(block.end - block.begin, kPanel);
    using Slots = Meanwhile<kScalingA, kScalingB>;
    other.rows = Quotient(kPanel, std::max<std::size_t>(steps, 1) * Slots::kOfDelivery);
    other.panel_pieces = Quotient(PackingB::kPieces, panels * Slots::kOfPanel);
    other.block_pieces =
        Quotient(PackingB::kPieces, Quotient(job.columns, kPanel) * Slots::kOfBlock);
    other.block = Sequence<PanelsA>({&job, next, next_packed});
    for (std::size_t j = 0; j < job.columns; j += kPanel) {
      if (j + kPanel < job.columns) {
        other.panel = panel_at(block.slab, j + kPanel, next_panel);
      } else if (next.end != 0) {
        other.panel = panel_at(next.slab, 0, next_panel);
      }
      const char* a = packed;
      for (std::size_t i = block.begin; i < block.end; i += kPanel) {
        const bool goes_on = job.chain && block.slab.load;
        const SumsPlace start = goes_on ? StartOf(job, i, j) : SumsPlace{};
        RunTiles(steps, a, panel, other, PlaceInBuffer(buffer), goes_on ? &start : nullptr);
        other.delivery.All();
        other.delivery = Delivery(job, block.slab, i, j, buffer);
        a += steps * kStepBytes;
        std::swap(buffer, other_buffer);
      }
      other.panel.All();
      std::swap(panel, next_panel);
    }
    other.block.All();
    std::swap(packed, next_packed);
  }
  other.delivery.All();
}

// Packing costs about 0.4 ns for each number of a factor; what is saved is about 0.007 ns for each
// product of two numbers (Sapphire Rapids).
bool Pays(std::size_t rows, std::size_t columns) { return 64 * (rows + columns) <= rows * columns; }

// k's are computed in whole steps: three quarters of them at least shall exist.
bool MostlyExists(std::size_t k) { return k != 0 && 4 * k >= 3 * kStep * Quotient(k, kStep); }

}  // namespace

std::size_t SlabDepth(std::size_t inner) {
  return std::max(EqualParts(inner, kDepthMost, kStep), kStep);
}

// An example is whole steps.
bool TakesSum(const OuterShape& shape) {
  return Pays(shape.p, shape.d) && shape.positions != 0 && shape.positions % kStep == 0;
}

bool TakesGrid(const OuterShape& shape) {
  return Pays(shape.p, shape.d) && MostlyExists(shape.positions);
}

}  // namespace amx

namespace {

const GemmKernels& Vectors() { return *VectorGemmKernelsFor(Target::kAvx512); }

std::size_t Scratch(const GemmShape& shape) {
  if (!shape.tiles) return Vectors().scratch(shape);
  return shape.rows == 0 || shape.columns == 0 ? 0 : amx::ScratchFloats(shape.rows, shape.inner);
}

ANCHORHOLD_AMX void MultiplyBatch(const GemmShape& shape, const GemmBatch& batch, const float* a,
                                  const float* b, const Epilogue& epilogue, float* c,
                                  float* scratch) {
  if (!shape.tiles) return Vectors().multiply_batch(shape, batch, a, b, epilogue, c, scratch);
  if (shape.rows == 0 || shape.columns == 0) return;
  amx::Job job;
  job.plan = amx::PlanOf(shape.rows, shape.inner);
  job.rows = shape.rows;
  job.inner = shape.inner;
  job.columns = shape.columns;
  job.ldc = shape.ldc;
  job.accumulate = shape.accumulate;
  job.epilogue = epilogue;
  job.finish = epilogue.row_bias != nullptr || epilogue.column_bias != nullptr || epilogue.clip;
  amx::PlaceScratch(scratch, job);
  const std::size_t one = 1;
  const amx::Unit unit;
  for (std::size_t i = 0; i < batch.count; ++i) {
    job.a.data = a + i * batch.stride_a;
    job.a.index = shape.transpose_a ? one : shape.lda;
    job.a.step = shape.transpose_a ? shape.lda : one;
    job.b.data = b + i * batch.stride_b;
    job.b.index = shape.transpose_b ? shape.ldb : one;
    job.b.step = shape.transpose_b ? one : shape.ldb;
    job.c = c + i * batch.stride_c;
    amx::Run<amx::Scaling::kNone, amx::Scaling::kNone>(job);
  }
}

void Multiply(const GemmShape& shape, const float* a, const float* b, const Epilogue& epilogue,
              float* c, float* scratch) {
  MultiplyBatch(shape, GemmBatch{}, a, b, epilogue, c, scratch);
}

std::size_t OuterSquaresScratch(const OuterShape& shape) {
  return Vectors().outer_squares_scratch(shape);
}

void OuterSquares(const OuterShape& shape, const float* g, const float* a, double* squares,
                  float* scratch) {
  Vectors().outer_squares(shape, g, a, squares, scratch);
}

// sum = (scale g)^T a, of all examples' positions in a row.
amx::Job SumJob(const OuterShape& shape) {
  amx::Job job;
  job.rows = shape.p;
  job.inner = shape.examples * shape.positions;
  job.columns = shape.d;
  job.plan = amx::PlanOf(job.rows, job.inner);
  job.ldc = shape.d;
  return job;
}

std::size_t OuterSumScratch(const OuterShape& shape) {
  if (!amx::TakesSum(shape)) return Vectors().outer_sum_scratch(shape);
  const amx::Job job = SumJob(shape);
  return job.inner + amx::ScratchFloats(job.rows, job.inner);
}

ANCHORHOLD_AMX void OuterSum(const OuterShape& shape, const float* g, const float* a,
                             const float* scale, bool accumulate, float* sum, float* scratch) {
  if (!amx::TakesSum(shape)) {
    return Vectors().outer_sum(shape, g, a, scale, accumulate, sum, scratch);
  }
  amx::Job job = SumJob(shape);
  for (std::size_t k = 0; k < job.inner; ++k) scratch[k] = scale[k / shape.positions];
  job.a = {g, 1, shape.ldg, scratch};
  job.b = {a, 1, shape.lda, scratch};
  job.c = sum;
  job.accumulate = accumulate;
  job.chain = true;
  amx::PlaceScratch(scratch + job.inner, job);
  const amx::Unit unit;
  amx::Run<amx::Scaling::kMultiply, amx::Scaling::kMask>(job);
}

std::size_t OuterGridScratch(const OuterShape& shape) {
  return amx::TakesGrid(shape) ? amx::GridScratch(shape) : Vectors().outer_grid_scratch(shape);
}

void OuterGrid(const OuterShape& shape, std::size_t begin, std::size_t end, const float* g,
               const float* a, const float* scale, std::int32_t sign, bool accumulate,
               std::int32_t* sum, double* squares, float* scratch) {
  const bool tiles = amx::TakesGrid(shape) && shape.examples != 0;
  const auto run = tiles ? &amx::RunGrid : Vectors().outer_grid;
  run(shape, begin, end, g, a, scale, sign, accumulate, sum, squares, scratch);
}

constexpr GemmKernels kAmxGemm = {.scratch = &Scratch,
                                  .multiply = &Multiply,
                                  .multiply_batch = &MultiplyBatch,
                                  .outer_squares_scratch = &OuterSquaresScratch,
                                  .outer_squares = &OuterSquares,
                                  .outer_sum_scratch = &OuterSumScratch,
                                  .outer_sum = &OuterSum,
                                  .outer_grid_scratch = &OuterGridScratch,
                                  .outer_grid = &OuterGrid};

}  // namespace

bool WorthTiles(std::size_t rows, std::size_t inner, std::size_t columns) {
  return amx::Pays(rows, columns) && inner >= 2 * amx::kStep && amx::MostlyExists(inner);
}

const GemmKernels* AmxGemmKernels() { return &kAmxGemm; }

}  // namespace anchorhold::simd

#else

namespace anchorhold::simd {

bool WorthTiles(std::size_t /*rows*/, std::size_t /*inner*/, std::size_t /*columns*/) {
  return false;
}

const GemmKernels* AmxGemmKernels() { return nullptr; }

namespace amx {

std::size_t SlabDepth(std::size_t inner) { return inner; }
bool TakesSum(const OuterShape& /*shape*/) { return false; }
bool TakesGrid(const OuterShape& /*shape*/) { return false; }

}  // namespace amx

}  // namespace anchorhold::simd

#endif
