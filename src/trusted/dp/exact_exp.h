// e^-t to any precision, and comparisons with it that are exact: for the rare draws that
// gaussian.h leaves undecided, and for the tables of gaussian_table.h, which the compiler computes.
//
// Numbers of [0, 1) are fractions of `limbs` 64-bit limbs, the least first; an ulp is
// 2^(-64 limbs). For 0 <= f <= 1/2,
//
//   1 - e^-f = D = T_1 - T_2 + T_3 - ...,   T_1 = f,  T_i = floor(floor(T_(i-1) f) / i).
//
// T_1 is exact, and by induction each T_i is less than 2 ulps below f^i / i!: the error of T_(i-1)
// is more than halved, the first rounding is halved or more as i >= 2, the second adds 1. The
// series stops before the first T_N = 0; f^N / N! is then less than 2 ulps, and so is what it
// leaves out. So D is off by less than 2 N, e^-f, taken as the complement of D, by less than 2 N +
// 1. Then
//
//   e^-t = (e^-1/2)^h e^-f,   h = floor(2 t),  f = t - h / 2,
//
// and the rounded product of two numbers of [0, 1] that are off by a and b is off by less than
// a + b + 1: e^-t is off by less than (h + 1) (2 N + 2), N being the larger of the two series'.
// Internal to dp/.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "shared/base/check.h"

namespace anchorhold::dp::internal {

// A comparison of random digits is still open at 2^-1024 with a probability of about 2^-1000.
inline constexpr std::size_t kLimbsMax = 16;
using Limbs = std::array<std::uint64_t, kLimbsMax + 1>;
using Wide = unsigned __int128;

struct Approximation {
  Limbs value{};
  std::uint64_t error = 0;  // in ulps; the truth is nearer than this
};

// a += b times `factor`; returns the carry.
constexpr std::uint64_t AddProduct(std::size_t limbs, const std::uint64_t* b, std::uint64_t factor,
                                   std::uint64_t* a) {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < limbs; ++i) {
    const Wide sum = static_cast<Wide>(b[i]) * factor + a[i] + carry;
    a[i] = static_cast<std::uint64_t>(sum);
    carry = static_cast<std::uint64_t>(sum >> 64);
  }
  return carry;
}

// floor(a b), in ulps.
constexpr Limbs MultiplyFractions(std::size_t limbs, const Limbs& a, const Limbs& b) {
  std::array<std::uint64_t, 2 * kLimbsMax> product{};
  for (std::size_t i = 0; i < limbs; ++i) {
    product[i + limbs] = AddProduct(limbs, b.data(), a[i], product.data() + i);
  }
  Limbs out{};
  for (std::size_t i = 0; i < limbs; ++i) out[i] = product[i + limbs];
  return out;
}

constexpr void DivideBy(std::size_t limbs, std::uint64_t divisor, Limbs& a) {
  Wide rest = 0;
  for (std::size_t i = limbs; i-- > 0;) {
    rest = rest << 64 | a[i];
    a[i] = static_cast<std::uint64_t>(rest / divisor);
    rest %= divisor;
  }
}

// a - b modulo 1.
constexpr Limbs SubtractFractions(std::size_t limbs, const Limbs& a, const Limbs& b) {
  Limbs out{};
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < limbs; ++i) {
    const Wide difference = static_cast<Wide>(a[i]) - b[i] - borrow;
    out[i] = static_cast<std::uint64_t>(difference);
    borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
  }
  return out;
}

// e^-f for a fraction f <= 1/2; `error` is N.
constexpr Approximation ExpOfFraction(std::size_t limbs, const Limbs& f) {
  Approximation out;
  Limbs term = f;
  // T_1 - (T_2 - (T_3 - ...)) without a sign: odd terms and even ones apart.
  Limbs negated_sum{};
  std::uint64_t count = 1;
  for (; term != Limbs{}; ++count) {
    if (count % 2 == 1) {
      negated_sum = SubtractFractions(limbs, negated_sum, term);
    } else {
      AddProduct(limbs, term.data(), 1, negated_sum.data());
    }
    term = MultiplyFractions(limbs, term, f);
    DivideBy(limbs, count + 1, term);
  }
  // -D - 1 ulp, modulo 1: the complement of D.
  Limbs ulp{};
  ulp[0] = 1;
  out.value = SubtractFractions(limbs, negated_sum, ulp);
  out.error = count;
  return out;
}

// e^-t for t = numerator / 2^denominator_log2. Preconditions: 1 <= limbs <= kLimbsMax,
// 1 <= denominator_log2 <= 63, t < 2^16.
constexpr Approximation ExpOfMinus(std::size_t limbs, std::uint64_t numerator,
                                   int denominator_log2) {
  const std::uint64_t halves = numerator >> (denominator_log2 - 1);
  const std::uint64_t rest = numerator & ((std::uint64_t{1} << (denominator_log2 - 1)) - 1);
  Limbs f{};
  f[limbs - 1] = rest << (64 - denominator_log2);
  Limbs half{};
  half[limbs - 1] = std::uint64_t{1} << 63;
  Approximation out = ExpOfFraction(limbs, f);
  const Approximation root = ExpOfFraction(limbs, half);
  for (std::uint64_t i = 0; i < halves; ++i) {
    out.value = MultiplyFractions(limbs, out.value, root.value);
  }
  out.error = (halves + 1) * (2 * std::max(out.error, root.error) + 2);
  return out;
}

// A number q = weight / divisor e^-t of [0, 1]. Preconditions: those of ExpOfMinus; the weight is
// below 2^63, the divisor from 1 to 2^32.
struct ScaledExp {
  std::uint64_t weight = 1;
  std::uint64_t divisor = 1;
  std::uint64_t numerator = 0;
  int denominator_log2 = 1;
};

enum class Order : std::uint8_t { kBelow, kAbove, kOpen };

// Where u = 0.d_1 d_2 ... is, of which the first `limbs` digits to base 2^64 are given, the least
// of them first: kBelow if u < q whatever follows, kAbove if u >= q, else kOpen.
constexpr Order CompareWithExp(std::size_t limbs, const Limbs& u, const ScaledExp& q) {
  const Approximation exp = ExpOfMinus(limbs, q.numerator, q.denominator_log2);
  // u divisor and e^-t weight, in ulps; `blur` bounds the error of the latter. The error of e^-t is
  // below 2^17 2^10, so that blur has one limb more than a number of 64 bits.
  Limbs left{};
  Limbs right{};
  left[limbs] = AddProduct(limbs, u.data(), q.divisor, left.data());
  right[limbs] = AddProduct(limbs, exp.value.data(), q.weight, right.data());
  const Wide blur = static_cast<Wide>(exp.error) * q.weight;
  const auto plus = [limbs](Limbs a, Wide b) {
    for (std::size_t i = 0; i <= limbs && b != 0; ++i) {
      b += a[i];
      a[i] = static_cast<std::uint64_t>(b);
      b >>= 64;
    }
    return a;
  };
  const auto at_most = [limbs](const Limbs& a, const Limbs& b) {
    for (std::size_t i = limbs + 1; i-- > 0;) {
      if (a[i] != b[i]) return a[i] < b[i];
    }
    return true;
  };
  if (at_most(plus(left, blur + q.divisor), right)) return Order::kBelow;
  if (at_most(plus(right, blur), left)) return Order::kAbove;
  return Order::kOpen;
}

}  // namespace anchorhold::dp::internal
