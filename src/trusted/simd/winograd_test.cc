// Convolutions by minimal filtering: which they are, and how near they come.
#include <gtest/gtest.h>

#include <cmath>

#include "trusted/simd/convolution_for_test.h"

namespace anchorhold::simd {
namespace {

using WinogradTest = ConvolutionTest;

TEST_P(WinogradTest, MinimalFiltering) {
  const auto check = [&](const ConvolutionShape& s, bool weight) {
    for (const ConvolutionMap map : {ConvolutionMap::kForward, ConvolutionMap::kInput}) {
      EXPECT_TRUE(kernels_->minimal(s, map)) << Describe(s);
    }
    EXPECT_TRUE(!weight || kernels_->minimal(s, ConvolutionMap::kWeight)) << Describe(s);
    Check(s);
  };
  // Odd and even sizes, every padding that there is, groups, channels beside whole vectors.
  check(Square(3, 1, 33, 50, 7, 3, 1, 1), false);
  check(Square(2, 1, 31, 49, 13, 3, 1, 1), true);
  check(Square(2, 1, 48, 32, 16, 3, 1, 0), true);
  check(Square(2, 1, 32, 63, 15, 3, 1, 2), true);
  check(Square(2, 2, 40, 36, 14, 3, 1, 1), true);
  check(Square(1, 1, 16, 17, 70, 3, 1, 1), false);
  ConvolutionShape s = Square(2, 1, 40, 41, 9, 3, 1, 1);
  s.windows.axis[0] = Axis(23, 3, 1, 1, 2, 1);
  s.windows.axis[1] = Axis(37, 3, 1, 1, 0, 2);
  check(s, true);
  // Few channels or places, wide padding, strides: other ways.
  for (const ConvolutionShape& other :
       {Square(2, 1, 15, 16, 8, 3, 1, 1), Square(2, 1, 16, 15, 8, 3, 1, 1),
        Square(2, 1, 16, 16, 3, 3, 1, 1), Square(2, 1, 16, 16, 8, 3, 2, 1),
        Square(2, 1, 16, 16, 8, 3, 1, 3)}) {
    SCOPED_TRACE(Describe(other));
    EXPECT_FALSE(kernels_->minimal(other, ConvolutionMap::kForward) &&
                 kernels_->minimal(other, ConvolutionMap::kInput));
    Check(other);
  }
}

double RootMeanSquare(const float* got, const std::vector<double>& want) {
  double sum = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = static_cast<double>(got[i]) - want[i];
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(want.size()));
}

// On data without outliers, minimal filtering is no worse than a direct sum in floats.
TEST_P(WinogradTest, ARowOfTilesFitsIntoScratchMemory) {
  ConvolutionShape s = Square(1, 1, 16, 16, 8, 3, 1, 1);
  s.windows.axis[1] = Axis(1 << 20, 3, 1, 1, 1, 1);
  EXPECT_FALSE(kernels_->minimal(s, ConvolutionMap::kForward));
  EXPECT_LT(kernels_->scratch(s), std::size_t{1} << 24);
}

TEST_P(WinogradTest, MinimalFilteringIsAsPreciseOnOrdinaryData) {
  for (const std::size_t channels : {16, 64}) {
    const ConvolutionShape s = Square(2, 1, channels, 32, 14, 3, 1, 1);
    ASSERT_TRUE(kernels_->minimal(s, ConvolutionMap::kForward));
    const Sizes n(s);
    Guarded x(s.batch * n.x, 0);
    Guarded w(n.w, 0);
    x.Fill(generator_);
    w.Fill(generator_);
    Guarded scratch(kernels_->scratch(s), NAN);
    Guarded y(s.batch * n.y, NAN);
    const Guarded packed = Packed(s, ConvolutionMap::kForward, w);
    kernels_->forward(s, x.data(), {packed.data(), true}, {}, y.data(), scratch.data());
    std::vector<float> direct(y.size());
    std::vector<double> want(y.size());
    kernels::Convolution(s, x.data(), w.data(), direct.data());
    kernels::Convolution(s, x.Doubles().data(), w.Doubles().data(), want.data());
    EXPECT_LT(RootMeanSquare(y.data(), want), 1.2 * RootMeanSquare(direct.data(), want));
  }
}

// Not further than into its example, whose outputs it may all reach.
TEST_P(WinogradTest, NotANumberStaysInItsExample) {
  const ConvolutionShape s = Square(3, 1, 32, 32, 12, 3, 1, 1);
  const Sizes n(s);
  Guarded x(3 * n.x, 0.5F);
  x.data()[n.x + 5 * 144 + 6 * 12 + 6] = NAN;  // channel 5, row 6, column 6
  const Guarded w = Packed(s, ConvolutionMap::kForward, Guarded(n.w, 0.25F));
  Guarded scratch(kernels_->scratch(s), NAN);
  Guarded y(3 * n.y, 0);
  Epilogue relu;
  relu.clip = true;
  relu.high = INFINITY;
  kernels_->forward(s, x.data(), {w.data(), true}, relu, y.data(), scratch.data());
  std::size_t found = 0;
  for (std::size_t i = 0; i < 3 * n.y; ++i) {
    if (!std::isnan(y.data()[i])) continue;
    EXPECT_EQ(i / n.y, 1U);
    ++found;
  }
  // What meets it in its window, at least.
  EXPECT_GE(found, 9 * s.out_channels);
}

INSTANTIATE_TEST_SUITE_P(Targets, WinogradTest, ::testing::ValuesIn(AvailableTargets()),
                         [](const auto& param_info) { return TargetName(param_info.param); });

}  // namespace
}  // namespace anchorhold::simd
