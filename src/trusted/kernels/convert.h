// Conversions between element types, defined for every value: a private number must not be able to
// stop the program or to be undefined behaviour.
#pragma once

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

}  // namespace anchorhold::kernels
