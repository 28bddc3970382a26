// x_i <- x_i m + a, i = 1..12. One such chain waits for its own last result, 4 or 5 cycles on the
// processors of today, which start up to two vectors of them a cycle; twelve chains keep both units
// busy, and with m and a they fit the sixteen registers of SSE4 and AVX2. With |m| < 1 the x_i go
// towards a / (1 - m), a normal number: nothing overflows or becomes subnormal.
//
// SSE4 has no fused multiply-add; there the two instructions are the peak.
#include "trusted/simd/peak.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/peak.cc"
#include "trusted/simd/tables.h"
// First the above, then what they choose for.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

float RunPeak(std::size_t rounds, float start) {
  const hn::ScalableTag<float> d;
  const auto m = hn::Set(d, 0.5F);
  const auto a = hn::Set(d, 0.25F);
  auto x0 = hn::Iota(d, start);
  auto x1 = hn::Add(x0, a);
  auto x2 = hn::Add(x1, a);
  auto x3 = hn::Add(x2, a);
  auto x4 = hn::Add(x3, a);
  auto x5 = hn::Add(x4, a);
  auto x6 = hn::Add(x5, a);
  auto x7 = hn::Add(x6, a);
  auto x8 = hn::Add(x7, a);
  auto x9 = hn::Add(x8, a);
  auto x10 = hn::Add(x9, a);
  auto x11 = hn::Add(x10, a);
  for (std::size_t i = 0; i < rounds; ++i) {
    x0 = hn::MulAdd(x0, m, a);
    x1 = hn::MulAdd(x1, m, a);
    x2 = hn::MulAdd(x2, m, a);
    x3 = hn::MulAdd(x3, m, a);
    x4 = hn::MulAdd(x4, m, a);
    x5 = hn::MulAdd(x5, m, a);
    x6 = hn::MulAdd(x6, m, a);
    x7 = hn::MulAdd(x7, m, a);
    x8 = hn::MulAdd(x8, m, a);
    x9 = hn::MulAdd(x9, m, a);
    x10 = hn::MulAdd(x10, m, a);
    x11 = hn::MulAdd(x11, m, a);
  }
  const auto first = hn::Add(hn::Add(x0, x1), hn::Add(x2, x3));
  const auto second = hn::Add(hn::Add(x4, x5), hn::Add(x6, x7));
  const auto third = hn::Add(hn::Add(x8, x9), hn::Add(x10, x11));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(first, hn::Add(second, third))));
}

extern const PeakKernels kPeak;
const PeakKernels kPeak = {2 * 12 * hn::MaxLanes(hn::ScalableTag<float>()), RunPeak};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
namespace {

constexpr std::size_t kScalarChains = 12;

float RunScalarPeak(std::size_t rounds, float start) {
  float x[kScalarChains];
  for (float& chain : x) chain = start;
  for (std::size_t i = 0; i < rounds; ++i) {
    for (float& chain : x) chain = chain * 0.5F + 0.25F;
  }
  float sum = 0;
  for (const float chain : x) sum += chain;
  return sum;
}

constexpr PeakKernels kScalarPeak = {2 * kScalarChains, RunScalarPeak};

ANCHORHOLD_SIMD_TABLE(PeakKernels, VectorPeakKernelsFor, kPeak)

}  // namespace

const PeakKernels* PeakKernelsFor(Target target) {
  return target == Target::kScalar ? &kScalarPeak : VectorPeakKernelsFor(target);
}

}  // namespace anchorhold::simd
#endif  // HWY_ONCE
