// Arithmetic on integers that may hold the batch's size B: held, for each pair of small numbers,
// against what it is for the batches from 1 to 12.
#include "trusted/graph/integers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace anchorhold::graph {
namespace {

using I = std::int64_t;
constexpr I kMost = std::numeric_limits<I>::max();
constexpr I kLeast = std::numeric_limits<I>::min();

Integers One(I value, bool times_batch = false) { return {true, {{value, times_batch}}}; }
Integers List(const std::vector<I>& values) {
  Integers list;
  for (const I value : values) list.values.push_back({value, false});
  return list;
}

I At(const SymbolicInteger& x, I batch) { return x.times_batch ? x.value * batch : x.value; }

// What ONNX says, or nothing for a division by zero.
std::optional<I> Expected(IntegerOp op, I a, I b) {
  switch (op) {
    case IntegerOp::kAdd:
      return a + b;
    case IntegerOp::kSub:
      return a - b;
    case IntegerOp::kMul:
      return a * b;
    case IntegerOp::kDiv:
      return b == 0 ? std::nullopt : std::optional(a / b);
    case IntegerOp::kMod:
      return b == 0 ? std::nullopt : std::optional(((a % b) + b) % b);
    case IntegerOp::kFmod:
      return b == 0 ? std::nullopt : std::optional(a % b);
    case IntegerOp::kMin:
      return std::min(a, b);
    case IntegerOp::kMax:
      return std::max(a, b);
    case IntegerOp::kAnd:
      return a != 0 && b != 0 ? 1 : 0;
    case IntegerOp::kOr:
      return a != 0 || b != 0 ? 1 : 0;
    case IntegerOp::kXor:
      return (a != 0) != (b != 0) ? 1 : 0;
  }
  return std::nullopt;
}

std::optional<I> Expected(IntegerComparison op, I a, I b) {
  switch (op) {
    case IntegerComparison::kEqual:
      return a == b;
    case IntegerComparison::kLess:
      return a < b;
    case IntegerComparison::kLessOrEqual:
      return a <= b;
    case IntegerComparison::kGreater:
      return a > b;
    case IntegerComparison::kGreaterOrEqual:
      return a >= b;
  }
  return std::nullopt;
}

Result<Integers> Apply(IntegerOp op, const Integers& a, const Integers& b) {
  return CombineIntegers(op, a, b);
}
Result<Integers> Apply(IntegerComparison op, const Integers& a, const Integers& b) {
  return CompareIntegers(op, a, b);
}

// The result must hold for every batch; a refusal is right only where it cannot: where no number
// and no multiple of B is the result for every batch.
template <typename Op>
void ExpectRight(Op op, SymbolicInteger a, SymbolicInteger b) {
  const Result<Integers> result = Apply(op, Integers{true, {a}}, Integers{true, {b}});
  constexpr I kBatches = 12;
  const std::optional<I> first = Expected(op, At(a, 1), At(b, 1));
  if (!first.has_value()) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidInput);
    return;
  }
  bool constant = true;
  bool multiple = true;
  for (I batch = 1; batch <= kBatches; ++batch) {
    const I expected = *Expected(op, At(a, batch), At(b, batch));
    constant = constant && expected == *first;
    multiple = multiple && expected == *first * batch;
    if (!result.ok()) continue;
    EXPECT_EQ(At(result->values[0], batch), expected) << "B = " << batch;
  }
  if (!result.ok()) {
    EXPECT_EQ(result.error().code(), ErrorCode::kPrivacyRefused);
    EXPECT_FALSE(constant || multiple) << "refused without need";
  }
}

template <typename Op>
void ExpectRightForAll(std::initializer_list<Op> ops) {
  for (const Op op : ops) {
    for (I a = -7; a <= 7; ++a) {
      for (I b = -7; b <= 7; ++b) {
        for (const int batch : {0, 1, 2, 3}) {
          const bool batch_a = (batch & 1) != 0 && a != 0;
          const bool batch_b = (batch & 2) != 0 && b != 0;
          SCOPED_TRACE("op " + std::to_string(static_cast<int>(op)) + ": " + std::to_string(a) +
                       (batch_a ? "B, " : ", ") + std::to_string(b) + (batch_b ? "B" : ""));
          ExpectRight(op, {a, batch_a}, {b, batch_b});
          if (::testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

TEST(Integers, ArithmeticHoldsForEveryBatch) {
  ExpectRightForAll({IntegerOp::kAdd, IntegerOp::kSub, IntegerOp::kMul, IntegerOp::kDiv,
                     IntegerOp::kMod, IntegerOp::kFmod, IntegerOp::kMin, IntegerOp::kMax});
}

TEST(Integers, ComparisonsAreDecidedOnlyWhereEveryBatchAgrees) {
  ExpectRightForAll({IntegerComparison::kEqual, IntegerComparison::kLess,
                     IntegerComparison::kLessOrEqual, IntegerComparison::kGreater,
                     IntegerComparison::kGreaterOrEqual});
}

TEST(Integers, TruthValues) {
  for (const IntegerOp op : {IntegerOp::kAnd, IntegerOp::kOr, IntegerOp::kXor}) {
    for (const I a : {0, 1}) {
      for (const I b : {0, 1}) ExpectRight(op, {a, false}, {b, false});
    }
  }
}

TEST(Integers, OverflowIsRefused) {
  const auto refused = [](IntegerOp op, I a, I b) {
    const Result<Integers> result = CombineIntegers(op, One(a), One(b));
    ASSERT_FALSE(result.ok()) << static_cast<int>(op);
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidInput);
  };
  refused(IntegerOp::kAdd, kMost, 1);
  refused(IntegerOp::kSub, kLeast, 1);
  refused(IntegerOp::kMul, kMost, 2);
  refused(IntegerOp::kDiv, kLeast, -1);
  EXPECT_FALSE(ApplyToIntegers(IntegerFunction::kNeg, One(kLeast)).ok());
  EXPECT_FALSE(ApplyToIntegers(IntegerFunction::kAbs, One(kLeast)).ok());
  EXPECT_EQ(CombineIntegers(IntegerOp::kMod, One(kLeast), One(-1))->values[0].value, 0);
  EXPECT_EQ(CompareIntegers(IntegerComparison::kEqual, One(kLeast), One(-1, true)).ok(), false);
}

TEST(Integers, ListsMeetElementByElement) {
  const Result<Integers> sum = CombineIntegers(IntegerOp::kAdd, List({1, 2, 3}), One(10));
  ASSERT_TRUE(sum.ok());
  EXPECT_FALSE(sum->scalar);
  EXPECT_EQ(sum->values, List({11, 12, 13}).values);
  EXPECT_FALSE(CombineIntegers(IntegerOp::kAdd, List({1, 2, 3}), List({1, 2})).ok());
  EXPECT_TRUE(CombineIntegers(IntegerOp::kAdd, List({}), One(1))->values.empty());
  const Result<Integers> picked = SelectIntegers(List({1, 0}), One(5, true), List({7, 8}));
  ASSERT_TRUE(picked.ok());
  EXPECT_EQ(picked->values[0], (SymbolicInteger{5, true}));
  EXPECT_EQ(picked->values[1], (SymbolicInteger{8, false}));
}

TEST(Integers, Reductions) {
  Integers shape = List({2, 3, 4});
  shape.values[0].times_batch = true;
  const Result<Integers> size = ReduceIntegers(IntegerOp::kMul, shape, false);
  ASSERT_TRUE(size.ok());
  EXPECT_TRUE(size->scalar);
  EXPECT_EQ(size->values[0], (SymbolicInteger{24, true}));
  EXPECT_FALSE(ReduceIntegers(IntegerOp::kAdd, shape, false).ok());
  EXPECT_EQ(ReduceIntegers(IntegerOp::kMul, List({}), true)->values[0].value, 1);
  EXPECT_FALSE(ReduceIntegers(IntegerOp::kMax, List({}), true).ok());
}

TEST(Integers, WrapToTheirWidth) {
  EXPECT_EQ(WrapInteger(300, ElementType::kUInt8), 44);
  EXPECT_EQ(WrapInteger(200, ElementType::kInt8), -56);
  EXPECT_EQ(WrapInteger(-1, ElementType::kUInt32), 4294967295);
  EXPECT_EQ(WrapInteger(-1, ElementType::kUInt64), -1);
  EXPECT_EQ(WrapInteger(17, ElementType::kBool), 1);
}

}  // namespace
}  // namespace anchorhold::graph
