// The freestanding exp, log and log1p against long double, on floats of all sizes.
#include "client/runtime/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace anchorhold::runtime {
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

TEST(FreestandingMath, Exp) {
  ForFloats([](float x) {
    if (std::isfinite(x) && std::fabs(x) > 200) return;
    EXPECT_LE(Ulps(FreestandingMath::Exp(x), std::exp(static_cast<long double>(x))), kBound) << x;
  });
  EXPECT_EQ(FreestandingMath::Exp(1e30F), std::numeric_limits<float>::infinity());
  EXPECT_EQ(FreestandingMath::Exp(-1e30F), 0);
}

TEST(FreestandingMath, Log) {
  ForFloats([](float x) {
    EXPECT_LE(Ulps(FreestandingMath::Log(x), std::log(static_cast<long double>(x))), kBound) << x;
  });
}

// The losses take log1p of e^-|z|, which is in [0, 1], or NaN.
TEST(FreestandingMath, Log1p) {
  ForFloats([](float x) {
    if (x < 0 || x > 1) return;
    EXPECT_LE(Ulps(FreestandingMath::Log1p(x), std::log1p(static_cast<long double>(x))), kBound)
        << x;
  });
}

}  // namespace
}  // namespace anchorhold::runtime
