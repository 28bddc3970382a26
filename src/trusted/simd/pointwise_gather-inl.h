// Collects a broadcast or strided input of pointwise.h into a buffer. Included by pointwise.cc,
// once a target.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_GATHER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_GATHER_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_GATHER_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_POINTWISE_GATHER_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/simd/partial-inl.h"
#include "trusted/simd/pointwise_plan.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// A vector of the widest kind, all x.
inline void Splat(float x, float* buffer) {
  const hn::ScalableTag<float> d;
  static_assert(hn::MaxLanes(d) <= kPointPad);
  hn::StoreU(hn::Set(d, x), d, buffer);
}

// dst[i] = x for i < n, and perhaps for kPointPad - 1 numbers more.
HWY_INLINE void FillRow(float x, std::size_t n, float* dst) {
  const hn::ScalableTag<float> d;
  const auto v = hn::Set(d, x);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) hn::StoreU(v, d, dst + i);
}

// dst[i] = x[i] for i < n; nothing else is touched.
HWY_INLINE void CopyRow(const float* x, std::size_t n, float* dst) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::LoadU(d, x + i), d, dst + i);
  if (i < n) StorePart(LoadPart(d, x + i, n - i), d, dst + i, n - i);
}

HWY_INLINE void GatherRow(const float* x, std::size_t stride, std::size_t n, float* dst) {
  if (stride == 0) return FillRow(*x, n, dst);
  if (stride == 1) return CopyRow(x, n, dst);
  for (std::size_t i = 0; i < n; ++i) dst[i] = x[i * stride];
}

// Offset in input i of the first number of a row (of the last axis).
inline std::size_t OffsetOfRow(const PointBox& box, std::size_t i, std::size_t row) {
  std::size_t offset = 0;
  for (std::size_t axis = box.axes - 1; axis-- > 0;) {
    offset += row % box.sizes[axis] * box.strides[i][axis];
    row /= box.sizes[axis];
  }
  return offset;
}

// Numbers [begin, begin + n) of input i, in the order of the box. Rows are taken in order, so that
// what FillRow writes too much is overwritten, or lies beyond the n-th.
inline void Gather(const PointBox& box, std::size_t i, const float* x, std::size_t begin,
                   std::size_t n, float* dst) {
  const std::size_t last = box.axes - 1;
  const std::size_t size = box.sizes[last];
  const std::size_t stride = box.strides[i][last];
  std::size_t row = begin / size;
  std::size_t column = begin % size;
  while (n > 0) {
    // Neighbouring rows of the last axis but one.
    const std::size_t offset = OffsetOfRow(box, i, row);
    const std::size_t rows = last > 0 ? box.sizes[last - 1] - row % box.sizes[last - 1] : 1;
    const std::size_t step = last > 0 ? box.strides[i][last - 1] : 0;
    for (std::size_t r = 0; r < rows && n > 0; ++r) {
      const std::size_t part = size - column < n ? size - column : n;
      GatherRow(x + (offset + r * step + column * stride), stride, part, dst);
      dst += part;
      n -= part;
      column = 0;
    }
    row += rows;
  }
}

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
