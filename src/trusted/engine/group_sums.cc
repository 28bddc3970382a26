#include "trusted/engine/group_sums.h"

#include <cstring>

#include "trusted/engine/scalar_sums.h"

namespace anchorhold::engine {
namespace {

// An item of plain numbers: large enough that starting it costs nothing, small enough to share.
constexpr std::size_t kItemNumbers = 1 << 15;
// A contraction's rows in one item.
constexpr double kItemWork = 1 << 21;

simd::OuterShape OuterOf(const GradientSum& sum, std::size_t examples) {
  simd::OuterShape shape = sum.outer;
  shape.examples = examples;
  return shape;
}

double* Squares(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  return group.squares + parameter * task.group;
}

float* Scales(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  return group.scales + (task.by_layer() ? parameter * task.group : 0);
}

// Where the group's rows of a table begin: those of example e at e * positions from there.
std::int32_t* RowsOf(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  return group.rows + RowsRead(task.sums.first(parameter)) * task.group;
}

// How often each of them is read, if the gradient is repeated.
std::int32_t* TimesOf(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  return RowsOf(task, group, parameter) + RowsRead(task.sums) * task.group;
}

// [RowsRead]
std::int32_t* RowScratch(const SumTask& task, const SumGroup& group) {
  return group.rows + 2 * RowsRead(task.sums) * task.group;
}

// Which rows of the table the group's examples read, with indices from the end made plain; -1 for
// nowhere.
void FindRows(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  const GradientSum& sum = task.sums[parameter];
  std::int32_t* rows = RowsOf(task, group, parameter);
  const std::size_t count = sum.outer.positions;
  const auto table = static_cast<std::int64_t>(sum.table_rows);
  if (sum.repeated) std::fill_n(TimesOf(task, group, parameter), group.frame.examples * count, 1);
  for (std::size_t e = 0; e < group.frame.examples; ++e, rows += count) {
    const auto* indices = reinterpret_cast<const std::int64_t*>(At(sum.other, group.frame, e));
    for (std::size_t t = 0; t < count; ++t) {
      const std::int64_t row = indices[t] < 0 ? indices[t] + table : indices[t];
      rows[t] = static_cast<std::int32_t>(row >= 0 && row < table ? row : -1);
    }
  }
}

// Positions that read the same row are joined in the place of the first: a row's gradient is one
// vector. The others, and those that read no row, are zero and go nowhere.
void JoinRows(const SumTask& task, const SumGroup& group, const GradientSum& sum,
              std::int32_t* rows, std::size_t e) {
  const std::size_t d = sum.outer.d;
  float* joined = Reals(sum.gradient, group.frame, e);
  const float* raw = Reals(sum.raw, group.frame, e);
  std::int32_t* firsts = RowScratch(task, group);
  FindRepeats(task.kernels, sum.outer.positions, rows, firsts);
  for (std::size_t t = 0; t < sum.outer.positions; ++t) {
    const auto first = static_cast<std::size_t>(firsts[t]);
    float* own = joined + t * d;
    if (rows[t] >= 0 && first == t) {
      if (joined != raw) std::memcpy(own, raw + t * d, d * sizeof(float));
      continue;
    }
    if (rows[t] >= 0) AddScaled(task.kernels, d, raw + t * d, 1, joined + first * d);
    std::memset(own, 0, d * sizeof(float));
    rows[t] = -1;
  }
}

// The same where all positions have one gradient: they are counted in the place of the first.
// Returns the sum of the counts' squares.
double CountRows(const SumTask& task, const SumGroup& group, std::size_t positions,
                 std::int32_t* rows, std::int32_t* times) {
  std::int32_t* firsts = RowScratch(task, group);
  FindRepeats(task.kernels, positions, rows, firsts);
  for (std::size_t t = 0; t < positions; ++t) {
    if (static_cast<std::size_t>(firsts[t]) == t) continue;
    if (rows[t] >= 0) ++times[firsts[t]];
    rows[t] = -1;
  }
  double squares = 0;
  for (std::size_t t = 0; t < positions; ++t) {
    if (rows[t] >= 0) squares += static_cast<double>(times[t]) * static_cast<double>(times[t]);
  }
  return squares;
}

// A table's gradients.
void MeasureRows(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  const GradientSum& sum = task.sums[parameter];
  const std::size_t count = sum.outer.positions;
  double* squares = Squares(task, group, parameter);
  std::int32_t* rows = RowsOf(task, group, parameter);
  std::int32_t* times = TimesOf(task, group, parameter);
  for (std::size_t e = 0; e < group.frame.examples; ++e, rows += count, times += count) {
    if (!sum.repeated) JoinRows(task, group, sum, rows, e);
    const double copies = sum.repeated ? CountRows(task, group, count, rows, times) : 1;
    const std::size_t n = sum.repeated ? sum.outer.d : count * sum.outer.d;
    // Of no copies nothing is left, though the row be not finite.
    const double one = SquaresOf(task.kernels, n, Reals(sum.gradient, group.frame, e));
    squares[e] = copies > 0 ? one * copies : 0;
  }
}

void MeasureParameter(const SumTask& task, const SumGroup& group, std::size_t parameter) {
  const GradientSum& sum = task.sums[parameter];
  double* squares = Squares(task, group, parameter);
  const std::size_t examples = group.frame.examples;
  if (sum.method == Method::kNone) {
    std::fill_n(squares, examples, 0.0);
  } else if (IsOuter(sum.method)) {
    task.kernels.gemm->outer_squares(OuterOf(sum, examples), Reals(sum.gradient, group.frame),
                                     Reals(sum.other, group.frame), squares, group.frame.scratch);
  } else if (sum.squares.size != 0) {
    std::memcpy(squares, At(sum.squares, group.frame, 0), examples * sizeof(double));
  } else if (sum.method == Method::kSparse) {
    MeasureRows(task, group, parameter);
  } else {
    for (std::size_t e = 0; e < examples; ++e) {
      squares[e] = SquaresOf(task.kernels, sum.numbers, Reals(sum.gradient, group.frame, e));
    }
  }
}

// The builtins are the processor's own instructions where <cmath> may be a library's functions.
double Root(double x) { return __builtin_sqrt(x); }
bool IsFinite(double x) { return __builtin_isfinite(x); }

// A gradient that is not finite counts as zero.
float ScaleOf(const Clipping& clipping, double squares, double bound) {
  const bool finite = IsFinite(squares);
  const double norm = Root(finite ? squares : 1.0);
  const double scale = clipping.kind == ClippingKind::kAutomatic
                           ? bound / (norm + clipping.gamma)
                           : std::min(clipping.unit, bound / norm);
  return finite ? static_cast<float>(scale) : 0.0F;
}

// L: parameters with a gradient.
std::size_t LayersOf(std::span<const GradientSum> sums) {
  std::size_t layers = 0;
  for (const GradientSum& sum : sums) layers += sum.method == Method::kNone ? 0 : 1;
  return layers;
}

void FindScales(const SumTask& task, const SumGroup& group) {
  const Clipping& clipping = *task.clipping;
  const std::size_t examples = group.frame.examples;
  if (!task.by_layer()) {
    for (std::size_t e = 0; e < examples; ++e) {
      group.scales[e] = ScaleOf(clipping, SquaredNorm(task, group, e), clipping.bound);
    }
    return;
  }
  const double bound = clipping.bound / Root(static_cast<double>(LayersOf(task.sums)));
  for (std::size_t p = 0; p < task.sums.size(); ++p) {
    for (std::size_t e = 0; e < examples; ++e) {
      Scales(task, group, p)[e] = ScaleOf(clipping, Squares(task, group, p)[e], bound);
    }
  }
}

void Clear(const SumTask& task, const SumItem& item) {
  const SumTarget& target = task.target;
  const auto [at, count] = StretchOf(task.sums[item.parameter], item);
  if (target.grid != nullptr) {
    std::memset(target.grid + at, 0, count * sizeof(std::int32_t));
    if (target.total != nullptr && target.clears) {
      std::memset(target.total + at, 0, count * sizeof(std::int64_t));
    }
  } else if (target.clears) {
    std::memset(target.reals + at, 0, count * sizeof(float));
  }
}

// Calls visit(numbers, count) for an item's sum, wherever it is kept between rounds.
template <typename Visit>
void VisitSum(const SumTask& task, const SumItem& item, const Visit& visit) {
  const SumTarget& target = task.target;
  const auto [at, count] = StretchOf(task.sums[item.parameter], item);
  if (target.grid == nullptr) return visit(target.reals + at, count);
  target.total != nullptr ? visit(target.total + at, count) : visit(target.grid + at, count);
}

void Flush(const SumTask& task, const SumItem& item) {
  const auto [at, count] = StretchOf(task.sums[item.parameter], item);
  FlushGrid(task.kernels, count, task.target.grid + at, task.target.total + at);
}

// Addresses follow the indices: docs/side-channels.md.
void AddRows(const SumTask& task, const SumItem& item, const SumGroup& group, std::size_t e,
             std::int32_t sign, double* squares) {
  const GradientSum& sum = task.sums[item.parameter];
  const float scale = Scales(task, group, item.parameter)[e];
  const std::size_t count = sum.outer.positions;
  simd::TableRows rows;
  rows.count = count;
  rows.d = sum.outer.d;
  rows.rows = RowsOf(task, group, item.parameter) + e * count;
  rows.begin = static_cast<std::int32_t>(item.begin);
  rows.end = static_cast<std::int32_t>(item.end);
  if (sum.repeated) rows.times = TimesOf(task, group, item.parameter) + e * count;
  const float* from = Reals(sum.gradient, group.frame, e);
  if (task.target.grid != nullptr) {
    squares[e] += AddGridRows(task.kernels, rows, from, scale, sign, task.target.grid + sum.offset);
  } else {
    AddScaledRows(task.kernels, rows, from, scale, task.target.reals + sum.offset);
  }
}

void AddOuter(const SumTask& task, const SumItem& item, const SumGroup& group, std::size_t first,
              std::size_t count, std::int32_t sign, bool accumulate, double* squares,
              float* scratch) {
  const GradientSum& sum = task.sums[item.parameter];
  const float* scales = Scales(task, group, item.parameter) + first;
  simd::OuterShape shape = OuterOf(sum, count);
  const float* g = Reals(sum.gradient, group.frame, first);
  const float* a = Reals(sum.other, group.frame, first);
  if (task.target.grid != nullptr) {
    task.kernels.gemm->outer_grid(shape, item.begin, item.end, g, a, scales, sign, accumulate,
                                  task.target.grid + sum.offset, squares + first, scratch);
  } else {
    shape.p = item.end - item.begin;
    task.kernels.gemm->outer_sum(shape, g + item.begin, a, scales, accumulate,
                                 task.target.reals + sum.offset + item.begin * shape.d, scratch);
  }
}

// |v_e|^2 of example e in units of the grid, which is added to all items, times `sign`.
double AddExample(const SumTask& task, SumGroup& group, std::size_t e, std::int32_t sign,
                  float* scratch) {
  // The group's norms are no longer needed: one parameter's place takes the squares.
  group.squares[e] = 0;
  ForItems(task.sums, task.block, [&](const SumItem& item, double) {
    AddGroup(task, item, group, e, 1, sign, true, group.squares, scratch);
  });
  return group.squares[e];
}

}  // namespace

SumStretch StretchOf(const GradientSum& sum, const SumItem& item) {
  const bool rows = IsOuter(sum.method) || sum.method == Method::kSparse;
  const std::size_t width = rows ? sum.outer.d : 1;
  return {sum.offset + item.begin * width, (item.end - item.begin) * width};
}

SumCut CutOf(const GradientSum& sum, std::size_t block) {
  SumCut cut{sum.numbers, kItemNumbers, kItemNumbers, 1};
  if (IsOuter(sum.method)) {
    const auto d = static_cast<double>(sum.outer.d);
    cut.whole = sum.outer.p;
    cut.cost = d * (static_cast<double>(sum.outer.positions) / 8 + 1);
    // Multiples of 48 rows, so that no kernel's tile is cut.
    cut.each = static_cast<std::size_t>(std::max(1.0, kItemWork / d / 48)) * 48;
  } else if (sum.method == Method::kSparse) {
    const std::size_t d = std::max<std::size_t>(sum.outer.d, 1);
    cut.whole = sum.table_rows;
    cut.cost = static_cast<double>(d) / 8;  // to clear it; few rows of many are added to
    // The rows that begin in a block, as nearly as equal cuts can be.
    cut.each = std::max<std::size_t>(block / d, 1);
    cut.first = (block - sum.offset % block + d - 1) / d;
    return cut;
  } else if (sum.order.used()) {
    const std::size_t row = sum.order.row();
    cut.each = std::max<std::size_t>(kItemNumbers / row, 1) * row;
  }
  cut.first = cut.each;
  return cut;
}

std::size_t SumScratch(std::span<const GradientSum> sums, const Kernels& kernels,
                       std::size_t group) {
  std::size_t scratch = 0;
  for (const GradientSum& sum : sums) {
    if (!IsOuter(sum.method)) continue;
    const SumCut cut = CutOf(sum, 1);
    for (std::size_t examples = 1; examples <= group; ++examples) {
      simd::OuterShape shape = OuterOf(sum, examples);
      scratch = std::max(scratch, kernels.gemm->outer_squares_scratch(shape));
      scratch = std::max(scratch, kernels.gemm->outer_grid_scratch(shape));
      // Of an item's rows, of which the last has fewer; fewer may need more.
      for (const std::size_t rows : {std::min(cut.each, cut.whole), cut.whole % cut.each}) {
        shape.p = rows;
        scratch = std::max(scratch, kernels.gemm->outer_sum_scratch(shape));
      }
    }
  }
  return scratch;
}

std::size_t RowsRead(std::span<const GradientSum> sums) {
  std::size_t rows = 0;
  for (const GradientSum& sum : sums) {
    if (sum.method == Method::kSparse) rows += sum.outer.positions;
  }
  return rows;
}

double SquaredNorm(const SumTask& task, const SumGroup& group, std::size_t e) {
  double total = 0;
  for (std::size_t p = 0; p < task.sums.size(); ++p) total += Squares(task, group, p)[e];
  return total;
}

void MeasureGroup(const SumTask& task, SumGroup& group) {
  for (std::size_t p = 0; p < task.sums.size(); ++p) {
    if (task.sums[p].method == Method::kSparse) FindRows(task, group, p);
  }
  if (task.clipping == nullptr) {
    std::fill_n(group.scales, group.frame.examples, 1.0F);
    return;
  }
  for (std::size_t p = 0; p < task.sums.size(); ++p) MeasureParameter(task, group, p);
  FindScales(task, group);
}

// A contraction overwrites the sum with the first group.
bool PrepareItem(const SumTask& task, const SumItem& item, bool fresh, bool flushes, bool adds) {
  const SumTarget& target = task.target;
  const bool accumulate = !fresh || (target.grid == nullptr && !target.clears);
  const bool overwrites =
      IsOuter(task.sums[item.parameter].method) && adds && target.total == nullptr && !accumulate;
  if (fresh && !overwrites) Clear(task, item);
  if (fresh && adds && !target.clears) {
    VisitSum(task, item, [&](auto* numbers, std::size_t count) {
      ToTapOrder(task.sums[item.parameter].order, count, numbers);
    });
  }
  if (flushes) Flush(task, item);
  return !overwrites;
}

void AddGroup(const SumTask& task, const SumItem& item, const SumGroup& group, std::size_t first,
              std::size_t count, std::int32_t sign, bool accumulate, double* squares,
              float* scratch) {
  const GradientSum& sum = task.sums[item.parameter];
  if (sum.method == Method::kNone) return;
  if (IsOuter(sum.method)) {
    AddOuter(task, item, group, first, count, sign, accumulate, squares, scratch);
    return;
  }
  const std::size_t n = item.end - item.begin;
  const std::size_t at = sum.offset + item.begin;
  for (std::size_t e = first; e < first + count; ++e) {
    if (sum.method == Method::kSparse) {
      AddRows(task, item, group, e, sign, squares);
      continue;
    }
    const float* from = Reals(sum.gradient, group.frame, e) + item.begin;
    const float scale = Scales(task, group, item.parameter)[e];
    if (task.target.grid != nullptr) {
      squares[e] += AddGrid(task.kernels, n, from, scale, sign, task.target.grid + at);
    } else {
      AddScaled(task.kernels, n, from, scale, task.target.reals + at);
    }
  }
}

// Kernels state |v|^2 from below, by a factor of 1 - 2^-18 at most.
void MendExample(const SumTask& task, SumGroup& group, std::size_t e, double squares,
                 float* scratch) {
  constexpr double kSlack = 1 + 0x1p-17;
  const double most = task.target.squares_max / kSlack;
  if (squares <= most) return;
  AddExample(task, group, e, -1, scratch);
  const auto shorter = static_cast<float>(Root(most / squares) * (1 - 0x1p-10));
  const std::size_t vectors = task.by_layer() ? task.sums.size() : 1;
  for (std::size_t p = 0; p < vectors; ++p) {
    group.scales[p * task.group + e] *= __builtin_isfinite(shorter) ? shorter : 0.0F;
  }
  if (!(AddExample(task, group, e, 1, scratch) <= most)) {
    AddExample(task, group, e, -1, scratch);
  }
}

void FinishItem(const SumTask& task, const SumItem& item, bool fresh) {
  if (task.target.grid != nullptr && task.target.total != nullptr) {
    if (fresh) Clear(task, item);
    Flush(task, item);
  }
  if (fresh) return;
  VisitSum(task, item, [&](auto* numbers, std::size_t count) {
    FromTapOrder(task.sums[item.parameter].order, count, numbers);
  });
}

}  // namespace anchorhold::engine
