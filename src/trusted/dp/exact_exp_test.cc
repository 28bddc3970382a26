#include "trusted/dp/exact_exp.h"

#include <gtest/gtest.h>

#include <cmath>

namespace anchorhold::dp::internal {
namespace {

// The first 256 bits of e^-1, the highest limb first.
constexpr std::uint64_t kInverseOfE[4] = {0x5E2D58D8B3BCDF1A, 0xBADEC7829054F90D,
                                          0xDA9805AAB56C7733, 0x3024B9D0A507DAED};

TEST(ExpOfMinus, IsWithinItsBoundOfTheLibrarys) {
  for (const int log2 : {1, 5, 20, 53, 63}) {
    for (std::uint64_t i = 0; i < 400; ++i) {
      const double t = 0.07 * static_cast<double>(i);
      const double scaled = std::ldexp(t, log2);
      if (scaled >= 0x1p64) break;
      const auto numerator = static_cast<std::uint64_t>(scaled);
      const double exact = std::exp(-std::ldexp(static_cast<double>(numerator), -log2));
      const Approximation exp = ExpOfMinus(1, numerator, log2);
      EXPECT_NEAR(std::ldexp(static_cast<double>(exp.value[0]), -64), exact, 0x1p-52);
      EXPECT_LT(exp.error, 4000U);
    }
  }
}

TEST(ExpOfMinus, HasTheKnownDigitsOfOneOverE) {
  for (std::size_t limbs = 1; limbs <= 4; ++limbs) {
    const Approximation exp = ExpOfMinus(limbs, 1 << 4, 4);
    for (std::size_t i = 1; i < limbs; ++i) EXPECT_EQ(exp.value[i], kInverseOfE[limbs - 1 - i]);
    const auto off = static_cast<std::int64_t>(exp.value[0] - kInverseOfE[limbs - 1]);
    EXPECT_LT(std::abs(static_cast<double>(off)), static_cast<double>(exp.error) + 1);
  }
}

// Every precision's interval holds the most precise one's value.
TEST(ExpOfMinus, PrecisionsAgree) {
  for (const std::uint64_t numerator :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x123456789abcd}, std::uint64_t{1} << 52,
        std::uint64_t{1} << 53, std::uint64_t{0x5123456789abcdef}, std::uint64_t{199} << 53}) {
    const Approximation fine = ExpOfMinus(kLimbsMax, numerator, 53);
    for (std::size_t limbs = 1; limbs < kLimbsMax; ++limbs) {
      const Approximation exp = ExpOfMinus(limbs, numerator, 53);
      Limbs cut{};
      for (std::size_t i = 0; i < limbs; ++i) cut[i] = fine.value[kLimbsMax - limbs + i];
      const Limbs above = SubtractFractions(limbs, exp.value, cut);
      const Limbs below = SubtractFractions(limbs, cut, exp.value);
      const Limbs& off = above[limbs - 1] < below[limbs - 1] ? above : below;
      for (std::size_t i = 1; i < limbs; ++i) EXPECT_EQ(off[i], 0U) << limbs;
      EXPECT_LE(off[0], exp.error) << limbs;
    }
  }
}

// u < 3/4 e^-1, with u next to the border at every depth.
TEST(CompareWithExp, RefinesUntilItIsDecided) {
  const ScaledExp q{.weight = 3, .divisor = 4, .numerator = 2, .denominator_log2 = 1};
  Limbs border = ExpOfMinus(kLimbsMax, 2, 1).value;
  Limbs product{};
  AddProduct(kLimbsMax, border.data(), 3, product.data());
  DivideBy(kLimbsMax, 4, product);  // 3 e^-1 > 1, so a whole was carried away: 1/4 is missing
  product[kLimbsMax - 1] += std::uint64_t{1} << 62;
  const auto first_limbs = [](const Limbs& all, std::size_t limbs) {
    Limbs out{};
    for (std::size_t i = 0; i < limbs; ++i) out[i] = all[kLimbsMax - limbs + i];
    return out;
  };
  for (std::size_t depth = 1; depth < kLimbsMax; ++depth) {
    EXPECT_EQ(CompareWithExp(depth, first_limbs(product, depth), q), Order::kOpen) << depth;
    // Off by 2^-64 depth + 32 it is open before, and decided at the depth.
    for (const bool above : {false, true}) {
      Limbs u = product;
      Limbs step{};
      step[kLimbsMax - depth] = std::uint64_t{1} << 32;
      if (above) {
        AddProduct(kLimbsMax, step.data(), 1, u.data());
      } else {
        u = SubtractFractions(kLimbsMax, u, step);
      }
      if (depth > 1) {
        EXPECT_EQ(CompareWithExp(depth - 1, first_limbs(u, depth - 1), q), Order::kOpen) << depth;
      }
      EXPECT_EQ(CompareWithExp(depth, first_limbs(u, depth), q),
                above ? Order::kAbove : Order::kBelow)
          << depth;
    }
  }
}

TEST(CompareWithExp, CertaintyIsNeverRefused) {
  // q = 1: every u is below, though the digits 0.ff... leave it open.
  const ScaledExp one{.weight = 1, .divisor = 1, .numerator = 0, .denominator_log2 = 1};
  Limbs u{};
  EXPECT_EQ(CompareWithExp(1, u, one), Order::kBelow);
  u[0] = ~std::uint64_t{0};
  EXPECT_EQ(CompareWithExp(1, u, one), Order::kOpen);
  // q = e^-200 2^60 / 11, which needs more limbs: the weight enlarges the error.
  const ScaledExp tiny{
      .weight = std::uint64_t{1} << 60, .divisor = 11, .numerator = 400, .denominator_log2 = 1};
  EXPECT_EQ(CompareWithExp(1, u, tiny), Order::kOpen);
  u = {0, std::uint64_t{1} << 63};
  EXPECT_EQ(CompareWithExp(2, u, tiny), Order::kAbove);
  EXPECT_EQ(CompareWithExp(2, Limbs{}, tiny), Order::kOpen);
  EXPECT_EQ(CompareWithExp(8, Limbs{}, tiny), Order::kBelow);
}

}  // namespace
}  // namespace anchorhold::dp::internal
