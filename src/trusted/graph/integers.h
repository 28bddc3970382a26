// Integers that exporters compute shapes with: `x.view(x.size(0), -1)` becomes Shape, Gather,
// Concat, Reshape. They are resolved while importing, with the batch's size kept as a symbol.
//
// Arithmetic is done where it holds for every batch of B >= 1 examples: B * 2 + B * 3 is B * 5, B *
// 6 / 3 is B * 2, and B * 4 > 3. What depends on B otherwise (B + 1, B == 8) is refused: a result
// would show how many examples there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

// value, or value * B with B the number of examples in the batch.
struct SymbolicInteger {
  std::int64_t value = 0;
  bool times_batch = false;
  friend bool operator==(const SymbolicInteger&, const SymbolicInteger&) = default;
};

// Shapes are short; a longer list of integers is not computed with.
inline constexpr std::size_t kIntegersMax = 256;

// A scalar (one value) or a list of at most kIntegersMax. Truth values are 0 and 1.
struct Integers {
  bool scalar = false;
  std::vector<SymbolicInteger> values{};
  ElementType element = ElementType::kInt64;

  bool uses_batch() const {
    for (const SymbolicInteger& integer : values) {
      if (integer.times_batch) return true;
    }
    return false;
  }
};

enum class IntegerOp : unsigned char {
  kAdd,
  kSub,
  kMul,
  kDiv,   // towards zero
  kMod,   // of the divisor's sign
  kFmod,  // of the dividend's sign
  kMin,
  kMax,
  kAnd,  // of truth values, as are the two below
  kOr,
  kXor,
};
enum class IntegerComparison : unsigned char {
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
};
enum class IntegerFunction : unsigned char { kNeg, kAbs, kSign, kNot };

// Element by element; a single number meets each of the other's. kPrivacyRefused where the result
// would depend on B in another way than by a factor; kInvalidInput for lists of different lengths,
// a division by 0 and results beyond int64.
Result<Integers> CombineIntegers(IntegerOp op, const Integers& a, const Integers& b);
Result<Integers> CompareIntegers(IntegerComparison op, const Integers& a, const Integers& b);
// Where: a's element if the condition's is not 0, else b's.
Result<Integers> SelectIntegers(const Integers& condition, const Integers& a, const Integers& b);
Result<Integers> ApplyToIntegers(IntegerFunction function, const Integers& x);
// The whole list joined by kAdd, kMul, kMin or kMax: ReduceSum, ReduceProd and so on. An empty list
// gives 0 or 1, and has no kMin or kMax (kInvalidInput).
Result<Integers> ReduceIntegers(IntegerOp op, const Integers& x, bool keep_dims);

// `value` as the element type holds it: wrapped to its width; 0 or 1 for bool. uint64 is held as
// the int64 of the same bits.
std::int64_t WrapInteger(std::int64_t value, ElementType element);

}  // namespace anchorhold::graph
