// Bounds that let a NaN pass. Included by files compiled once a target.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_BOUNDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_BOUNDS_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_BOUNDS_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_BOUNDS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// x < low ? low : x, and x > high ? high : x; a NaN stays. On x86 the instructions are exactly
// that with the bound as the first operand; Arm's pick the number over the NaN.
template <class V>
HWY_INLINE V AtLeast(V low, V x) {
#if HWY_ARCH_X86
  return hn::Max(low, x);
#else
  return hn::IfThenElse(hn::Lt(x, low), low, x);
#endif
}
template <class V>
HWY_INLINE V AtMost(V high, V x) {
#if HWY_ARCH_X86
  return hn::Min(high, x);
#else
  return hn::IfThenElse(hn::Gt(x, high), high, x);
#endif
}

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
