#include "trusted/kernels/binary.h"

#include <cmath>
#include <type_traits>

#include "trusted/kernels/walk.h"

namespace anchorhold::kernels {
namespace {

template <typename In, typename Out, typename F>
void BinaryRun(const In* a, const In* b, Out* y, std::int64_t n, std::int64_t stride_a,
               std::int64_t stride_b, F f) {
  // The common cases as loops of their own, which the compiler vectorises.
  if (stride_a == 1 && stride_b == 1) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (stride_a == 1 && stride_b == 0) {
    const In right = *b;
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i], right);
  } else if (stride_a == 0 && stride_b == 1) {
    const In left = *a;
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(left, b[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i * stride_a], b[i * stride_b]);
  }
}

template <typename In, typename Out, typename F>
void BinaryWalk(const IndexSpace& space, const In* a, const In* b, Out* y, F f) {
  Walk(space, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t index, std::int64_t n,
                  std::int64_t stride_a, std::int64_t stride_b) {
    BinaryRun(a + at_a, b + at_b, y + index, n, stride_a, stride_b, f);
  });
}

// Arithmetic of reals.
template <typename T>
struct Arithmetic {
  static T Add(T a, T b) { return a + b; }
  static T Sub(T a, T b) { return a - b; }
  static T Mul(T a, T b) { return a * b; }
  static T Div(T a, T b) { return a / b; }
  static T Pow(T a, T b) { return std::pow(a, b); }
  static T Mod(T a, T b) { return std::fmod(a, b); }
  // The comparisons are false for NaN, so that one in `b` is taken.
  static T Max(T a, T b) { return a > b || std::isnan(a) ? a : b; }
  static T Min(T a, T b) { return a < b || std::isnan(a) ? a : b; }
};

// Arithmetic of integers, in unsigned words where the signed one could overflow.
template <typename I>
struct IntegerArithmetic {
  using Word = std::uint64_t;
  static Word Of(I x) { return static_cast<Word>(x); }
  static I Add(I a, I b) { return static_cast<I>(Of(a) + Of(b)); }
  static I Sub(I a, I b) { return static_cast<I>(Of(a) - Of(b)); }
  static I Mul(I a, I b) { return static_cast<I>(Of(a) * Of(b)); }
  static bool IsMinusOne(I x) { return std::is_signed_v<I> && x == static_cast<I>(-1); }
  static I Div(I a, I b) {
    if (b == 0) return 0;
    return IsMinusOne(b) ? Sub(0, a) : a / b;
  }
  static I Mod(I a, I b) { return b == 0 || IsMinusOne(b) ? I{0} : a % b; }
  static I Max(I a, I b) { return a > b ? a : b; }
  static I Min(I a, I b) { return a < b ? a : b; }
  static I Pow(I a, I b) {
    if (std::is_signed_v<I> && b < 0) {
      if (IsMinusOne(a)) return b % 2 == 0 ? I{1} : a;
      return a == 1 ? I{1} : I{0};
    }
    Word power = 1;
    Word square = Of(a);
    for (Word bits = Of(b); bits != 0; bits >>= 1) {
      if ((bits & 1) != 0) power *= square;
      square *= square;
    }
    return static_cast<I>(power);
  }
};
template <>
struct Arithmetic<std::int64_t> : IntegerArithmetic<std::int64_t> {};
template <>
struct Arithmetic<std::uint64_t> : IntegerArithmetic<std::uint64_t> {};

template <typename T>
T FloorMod(T a, T b) {
  const T rest = Arithmetic<T>::Mod(a, b);
  return rest != T(0) && (rest < T(0)) != (b < T(0)) ? rest + b : rest;
}

template <typename T>
T MaxShare(T a, T b) {
  if (a > b || std::isnan(a)) return T(1);
  return a == b ? T(0.5) : T(0);
}

template <typename T>
T PowByBase(T a, T b) {
  return b == T(0) ? T(0) : b * std::pow(a, b - T(1));
}

template <typename T>
T PowByExponent(T a, T b) {
  return a <= T(0) ? T(0) : std::pow(a, b) * std::log(a);
}

template <typename T>
T DivOrZero(T a, T b) {
  return b == T(0) ? T(0) : a / b;
}

using Word = std::uint64_t;
constexpr Word kWordBits = 64;
Word ShiftLeft(Word a, Word b) { return b < kWordBits ? a << b : 0; }
Word ShiftRight(Word a, Word b) { return b < kWordBits ? a >> b : 0; }

}  // namespace

template <typename T>
void Binary(BinaryOp op, const IndexSpace& space, const T* a, const T* b, T* y) {
  using A = Arithmetic<T>;
  // Lambdas, not pointers to functions: they are inlined into the loops.
  switch (op) {
    case BinaryOp::kAdd:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Add(l, r); });
    case BinaryOp::kSub:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Sub(l, r); });
    case BinaryOp::kMul:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Mul(l, r); });
    case BinaryOp::kDiv:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Div(l, r); });
    case BinaryOp::kPow:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Pow(l, r); });
    case BinaryOp::kMod:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Mod(l, r); });
    case BinaryOp::kFloorMod:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return FloorMod(l, r); });
    case BinaryOp::kMax:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Max(l, r); });
    case BinaryOp::kMin:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return A::Min(l, r); });
  }
}

template <typename T>
void Slope(SlopeOp op, const IndexSpace& space, const T* a, const T* b, T* y) {
  switch (op) {
    case SlopeOp::kMaxShare:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return MaxShare(l, r); });
    case SlopeOp::kPowByBase:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return PowByBase(l, r); });
    case SlopeOp::kPowByExponent:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return PowByExponent(l, r); });
    case SlopeOp::kDivOrZero:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return DivOrZero(l, r); });
  }
}

template <typename T>
void Compare(CompareOp op, const IndexSpace& space, const T* a, const T* b, std::int64_t* y) {
  using I = std::int64_t;
  switch (op) {
    case CompareOp::kEqual:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return static_cast<I>(l == r); });
    case CompareOp::kLess:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return static_cast<I>(l < r); });
    case CompareOp::kLessOrEqual:
      return BinaryWalk(space, a, b, y, [](T l, T r) { return static_cast<I>(l <= r); });
  }
}

void Bits(BitOp op, const IndexSpace& space, const std::uint64_t* a, const std::uint64_t* b,
          std::uint64_t* y) {
  switch (op) {
    case BitOp::kAnd:
      return BinaryWalk(space, a, b, y, [](Word l, Word r) { return l & r; });
    case BitOp::kOr:
      return BinaryWalk(space, a, b, y, [](Word l, Word r) { return l | r; });
    case BitOp::kXor:
      return BinaryWalk(space, a, b, y, [](Word l, Word r) { return l ^ r; });
    case BitOp::kShiftLeft:
      return BinaryWalk(space, a, b, y, [](Word l, Word r) { return ShiftLeft(l, r); });
    case BitOp::kShiftRight:
      return BinaryWalk(space, a, b, y, [](Word l, Word r) { return ShiftRight(l, r); });
  }
}

template <typename T>
void CopyWhere(bool when, const IndexSpace& space, const std::int64_t* condition, const T* x,
               T* y) {
  Walk(space, [&](std::int64_t at, std::int64_t from, std::int64_t index, std::int64_t n,
                  std::int64_t stride_condition, std::int64_t stride_x) {
    for (std::int64_t i = 0; i < n; ++i) {
      if ((condition[at + i * stride_condition] != 0) == when)
        y[index + i] = x[from + i * stride_x];
    }
  });
}

#define AH_INSTANTIATE(T)                                                    \
  template void Binary(BinaryOp, const IndexSpace&, const T*, const T*, T*); \
  template void Compare(CompareOp, const IndexSpace&, const T*, const T*, std::int64_t*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
AH_INSTANTIATE(std::int64_t)
AH_INSTANTIATE(std::uint64_t)
#undef AH_INSTANTIATE

template void Slope(SlopeOp, const IndexSpace&, const float*, const float*, float*);
template void Slope(SlopeOp, const IndexSpace&, const double*, const double*, double*);
template void CopyWhere(bool, const IndexSpace&, const std::int64_t*, const float*, float*);
template void CopyWhere(bool, const IndexSpace&, const std::int64_t*, const double*, double*);
template void CopyWhere(bool, const IndexSpace&, const std::int64_t*, const std::int64_t*,
                        std::int64_t*);

}  // namespace anchorhold::kernels
