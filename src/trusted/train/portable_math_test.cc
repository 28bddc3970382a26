// exp, log and log1p against long double, on floats of all sizes; powers against the library's.
#include "trusted/train/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace anchorhold::train {
namespace {

// Calls visit for floats all over the number line: every 4099th pattern of bits.
template <typename Visit>
void ForFloats(const Visit& visit) {
  for (std::uint64_t bits = 0; bits <= 0xFFFFFFFFU; bits += 4099) {
    const auto pattern = static_cast<std::uint32_t>(bits);
    float x = 0;
    std::memcpy(&x, &pattern, sizeof(x));
    visit(x);
  }
}

// The distance of `got` to the true result, in units of its last place.
double Ulps(float got, long double exact) {
  const auto nearest = static_cast<float>(exact);
  if (std::isnan(nearest)) return std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  if (std::isinf(nearest)) return got == nearest ? 0 : std::numeric_limits<double>::infinity();
  const float size = std::fabs(nearest);
  const float unit = std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) /
                             static_cast<long double>(unit));
}

constexpr double kBound = 0.5001;

TEST(PortableMath, Exp) {
  ForFloats([](float x) {
    EXPECT_LE(Ulps(PortableMath::Exp(x), std::exp(static_cast<long double>(x))), kBound) << x;
  });
  EXPECT_EQ(PortableMath::Exp(1e30F), std::numeric_limits<float>::infinity());
  EXPECT_EQ(PortableMath::Exp(-1e30F), 0);
}

TEST(PortableMath, Log) {
  ForFloats([](float x) {
    EXPECT_LE(Ulps(PortableMath::Log(x), std::log(static_cast<long double>(x))), kBound) << x;
  });
}

// The losses take log1p of e^-|z|, which is in [0, 1], or NaN.
TEST(PortableMath, Log1p) {
  ForFloats([](float x) {
    if (x < 0 || x > 1) return;
    EXPECT_LE(Ulps(PortableMath::Log1p(x), std::log1p(static_cast<long double>(x))), kBound) << x;
  });
}

TEST(PortableMath, Powers) {
  EXPECT_EQ(PowerOf(0.9, 0), 1);
  EXPECT_EQ(PowerOf(0, 3), 0);
  for (const double base : {0.0, 0.5, 0.9, 0.999, 0.99999}) {
    for (std::uint64_t exponent = 1; exponent < 3'000'000; exponent = exponent * 3 / 2 + 1) {
      const double expected = std::pow(base, static_cast<double>(exponent));
      const double bound = static_cast<double>(exponent) * 0x1p-52 * expected;
      EXPECT_NEAR(PowerOf(base, exponent), expected, bound) << base << " " << exponent;
    }
  }
}

}  // namespace
}  // namespace anchorhold::train
