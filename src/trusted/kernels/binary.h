// Elementwise kernels over two operands that broadcast (strided.h): y[i] = a[i] op b[i], y
// contiguous.
//
// T is float, double, std::int64_t or std::uint64_t. Reals follow IEEE 754, and a NaN in either
// operand makes the result NaN (Max and Min too) or the comparison false. Integers wrap, as two's
// complement does. What ONNX leaves open is defined here, since a private value must not stop the
// program: an integer divided by 0 is 0, and so is the remainder; a shift by the width or more
// leaves 0; 0 to a negative power is 0.
//
//   Div       integers: towards zero
//   Pow       integers: a negative exponent gives 1 / a^|b| towards zero
//   Mod       a - b trunc(a / b), of a's sign: C's % and fmod
//   FloorMod  a - b floor(a / b), of b's sign: Python's %
#pragma once

#include <cstdint>

#include "trusted/kernels/strided.h"

namespace anchorhold::kernels {

enum class BinaryOp { kAdd, kSub, kMul, kDiv, kPow, kMod, kFloorMod, kMax, kMin };
template <typename T>
void Binary(BinaryOp op, const IndexSpace& space, const T* a, const T* b, T* y);

// Partial derivatives, of reals; none is NaN where the derivative has a limit.
//   MaxShare       of max(a, b) by a: 1 if a > b, 1/2 if a = b, else 0; a NaN counts as the larger
//   PowByBase      b a^(b - 1), and 0 for b = 0
//   PowByExponent  a^b ln a, and 0 for a <= 0, where real powers are not differentiable by b
//   DivOrZero      a / b, and 0 for b = 0
enum class SlopeOp { kMaxShare, kPowByBase, kPowByExponent, kDivOrZero };
template <typename T>
void Slope(SlopeOp op, const IndexSpace& space, const T* a, const T* b, T* y);

// 1 or 0.
enum class CompareOp { kEqual, kLess, kLessOrEqual };
template <typename T>
void Compare(CompareOp op, const IndexSpace& space, const T* a, const T* b, std::int64_t* y);

enum class BitOp { kAnd, kOr, kXor, kShiftLeft, kShiftRight };
void Bits(BitOp op, const IndexSpace& space, const std::uint64_t* a, const std::uint64_t* b,
          std::uint64_t* y);

// y[i] = x[space.b] where (condition[space.a] != 0) == when; the other y[i] stay. T is float,
// double or std::int64_t.
template <typename T>
void CopyWhere(bool when, const IndexSpace& space, const std::int64_t* condition, const T* x, T* y);

}  // namespace anchorhold::kernels
