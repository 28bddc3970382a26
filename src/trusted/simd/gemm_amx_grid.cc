// Sums of per-example gradients on the grid (gemm_grid-inl.h) on Intel's matrix unit:
//
//   for each block of rows
//     for each lot of examples                       so that their part of `g`, packed, stays in L2
//       for each panel of 32 columns, packed         ahead, while the one before is worked off
//         for each panel of 32 rows
//           for each example: 32 x 32 of V by the unit, while those of the example before are
//                             rounded and added to the sum, which stays in the first-level cache
//
// Each example's positions are whole steps of 32, zeros behind the last. The squares of 1024
// numbers are added in four times 16 float lanes, those together and then in doubles: 18 additions
// in floats, whose relative error is below 2^-19.
#if defined(__x86_64__)

#include <algorithm>
#include <utility>

#include "trusted/simd/amx_pack.h"
#include "trusted/simd/gemm_amx.h"

namespace anchorhold::simd {
namespace amx {
namespace {

constexpr std::size_t kTile = kPanel * kPanel;
constexpr std::size_t kVectors = kTile / kHalf;

// Rows of `g` and positions that are packed at a time: about half of a second-level cache.
constexpr std::size_t kBlockRows = 256;
constexpr std::size_t kLotSteps = 16;

struct GridPlan {
  std::size_t steps = 0;  // of one example
  std::size_t lot = 0;    // examples
  std::size_t panel_bytes = 0;
};

GridPlan PlanOf(const OuterShape& shape) {
  GridPlan plan;
  plan.steps = Quotient(shape.positions, kStep);
  plan.lot = std::clamp<std::size_t>(kLotSteps / std::max<std::size_t>(plan.steps, 1), 1,
                                     std::max<std::size_t>(shape.examples, 1));
  plan.panel_bytes = plan.lot * plan.steps * kStepBytes;
  return plan;
}

// Rows begin .. end - 1 of examples first .. last - 1; no rows: nothing.
struct Lot {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

struct GridJob {
  OuterShape shape;
  GridPlan plan;
  Factor g;
  Factor a;
  const float* scale = nullptr;
  std::int32_t sign = 1;
  bool accumulate = false;
  std::int32_t* sum = nullptr;
  double* squares = nullptr;          // [examples][16]
  float* v = nullptr;                 // two tiles
  std::int32_t* tile_sums = nullptr;  // two tiles
  char* panels = nullptr;             // two of `a`
  char* blocks = nullptr;             // two of `g`
};

// A panel of a lot's examples: `count` rows of g^T or columns of `a`, from `index` on.
template <Side kSide>
struct ExamplesOfPanel {
  using Item = Packing<kSide>;

  const GridJob* job = nullptr;
  std::size_t index = 0;
  std::size_t count = 0;
  std::size_t next = 0;
  std::size_t last = 0;
  char* to = nullptr;

  bool any() const { return next < last; }
  Item Take() {
    const std::size_t positions = job->shape.positions;
    const Factor& factor = kSide == Side::kA ? job->g : job->a;
    const Item item(factor, index, count, next * positions, positions, to);
    ++next;
    to += job->plan.steps * kStepBytes;
    return item;
  }
};

using PanelB = Sequence<ExamplesOfPanel<Side::kB>>;

PanelB PanelAt(const GridJob& job, const Lot& lot, std::size_t j, char* to) {
  return PanelB({&job, j, std::min(kPanel, job.shape.d - j), lot.first, lot.last, to});
}

// All panels of a lot's rows.
struct PanelsOfLot {
  using Item = Sequence<ExamplesOfPanel<Side::kA>>;

  const GridJob* job = nullptr;
  Lot lot;
  char* to = nullptr;

  bool any() const { return lot.begin < lot.end; }
  Item Take() {
    const std::size_t rows = std::min(kPanel, lot.end - lot.begin);
    const Item item({job, lot.begin, rows, lot.first, lot.last, to});
    lot.begin += kPanel;
    to += (lot.last - lot.first) * job->plan.steps * kStepBytes;
    return item;
  }
};

// 32 x 32 of the sum: from row i and column j on, of rows that end before `end`.
struct GridPlace {
  std::size_t i = 0;
  std::size_t j = 0;
  std::size_t end = 0;
  bool load = false;
};

// 32 x 32 sums on their way to the sum in memory, row by row.
class SumDelivery {
 public:
  SumDelivery() = default;  // nothing to do
  SumDelivery(const GridJob& job, const GridPlace& place, const std::int32_t* sums)
      : from_(sums),
        to_(job.sum + place.i * job.shape.d + place.j),
        stride_(job.shape.d),
        rows_(std::min(kPanel, place.end - place.i)),
        low_(FirstOf(stride_ - place.j)),
        high_(stride_ - place.j > kHalf ? FirstOf(stride_ - place.j - kHalf) : __mmask16{0}),
        load_(place.load),
        sign_(job.sign < 0 ? -1 : 0) {}

  ANCHORHOLD_AMX_INLINE void Rows(std::size_t n) {
    for (n = std::min(n, rows_); n != 0; --n) {
      Half(low_, 0);
      Half(high_, kHalf);
      from_ += kPanel;
      to_ += stride_;
      --rows_;
    }
  }

  ANCHORHOLD_AMX_APART void All() { Rows(kPanel); }

 private:
  ANCHORHOLD_AMX_INLINE void Half(__mmask16 mask, std::size_t j) const {
    __builtin_prefetch(to_ + kPanel * stride_ + j, 1, 2);  // the place below; it need not exist
    const __m512i sign = _mm512_set1_epi32(sign_);
    __m512i x = _mm512_load_si512(from_ + j);
    x = _mm512_sub_epi32(_mm512_xor_si512(x, sign), sign);
    if (load_) x = _mm512_add_epi32(x, _mm512_maskz_loadu_epi32(mask, to_ + j));
    _mm512_mask_storeu_epi32(to_ + j, mask, x);
  }

  const std::int32_t* from_ = nullptr;
  std::int32_t* to_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t rows_ = 0;
  __mmask16 low_ = 0;
  __mmask16 high_ = 0;
  bool load_ = false;
  std::int32_t sign_ = 0;
};

// One example's part of V that is yet to be rounded and added.
struct Pending {
  const float* v = nullptr;  // null: none
  std::int32_t* sums = nullptr;
  double* squares = nullptr;
  float scale = 0;
  bool first = false;  // the sums begin with it
  bool last = false;   // the sums can then be delivered
  GridPlace place;
};

class Rounding {
 public:
  ANCHORHOLD_AMX_INLINE explicit Rounding(const Pending& pending)
      : pending_(pending),
        scale_(_mm512_set1_ps(pending.scale)),
        keep_(_mm512_cmp_ps_mask(scale_, _mm512_setzero_ps(), _CMP_NEQ_UQ)),
        squares_{_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                 _mm512_setzero_ps()} {}

  // Part n of kSlots.
  ANCHORHOLD_AMX_INLINE void Part(std::size_t n) {
    if (pending_.v == nullptr) return;
    for (std::size_t i = kVectors * n / kSlots; i < kVectors * (n + 1) / kSlots; ++i) {
      const __m512 scaled =
          _mm512_maskz_mul_ps(keep_, _mm512_load_ps(pending_.v + i * kHalf), scale_);
      // Saturates; of a NaN it makes the bound.
      const __m512i whole = _mm512_cvtps_epi32(_mm512_min_ps(scaled, _mm512_set1_ps(kHigh)));
      const __m512 exact = _mm512_cvtepi32_ps(whole);
      squares_[i % 4] = _mm512_fmadd_ps(exact, exact, squares_[i % 4]);
      std::int32_t* sum = pending_.sums + i * kHalf;
      const __m512i before = pending_.first ? _mm512_setzero_si512() : _mm512_load_si512(sum);
      _mm512_store_si512(sum, _mm512_add_epi32(before, whole));
    }
  }

  ANCHORHOLD_AMX_INLINE void End(const GridJob& job, SumDelivery& delivery) const {
    if (pending_.v == nullptr) return;
    const __m512 sum = _mm512_add_ps(_mm512_add_ps(squares_[0], squares_[1]),
                                     _mm512_add_ps(squares_[2], squares_[3]));
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(sum));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(sum, 1));
    double* to = pending_.squares;
    _mm512_store_pd(to, _mm512_add_pd(_mm512_load_pd(to), low));
    _mm512_store_pd(to + 8, _mm512_add_pd(_mm512_load_pd(to + 8), high));
    if (pending_.last) delivery = SumDelivery(job, pending_.place, pending_.sums);
  }

 private:
  static constexpr float kHigh = 2147483520.0F;  // the largest float below 2^31

  const Pending pending_;
  __m512 scale_;
  __mmask16 keep_;
  __m512 squares_[4];
};

// What is under way beside the unit.
struct Meanwhile {
  Pending pending;
  SumDelivery delivery;
  PanelB panel;
  Sequence<PanelsOfLot> block;
  // In a slot: so that each is done in time.
  std::size_t rows = 0;
  std::size_t panel_pieces = 0;
  std::size_t block_pieces = 0;

  // Slots of a step (kSlots) for each; all of them for the delivery.
  static constexpr std::size_t kOfPanel = 2;
  static constexpr std::size_t kOfBlock = 1;

  ANCHORHOLD_AMX_INLINE void Slot(std::size_t n) {
    if (n == 1 || n == 4) panel.Pieces(panel_pieces);
    if (n == 2) block.Pieces(block_pieces);
    delivery.Rows(rows);
  }
};

// A lot's examples at a place; the last one's rounding and the sums' delivery are left to the next
// place.
ANCHORHOLD_AMX_APART void RunPlace(const GridJob& job, const GridPlace& place, const Lot& lot,
                                   const char* a, const char* b, std::int32_t* sums,
                                   Meanwhile& other) {
  for (std::size_t e = lot.first; e < lot.last; ++e) {
    Rounding rounding(other.pending);
    ZeroSums();
    DotStep(a, b, [&](std::size_t n) ANCHORHOLD_AMX_LAMBDA {
      rounding.Part(n);
      other.Slot(n);
    });
    rounding.End(job, other.delivery);
    a += kStepBytes;
    b += kStepBytes;
    for (std::size_t s = 1; s < job.plan.steps; ++s, a += kStepBytes, b += kStepBytes) {
      DotStep(a, b, [&](std::size_t n) ANCHORHOLD_AMX_LAMBDA { other.Slot(n); });
    }
    float* v = job.v + e % 2 * kTile;
    StoreSums(PlaceInBuffer(v));
    other.pending = {
        v, sums, job.squares + e * kHalf, job.scale[e], e == lot.first, e + 1 == lot.last, place};
  }
  other.delivery.All();
}

Lot LotAt(const GridJob& job, std::size_t begin, std::size_t end, std::size_t first) {
  return {begin, std::min(end, begin + kBlockRows), first,
          std::min(job.shape.examples, first + job.plan.lot)};
}

Lot After(const GridJob& job, std::size_t end, const Lot& lot) {
  if (lot.last < job.shape.examples) return LotAt(job, lot.begin, end, lot.last);
  return lot.end < end ? LotAt(job, lot.end, end, 0) : Lot{};
}

// Rows begin .. end - 1.
ANCHORHOLD_AMX void RunLots(const GridJob& job, std::size_t begin, std::size_t end) {
  char* panel = job.panels;
  char* next_panel = panel + job.plan.panel_bytes;
  char* block = job.blocks;
  char* next_block = block + kBlockRows / kPanel * job.plan.panel_bytes;
  std::int32_t* sums = job.tile_sums;
  std::int32_t* other_sums = sums + kTile;
  Lot lot = LotAt(job, begin, end, 0);
  Lot next = After(job, end, lot);
  Meanwhile other;
  Sequence<PanelsOfLot>({&job, lot, block}).All();
  PanelAt(job, lot, 0, panel).All();
  for (; lot.begin < lot.end; lot = next, next = After(job, end, next)) {
    const std::size_t steps = (lot.last - lot.first) * job.plan.steps;
    // The sums are ready after a place's first step.
    other.rows = Quotient(kPanel, std::max<std::size_t>(steps - 1, 1) * kSlots);
    other.panel_pieces = Quotient(Packing<Side::kB>::kPieces,
                                  Quotient(lot.end - lot.begin, kPanel) * Meanwhile::kOfPanel);
    other.block_pieces =
        Quotient(Packing<Side::kA>::kPieces, Quotient(job.shape.d, kPanel) * Meanwhile::kOfBlock);
    other.block = Sequence<PanelsOfLot>({&job, next, next_block});
    for (std::size_t j = 0; j < job.shape.d; j += kPanel) {
      if (j + kPanel < job.shape.d) {
        other.panel = PanelAt(job, lot, j + kPanel, next_panel);
      } else if (next.begin < next.end) {
        other.panel = PanelAt(job, next, 0, next_panel);
      }
      const char* a = block;
      for (std::size_t i = lot.begin; i < lot.end; i += kPanel, a += steps * kStepBytes) {
        const GridPlace place{i, j, lot.end, job.accumulate || lot.first != 0};
        RunPlace(job, place, lot, a, panel, sums, other);
        std::swap(sums, other_sums);
      }
      other.panel.All();
      std::swap(panel, next_panel);
    }
    other.block.All();
    std::swap(block, next_block);
  }
  Rounding rounding(other.pending);
  for (std::size_t n = 0; n < kSlots; ++n) rounding.Part(n);
  rounding.End(job, other.delivery);
  other.delivery.All();
}

}  // namespace

std::size_t GridScratch(const OuterShape& shape) {
  constexpr std::size_t kPanels = 2 + 2 * kBlockRows / kPanel;
  return kLineBytes / sizeof(float) + 2 * shape.examples * kHalf + 4 * kTile +
         kPanels * PlanOf(shape).panel_bytes / sizeof(float);
}

ANCHORHOLD_AMX void RunGrid(const OuterShape& shape, std::size_t begin, std::size_t end,
                            const float* g, const float* a, const float* scale, std::int32_t sign,
                            bool accumulate, std::int32_t* sum, double* squares, float* scratch) {
  GridJob job;
  job.shape = shape;
  job.plan = PlanOf(shape);
  job.g = {g, 1, shape.ldg, nullptr};
  job.a = {a, 1, shape.lda, nullptr};
  job.scale = scale;
  job.sign = sign;
  job.accumulate = accumulate;
  job.sum = sum;
  scratch = AlignToLine(scratch);
  job.squares = reinterpret_cast<double*>(scratch);
  job.v = scratch + 2 * shape.examples * kHalf;
  job.tile_sums = reinterpret_cast<std::int32_t*>(job.v + 2 * kTile);
  job.panels = reinterpret_cast<char*>(job.tile_sums + 2 * kTile);
  job.blocks = job.panels + 2 * job.plan.panel_bytes;
  std::fill_n(job.squares, shape.examples * kHalf, 0.0);
  const Unit unit;
  RunLots(job, begin, end);
  for (std::size_t e = 0; e < shape.examples; ++e) {
    double total = 0;
    for (std::size_t i = 0; i < kHalf; ++i) total += job.squares[e * kHalf + i];
    squares[e] += total;
  }
}

}  // namespace amx
}  // namespace anchorhold::simd

#endif
