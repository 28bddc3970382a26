// y, dense, = x read by strides. Axes of size 1 are dropped and axes that x walks as one are
// joined; then the innermost axis decides:
//  * x's stride is 1: runs are copied (heads of an attention: [S, H, 64] to [H, S, 64]);
//  * it is 0: numbers are repeated;
//  * otherwise, where another axis has x's stride 1, the two make matrices that are transposed, a
//    block of kLanes rows by 4 columns in registers at a time, which writes whole vectors;
//  * otherwise numbers are fetched one by one.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_permute.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/kernels/strided.h"
#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

struct Axis {
  std::size_t size = 1;
  std::size_t x = 0;  // strides
  std::size_t y = 0;
};

struct Box {
  std::size_t axes = 0;
  Axis axis[kernels::kRankMax];
};

HWY_INLINE Box Simplified(std::size_t axes, const std::size_t* sizes, const std::size_t* strides) {
  Box box;
  for (std::size_t a = 0; a < axes; ++a) {
    if (sizes[a] == 1) continue;
    if (box.axes > 0 && box.axis[box.axes - 1].x == sizes[a] * strides[a]) {
      Axis& last = box.axis[box.axes - 1];
      last.size *= sizes[a];
      last.x = strides[a];
    } else {
      box.axis[box.axes++] = {sizes[a], strides[a], 0};
    }
  }
  std::size_t stride = 1;
  for (std::size_t a = box.axes; a-- > 0;) {
    box.axis[a].y = stride;
    stride *= box.axis[a].size;
  }
  return box;
}

// visit(x, y) for each point of the axes, the last one fastest.
template <class Visit>
HWY_INLINE void Walk(const Box& box, const float* x, float* y, Visit visit) {
  std::size_t at[kernels::kRankMax] = {};
  if (box.axes == 0) return visit(x, y);
  const Axis& last = box.axis[box.axes - 1];
  for (;;) {
    for (std::size_t i = 0; i < last.size; ++i) visit(x + i * last.x, y + i * last.y);
    std::size_t a = box.axes - 1;
    for (;;) {
      if (a == 0) return;
      --a;
      const Axis& axis = box.axis[a];
      x += axis.x;
      y += axis.y;
      if (++at[a] < axis.size) break;
      x -= axis.size * axis.x;
      y -= axis.size * axis.y;
      at[a] = 0;
    }
  }
}

HWY_INLINE void CopyRun(std::size_t n, const float* x, float* y) {
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(at.Load(x), y); });
}

HWY_INLINE void Repeat(std::size_t n, const float* x, float* y) {
  const FloatVec v = Broadcast(*x);
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(v, y); });
}

// Row 4 b of 128-bit block b: the blocks' first rows are `step` numbers apart.
template <class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const float* x, std::size_t step) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, x);
  } else {
    const hn::Half<D> half;
    const std::size_t blocks = hn::MaxLanes(half) / 4;
    return hn::Combine(d, LoadBlocks(half, x + blocks * step, step), LoadBlocks(half, x, step));
  }
}

// y[j][i] = x[i][j] for i < kLanes and j < 4: a 4 by 4 transposition in each 128-bit block.
HWY_INLINE void TransposeBlock(const float* x, std::size_t x_stride, float* y,
                               std::size_t y_stride) {
  const Floats d;
  const FloatVec a = LoadBlocks(d, x, 4 * x_stride);
  const FloatVec b = LoadBlocks(d, x + x_stride, 4 * x_stride);
  const FloatVec c = LoadBlocks(d, x + 2 * x_stride, 4 * x_stride);
  const FloatVec e = LoadBlocks(d, x + 3 * x_stride, 4 * x_stride);
  const FloatVec ac_low = hn::InterleaveLower(d, a, c);  // a0 c0 a1 c1
  const FloatVec be_low = hn::InterleaveLower(d, b, e);
  const FloatVec ac_high = hn::InterleaveUpper(d, a, c);
  const FloatVec be_high = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, y);
  hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, y + y_stride);
  hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, y + 2 * y_stride);
  hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, y + 3 * y_stride);
}

// y [columns, rows] = x [rows, columns] transposed; rows of x and of y are strides apart. The
// columns go in bands of a cache line's numbers, so that a line of x is read while it is near.
HWY_INLINE void Transpose(std::size_t rows, std::size_t columns, const float* x,
                          std::size_t x_stride, float* y, std::size_t y_stride) {
  constexpr std::size_t kBand = 16;
  const std::size_t whole_rows = rows / kLanes * kLanes;
  const std::size_t whole_columns = columns / 4 * 4;
  for (std::size_t band = 0; band < whole_columns; band += kBand) {
    const std::size_t end = std::min(whole_columns, band + kBand);
    for (std::size_t i = 0; i < whole_rows; i += kLanes) {
      for (std::size_t j = band; j < end; j += 4) {
        TransposeBlock(x + i * x_stride + j, x_stride, y + j * y_stride + i, y_stride);
      }
    }
  }
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) {
      y[j * y_stride + i] = x[i * x_stride + j];
    }
  }
}

// The axis other than the innermost along which x is contiguous, or the number of axes.
HWY_INLINE std::size_t ContiguousAxis(const Box& box) {
  for (std::size_t a = 0; a + 1 < box.axes; ++a) {
    if (box.axis[a].x == 1) return a;
  }
  return box.axes;
}

}  // namespace

void Permute(std::size_t axes, const std::size_t* sizes, const std::size_t* strides, const float* x,
             float* y) {
  for (std::size_t a = 0; a < axes; ++a) {
    if (sizes[a] == 0) return;
  }
  Box box = Simplified(axes, sizes, strides);
  if (box.axes == 0) {
    *y = *x;
    return;
  }
  const std::size_t contiguous = ContiguousAxis(box);
  const Axis inner = box.axis[--box.axes];
  if (inner.x == 1) {
    Walk(box, x, y,
         [&](const float* from, float* to) ANCHORHOLD_LAMBDA { CopyRun(inner.size, from, to); });
  } else if (inner.x == 0) {
    Walk(box, x, y,
         [&](const float* from, float* to) ANCHORHOLD_LAMBDA { Repeat(inner.size, from, to); });
  } else if (contiguous < box.axes) {
    const Axis other = box.axis[contiguous];
    --box.axes;
    for (std::size_t a = contiguous; a < box.axes; ++a) box.axis[a] = box.axis[a + 1];
    Walk(box, x, y, [&](const float* from, float* to) ANCHORHOLD_LAMBDA {
      Transpose(inner.size, other.size, from, inner.x, to, other.y);
    });
  } else {
    Walk(box, x, y, [&](const float* from, float* to) ANCHORHOLD_LAMBDA {
      for (std::size_t i = 0; i < inner.size; ++i) to[i] = from[i * inner.x];
    });
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
