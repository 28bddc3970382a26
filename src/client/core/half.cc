#include "client/core/half.h"

#include <cmath>
#include <limits>

namespace anchorhold::client {
namespace {

constexpr std::uint16_t kSign = 0x8000;
constexpr std::uint16_t kInfinity = 0x7c00;
constexpr std::uint16_t kQuietNan = 0x7e00;
constexpr int kFractionBits = 10;
constexpr int kExponentBias = 15;
constexpr int kExponentMin = -14;        // of normal numbers
constexpr double kHalfOverflow = 65520;  // half-way between the largest number and the next

}  // namespace

std::uint16_t ToHalf(double value) {
  if (std::isnan(value)) return kQuietNan;
  const std::uint16_t sign = std::signbit(value) ? kSign : 0;
  const double magnitude = std::abs(value);
  if (magnitude >= kHalfOverflow) return sign | kInfinity;
  const int exponent = magnitude == 0 ? kExponentMin : std::ilogb(magnitude);
  // Below the normal numbers the spacing stays the same. A fraction that rounds up to the next
  // power of two carries into the exponent by itself.
  const int scale = exponent < kExponentMin ? kExponentMin : exponent;
  const auto fraction =
      static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, kFractionBits - scale)));
  const auto biased = static_cast<std::uint32_t>(scale + kExponentBias - 1);
  return static_cast<std::uint16_t>(sign | ((biased << kFractionBits) + fraction));
}

double FromHalf(std::uint16_t bits) {
  const int exponent = (bits & kInfinity) >> kFractionBits;
  const int fraction = bits & ((1 << kFractionBits) - 1);
  double magnitude = 0;
  if (exponent == 0x1f) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, kExponentMin - kFractionBits);
  } else {
    magnitude =
        std::ldexp(fraction + (1 << kFractionBits), exponent - kExponentBias - kFractionBits);
  }
  return (bits & kSign) != 0 ? -magnitude : magnitude;
}

double RoundToBFloat(double value) {
  constexpr int kSignificantBits = 8;
  constexpr int kNormalMin = -126;
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::ilogb(value) < kNormalMin ? kNormalMin : std::ilogb(value);
  const int scale = kSignificantBits - 1 - exponent;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, scale)), -scale);
  const double largest = std::ldexp(255.0, 120);
  if (std::abs(rounded) <= largest) return rounded;
  return std::copysign(std::numeric_limits<double>::infinity(), value);
}

}  // namespace anchorhold::client
