#include "trusted/engine/scalar_sums.h"

#include <algorithm>
#include <cmath>

namespace anchorhold::engine {

void FindRepeats(const Kernels& kernels, std::size_t n, const std::int32_t* rows,
                 std::int32_t* first) {
  if (kernels.sums != nullptr) return kernels.sums->find_repeats(n, rows, first);
  for (std::size_t t = 0; t < n; ++t) {
    first[t] = static_cast<std::int32_t>(t);
    for (std::size_t s = t; s-- > 0;) {
      first[t] = rows[s] == rows[t] ? static_cast<std::int32_t>(s) : first[t];
    }
  }
}

double SquaresOf(const Kernels& kernels, std::size_t n, const float* x) {
  if (kernels.sums != nullptr) return kernels.sums->squares(n, x);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += double{x[i]} * double{x[i]};
  return sum;
}

void AddScaled(const Kernels& kernels, std::size_t n, const float* x, float scale, float* y) {
  if (kernels.sums != nullptr) return kernels.sums->add_scaled(n, x, scale, y);
  for (std::size_t i = 0; i < n; ++i) y[i] += scale == 0 ? 0.0F : scale * x[i];
}

double AddGrid(const Kernels& kernels, std::size_t n, const float* x, float scale,
               std::int32_t sign, std::int32_t* sum) {
  if (kernels.sums != nullptr) return kernels.sums->add_grid(n, x, scale, sign, sum);
  constexpr double kMost = 2147483647;
  constexpr double kRound = 0x1.8p52;  // added, it leaves no place for fractions
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double scaled = scale == 0 ? 0.0 : double{scale * x[i]};
    const double bounded = std::isnan(scaled) ? 0.0 : std::clamp(scaled, -kMost, kMost);
    const double v = (bounded + kRound) - kRound;
    squares += v * v;
    // Sums wrap around (group_sums.h, GridFill).
    const auto whole = static_cast<std::uint32_t>(static_cast<std::int32_t>(v));
    sum[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum[i]) +
                                       static_cast<std::uint32_t>(sign) * whole);
  }
  return squares;
}

namespace {

// Calls visit(t) for each row t that counts.
template <typename Visit>
void ForRows(const simd::TableRows& rows, const Visit& visit) {
  for (std::size_t t = 0; t < rows.count; ++t) {
    const std::int32_t row = rows.rows[t];
    if (row >= rows.begin && row < rows.end) visit(t);
  }
}

}  // namespace

void AddScaledRows(const Kernels& kernels, const simd::TableRows& rows, const float* x, float scale,
                   float* table) {
  if (kernels.sums != nullptr) return kernels.sums->add_scaled_rows(rows, x, scale, table);
  ForRows(rows, [&](std::size_t t) {
    AddScaled(kernels, rows.d, rows.From(t, x), rows.Scale(t, scale), table + rows.To(t));
  });
}

double AddGridRows(const Kernels& kernels, const simd::TableRows& rows, const float* x, float scale,
                   std::int32_t sign, std::int32_t* table) {
  if (kernels.sums != nullptr) return kernels.sums->add_grid_rows(rows, x, scale, sign, table);
  double squares = 0;
  ForRows(rows, [&](std::size_t t) {
    squares +=
        AddGrid(kernels, rows.d, rows.From(t, x), rows.Scale(t, scale), sign, table + rows.To(t));
  });
  return squares;
}

void FlushGrid(const Kernels& kernels, std::size_t n, std::int32_t* sum, std::int64_t* total) {
  if (kernels.sums != nullptr) return kernels.sums->flush_grid(n, sum, total);
  for (std::size_t i = 0; i < n; ++i) {
    total[i] += sum[i];
    sum[i] = 0;
  }
}

}  // namespace anchorhold::engine
