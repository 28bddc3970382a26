#include "trusted/engine/gradient_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "shared/base/check.h"
#include "trusted/engine/engine.h"
#include "trusted/engine/scalar_sums.h"

namespace anchorhold::engine {
namespace {

// An item of plain numbers: large enough that starting it costs nothing, small enough to share.
constexpr std::size_t kItemNumbers = 1 << 15;
// A contraction's rows in one item.
constexpr double kItemWork = 1 << 21;

bool IsOuter(Method method) { return method == Method::kGhost || method == Method::kContract; }

simd::OuterShape OuterOf(const GradientSum& sum, std::size_t examples) {
  simd::OuterShape shape = sum.outer;
  shape.examples = examples;
  return shape;
}

}  // namespace

GradientSums::GradientSums(const LoweredProgram& program, const Kernels& kernels,
                           std::size_t threads)
    : program_(program), kernels_(kernels), fast_(kernels.complete()) {
  slots_.resize(threads);
  items_.resize(threads);
  contributions_.resize(threads);
  for (Slot& slot : slots_) {
    slot.squares.resize(program.sums.size() * program.group);
    slot.scales.resize(program.sums.size() * program.group);
  }
  for (std::vector<double>& squares : contributions_) squares.resize(threads * program.group);
  for (const GradientSum& sum : program.sums) {
    if (sum.method != Method::kNone) ++layers_;
  }
  CutItems();
  scratch_ = Scratch();
}

void GradientSums::CutItems() {
  std::vector<Item> items;
  for (std::size_t p = 0; p < program_.sums.size(); ++p) {
    const GradientSum& sum = program_.sums[p];
    std::size_t whole = sum.numbers;
    std::size_t each = kItemNumbers;
    double cost = 1;
    if (IsOuter(sum.method)) {
      whole = sum.outer.p;
      cost = static_cast<double>(sum.outer.d) * (static_cast<double>(sum.outer.positions) / 8 + 1);
      // Multiples of 48 rows, so that no kernel's tile is cut.
      const double rows = std::max(1.0, kItemWork / static_cast<double>(sum.outer.d) / 48);
      each = static_cast<std::size_t>(rows) * 48;
    } else if (sum.method == Method::kSparse) {
      whole = sum.outer.d;
      cost = static_cast<double>(sum.outer.positions + sum.table_rows / 8);
      each = (whole / slots_.size() + 15) / 16 * 16;
    }
    each = std::max<std::size_t>(each, 1);
    for (std::size_t begin = 0; begin < whole; begin += each) {
      const std::size_t end = std::min(whole, begin + each);
      items.push_back({p, begin, end, cost * static_cast<double>(end - begin)});
    }
  }
  // The largest first, each to the thread that has the least to do.
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.cost > b.cost; });
  std::vector<double> load(items_.size(), 0);
  for (const Item& item : items) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += item.cost;
    items_[static_cast<std::size_t>(least - load.begin())].push_back(item);
  }
  for (std::vector<Item>& own : items_) {
    std::sort(own.begin(), own.end(), [](const Item& a, const Item& b) {
      return a.parameter != b.parameter ? a.parameter < b.parameter : a.begin < b.begin;
    });
  }
}

std::size_t GradientSums::Scratch() const {
  std::size_t scratch = 0;
  for (const GradientSum& sum : program_.sums) {
    if (!IsOuter(sum.method)) continue;
    for (std::size_t examples = 1; examples <= program_.group; ++examples) {
      const simd::OuterShape shape = OuterOf(sum, examples);
      scratch = std::max({scratch, kernels_.gemm->outer_squares_scratch(shape),
                          kernels_.gemm->outer_sum_scratch(shape),
                          kernels_.gemm->outer_grid_scratch(shape)});
    }
  }
  return scratch;
}

void GradientSums::Begin(const Clipping* clipping, const SumTarget& target) {
  clipping_ = clipping;
  target_ = &target;
  by_layer_ = clipping != nullptr && clipping->kind == ClippingKind::kPerLayer;
  pending_ = 0;
  fresh_ = true;
  for (Slot& slot : slots_) slot.frame.examples = 0;
}

const float* GradientSums::Scales(const Slot& slot, std::size_t parameter) const {
  return slot.scales.data() + (by_layer_ ? parameter * program_.group : 0);
}

// Which rows of the table example e reads, with indices from the end made plain; -1 for nowhere.
// Rows read twice are joined in the place of the first: a row's gradient is one vector.
void GradientSums::JoinRows(Slot& slot, const GradientSum& sum, std::size_t e) {
  const std::size_t count = sum.outer.positions;
  const std::size_t d = sum.outer.d;
  const auto* indices = reinterpret_cast<const std::int64_t*>(At(sum.other, slot.frame, e));
  slot.rows.resize(count);
  const auto table = static_cast<std::int64_t>(sum.table_rows);
  for (std::size_t t = 0; t < count; ++t) {
    const std::int64_t row = indices[t] < 0 ? indices[t] + table : indices[t];
    slot.rows[t] = static_cast<std::int32_t>(row >= 0 && row < table ? row : -1);
  }
  float* joined = Reals(sum.gradient, slot.frame, e);
  const float* raw = Reals(sum.raw, slot.frame, e);
  std::memset(joined, 0, count * d * sizeof(float));
  for (std::size_t t = 0; t < count; ++t) {
    const std::int32_t row = slot.rows[t];
    const auto here = static_cast<std::int32_t>(t);
    std::int32_t first = here;
    for (std::int32_t s = 0; s < here; ++s) {
      const std::int32_t candidate = slot.rows[static_cast<std::size_t>(s)] == row ? s : here;
      first = std::min(first, candidate);
    }
    if (row >= 0) {
      AddScaled(kernels_, d, raw + t * d, 1, joined + static_cast<std::size_t>(first) * d);
    }
  }
}

void GradientSums::MeasureParameter(Slot& slot, std::size_t parameter) {
  const GradientSum& sum = program_.sums[parameter];
  double* squares = Squares(slot, parameter);
  const std::size_t examples = slot.frame.examples;
  if (sum.method == Method::kNone) {
    std::fill_n(squares, examples, 0.0);
  } else if (IsOuter(sum.method)) {
    kernels_.gemm->outer_squares(OuterOf(sum, examples), Reals(sum.gradient, slot.frame),
                                 Reals(sum.other, slot.frame), squares, slot.frame.scratch);
  } else {
    const bool sparse = sum.method == Method::kSparse;
    const std::size_t n = sparse ? sum.outer.positions * sum.outer.d : sum.numbers;
    for (std::size_t e = 0; e < examples; ++e) {
      if (sparse) JoinRows(slot, sum, e);
      squares[e] = SquaresOf(kernels_, n, Reals(sum.gradient, slot.frame, e));
    }
  }
}

void GradientSums::Measure(std::size_t k, const Frame& frame, const Batch& batch, std::size_t first,
                           std::span<double> squared_norms) {
  Slot& slot = slots_[k];
  slot.frame = frame;
  if (frame.examples == 0) return;
  if (clipping_ == nullptr) {
    for (std::size_t e = 0; e < frame.examples; ++e) {
      slot.scales[e] = batch.Counts(first + e) ? 1.0F : 0.0F;
    }
    return;
  }
  for (std::size_t p = 0; p < program_.sums.size(); ++p) MeasureParameter(slot, p);
  FindScales(slot, batch, first);
  if (squared_norms.empty()) return;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    double total = 0;
    for (std::size_t p = 0; p < program_.sums.size(); ++p) total += Squares(slot, p)[e];
    squared_norms[first + e] = total;
  }
}

namespace {

// A gradient that is not finite counts as zero.
float ScaleOf(const Clipping& clipping, double squares, double bound) {
  const bool finite = std::isfinite(squares);
  const double norm = std::sqrt(finite ? squares : 1.0);
  const double scale = clipping.kind == ClippingKind::kAutomatic
                           ? bound / (norm + clipping.gamma)
                           : std::min(clipping.unit, bound / norm);
  return finite ? static_cast<float>(scale) : 0.0F;
}

}  // namespace

void GradientSums::FindScales(Slot& slot, const Batch& batch, std::size_t first) {
  const std::size_t parameters = program_.sums.size();
  const double bound =
      by_layer_ ? clipping_->bound / std::sqrt(static_cast<double>(layers_)) : clipping_->bound;
  for (std::size_t e = 0; e < slot.frame.examples; ++e) {
    const float weight = batch.Counts(first + e) ? 1.0F : 0.0F;
    double total = 0;
    for (std::size_t p = 0; p < parameters; ++p) {
      const double squares = Squares(slot, p)[e];
      total += squares;
      if (by_layer_) {
        slot.scales[p * program_.group + e] = weight * ScaleOf(*clipping_, squares, bound);
      }
    }
    if (!by_layer_) slot.scales[e] = weight * ScaleOf(*clipping_, total, bound);
  }
}

// The 32 bits are emptied between rounds alone: until Check has looked at a round's contributions,
// one that is far too long may have wrapped around in them, which taking it back undoes exactly,
// and which it would not undo after a move to the totals.
void GradientSums::BeginRound() {
  parts_.clear();
  std::size_t contributions = 0;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    const std::size_t examples = slots_[s].frame.examples;
    contributions += examples;
    if (examples > 0) parts_.push_back({s, 0, examples});
  }
  flushes_ = false;
  if (target_->grid != nullptr) {
    AH_CHECK(contributions <= target_->capacity);
    flushes_ = pending_ + contributions > target_->capacity;
    pending_ = flushes_ ? contributions : pending_ + contributions;
  }
  for (std::vector<double>& squares : contributions_) {
    std::fill(squares.begin(), squares.end(), 0.0);
  }
}

void GradientSums::Clear(const Item& item) {
  const GradientSum& sum = program_.sums[item.parameter];
  const auto clear = [&](std::size_t at, std::size_t count) {
    if (target_->grid != nullptr) {
      std::memset(target_->grid + sum.offset + at, 0, count * sizeof(std::int32_t));
      if (target_->total != nullptr && target_->clears) {
        std::memset(target_->total + sum.offset + at, 0, count * sizeof(std::int64_t));
      }
    } else if (target_->clears) {
      std::memset(target_->reals + sum.offset + at, 0, count * sizeof(float));
    }
  };
  if (sum.method == Method::kSparse) {
    for (std::size_t row = 0; row < sum.table_rows; ++row) {
      clear(row * sum.outer.d + item.begin, item.end - item.begin);
    }
  } else {
    const std::size_t width = IsOuter(sum.method) ? sum.outer.d : 1;
    clear(item.begin * width, (item.end - item.begin) * width);
  }
}

void GradientSums::Flush(const Item& item) {
  const GradientSum& sum = program_.sums[item.parameter];
  const auto flush = [&](std::size_t at, std::size_t count) {
    FlushGrid(kernels_, count, target_->grid + sum.offset + at, target_->total + sum.offset + at);
  };
  if (sum.method == Method::kSparse) {
    for (std::size_t row = 0; row < sum.table_rows; ++row) {
      flush(row * sum.outer.d + item.begin, item.end - item.begin);
    }
  } else {
    const std::size_t width = IsOuter(sum.method) ? sum.outer.d : 1;
    flush(item.begin * width, (item.end - item.begin) * width);
  }
}

// Addresses follow the indices: docs/side-channels.md.
void GradientSums::AddRows(const Item& item, const Part& part, std::int32_t sign, double* squares) {
  const GradientSum& sum = program_.sums[item.parameter];
  const Slot& slot = slots_[part.slot];
  const float* scales = Scales(slot, item.parameter);
  const auto table = static_cast<std::int64_t>(sum.table_rows);
  const std::size_t d = sum.outer.d;
  const std::size_t columns = item.end - item.begin;
  for (std::size_t e = part.first; e < part.first + part.count; ++e) {
    const auto* indices = reinterpret_cast<const std::int64_t*>(At(sum.other, slot.frame, e));
    const float* rows = Reals(sum.gradient, slot.frame, e);
    for (std::size_t t = 0; t < sum.outer.positions; ++t) {
      const std::int64_t row = indices[t] < 0 ? indices[t] + table : indices[t];
      if (row < 0 || row >= table) continue;
      const std::size_t at = sum.offset + static_cast<std::size_t>(row) * d + item.begin;
      const float* from = rows + t * d + item.begin;
      if (target_->grid != nullptr) {
        squares[e] += AddGrid(kernels_, columns, from, scales[e], sign, target_->grid + at);
      } else {
        AddScaled(kernels_, columns, from, scales[e], target_->reals + at);
      }
    }
  }
}

void GradientSums::AddPart(const Item& item, const Part& part, std::int32_t sign, bool accumulate,
                           double* squares, float* scratch) {
  const GradientSum& sum = program_.sums[item.parameter];
  if (sum.method == Method::kNone) return;
  if (sum.method == Method::kSparse) return AddRows(item, part, sign, squares);
  const Slot& slot = slots_[part.slot];
  const float* scales = Scales(slot, item.parameter);
  if (IsOuter(sum.method)) {
    simd::OuterShape shape = OuterOf(sum, part.count);
    const float* g = Reals(sum.gradient, slot.frame, part.first);
    const float* a = Reals(sum.other, slot.frame, part.first);
    if (target_->grid != nullptr) {
      kernels_.gemm->outer_grid(shape, item.begin, item.end, g, a, scales + part.first, sign,
                                accumulate, target_->grid + sum.offset, squares + part.first,
                                scratch);
    } else {
      shape.p = item.end - item.begin;
      kernels_.gemm->outer_sum(shape, g + item.begin, a, scales + part.first, accumulate,
                               target_->reals + sum.offset + item.begin * shape.d, scratch);
    }
    return;
  }
  const std::size_t n = item.end - item.begin;
  for (std::size_t e = part.first; e < part.first + part.count; ++e) {
    const float* from = Reals(sum.gradient, slot.frame, e) + item.begin;
    if (target_->grid != nullptr) {
      squares[e] +=
          AddGrid(kernels_, n, from, scales[e], sign, target_->grid + sum.offset + item.begin);
    } else {
      AddScaled(kernels_, n, from, scales[e], target_->reals + sum.offset + item.begin);
    }
  }
}

void GradientSums::Add(std::size_t k, float* scratch) {
  for (const Item& item : items_[k]) {
    const bool outer = IsOuter(program_.sums[item.parameter].method);
    // A contraction overwrites the sum with the first group.
    bool accumulate = !fresh_ || (target_->grid == nullptr && !target_->clears);
    const bool overwrites = outer && !parts_.empty() && target_->total == nullptr;
    if (fresh_ && !(overwrites && !accumulate)) {
      Clear(item);
      accumulate = true;
    }
    if (flushes_) Flush(item);
    for (const Part& part : parts_) {
      double* squares = contributions_[k].data() + part.slot * program_.group;
      AddPart(item, part, 1, accumulate, squares, scratch);
      accumulate = true;
    }
  }
}

double GradientSums::AddAll(const Part& part, std::int32_t sign, float* scratch) {
  std::vector<double> squares(program_.group, 0.0);
  for (const std::vector<Item>& own : items_) {
    for (const Item& item : own) AddPart(item, part, sign, true, squares.data(), scratch);
  }
  return squares[part.first];
}

// Kernels state |v|^2 from below, by a factor of 1 - 2^-18 at most.
void GradientSums::Check(float* scratch) {
  fresh_ = false;
  if (target_->grid == nullptr) return;
  constexpr double kSlack = 1 + 0x1p-17;
  const double most = target_->squares_max / kSlack;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    for (std::size_t e = 0; e < slot.frame.examples; ++e) {
      double squares = 0;
      for (const std::vector<double>& own : contributions_) squares += own[s * program_.group + e];
      if (squares <= most) continue;
      const Part one{s, e, 1};
      AddAll(one, -1, scratch);
      const auto shorter = static_cast<float>(std::sqrt(most / squares) * (1 - 0x1p-10));
      const std::size_t vectors = by_layer_ ? program_.sums.size() : 1;
      for (std::size_t p = 0; p < vectors; ++p) {
        slot.scales[p * program_.group + e] *= std::isfinite(shorter) ? shorter : 0.0F;
      }
      if (!(AddAll(one, 1, scratch) <= most)) AddAll(one, -1, scratch);
    }
  }
}

void GradientSums::Finish(std::size_t k) {
  if (target_->grid == nullptr || target_->total == nullptr) return;
  for (const Item& item : items_[k]) {
    if (fresh_) Clear(item);
    Flush(item);
  }
}

}  // namespace anchorhold::engine
