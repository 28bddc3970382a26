// Every function of vector_math-inl.h against the standard library's in double precision, on a
// dense sample of all floats, for every target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/vector_math_test.cc"
#include "trusted/simd/tables.h"
// After tables.h, which chooses the targets.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/vector_math-inl.h"

#ifndef ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_TEST_ONCE_
#define ANCHORHOLD_SRC_TRUSTED_SIMD_VECTOR_MATH_TEST_ONCE_
#include <cstddef>
namespace anchorhold::simd {
using VectorFunction = void (*)(const float* x, std::size_t n, float* y);
struct VectorFunctions {
  VectorFunction exp;
  VectorFunction log;
  VectorFunction expm1;
  VectorFunction sigmoid;
  VectorFunction tanh;
  VectorFunction erf;
  VectorFunction erf_slope;
  VectorFunction softplus;
  VectorFunction gelu_erf;
  VectorFunction silu;
};
}  // namespace anchorhold::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

template <class D, class V>
HWY_INLINE V Expm1(D d, V x) {
  return Expm1OfNegative(d, AtMost(hn::Zero(d), x));
}

// n is a multiple of 16, which all vectors divide.
#define AH_VECTOR_FUNCTION(Name)                            \
  void Run##Name(const float* x, std::size_t n, float* y) { \
    const hn::ScalableTag<float> d;                         \
    for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {     \
      hn::StoreU(Name(d, hn::LoadU(d, x + i)), d, y + i);   \
    }                                                       \
  }
AH_VECTOR_FUNCTION(Exp)
AH_VECTOR_FUNCTION(Log)
AH_VECTOR_FUNCTION(Expm1)
AH_VECTOR_FUNCTION(Sigmoid)
AH_VECTOR_FUNCTION(Tanh)
AH_VECTOR_FUNCTION(Erf)
AH_VECTOR_FUNCTION(ErfSlope)
AH_VECTOR_FUNCTION(Softplus)
AH_VECTOR_FUNCTION(GeluErf)
AH_VECTOR_FUNCTION(Silu)
#undef AH_VECTOR_FUNCTION

extern const VectorFunctions kVectorFunctions;
const VectorFunctions kVectorFunctions = {RunExp, RunLog,      RunExpm1,    RunSigmoid, RunTanh,
                                          RunErf, RunErfSlope, RunSoftplus, RunGeluErf, RunSilu};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace anchorhold::simd {
namespace {

ANCHORHOLD_SIMD_TABLE(VectorFunctions, FunctionsFor, kVectorFunctions)

// |y - truth| in units of the last place of a float as large as `truth`; below the normal numbers,
// of the least of them.
double UlpsBetween(float y, double truth) {
  const double size = std::max(std::abs(truth), 0x1p-126);
  const double ulp = std::ldexp(1.0, std::ilogb(size) - 23);
  return std::abs(static_cast<double>(y) - truth) / ulp;
}

struct Worst {
  double ulps = 0;
  float at = 0;
};

void Compare(float x, float y, double truth, Worst& worst) {
  if (std::isnan(truth)) {
    EXPECT_TRUE(std::isnan(y)) << x << " gives " << y;
    return;
  }
  const auto rounded = static_cast<float>(truth);
  if (std::isinf(rounded) || truth == 0 || std::isnan(y) || std::isinf(y)) {
    // The first float that overflows may be one step early or late.
    if (std::isinf(rounded) != std::isinf(y) && std::abs(truth) > 0x1.fffffcp127) return;
    EXPECT_EQ(y, rounded) << "at " << x;
    EXPECT_EQ(std::signbit(y), std::signbit(rounded)) << "at " << x;
    return;
  }
  const double ulps = UlpsBetween(y, truth);
  if (ulps > worst.ulps) worst = {ulps, x};
}

// Bit patterns 0, kStep, 2 kStep, ... and the edges that matter.
constexpr std::uint32_t kStep = 1021;
void CheckAll(VectorFunction VectorFunctions::*function, double (*truth)(double), double bound) {
  constexpr std::size_t kBlock = 1024;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  const std::size_t targets = AvailableTargets().size();
  std::vector<Worst> worst(targets);
  std::uint64_t bits = 0;
  while (bits >> 32 == 0) {
    for (float& entry : x) {
      entry = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      bits += kStep;
    }
    x[0] = std::numeric_limits<float>::infinity();
    x[1] = -x[0];
    x[2] = std::numeric_limits<float>::quiet_NaN();
    x[3] = 0.0F;
    x[4] = -0.0F;
    x[5] = 1.0F;
    x[6] = std::numeric_limits<float>::max();
    x[7] = -x[6];
    x[8] = std::numeric_limits<float>::min();
    std::vector<double> expected(kBlock);
    for (std::size_t i = 0; i < kBlock; ++i) expected[i] = truth(static_cast<double>(x[i]));
    for (std::size_t t = 1; t < targets; ++t) {
      (FunctionsFor(AvailableTargets()[t])->*function)(x.data(), kBlock, y.data());
      for (std::size_t i = 0; i < kBlock; ++i) Compare(x[i], y[i], expected[i], worst[t]);
    }
    if (::testing::Test::HasFailure()) return;
  }
  for (std::size_t t = 1; t < targets; ++t) {
    EXPECT_LE(worst[t].ulps, bound) << TargetName(AvailableTargets()[t]) << " at " << worst[t].at;
    ::testing::Test::RecordProperty(TargetName(AvailableTargets()[t]),
                                    std::to_string(worst[t].ulps));
  }
}

TEST(VectorMath, Exp) {
  CheckAll(
      &VectorFunctions::exp, [](double x) { return std::exp(x); }, 1.1);
}

TEST(VectorMath, Log) {
  CheckAll(
      &VectorFunctions::log, [](double x) { return std::log(x); }, 1);
}

TEST(VectorMath, Expm1OfNegative) {
  CheckAll(
      &VectorFunctions::expm1, [](double x) { return std::expm1(x > 0 ? 0 : x); }, 1.5);
}

TEST(VectorMath, Sigmoid) {
  CheckAll(
      &VectorFunctions::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 3);
}

TEST(VectorMath, Tanh) {
  CheckAll(
      &VectorFunctions::tanh, [](double x) { return std::tanh(x); }, 3);
}

TEST(VectorMath, Erf) {
  CheckAll(
      &VectorFunctions::erf, [](double x) { return std::erf(x); }, 7);
}

TEST(VectorMath, ErfSlope) {
  CheckAll(
      &VectorFunctions::erf_slope,
      [](double x) { return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x); }, 2.5);
}

TEST(VectorMath, Softplus) {
  CheckAll(
      &VectorFunctions::softplus,
      [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, 3);
}

TEST(VectorMath, GeluErf) {
  CheckAll(
      &VectorFunctions::gelu_erf,
      [](double x) { return x * std::erfc(-x / std::numbers::sqrt2) / 2; }, 7);
}

// Its bound grows with x: the exponent is rounded.
TEST(VectorMath, Silu) {
  constexpr std::size_t kBlock = 1024;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  for (float begin = -120; begin < 120; begin += 1.0F / 16) {
    for (std::size_t i = 0; i < kBlock; ++i) x[i] = begin + static_cast<float>(i) * 0x1p-14F;
    for (std::size_t t = 1; t < AvailableTargets().size(); ++t) {
      FunctionsFor(AvailableTargets()[t])->silu(x.data(), kBlock, y.data());
      for (std::size_t i = 0; i < kBlock; ++i) {
        const double truth = double{x[i]} / (1 + std::exp(-double{x[i]}));
        const double bound = (4 + 0.75 * std::abs(double{x[i]})) * 0x1p-23 * std::abs(truth);
        ASSERT_LE(std::abs(y[i] - truth), bound + 0x1p-119)
            << x[i] << " on " << TargetName(AvailableTargets()[t]);
      }
    }
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  x = std::vector<float>(16, 0.0F);
  x[1] = -0.0F;
  x[2] = kInfinity;
  x[3] = -kInfinity;
  x[4] = std::nanf("");
  x[5] = std::numeric_limits<float>::max();
  x[6] = -x[5];
  for (std::size_t t = 1; t < AvailableTargets().size(); ++t) {
    FunctionsFor(AvailableTargets()[t])->silu(x.data(), 16, y.data());
    EXPECT_TRUE(y[0] == 0 && !std::signbit(y[0]) && y[1] == 0 && std::signbit(y[1]));
    EXPECT_EQ(y[2], kInfinity);
    EXPECT_TRUE(std::isnan(y[3]) && std::isnan(y[4]));
    EXPECT_EQ(y[5], x[5]);
    EXPECT_EQ(y[6], 0);
  }
}

}  // namespace
}  // namespace anchorhold::simd

#endif
