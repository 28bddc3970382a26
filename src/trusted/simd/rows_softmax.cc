// Softmaxes along an axis (kernels/softmax.h has the formulas). Along a contiguous one (inner = 1)
// the lanes run along it, with rows_lanes-inl.h's sums; along another they hold neighbouring lines,
// whose sums are chains in the order of the axis. Sums of exponentials have positive terms, so that
// a softmax's relative error is that of Exp and of the sum, plus 2^-23; a NaN or +infinity in a
// line makes all of it NaN, as does a line of -infinity alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/rows_softmax.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <limits>

#include "trusted/simd/rows_lanes-inl.h"
#include "trusted/simd/rows_parts-inl.h"
#include "trusted/simd/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

HWY_INLINE FloatVec Least() { return Broadcast(-std::numeric_limits<float>::infinity()); }
HWY_INLINE FloatVec ExpOf(FloatVec x) { return Exp(Floats(), x); }

// The largest of a row, in all lanes; anything where there is a NaN.
HWY_INLINE FloatVec RowMax(std::size_t n, const float* x) {
  FloatVec a = Least();
  FloatVec b = a;
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a = hn::Max(WholeVector{i}.Load(x), a);
    b = hn::Max(WholeVector{i + kLanes}.Load(x), b);
  }
  if (i + kLanes <= n) {
    a = hn::Max(WholeVector{i}.Load(x), a);
    i += kLanes;
  }
  if (i < n) {
    const PartVector part{i, n - i};
    b = hn::Max(part.Or(part.Load(x), Least()), b);
  }
  return hn::MaxOfLanes(Floats(), hn::Max(a, b));
}

template <bool kLog>
HWY_INLINE void SoftmaxRow(std::size_t n, const float* x, float* y) {
  const FloatVec max = RowMax(n, x);
  const FloatVec sum = AllLanes(SumRow(n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA {
    const FloatVec e = ExpOf(hn::Sub(at.Load(x), max));
    if constexpr (!kLog) at.Store(e, y);
    return hn::Add(s, e);
  }));
  if constexpr (kLog) {
    const FloatVec log = Log(Floats(), sum);
    ForEachVector(
        n, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(hn::Sub(hn::Sub(at.Load(x), max), log), y); });
  } else {
    const FloatVec factor = hn::Div(Broadcast(1.0F), sum);
    ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA { at.Store(hn::Mul(at.Load(y), factor), y); });
  }
}

template <bool kLog>
HWY_INLINE void SoftmaxGradRow(std::size_t n, const float* y, const float* g, float* dx) {
  const FloatVec sum = AllLanes(SumRow(n, [&](FloatVec s, auto at) ANCHORHOLD_LAMBDA {
    if constexpr (kLog) return hn::Add(s, at.Load(g));
    return hn::MulAdd(at.Load(g), at.Load(y), s);
  }));
  ForEachVector(n, [&](auto at) ANCHORHOLD_LAMBDA {
    const FloatVec out = at.Load(y);
    const FloatVec gradient = at.Load(g);
    if constexpr (kLog) {
      at.Store(hn::NegMulAdd(ExpOf(out), sum, gradient), dx);
    } else {
      at.Store(hn::Mul(out, hn::Sub(gradient, sum)), dx);
    }
  });
}

// Lines side by side, `stride` numbers from one of a line to its next.
template <bool kLog, class Place>
HWY_INLINE void SoftmaxLines(std::size_t n, std::size_t stride, Place at, const float* x,
                             float* y) {
  FloatVec max = Least();
  for (std::size_t j = 0; j < n; ++j) max = hn::Max(at.Load(x + j * stride), max);
  FloatVec sum = hn::Zero(Floats());
  for (std::size_t j = 0; j < n; ++j) {
    const FloatVec e = ExpOf(hn::Sub(at.Load(x + j * stride), max));
    if constexpr (!kLog) at.Store(e, y + j * stride);
    sum = hn::Add(sum, e);
  }
  if constexpr (kLog) {
    const FloatVec log = Log(Floats(), sum);
    for (std::size_t j = 0; j < n; ++j) {
      at.Store(hn::Sub(hn::Sub(at.Load(x + j * stride), max), log), y + j * stride);
    }
  } else {
    const FloatVec factor = hn::Div(Broadcast(1.0F), sum);
    for (std::size_t j = 0; j < n; ++j) {
      at.Store(hn::Mul(at.Load(y + j * stride), factor), y + j * stride);
    }
  }
}

template <bool kLog, class Place>
HWY_INLINE void SoftmaxGradLines(std::size_t n, std::size_t stride, Place at, const float* y,
                                 const float* g, float* dx) {
  FloatVec sum = hn::Zero(Floats());
  for (std::size_t j = 0; j < n; ++j) {
    const FloatVec gradient = at.Load(g + j * stride);
    sum = kLog ? hn::Add(sum, gradient) : hn::MulAdd(gradient, at.Load(y + j * stride), sum);
  }
  for (std::size_t j = 0; j < n; ++j) {
    const FloatVec out = at.Load(y + j * stride);
    const FloatVec gradient = at.Load(g + j * stride);
    const FloatVec slope =
        kLog ? hn::NegMulAdd(ExpOf(out), sum, gradient) : hn::Mul(out, hn::Sub(gradient, sum));
    at.Store(slope, dx + j * stride);
  }
}

template <bool kLog>
HWY_INLINE void SoftmaxAll(const SoftmaxShape& shape, const float* x, float* y) {
  const std::size_t size = shape.n * shape.inner;
  for (std::size_t o = 0; o < shape.outer; ++o, x += size, y += size) {
    if (shape.inner == 1) {
      SoftmaxRow<kLog>(shape.n, x, y);
    } else {
      ForEachVector(shape.inner, [&](auto at) ANCHORHOLD_LAMBDA {
        SoftmaxLines<kLog>(shape.n, shape.inner, at, x, y);
      });
    }
  }
}

template <bool kLog>
HWY_INLINE void SoftmaxGradAll(const SoftmaxShape& shape, const float* y, const float* g,
                               float* dx) {
  const std::size_t size = shape.n * shape.inner;
  for (std::size_t o = 0; o < shape.outer; ++o, y += size, g += size, dx += size) {
    if (shape.inner == 1) {
      SoftmaxGradRow<kLog>(shape.n, y, g, dx);
    } else {
      ForEachVector(shape.inner, [&](auto at) ANCHORHOLD_LAMBDA {
        SoftmaxGradLines<kLog>(shape.n, shape.inner, at, y, g, dx);
      });
    }
  }
}

}  // namespace

void Softmax(const SoftmaxShape& shape, const float* x, float* y) {
  shape.log ? SoftmaxAll<true>(shape, x, y) : SoftmaxAll<false>(shape, x, y);
}

void SoftmaxGrad(const SoftmaxShape& shape, const float* y, const float* g, float* dx) {
  shape.log ? SoftmaxGradAll<true>(shape, y, g, dx) : SoftmaxGradAll<false>(shape, y, g, dx);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
