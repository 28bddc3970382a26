// Packing of factors into the panels of amx_unit.h.
//
// A factor's vectors lie along k or along its indices (rows of A, columns of B); a panel of A wants
// lines along k, one of B along its columns. Where the two differ, 16 x 16 squares are transposed.
#pragma once

#include "trusted/simd/amx_unit.h"

namespace anchorhold::simd::amx {

// One factor of a product: element (row of A or column of B, k) is data[index row + k step]; one of
// the two strides is 1. Scales are for factors whose step is not 1, and lie one to a k.
struct Factor {
  const float* data = nullptr;
  std::size_t index = 0;
  std::size_t step = 0;
  const float* scale = nullptr;
};

enum class Side : unsigned char { kA, kB };

// Elements times the scale, or as they are; zeros where the scale is 0, whatever they are.
enum class Scaling : unsigned char { kNone, kMultiply, kMask };

constexpr __mmask16 FirstOf(std::size_t n) {
  return static_cast<__mmask16>(n >= kHalf ? 0xFFFF : (1U << n) - 1);
}

// Indices first .. first + count - 1 (count <= kPanel), k's k0 .. k0 + depth - 1 of a factor as a
// panel, piece by piece; what does not exist is zeros.
template <Side kSide, Scaling kScaling = Scaling::kNone>
class Packing {
 public:
  // To a step. Where the factor's vectors lie as lines do, each is a line of both tiles; else two
  // of them are a tile, the others nothing.
  static constexpr std::size_t kPieces = kHalf;

  Packing() = default;  // nothing to do
  Packing(const Factor& factor, std::size_t first, std::size_t count, std::size_t k0,
          std::size_t depth, char* to)
      : along_steps_(kScaling == Scaling::kNone && factor.step == 1),
        stride_(along_steps_ ? factor.index : factor.step),
        from_(factor.data + first * factor.index + k0 * factor.step),
        scale_(kScaling == Scaling::kNone ? nullptr : factor.scale + k0),
        count_(count),
        left_(depth),
        to_(to) {}

  bool done() const { return left_ == 0; }

  // So many pieces, or all that are left.
  ANCHORHOLD_AMX_INLINE void Pieces(std::size_t n) {
    for (; n != 0 && left_ != 0; --n) {
      if (along_steps_) {
        Piece<kSide == Side::kB, true>();
      } else {
        Piece<kSide == Side::kA, false>();
      }
      if (++piece_ == kPieces) NextStep();
    }
  }

  ANCHORHOLD_AMX_APART void All() { Pieces(Quotient(left_, kStep) * kPieces); }

 private:
  template <bool kTurn, bool kAlongSteps>
  ANCHORHOLD_AMX_INLINE void Piece() const {
    const bool whole = count_ == kPanel && left_ >= kStep;
    if constexpr (kTurn) {
      if (piece_ % (kPieces / 2) != 0) return;
      const std::size_t tile = piece_ / (kPieces / 2);
      whole ? TurnTile<kAlongSteps, true>(tile) : TurnTile<kAlongSteps, false>(tile);
    } else if (whole) {
      Line<kAlongSteps, true>();
    } else {
      PartOfLine<kAlongSteps>();
    }
  }

  template <bool kAlongSteps>
  ANCHORHOLD_AMX_APART void PartOfLine() const {
    Line<kAlongSteps, false>();
  }

  template <bool kAlongSteps, bool kWhole>
  ANCHORHOLD_AMX_INLINE void Line() const {
    for (std::size_t tile = 0; tile < 2; ++tile) {
      const __m512 x = Vector<kAlongSteps, kWhole>(tile, piece_, 0);
      const __m512 y = Vector<kAlongSteps, kWhole>(tile, piece_, 1);
      StorePairs(x, y, to_ + tile * kTileBytes + piece_ * kLineBytes);
    }
  }

  template <bool kAlongSteps, bool kWhole>
  ANCHORHOLD_AMX_APART void TurnTile(std::size_t tile) const {
    __m512 x[kHalf];
    __m512 y[kHalf];
    for (std::size_t i = 0; i < kHalf; ++i) x[i] = Vector<kAlongSteps, kWhole>(tile, i, 0);
    Transpose(x);
    for (std::size_t i = 0; i < kHalf; ++i) y[i] = Vector<kAlongSteps, kWhole>(tile, i, 1);
    Transpose(y);
    char* to = to_ + tile * kTileBytes;
    for (std::size_t i = 0; i < kHalf; ++i) StorePairs(x[i], y[i], to + i * kLineBytes);
  }

  // Vector i of 16 of a tile's half step: k's of index i, or indices of the half's k number i.
  // `kWhole`: all of the step exists.
  template <bool kAlongSteps, bool kWhole>
  ANCHORHOLD_AMX_INLINE __m512 Vector(std::size_t tile, std::size_t i, std::size_t half) const {
    const std::size_t index = tile * kHalf + (kAlongSteps ? i : 0);
    const std::size_t k = half * kHalf + (kAlongSteps ? 0 : i);
    __mmask16 mask = 0xFFFF;
    if constexpr (!kWhole) {
      if (index >= count_ || k >= left_) return _mm512_setzero_ps();
      mask = FirstOf(kAlongSteps ? left_ - k : count_ - index);
    }
    const float* from = from_ + (kAlongSteps ? index * stride_ + k : k * stride_ + index);
    // The next step or the next panel, whichever lies beside this one. It need not exist.
    __builtin_prefetch(from + kPanel, 0, 2);
    if constexpr (kScaling == Scaling::kNone) return _mm512_maskz_loadu_ps(mask, from);
    const __m512 scale = _mm512_set1_ps(scale_[k]);
    mask &= _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const __m512 x = _mm512_maskz_loadu_ps(mask, from);
    return kScaling == Scaling::kMultiply ? _mm512_maskz_mul_ps(mask, x, scale) : x;
  }

  ANCHORHOLD_AMX_INLINE void NextStep() {
    piece_ = 0;
    left_ -= left_ < kStep ? left_ : kStep;
    from_ += kStep * (along_steps_ ? 1 : stride_);
    if (kScaling != Scaling::kNone) scale_ += kStep;
    to_ += kStepBytes;
  }

  bool along_steps_ = false;
  std::size_t stride_ = 0;
  const float* from_ = nullptr;
  const float* scale_ = nullptr;
  std::size_t count_ = 0;
  std::size_t left_ = 0;
  std::size_t piece_ = 0;
  char* to_ = nullptr;
};

// Several of them, one after another. A Source tells whether there are any() more, and each Item
// that it will Take(): a Packing, or a Sequence again.
template <class Source>
class Sequence {
 public:
  Sequence() = default;  // nothing to do
  explicit Sequence(const Source& source) : source_(source) {}

  bool done() const { return item_.done() && !source_.any(); }

  // So many pieces, or all that are left of the item under way.
  ANCHORHOLD_AMX_INLINE void Pieces(std::size_t n) {
    if (item_.done()) {
      if (!source_.any()) return;
      item_ = source_.Take();
    }
    item_.Pieces(n);
  }

  ANCHORHOLD_AMX_APART void All() {
    for (item_.All(); source_.any(); item_.All()) item_ = source_.Take();
  }

 private:
  Source source_;
  typename Source::Item item_;
};

}  // namespace anchorhold::simd::amx
