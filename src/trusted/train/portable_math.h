// exp, log, log1p and whole powers that give the same bits wherever they are compiled, with a
// standard library or without (src/client/runtime), because they are nothing but additions,
// products and divisions in double, rounded once to float: within 0.5001 units in the last place.
//
//   e^x = 2^n e^r, n = round(x / log 2), |r| <= 0.347; the series of e^r to r^11 leaves 2^-46.
//   Beyond +-150, where floats have long been infinite or 0, x is +-150
//   log x = n log 2 + 2 atanh(s), s = (m - 1) / (m + 1), m in [0.70, 1.42), |s| <= 0.1716; the
//   series of atanh to s^19 leaves 2^-57
//   log1p(y) = log(u) y / (u - 1), u = 1 + y as rounded (Kahan): what the rounding lost is regained
//
// NaN and infinities as libm has them. There are no branches on numbers, but choices between two
// results. They are compiled with -ffp-contract=off.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace anchorhold::train {

inline constexpr double kInverseFactorials[] = {
    1.0,       1.0,        1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,
    1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800};

// As a double, before it is rounded; all numbers on the way are normal. NaN stays.
inline double ExpOf(float given) {
  constexpr double kMost = 150;
  constexpr double kLog2High = 0x1.62e42feep-1;  // log 2, 32 bits of it: n times it is exact
  constexpr double kLog2Low = 0x1.a39ef35793c76p-33;
  constexpr double kRound = 0x1.8p52;  // added, it leaves n alone, in the lowest bits
  double x = given;
  x = x < -kMost ? -kMost : x;
  x = x > kMost ? kMost : x;
  const double shifted = x * 0x1.71547652b82fep0 + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLog2High) - n * kLog2Low;
  double series = kInverseFactorials[11];
  for (int k = 10; k >= 0; --k) series = series * r + kInverseFactorials[k];
  return series * std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) + 1023) << 52);
}

// x is 0, or a float, or a float's sum with 1: normal as a double.
inline double LogOf(double x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kLog2 = 0x1.62e42fefa39efp-1;
  // Numbers from this one to its double have the same n, and m within a root of 2 of 1.
  constexpr auto kRootOfHalf = std::bit_cast<std::uint64_t>(0x1.6a09e667f3bcdp-1);
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::int64_t n = static_cast<std::int64_t>(bits - kRootOfHalf) >> 52;
  const auto m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(n) << 52));
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 19; k >= 3; k -= 2) sum = square * (sum + 1.0 / k);
  double result = static_cast<double>(n) * kLog2 + 2 * (s + s * sum);
  result = x == 0 ? -kInfinity : result;
  result = x == kInfinity ? kInfinity : result;
  return x >= 0 ? result : std::numeric_limits<double>::quiet_NaN();
}

// The Math of loss_formulas.h for floats.
struct PortableMath {
  static float Exp(float x) { return static_cast<float>(ExpOf(x)); }
  static float Log(float x) { return static_cast<float>(LogOf(double{x})); }
  static float Log1p(float y) {
    const double u = 1 + double{y};
    const auto result = static_cast<float>(LogOf(u) * (double{y} / (u - 1)));
    return u == 1 || u == std::numeric_limits<double>::infinity() ? y : result;
  }
};

// base^exponent by squaring: relative error below exponent 2^-52.
inline double PowerOf(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
  }
  return result;
}

}  // namespace anchorhold::train
