#include "trusted/simd/peak.h"

#include <gtest/gtest.h>

#include <cmath>

namespace anchorhold::simd {
namespace {

// x <- x / 2 + 1/4 goes to 1/2 from anywhere.
TEST(Peak, EveryTargetComputesWhatItCounts) {
  for (const Target target : AvailableTargets()) {
    const PeakKernels* const peak = PeakKernelsFor(target);
    ASSERT_NE(peak, nullptr) << TargetName(target);
    const auto numbers = static_cast<float>(peak->operations) / 2;
    EXPECT_FLOAT_EQ(peak->run(100, 1), numbers / 2) << TargetName(target);
    EXPECT_FLOAT_EQ(peak->run(100, -1), numbers / 2) << TargetName(target);
  }
}

TEST(Peak, EachRoundIsDone) {
  for (const Target target : AvailableTargets()) {
    const PeakKernels* const peak = PeakKernelsFor(target);
    const float half = static_cast<float>(peak->operations) / 4;
    const float away = peak->run(0, 1) - half;
    EXPECT_GT(away, 0) << TargetName(target);
    EXPECT_NEAR(peak->run(3, 1) - half, away / 8, away * 1e-5F) << TargetName(target);
  }
}

}  // namespace
}  // namespace anchorhold::simd
