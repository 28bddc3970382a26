// Conversions between element types, defined for every value: a private number must not be able to
// stop the program or to be undefined behaviour.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace anchorhold::kernels {

// Towards zero; beyond int64 the nearest bound; NaN is 0.
template <typename T>
std::int64_t ToInteger(T x) {
  constexpr T kBound = static_cast<T>(9223372036854775808.0);  // 2^63, exact in float32
  if (std::isnan(x)) return 0;
  if (x >= kBound) return std::numeric_limits<std::int64_t>::max();
  if (x < -kBound) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(x);
}

// The nearest number of a binary format with `digits` significant bits whose least normal number is
// 2^least and whose largest is `largest`; ties to the even one, beyond the largest an infinity.
inline double RoundToFormat(double x, int digits, int least, double largest) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), least) - (digits - 1);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
  return std::fabs(rounded) > largest ? std::copysign(HUGE_VAL, x) : rounded;
}

inline double RoundToFloat16(double x) { return RoundToFormat(x, 11, -14, 65504); }
inline double RoundToBFloat16(double x) {
  return RoundToFormat(x, 8, -126, std::ldexp(255.0, 120));
}

}  // namespace anchorhold::kernels
