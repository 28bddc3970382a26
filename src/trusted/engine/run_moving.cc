#include "trusted/engine/run_moving.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

namespace anchorhold::engine {
namespace {

void RunPermute(const Step& step, const Kernels& kernels, const Frame& frame) {
  std::size_t sizes[kPermuteAxesMax + 1] = {frame.examples};
  std::size_t strides[kPermuteAxesMax + 1] = {step.in[0].stride / sizeof(float)};
  for (std::size_t k = 0; k < step.axes; ++k) {
    sizes[k + 1] = step.sizes[k];
    strides[k + 1] = step.strides[k];
  }
  kernels.rows->permute(step.axes + 1, sizes, strides, Reals(step.in[0], frame) + step.n,
                        Reals(step.out[0], frame));
}

// Row `given` of `rows`, those below 0 from the end; `rows` for what is out of range.
std::size_t RowOf(std::int64_t given, std::size_t rows) {
  const auto count = static_cast<std::int64_t>(rows);
  const std::int64_t row = given < 0 ? given + count : given;
  return row >= 0 && row < count ? static_cast<std::size_t>(row) : rows;
}

// Addresses follow the indices, here and below: docs/side-channels.md.
void GatherRows(std::span<const std::int64_t> indices, const float* table, std::size_t rows,
                std::size_t width, float* out) {
  for (const std::int64_t given : indices) {
    const std::size_t row = RowOf(given, rows);
    if (row == rows) {
      std::fill_n(out, width, std::numeric_limits<float>::quiet_NaN());
    } else if (width == 1) {
      *out = table[row];
    } else {
      std::memcpy(out, table + row * width, width * sizeof(float));
    }
    out += width;
  }
}

std::span<const std::int64_t> Indices(const Step& step, const Frame& frame, std::size_t e) {
  return {reinterpret_cast<const std::int64_t*>(At(step.in[1], frame, e)), step.in[1].size};
}

void RunTake(const Step& step, const Frame& frame) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t o = 0; o < step.outer; ++o) {
      GatherRows(Indices(step, frame, e), from, step.n, step.inner, out);
      from += step.n * step.inner;
      out += step.sizes[0] * step.inner;
    }
  }
}

void RunPut(const Step& step, const Frame& frame) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const std::span<const std::int64_t> indices = Indices(step, frame, e);
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    std::fill_n(out, step.out[0].size, 0.0F);
    for (std::size_t o = 0; o < step.outer; ++o, out += step.n * step.inner) {
      for (std::size_t i = 0; i < indices.size(); ++i, from += step.inner) {
        const std::size_t row = RowOf(indices[i], step.n);
        if (row == step.n) continue;
        float* to = out + row * step.inner;
        for (std::size_t k = 0; k < step.inner; ++k) to[k] += from[k];
      }
    }
  }
}

void RunSumRows(const Step& step, const Kernels& kernels, const Frame& frame) {
  const simd::TableOfRows table{Reals(step.in[0], frame), step.n, step.inner};
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const std::span<const std::int64_t> indices = Indices(step, frame, e);
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t i = 0; i < step.outer; ++i, out += step.inner) {
      kernels.rows->sum_rows(table, step.sizes[0], indices.data() + i * step.sizes[0], out);
    }
  }
}

void RunConcat(const Step& step, const StepTables& tables, const Frame& frame) {
  const std::span<const Operand> parts = tables.point_operands.subspan(step.index, step.n);
  const std::size_t width = step.out[0].size / step.outer;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    float* to = Reals(step.out[0], frame, e);
    for (const Operand& part : parts) {
      const std::size_t own = part.size / step.outer;
      const float* from = Reals(part, frame, e);
      for (std::size_t o = 0; o < step.outer; ++o) {
        std::memcpy(to + o * width, from + o * own, own * sizeof(float));
      }
      to += own;
    }
  }
}

void RunPad(const Step& step, const Frame& frame) {
  const std::size_t width = step.sizes[0] + step.inner + step.sizes[1];
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* to = Reals(step.out[0], frame, e);
    for (std::size_t o = 0; o < step.outer; ++o, from += step.inner, to += width) {
      std::fill_n(to, step.sizes[0], step.low);
      std::memcpy(to + step.sizes[0], from, step.inner * sizeof(float));
      std::fill_n(to + step.sizes[0] + step.inner, step.sizes[1], step.low);
    }
  }
}

void RunFold(const Step& step, const Kernels& kernels, const Frame& frame) {
  const std::size_t run = step.sizes[3];
  const std::size_t rows = step.strides[1];
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    std::fill_n(out, step.out[0].size, 0.0F);
    for (std::size_t o = 0; o < step.sizes[0]; ++o) {
      for (std::size_t channel = 0; channel < step.sizes[1]; ++channel) {
        for (std::size_t k = 0; k < step.sizes[2]; ++k, from += run) {
          // Wraps around below 0, and is then beyond the last row.
          const std::size_t row = o * step.strides[0] + k * step.strides[2] - step.strides[3];
          if (row >= rows) continue;
          kernels.sums->add_scaled(run, from, 1, out + (channel * rows + row) * run);
        }
      }
    }
  }
}

void RunMove(const Step& step, const Frame& frame) {
  constexpr std::int64_t kElement = (std::int64_t{1} << kMoveInputShift) - 1;
  const auto* places = reinterpret_cast<const std::int64_t*>(At(step.in[kMoveInputsMax], frame));
  const std::size_t examples = step.out[0].space == Space::kArena ? frame.examples : 1;
  for (std::size_t e = 0; e < examples; ++e) {
    const float* from[kMoveInputsMax];
    for (std::size_t i = 0; i < kMoveInputsMax; ++i) from[i] = Reals(step.in[i], frame, e);
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t i = 0; i < step.in[kMoveInputsMax].size; ++i) {
      const std::int64_t place = places[i];
      const float x = place < 0 ? 0.0F : from[place >> kMoveInputShift][place & kElement];
      out[i] = step.has_second ? 0.0F + x : x;
    }
  }
}

}  // namespace

void RunMoving(const Step& step, const StepTables& tables, const Kernels& kernels,
               const Frame& frame) {
  switch (step.kind) {
    case StepKind::kPermute:
      return RunPermute(step, kernels, frame);
    case StepKind::kTake:
      return RunTake(step, frame);
    case StepKind::kSumRows:
      return RunSumRows(step, kernels, frame);
    case StepKind::kPut:
      return RunPut(step, frame);
    case StepKind::kConcat:
      return RunConcat(step, tables, frame);
    case StepKind::kPad:
      return RunPad(step, frame);
    case StepKind::kFold:
      return RunFold(step, kernels, frame);
    default:
      return RunMove(step, frame);
  }
}

}  // namespace anchorhold::engine
