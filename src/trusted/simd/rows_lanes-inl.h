// What the row kernels share: vectors of floats with a part of their lanes in use, sums of rows,
// and segments (neighbouring lanes that belong together). Included by files that are compiled once
// a target (tables.h), inside no namespace.
#if defined(ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_LANES_INL_H_
#undef ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_LANES_INL_H_
#else
#define ANCHORHOLD_SRC_TRUSTED_SIMD_ROWS_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// A lambda of a kernel: compiled for the kernel's target, and inside it.
#undef ANCHORHOLD_LAMBDA
#define ANCHORHOLD_LAMBDA HWY_ATTR __attribute__((always_inline))

// Whether loads and stores with a mask touch only the lanes that the mask names.
#undef ANCHORHOLD_MASKED_MEMORY
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define ANCHORHOLD_MASKED_MEMORY 1
#else
#define ANCHORHOLD_MASKED_MEMORY 0
#endif

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Whole = hn::RebindToSigned<Floats>;
using FloatVec = hn::Vec<Floats>;
using FloatMask = hn::Mask<Floats>;
inline constexpr std::size_t kLanes = hn::MaxLanes(Floats());

// Lanes [begin, end).
HWY_INLINE FloatMask LanesBetween(std::size_t begin, std::size_t end) {
  const Floats d;
  return hn::AndNot(hn::FirstN(d, begin), hn::FirstN(d, end));
}

// p[k] in lane k for begin <= k < end <= kLanes, and 0 elsewhere; nothing else is read.
HWY_INLINE FloatVec LoadBetween(const float* p, std::size_t begin, std::size_t end) {
  const Floats d;
#if ANCHORHOLD_MASKED_MEMORY
  return hn::MaskedLoad(LanesBetween(begin, end), d, p);
#else
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::size_t k = begin; k < end; ++k) lanes[k] = p[k];
  return hn::Load(d, lanes);
#endif
}

HWY_INLINE FloatVec LoadFirst(const float* p, std::size_t count) {
#if ANCHORHOLD_MASKED_MEMORY
  const Floats d;
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
#else
  return LoadBetween(p, 0, count);
#endif
}

// Lanes [begin, end) to p[begin .. end); nothing else is written.
HWY_INLINE void StoreBetween(FloatVec v, float* p, std::size_t begin, std::size_t end) {
  const Floats d;
#if ANCHORHOLD_MASKED_MEMORY
  hn::BlendedStore(v, LanesBetween(begin, end), d, p);
#else
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, d, lanes);
  for (std::size_t k = begin; k < end; ++k) p[k] = lanes[k];
#endif
}

HWY_INLINE void StoreFirst(FloatVec v, float* p, std::size_t count) {
#if ANCHORHOLD_MASKED_MEMORY
  const Floats d;
  hn::BlendedStore(v, hn::FirstN(d, count), d, p);
#else
  StoreBetween(v, p, 0, count);
#endif
}

HWY_INLINE FloatVec Broadcast(float x) { return hn::Set(Floats(), x); }

// The place of a vector in a row: all lanes, or the row's last few.
struct WholeVector {
  std::size_t at;
  HWY_INLINE FloatVec Load(const float* row) const { return hn::LoadU(Floats(), row + at); }
  HWY_INLINE void Store(FloatVec v, float* row) const { hn::StoreU(v, Floats(), row + at); }
  // v, with `other` in the lanes that are not in use.
  HWY_INLINE FloatVec Or(FloatVec v, FloatVec /*other*/) const { return v; }
};
struct PartVector {
  std::size_t at;
  std::size_t count;
  HWY_INLINE FloatVec Load(const float* row) const { return LoadFirst(row + at, count); }
  HWY_INLINE void Store(FloatVec v, float* row) const { StoreFirst(v, row + at, count); }
  HWY_INLINE FloatVec Or(FloatVec v, FloatVec other) const {
    return hn::IfThenElse(hn::FirstN(Floats(), count), v, other);
  }
};

// visit(place) for each vector of a row of n numbers.
template <class Visit>
HWY_INLINE void ForEachVector(std::size_t n, Visit visit) {
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    visit(WholeVector{i});
    visit(WholeVector{i + kLanes});
  }
  if (i + kLanes <= n) {
    visit(WholeVector{i});
    i += kLanes;
  }
  if (i < n) visit(PartVector{i, n - i});
}

// Sums of a row are kept in kChains vectors, which are folded together every kChainLength
// additions: with S lanes a sum of n terms t passes each term through at most
//   kChainLength + n / (kChains kChainLength S) + log2(kChains S) + 2
// additions, so that its error is at most that many times 2^-24 sum |t|, to first order: 98 for
// 100,000 terms in 16 lanes, 170 in 4.
inline constexpr std::size_t kChains = 4;
inline constexpr std::size_t kChainLength = 64;

// The sum over the row's vectors of step(0, place), by lane; step(sum, place) adds a vector's
// terms. Lanes not in use add nothing.
template <class Step>
HWY_INLINE FloatVec SumRow(std::size_t n, Step step) {
  const FloatVec zero = hn::Zero(Floats());
  constexpr std::size_t kStep = kChains * kLanes;
  FloatVec total = zero;
  std::size_t i = 0;
  while (n - i >= kStep) {
    FloatVec s0 = zero, s1 = zero, s2 = zero, s3 = zero;
    const std::size_t end = i + std::min((n - i) / kStep, kChainLength) * kStep;
    for (; i < end; i += kStep) {
      s0 = step(s0, WholeVector{i});
      s1 = step(s1, WholeVector{i + kLanes});
      s2 = step(s2, WholeVector{i + 2 * kLanes});
      s3 = step(s3, WholeVector{i + 3 * kLanes});
    }
    total = hn::Add(total, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
  }
  for (; i + kLanes <= n; i += kLanes) total = step(total, WholeVector{i});
  if (i < n) {
    const PartVector part{i, n - i};
    total = hn::Add(total, part.Or(step(zero, part), zero));
  }
  return total;
}

// Two sums at once: step(first, second, place).
struct TwoSums {
  FloatVec first;
  FloatVec second;
};
template <class Step>
HWY_INLINE TwoSums SumRowTwice(std::size_t n, Step step) {
  const FloatVec zero = hn::Zero(Floats());
  constexpr std::size_t kStep = kChains * kLanes;
  FloatVec total_a = zero, total_b = zero;
  std::size_t i = 0;
  while (n - i >= kStep) {
    FloatVec a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    FloatVec b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    const std::size_t end = i + std::min((n - i) / kStep, kChainLength) * kStep;
    for (; i < end; i += kStep) {
      step(a0, b0, WholeVector{i});
      step(a1, b1, WholeVector{i + kLanes});
      step(a2, b2, WholeVector{i + 2 * kLanes});
      step(a3, b3, WholeVector{i + 3 * kLanes});
    }
    total_a = hn::Add(total_a, hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)));
    total_b = hn::Add(total_b, hn::Add(hn::Add(b0, b1), hn::Add(b2, b3)));
  }
  for (; i + kLanes <= n; i += kLanes) step(total_a, total_b, WholeVector{i});
  if (i < n) {
    const PartVector part{i, n - i};
    FloatVec a = zero, b = zero;
    step(a, b, part);
    total_a = hn::Add(total_a, part.Or(a, zero));
    total_b = hn::Add(total_b, part.Or(b, zero));
  }
  return {total_a, total_b};
}

// The sum of all lanes, in all lanes.
HWY_INLINE FloatVec AllLanes(FloatVec v) { return hn::SumOfLanes(Floats(), v); }
HWY_INLINE float AllLanesScalar(FloatVec v) { return hn::GetLane(AllLanes(v)); }

// Segments of `size` neighbouring lanes, a power of two below kLanes.
class Segments {
 public:
  static bool Fits(std::size_t size) { return size < kLanes && (size & (size - 1)) == 0; }

  HWY_INLINE explicit Segments(std::size_t size) : size_(size) {
    const auto segment = static_cast<std::int32_t>(size);
    for (std::int32_t k = 0; k < static_cast<std::int32_t>(kLanes); ++k) {
      spread_[k] = k / segment;
      firsts_[k] = k * segment % static_cast<std::int32_t>(kLanes);
      for (std::int32_t bit = 0; bit < 4; ++bit) flips_[bit][k] = k ^ (1 << bit);
    }
  }

  std::size_t per_vector() const { return kLanes / size_; }
  // Lane k of v in each lane of segment k.
  HWY_INLINE FloatVec Spread(FloatVec v) const { return Look(v, spread_); }
  // The sum of segment k's lanes in lane k, for k < per_vector().
  HWY_INLINE FloatVec Sum(FloatVec v) const {
    for (std::size_t bit = 0; (std::size_t{1} << bit) < size_; ++bit) {
      v = hn::Add(v, Look(v, flips_[bit]));
    }
    return Look(v, firsts_);
  }

 private:
  HWY_INLINE static FloatVec Look(FloatVec v, const std::int32_t* lanes) {
    return hn::TableLookupLanes(v, hn::SetTableIndices(Floats(), lanes));
  }
  std::size_t size_;
  HWY_ALIGN std::int32_t spread_[kLanes];
  HWY_ALIGN std::int32_t firsts_[kLanes];
  HWY_ALIGN std::int32_t flips_[4][kLanes];  // those that leave the vector are not used
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
