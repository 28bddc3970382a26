// Sums of gradients, as engine/gradient_sums.cc makes them on one thread and in floats:
//
//   sum = sum over examples e of s_e g_e,   s_e = 1, or min(1, bound / |g_e|) where they are
//   clipped
//
// |g_e|^2 is added up over the parameters, each in the way that was planned for it. A gradient that
// is not finite counts as zero.
#include <cstring>

#include "client/runtime/workspace.h"

namespace anchorhold::runtime {
namespace {

simd::OuterShape OuterOf(const SumPlan& sum, std::size_t examples) {
  simd::OuterShape shape = sum.outer;
  shape.examples = examples;
  return shape;
}

// The row of a table that an index means, from the end where negative; -1 for none.
std::int32_t RowOf(std::int64_t index, std::uint64_t table_rows) {
  const auto rows = static_cast<std::int64_t>(table_rows);
  const std::int64_t row = index < 0 ? index + rows : index;
  return static_cast<std::int32_t>(row >= 0 && row < rows ? row : -1);
}

// Rows that an example reads twice are joined in the place of the first: a row's gradient is one
// vector.
void JoinRows(const Workspace& workspace, const SumPlan& sum, std::size_t e) {
  const engine::Frame& frame = workspace.frame;
  const std::size_t count = sum.outer.positions;
  const std::size_t d = sum.outer.d;
  const auto* indices = reinterpret_cast<const std::int64_t*>(engine::At(sum.other, frame, e));
  for (std::size_t t = 0; t < count; ++t) workspace.rows[t] = RowOf(indices[t], sum.table_rows);
  float* joined = engine::Reals(sum.gradient, frame, e);
  const float* raw = engine::Reals(sum.raw, frame, e);
  std::memset(joined, 0, count * d * sizeof(float));
  for (std::size_t t = 0; t < count; ++t) {
    std::size_t first = t;
    for (std::size_t s = t; s-- > 0;) {
      first = workspace.rows[s] == workspace.rows[t] ? s : first;
    }
    if (workspace.rows[t] < 0) continue;
    workspace.kernels.sums->add_scaled(d, raw + t * d, 1, joined + first * d);
  }
}

void MeasureParameter(Workspace& workspace, const SumPlan& sum) {
  const engine::Frame& frame = workspace.frame;
  if (sum.method == SumMethod::kNone) {
    std::memset(workspace.squares, 0, frame.examples * sizeof(double));
  } else if (sum.method == SumMethod::kOuter) {
    workspace.kernels.gemm->outer_squares(
        OuterOf(sum, frame.examples), engine::Reals(sum.gradient, frame),
        engine::Reals(sum.other, frame), workspace.squares, frame.scratch);
  } else {
    const bool sparse = sum.method == SumMethod::kSparse;
    const std::size_t n = sparse ? sum.outer.positions * sum.outer.d : sum.numbers;
    for (std::size_t e = 0; e < frame.examples; ++e) {
      if (sparse) JoinRows(workspace, sum, e);
      workspace.squares[e] =
          workspace.kernels.sums->squares(n, engine::Reals(sum.gradient, frame, e));
    }
  }
}

float ScaleOf(double squares, double bound) {
  const bool finite = __builtin_isfinite(squares);
  const double scale = bound / __builtin_sqrt(finite ? squares : 1.0);
  return finite ? static_cast<float>(scale < 1 ? scale : 1.0) : 0.0F;
}

// Addresses follow the indices: docs/side-channels.md.
void AddRows(const Workspace& workspace, const SumPlan& sum, float* to) {
  const engine::Frame& frame = workspace.frame;
  const std::size_t d = sum.outer.d;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const auto* indices = reinterpret_cast<const std::int64_t*>(engine::At(sum.other, frame, e));
    const float* rows = engine::Reals(sum.gradient, frame, e);
    for (std::size_t t = 0; t < sum.outer.positions; ++t) {
      const std::int32_t row = RowOf(indices[t], sum.table_rows);
      if (row < 0) continue;
      workspace.kernels.sums->add_scaled(d, rows + t * d, workspace.scales[e],
                                         to + static_cast<std::size_t>(row) * d);
    }
  }
}

void AddParameter(const Workspace& workspace, const SumPlan& sum, bool fresh, float* to) {
  const engine::Frame& frame = workspace.frame;
  if (sum.method == SumMethod::kOuter && frame.examples > 0) {
    return workspace.kernels.gemm->outer_sum(
        OuterOf(sum, frame.examples), engine::Reals(sum.gradient, frame),
        engine::Reals(sum.other, frame), workspace.scales, !fresh, to, frame.scratch);
  }
  if (fresh) std::memset(to, 0, sum.numbers * sizeof(float));
  if (sum.method == SumMethod::kSparse) return AddRows(workspace, sum, to);
  if (sum.method != SumMethod::kInstantiate) return;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    workspace.kernels.sums->add_scaled(sum.numbers, engine::Reals(sum.gradient, frame, e),
                                       workspace.scales[e], to);
  }
}

}  // namespace

void MeasureGroup(Workspace& workspace, const Request& request, std::size_t first) {
  const std::size_t examples = workspace.frame.examples;
  if (!request.clips) {
    for (std::size_t e = 0; e < examples; ++e) workspace.scales[e] = 1;
    return;
  }
  for (std::size_t e = 0; e < examples; ++e) workspace.totals[e] = 0;
  for (const SumPlan& sum : Entries(TheImage().sums)) {
    MeasureParameter(workspace, sum);
    for (std::size_t e = 0; e < examples; ++e) workspace.totals[e] += workspace.squares[e];
  }
  for (std::size_t e = 0; e < examples; ++e) {
    workspace.scales[e] = ScaleOf(workspace.totals[e], request.bound);
    if (request.norms == nullptr) continue;
    request.norms[first + e] = static_cast<float>(__builtin_sqrt(workspace.totals[e]));
  }
}

void AddGroup(Workspace& workspace, const Request& request, bool fresh) {
  for (const SumPlan& sum : Entries(TheImage().sums)) {
    AddParameter(workspace, sum, fresh, request.sum + sum.offset);
  }
}

}  // namespace anchorhold::runtime
