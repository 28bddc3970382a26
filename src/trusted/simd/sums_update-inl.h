// Optimizer updates of sums.h; train/optimizer.h has the formulas. Included by sums.cc, once a
// target. The order of operations is optimizer.cc's, without fused ones, so SGD's bits are the
// same; Adam multiplies by the reciprocals of its bias corrections, which moves doubles by 2^-52 of
// themselves and a float, now and then, to its neighbour.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_SUMS_UPDATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_SUMS_UPDATE_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_SUMS_UPDATE_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_SUMS_UPDATE_INL_H_
#endif

#include <hwy/highway.h>

#include "trusted/simd/partial-inl.h"
#include "trusted/simd/sums.h"
#include "trusted/simd/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

using DoubleTag = hn::ScalableTag<double>;
using HalfTag = hn::Rebind<float, DoubleTag>;

// Floats as doubles, and back, `Lanes(DoubleTag)` at a time or the first n of them.
struct WholeAccess {
  HWY_INLINE auto Load(const float* p) const {
    return hn::PromoteTo(DoubleTag(), hn::LoadU(HalfTag(), p));
  }
  HWY_INLINE auto Load(const float* p, float share) const {
    const HalfTag d;
    return hn::PromoteTo(DoubleTag(), hn::Mul(hn::LoadU(d, p), hn::Set(d, share)));
  }
  HWY_INLINE void Store(hn::Vec<DoubleTag> v, float* p) const {
    hn::StoreU(hn::DemoteTo(HalfTag(), v), HalfTag(), p);
  }
};
struct PartAccess {
  std::size_t n;
  HWY_INLINE auto Load(const float* p) const {
    return hn::PromoteTo(DoubleTag(), LoadPart(HalfTag(), p, n));
  }
  HWY_INLINE auto Load(const float* p, float share) const {
    const HalfTag d;
    return hn::PromoteTo(DoubleTag(), hn::Mul(LoadPart(d, p, n), hn::Set(d, share)));
  }
  HWY_INLINE void Store(hn::Vec<DoubleTag> v, float* p) const {
    StorePart(hn::DemoteTo(HalfTag(), v), HalfTag(), p, n);
  }
};

// Calls update(i, access) for every vector of n parameters.
template <class F>
HWY_INLINE void ForParameters(std::size_t n, const F& update) {
  const std::size_t lanes = hn::Lanes(DoubleTag());
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) update(i, WholeAccess{});
  if (i < n) update(i, PartAccess{n - i});
}

template <bool kMomentum, bool kNesterov>
void SgdOf(const SumKernels::Update& update, std::size_t n, const float* gradient, float* w,
           float* m) {
  const DoubleTag d;
  const auto rate = hn::Set(d, update.rate);
  const auto decay = hn::Set(d, update.decay);
  const auto momentum = hn::Set(d, update.momentum);
  ForParameters(n, [&](std::size_t i, auto access) HWY_ATTR {
    const auto parameter = access.Load(w + i);
    auto direction = hn::Add(access.Load(gradient + i, update.share), hn::Mul(decay, parameter));
    if constexpr (kMomentum) {
      const auto velocity = hn::Add(hn::Mul(momentum, access.Load(m + i)), direction);
      access.Store(velocity, m + i);
      direction = kNesterov ? hn::Add(direction, hn::Mul(momentum, velocity)) : velocity;
    }
    access.Store(hn::Sub(parameter, hn::Mul(rate, direction)), w + i);
  });
}

inline void Sgd(const SumKernels::Update& update, std::size_t n, const float* gradient, float* w,
                float* m) {
  if (update.momentum == 0) return SgdOf<false, false>(update, n, gradient, w, m);
  if (update.nesterov) return SgdOf<true, true>(update, n, gradient, w, m);
  return SgdOf<true, false>(update, n, gradient, w, m);
}

inline void Adam(const SumKernels::Update& update, bool decoupled, std::size_t n,
                 const float* gradient, float* w, float* m, float* s) {
  const DoubleTag d;
  const auto rate = hn::Set(d, update.rate);
  const auto penalty = hn::Set(d, decoupled ? 0 : update.decay);
  const auto kept = hn::Set(d, decoupled ? 1 - update.rate * update.decay : 1);
  const auto beta1 = hn::Set(d, update.beta1);
  const auto beta2 = hn::Set(d, update.beta2);
  const auto rest1 = hn::Set(d, 1 - update.beta1);
  const auto rest2 = hn::Set(d, 1 - update.beta2);
  const auto first_scale = hn::Set(d, 1 / update.first_correction);
  const auto second_scale = hn::Set(d, 1 / update.second_correction);
  const auto epsilon = hn::Set(d, update.epsilon);
  ForParameters(n, [&](std::size_t i, auto access) HWY_ATTR {
    const auto parameter = access.Load(w + i);
    const auto g = hn::Add(access.Load(gradient + i, update.share), hn::Mul(penalty, parameter));
    const auto first = hn::Add(hn::Mul(beta1, access.Load(m + i)), hn::Mul(rest1, g));
    const auto second = hn::Add(hn::Mul(beta2, access.Load(s + i)), hn::Mul(hn::Mul(rest2, g), g));
    access.Store(first, m + i);
    access.Store(second, s + i);
    const auto root = hn::Add(hn::Sqrt(hn::Mul(second, second_scale)), epsilon);
    const auto step = hn::Div(hn::Mul(first, first_scale), root);
    access.Store(hn::Sub(hn::Mul(kept, parameter), hn::Mul(rate, step)), w + i);
  });
}

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
