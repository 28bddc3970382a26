// exp, log and log1p of floats without a standard library: computed in double and rounded once, so
// within 0.5001 units in the last place. Each double is within 2^-48 of itself:
//
//   e^x = 2^n e^r, n = round(x / log 2), |r| <= 0.347; the series of e^r to r^13 leaves 2^-57
//   log x = n log 2 + 2 atanh(s), s = (m - 1) / (m + 1), m in [0.70, 1.42), |s| <= 0.1716; the
//   series of atanh to s^19 leaves 2^-57
//   log1p(y) = log(u) y / (u - 1), u = 1 + y as rounded (Kahan): what the rounding lost is regained
//
// NaN and infinities as libm has them.
#pragma once

#include <cstdint>

namespace anchorhold::runtime {

inline double ExpOf(double x) {
  constexpr double kLog2High = 0x1.62e42feep-1;  // log 2, 32 bits of it: n times it is exact
  constexpr double kLog2Low = 0x1.a39ef35793c76p-33;
  constexpr double kRound = 0x1.8p52;
  if (x != x) return x;
  if (x > 800) return __builtin_inf();
  if (x < -800) return 0;
  const double n = (x * 0x1.71547652b82fep0 + kRound) - kRound;
  const double r = (x - n * kLog2High) - n * kLog2Low;
  double term = 1;
  for (int k = 13; k >= 1; --k) term = 1 + term * r / k;
  // 2^n in two factors: n reaches beyond the exponents of normal numbers, by far less than twice.
  const auto whole = static_cast<std::int64_t>(n);
  const std::int64_t half = whole / 2;
  const auto power = [](std::int64_t exponent) {
    return __builtin_bit_cast(double, static_cast<std::uint64_t>(exponent + 1023) << 52);
  };
  return term * power(half) * power(whole - half);
}

// x is 0, or a float: normal as a double.
inline double LogOf(double x) {
  if (x != x || x < 0) return __builtin_nan("");
  if (x == 0) return -__builtin_inf();
  if (x == __builtin_inf()) return x;
  constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
  const auto bits = __builtin_bit_cast(std::uint64_t, x);
  std::int64_t n = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = __builtin_bit_cast(double, (bits & kMantissa) | (std::uint64_t{1023} << 52));
  if (m > 1.4142135623730951) {
    m /= 2;
    ++n;
  }
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 19; k >= 3; k -= 2) sum = square * (sum + 1.0 / k);
  constexpr double kLog2 = 0x1.62e42fefa39efp-1;
  return static_cast<double>(n) * kLog2 + 2 * (s + s * sum);
}

struct FreestandingMath {
  static float Exp(float x) { return static_cast<float>(ExpOf(double{x})); }
  static float Log(float x) { return static_cast<float>(LogOf(double{x})); }
  static float Log1p(float y) {
    const double u = 1 + double{y};
    if (u == 1) return y;
    if (u == __builtin_inf()) return y;
    return static_cast<float>(LogOf(u) * (double{y} / (u - 1)));
  }
};

}  // namespace anchorhold::runtime
