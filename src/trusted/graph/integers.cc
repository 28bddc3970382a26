#include "trusted/graph/integers.h"

#include <algorithm>
#include <limits>
#include <string>

namespace anchorhold::graph {
namespace {

using I = std::int64_t;

Error Overflow() { return InvalidInput("integer overflow in a shape computation"); }

Error DependsOnBatch(const std::string& what) {
  return PrivacyRefused(what +
                        ", so a result would depend on how many examples there are; use "
                        "the batch's size in shapes only");
}

Error InArithmetic() { return DependsOnBatch("the batch's size is used in arithmetic"); }

// 0 * B is 0.
SymbolicInteger Symbolic(I value, bool times_batch) { return {value, times_batch && value != 0}; }

using Pair = Result<SymbolicInteger>;

Pair Sum(SymbolicInteger a, SymbolicInteger b, bool negate) {
  if (a.value != 0 && b.value != 0 && a.times_batch != b.times_batch) return InArithmetic();
  I out = 0;
  const bool overflow = negate ? __builtin_sub_overflow(a.value, b.value, &out)
                               : __builtin_add_overflow(a.value, b.value, &out);
  if (overflow) return Overflow();
  return Symbolic(out, a.times_batch || b.times_batch);
}

Pair Product(SymbolicInteger a, SymbolicInteger b) {
  if (a.times_batch && b.times_batch) return DependsOnBatch("the batch's size is squared");
  I out = 0;
  if (__builtin_mul_overflow(a.value, b.value, &out)) return Overflow();
  return Symbolic(out, a.times_batch || b.times_batch);
}

// |a| < |b| without overflow.
bool SmallerThan(I a, I b) {
  const auto magnitude = [](I x) {
    return x < 0 ? 0 - static_cast<std::uint64_t>(x) : static_cast<std::uint64_t>(x);
  };
  return magnitude(a) < magnitude(b);
}

Pair Quotient(SymbolicInteger a, SymbolicInteger b) {
  if (b.value == 0) return InvalidInput("a division by zero in a shape computation");
  if (a.value == std::numeric_limits<I>::min() && b.value == -1) return Overflow();
  const I quotient = a.value / b.value;
  if (a.times_batch == b.times_batch) return Symbolic(quotient, false);
  if (b.times_batch) {
    // |b| >= |b.value| for every B.
    if (SmallerThan(a.value, b.value)) return Symbolic(0, false);
    return InArithmetic();
  }
  if (a.value % b.value != 0) return InArithmetic();
  return Symbolic(quotient, true);
}

// Of the divisor's sign, or with `truncated` of the dividend's.
Pair Remainder(SymbolicInteger a, SymbolicInteger b, bool truncated) {
  if (b.value == 0) return InvalidInput("a division by zero in a shape computation");
  I rest = b.value == -1 ? 0 : a.value % b.value;
  const bool same_sign = (rest < 0) == (b.value < 0);
  if (!truncated && rest != 0 && !same_sign) rest += b.value;
  if (a.times_batch == b.times_batch) return Symbolic(rest, a.times_batch);
  if (a.times_batch && rest == 0) return Symbolic(0, false);
  const bool small = SmallerThan(a.value, b.value) && (truncated || rest == a.value);
  if (b.times_batch && small) return a;
  return InArithmetic();
}

// Whether a < b for every batch (1), for none (0), or depending on the batch (-1).
int Less(SymbolicInteger a, SymbolicInteger b) {
  if (a.times_batch == b.times_batch) return a.value < b.value ? 1 : 0;
  if (a.times_batch) {
    // a.value * B moves away from 0 as B grows: a.value at B = 1 is one end of what it can be.
    if (a.value > 0) return a.value >= b.value ? 0 : -1;
    return a.value < b.value ? 1 : -1;
  }
  if (b.value > 0) return a.value < b.value ? 1 : -1;
  return a.value >= b.value ? 0 : -1;
}

int Equal(SymbolicInteger a, SymbolicInteger b) {
  if (a.times_batch == b.times_batch) return a.value == b.value ? 1 : 0;
  const I factor = a.times_batch ? a.value : b.value;
  const I number = a.times_batch ? b.value : a.value;
  // factor * B == number for some B >= 1?
  const bool possible = number != 0 && (factor < 0) == (number < 0) &&
                        !SmallerThan(number, factor) && (factor == -1 || number % factor == 0);
  return possible ? -1 : 0;
}

Pair Extreme(SymbolicInteger a, SymbolicInteger b, bool largest) {
  const int less = Less(a, b);
  if (less >= 0) return (less == 1) == largest ? b : a;
  // a < b for some batches alone, but a <= b for all will do.
  const int greater = Less(b, a);
  if (greater >= 0) return (greater == 1) == largest ? a : b;
  return InArithmetic();
}

Pair Combine(IntegerOp op, SymbolicInteger a, SymbolicInteger b) {
  switch (op) {
    case IntegerOp::kAdd:
    case IntegerOp::kSub:
      return Sum(a, b, op == IntegerOp::kSub);
    case IntegerOp::kMul:
      return Product(a, b);
    case IntegerOp::kDiv:
      return Quotient(a, b);
    case IntegerOp::kMod:
    case IntegerOp::kFmod:
      return Remainder(a, b, op == IntegerOp::kFmod);
    case IntegerOp::kMin:
    case IntegerOp::kMax:
      return Extreme(a, b, op == IntegerOp::kMax);
    case IntegerOp::kAnd:
      return Symbolic(a.value != 0 && b.value != 0 ? 1 : 0, false);
    case IntegerOp::kOr:
      return Symbolic(a.value != 0 || b.value != 0 ? 1 : 0, false);
    case IntegerOp::kXor:
      return Symbolic((a.value != 0) != (b.value != 0) ? 1 : 0, false);
  }
  return InternalError("an operation on integers without a rule");
}

Pair Compare(IntegerComparison op, SymbolicInteger a, SymbolicInteger b) {
  int decided = -1;
  switch (op) {
    case IntegerComparison::kEqual:
      decided = Equal(a, b);
      break;
    case IntegerComparison::kLess:
      decided = Less(a, b);
      break;
    case IntegerComparison::kGreater:
      decided = Less(b, a);
      break;
    case IntegerComparison::kLessOrEqual:
      decided = Less(b, a);
      if (decided >= 0) decided = 1 - decided;
      break;
    case IntegerComparison::kGreaterOrEqual:
      decided = Less(a, b);
      if (decided >= 0) decided = 1 - decided;
      break;
  }
  if (decided < 0) return DependsOnBatch("the batch's size is compared with a number");
  return Symbolic(decided, false);
}

const SymbolicInteger& At(const Integers& x, std::size_t i) {
  return x.values[x.values.size() == 1 ? 0 : i];
}

// The length of what lists of these lengths broadcast to.
Result<std::size_t> CommonLength(const Integers& a, const Integers& b) {
  const std::size_t left = a.values.size();
  const std::size_t right = b.values.size();
  if (left != right && left != 1 && right != 1) return InvalidInput("lists of different lengths");
  return left == 1 ? right : left;
}

template <typename F>
Result<Integers> ElementByElement(const Integers& a, const Integers& b, ElementType element, F f) {
  AH_ASSIGN_OR_RETURN(const std::size_t count, CommonLength(a, b));
  Integers out{a.scalar && b.scalar, {}, element};
  for (std::size_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const SymbolicInteger value, f(At(a, i), At(b, i)));
    out.values.push_back(value);
  }
  return out;
}

}  // namespace

Result<Integers> CombineIntegers(IntegerOp op, const Integers& a, const Integers& b) {
  return ElementByElement(a, b, a.element,
                          [op](SymbolicInteger x, SymbolicInteger y) { return Combine(op, x, y); });
}

Result<Integers> CompareIntegers(IntegerComparison op, const Integers& a, const Integers& b) {
  return ElementByElement(a, b, ElementType::kBool,
                          [op](SymbolicInteger x, SymbolicInteger y) { return Compare(op, x, y); });
}

Result<Integers> SelectIntegers(const Integers& condition, const Integers& a, const Integers& b) {
  AH_ASSIGN_OR_RETURN(const std::size_t values, CommonLength(a, b));
  Integers longest{a.scalar && b.scalar, std::vector<SymbolicInteger>(values), a.element};
  AH_ASSIGN_OR_RETURN(const std::size_t count, CommonLength(condition, longest));
  Integers out{condition.scalar && longest.scalar, {}, a.element};
  for (std::size_t i = 0; i < count; ++i) {
    out.values.push_back(At(At(condition, i).value != 0 ? a : b, i));
  }
  return out;
}

Result<Integers> ApplyToIntegers(IntegerFunction function, const Integers& x) {
  Integers out = x;
  for (SymbolicInteger& integer : out.values) {
    if (function == IntegerFunction::kNot) {
      integer.value = integer.value == 0 ? 1 : 0;
    } else if (function == IntegerFunction::kSign) {
      integer = {(integer.value > 0 ? 1 : 0) - (integer.value < 0 ? 1 : 0), false};
    } else if (function == IntegerFunction::kNeg || integer.value < 0) {
      if (integer.value == std::numeric_limits<I>::min()) return Overflow();
      integer.value = -integer.value;
    }
  }
  return out;
}

Result<Integers> ReduceIntegers(IntegerOp op, const Integers& x, bool keep_dims) {
  const bool sum = op == IntegerOp::kAdd;
  if (!sum && op != IntegerOp::kMul && x.values.empty()) {
    return InvalidInput("an empty list has no extreme");
  }
  SymbolicInteger out{sum ? 0 : 1, false};
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    if (i == 0) {
      out = x.values[0];
      continue;
    }
    AH_ASSIGN_OR_RETURN(out, Combine(op, out, x.values[i]));
  }
  return Integers{x.scalar || !keep_dims, {out}, x.element};
}

I WrapInteger(I value, ElementType element) {
  switch (element) {
    case ElementType::kInt32:
      return static_cast<std::int32_t>(value);
    case ElementType::kInt16:
      return static_cast<std::int16_t>(value);
    case ElementType::kInt8:
      return static_cast<std::int8_t>(value);
    case ElementType::kUInt32:
      return static_cast<std::uint32_t>(value);
    case ElementType::kUInt16:
      return static_cast<std::uint16_t>(value);
    case ElementType::kUInt8:
      return static_cast<std::uint8_t>(value);
    case ElementType::kBool:
      return value != 0 ? 1 : 0;
    default:
      return value;
  }
}

}  // namespace anchorhold::graph
