// The arithmetic of gradient sums: one group of examples, after its backward steps, measured,
// scaled and added. gradient_sums.h has threads and rounds around it; compiled models
// (src/client/runtime) run this very code, so that it is freestanding: nothing here allocates, and
// nothing is called but memcpy, memset and memmove.
//
// The work of adding is cut into items, each a part of one parameter. The cut depends on the
// parameter alone (a table's, on the threads' blocks as well, which changes no bit of its sum).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "trusted/engine/sum_types.h"

namespace anchorhold::engine {

// What is the same for all groups of a step.
struct SumTask {
  std::span<const GradientSum> sums;  // by parameter
  Kernels kernels;
  std::size_t group = 1;               // the most examples of a group
  std::size_t block = 0;               // of pieces.h: tables are cut by it
  const Clipping* clipping = nullptr;  // null: gradients as they are
  SumTarget target;

  bool by_layer() const { return clipping != nullptr && clipping->kind == ClippingKind::kPerLayer; }
};

// One group and the memory for its norms and factors.
struct SumGroup {
  Frame frame;
  double* squares = nullptr;  // [parameters, SumTask::group]
  float* scales = nullptr;    // [parameters if by layer, else 1; SumTask::group]
  // [RowPlaces]: which rows of tables are added to, -1: none, [group, RowsRead]; how often, where a
  // gradient is `repeated`, [group, RowsRead]; scratch, [RowsRead].
  std::int32_t* rows = nullptr;
};

struct SumItem {
  std::size_t parameter = 0;
  std::size_t begin = 0;  // numbers; rows of a contraction or of a table
  std::size_t end = 0;
};

inline bool IsOuter(Method method) {
  return method == Method::kGhost || method == Method::kContract;
}

// The part of the flat vector that an item covers.
struct SumStretch {
  std::size_t at = 0;
  std::size_t count = 0;
};
SumStretch StretchOf(const GradientSum& sum, const SumItem& item);

// How a parameter is cut: one item of `first`, then items of `each`, the last one smaller; they
// cover `whole`.
struct SumCut {
  std::size_t whole = 0;
  std::size_t first = 1;
  std::size_t each = 1;
  double cost = 1;  // of one of `whole`
};
SumCut CutOf(const GradientSum& sum, std::size_t block);

// Calls visit(item, cost) for all items, by parameter and place.
template <typename Visit>
void ForItems(std::span<const GradientSum> sums, std::size_t block, const Visit& visit) {
  for (std::size_t p = 0; p < sums.size(); ++p) {
    const SumCut cut = CutOf(sums[p], block);
    std::size_t next = cut.first;
    for (std::size_t begin = 0; begin < cut.whole; begin = next, next += cut.each) {
      const std::size_t end = std::min(cut.whole, next);
      visit(SumItem{p, begin, end}, cut.cost * static_cast<double>(end - begin));
    }
  }
}

// Floats of scratch memory that every function below needs at most.
std::size_t SumScratch(std::span<const GradientSum> sums, const Kernels& kernels,
                       std::size_t group);
// The rows of tables that one example reads.
std::size_t RowsRead(std::span<const GradientSum> sums);
// The size of SumGroup::rows.
inline std::size_t RowPlaces(std::span<const GradientSum> sums, std::size_t group) {
  return RowsRead(sums) * (2 * group + 1);
}

// Squared norms of each parameter's gradients, and the factors that follow from them; without
// clipping, the factors alone, 1. A gradient that is not finite counts as zero. Finds the rows of
// tables; with clipping, an example's rows that are the same one are joined, in place where `raw`
// and `gradient` are the same memory, or counted, where the gradient is `repeated`.
void MeasureGroup(const SumTask& task, SumGroup& group);
// |g_e|^2 over all parameters. MeasureGroup came before.
double SquaredNorm(const SumTask& task, const SumGroup& group, std::size_t e);

// Before an item's first group of a round. `fresh`: nothing was added to it yet; `flushes`: the
// grid's 32 bits move to the totals; `adds`: at least one group follows. What it returns is
// `accumulate` of that group's AddGroup; of the others' it is true. From here to FinishItem, the
// item's sum is in the order of its gradient.
bool PrepareItem(const SumTask& task, const SumItem& item, bool fresh, bool flushes, bool adds);
// Examples [first, first + count) of the group, times `sign`. On a grid, squares[e] += the part of
// |v_e|^2 that lies in the item.
void AddGroup(const SumTask& task, const SumItem& item, const SumGroup& group, std::size_t first,
              std::size_t count, std::int32_t sign, bool accumulate, double* squares,
              float* scratch);
// Example e of the group, which was added to the grid with |v_e|^2 = squares as AddGroup states it:
// if that may be more than squares_max, it is taken back and added shortened, or left out.
void MendExample(const SumTask& task, SumGroup& group, std::size_t e, double squares,
                 float* scratch);
// After the last round: the grid's 32 bits move to the totals, if there are any, and the sum into
// the parameter's own order.
void FinishItem(const SumTask& task, const SumItem& item, bool fresh);

// The filling of the grid's 32 bits, which are emptied between rounds alone: until a round's
// contributions were looked at, one that is far too long may have wrapped around in them, which
// taking it back undoes exactly, and which it would not undo after a move to the totals.
struct GridFill {
  std::size_t pending = 0;
  // Whether they have to be emptied before so many more contributions.
  bool Take(std::size_t contributions, std::size_t capacity) {
    const bool flushes = pending + contributions > capacity;
    pending = flushes ? contributions : pending + contributions;
    return flushes;
  }
};

// How a batch is cut: `each` examples for a worker in each of `rounds`.
struct Rounds {
  std::size_t rounds = 0;
  std::size_t each = 0;
};
inline Rounds CutBatch(std::size_t size, std::size_t workers, std::size_t group) {
  const std::size_t rounds = (size + workers * group - 1) / (workers * group);
  if (rounds == 0) return {};
  return {rounds, (size + workers * rounds - 1) / (workers * rounds)};
}

}  // namespace anchorhold::engine
