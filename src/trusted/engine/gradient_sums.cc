#include "trusted/engine/gradient_sums.h"

#include <algorithm>

#include "shared/base/check.h"
#include "trusted/engine/engine.h"
#include "trusted/engine/pieces.h"

namespace anchorhold::engine {
namespace {

std::size_t ParameterCount(std::span<const GradientSum> sums) {
  return sums.empty() ? 0 : sums.back().offset + sums.back().numbers;
}

}  // namespace

GradientSums::GradientSums(const LoweredProgram& program, const Kernels& kernels,
                           std::size_t threads) {
  task_.sums = program.sums;
  task_.kernels = kernels;
  task_.group = program.group;
  task_.block = BlockSize(ParameterCount(program.sums), threads);
  slots_.resize(threads);
  contributions_.resize(threads);
  for (Slot& slot : slots_) {
    slot.squares.resize(program.sums.size() * program.group);
    slot.scales.resize(program.sums.size() * program.group);
    slot.rows.resize(RowPlaces(program.sums, program.group));
    slot.group.squares = slot.squares.data();
    slot.group.scales = slot.scales.data();
    slot.group.rows = slot.rows.data();
  }
  for (std::vector<double>& squares : contributions_) squares.resize(threads * program.group);
  ShareItems(threads);
  scratch_ = SumScratch(program.sums, kernels, program.group);
}

// A table's to the threads whose blocks they lie in, since most of the work is to pass over it; the
// others, the largest first, each to the thread that has the least to do.
void GradientSums::ShareItems(std::size_t threads) {
  struct Costly {
    SumItem item;
    double cost = 0;
  };
  std::vector<Costly> items;
  items_.resize(threads);
  std::vector<double> load(threads, 0);
  ForItems(task_.sums, task_.block, [&](const SumItem& item, double cost) {
    const GradientSum& sum = task_.sums[item.parameter];
    if (sum.method != Method::kSparse) {
      items.push_back({item, cost});
      return;
    }
    const SumStretch stretch = StretchOf(sum, item);
    const std::size_t owner = (stretch.at + stretch.count / 2) / task_.block;
    items_[owner].push_back(item);
    load[owner] += cost;
  });
  std::stable_sort(items.begin(), items.end(),
                   [](const Costly& a, const Costly& b) { return a.cost > b.cost; });
  for (const Costly& costly : items) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += costly.cost;
    items_[static_cast<std::size_t>(least - load.begin())].push_back(costly.item);
  }
  for (std::vector<SumItem>& own : items_) {
    std::sort(own.begin(), own.end(), [](const SumItem& a, const SumItem& b) {
      return a.parameter != b.parameter ? a.parameter < b.parameter : a.begin < b.begin;
    });
  }
}

void GradientSums::Begin(const Clipping* clipping, const SumTarget& target) {
  task_.clipping = clipping;
  task_.target = target;
  fill_ = {};
  fresh_ = true;
  for (Slot& slot : slots_) slot.group.frame.examples = 0;
}

void GradientSums::Measure(std::size_t k, const Frame& frame, const Batch& batch, std::size_t first,
                           std::span<double> squared_norms) {
  SumGroup& group = slots_[k].group;
  group.frame = frame;
  if (frame.examples == 0) return;
  MeasureGroup(task_, group);
  const std::size_t vectors = task_.by_layer() ? task_.sums.size() : 1;
  for (std::size_t p = 0; p < vectors; ++p) {
    for (std::size_t e = 0; e < frame.examples; ++e) {
      group.scales[p * task_.group + e] *= batch.Counts(first + e) ? 1.0F : 0.0F;
    }
  }
  if (task_.clipping == nullptr || squared_norms.empty()) return;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    squared_norms[first + e] = SquaredNorm(task_, group, e);
  }
}

void GradientSums::BeginRound() {
  std::size_t contributions = 0;
  for (const Slot& slot : slots_) contributions += slot.group.frame.examples;
  adds_ = contributions > 0;
  flushes_ = false;
  if (task_.target.grid != nullptr) {
    AH_CHECK(contributions <= task_.target.capacity);
    flushes_ = fill_.Take(contributions, task_.target.capacity);
  }
  for (std::vector<double>& squares : contributions_) {
    std::fill(squares.begin(), squares.end(), 0.0);
  }
}

void GradientSums::Add(std::size_t k, float* scratch) {
  for (const SumItem& item : items_[k]) {
    bool accumulate = PrepareItem(task_, item, fresh_, flushes_, adds_);
    for (std::size_t s = 0; s < slots_.size(); ++s) {
      const SumGroup& group = slots_[s].group;
      if (group.frame.examples == 0) continue;
      double* squares = contributions_[k].data() + s * task_.group;
      AddGroup(task_, item, group, 0, group.frame.examples, 1, accumulate, squares, scratch);
      accumulate = true;
    }
  }
}

void GradientSums::Check(float* scratch) {
  fresh_ = false;
  if (task_.target.grid == nullptr) return;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    SumGroup& group = slots_[s].group;
    for (std::size_t e = 0; e < group.frame.examples; ++e) {
      double squares = 0;
      for (const std::vector<double>& own : contributions_) squares += own[s * task_.group + e];
      MendExample(task_, group, e, squares, scratch);
    }
  }
}

void GradientSums::Finish(std::size_t k) {
  for (const SumItem& item : items_[k]) FinishItem(task_, item, fresh_);
}

}  // namespace anchorhold::engine
