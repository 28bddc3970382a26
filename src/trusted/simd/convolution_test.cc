// The fast convolutions against the naive ones in double precision, on every target of the machine.
#include "trusted/simd/convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "trusted/simd/convolution_for_test.h"

namespace anchorhold::simd {
namespace {

TEST_P(ConvolutionTest, DenseShapesOfNetworks) {
  Check(Square(2, 1, 16, 16, 32, 3, 1, 1));
  Check(Square(2, 1, 16, 32, 32, 3, 2, 1));
  Check(Square(3, 1, 32, 64, 16, 3, 2, 1));
  Check(Square(5, 1, 64, 64, 8, 3, 1, 1));
  Check(Square(2, 1, 3, 32, 32, 3, 1, 1));
  Check(Square(2, 1, 3, 16, 32, 3, 2, 1));
  Check(Square(1, 1, 64, 128, 16, 3, 1, 1));
  Check(Square(3, 1, 1, 16, 28, 8, 2, 3));
  Check(Square(3, 1, 16, 32, 13, 4, 2, 0));
  Check(Square(2, 1, 32, 64, 32, 1, 1, 0));
  Check(Square(9, 1, 160, 80, 2, 1, 1, 0));
  Check(Square(9, 1, 144, 144, 4, 3, 1, 1));
  Check(Square(3, 1, 64, 128, 16, 1, 2, 0));
  Check(Square(2, 1, 3, 8, 56, 3, 2, 1));
}

TEST_P(ConvolutionTest, DepthwiseShapesOfNetworks) {
  for (const std::int64_t size : {32, 16, 8, 4, 2}) {
    Check(Square(2, 37, 1, 1, size, 3, 1, 1));
    Check(Square(2, 37, 1, 1, size, 3, 2, 1));
  }
  for (const std::int64_t size : {56, 28, 14, 7}) {
    Check(Square(1, 19, 1, 1, size, 3, 1, 1));
    Check(Square(1, 19, 1, 1, size, 5, 1, 2));
    Check(Square(1, 19, 1, 1, size, 5, 2, 2));
  }
}

// Enough of them to be held in the lanes, which some of the last may leave empty.
TEST_P(ConvolutionTest, ManyExamplesOfSmallImages) {
  for (const std::size_t batch : {8, 16, 29}) {
    Check(Square(batch, 1, 1, 16, 28, 8, 2, 3));
    Check(Square(batch, 1, 16, 32, 13, 4, 2, 0));
    Check(Square(batch, 1, 21, 13, 7, 3, 1, 1));
    Check(Square(batch, 2, 3, 5, 9, 3, 3, 2));
    Check(Square(batch, 1, 70, 9, 4, 2, 2, 0));
  }
}

TEST_P(ConvolutionTest, RandomShapes) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(generator_);
  };
  for (int round = 0; round < 30; ++round) {
    ConvolutionShape s;
    s.batch = static_cast<std::size_t>(pick(1, 4));
    s.groups = static_cast<std::size_t>(pick(1, 2));
    s.in_channels = static_cast<std::size_t>(pick(16, 50));
    s.out_channels = static_cast<std::size_t>(pick(16, 50));
    s.windows.axes = 2;
    for (std::size_t a = 0; a < 2; ++a) {
      s.windows.axis[a] = Axis(pick(3, 24), 3, 1, 1, pick(0, 3), pick(0, 3));
    }
    Check(s);
    if (HasFatalFailure()) return;
  }
  for (int round = 0; round < 400; ++round) {
    ConvolutionShape s;
    s.batch = static_cast<std::size_t>(round % 8 == 0 ? pick(7, 33) : pick(1, 6));
    const bool depthwise = pick(0, 2) == 0;
    s.groups = static_cast<std::size_t>(depthwise ? pick(1, 40) : pick(1, 3));
    s.in_channels = static_cast<std::size_t>(depthwise ? 1 : pick(1, 20));
    s.out_channels = static_cast<std::size_t>(depthwise ? 1 : pick(1, 20));
    s.windows.axes = static_cast<std::size_t>(pick(1, 2));
    for (std::size_t a = 0; a < s.windows.axes; ++a) {
      const std::int64_t kernel = pick(1, 6);
      const std::int64_t dilation = pick(0, 2) == 0 ? pick(1, 3) : 1;
      const std::int64_t extent = (kernel - 1) * dilation + 1;
      const std::int64_t pad = pick(0, 4);
      const std::int64_t in = std::max<std::int64_t>(1, extent - pad) + pick(0, 20);
      s.windows.axis[a] = Axis(in, kernel, pick(1, 4), dilation, pad, pick(0, 4));
    }
    Check(s);
    if (HasFatalFailure()) return;
  }
}

// Windows of one position: panels of a matrix unit's sums that end within an example, within a tile
// and with one, blocks of several panels, and sums that are not whole steps.
TEST_P(ConvolutionTest, PointsOfAnyNumber) {
  for (const std::int64_t size : {2, 3, 5, 6, 7, 9}) {
    for (const std::size_t batch : {1, 2, 7}) Check(Square(batch, 1, 40, 70, size, 1, 1, 0));
  }
  for (const std::size_t channels : {24, 33, 64, 100}) {
    for (const std::size_t outputs : {24, 48, 65, 128}) {
      Check(Square(3, 1, channels, outputs, 8, 1, 1, 0));
    }
  }
  Check(Square(9, 1, 512, 544, 4, 1, 1, 0));
  Check(Square(2, 1, 1100, 65, 4, 1, 1, 0));
  ConvolutionShape line = Square(2, 1, 64, 48, 1, 1, 1, 0);
  line.windows.axes = 1;
  line.windows.axis[0] = Axis(75, 1, 1, 1, 0, 0);
  Check(line);
}

TEST_P(ConvolutionTest, LongAndTallOnes) {
  ConvolutionShape s;
  s.batch = 2;
  s.in_channels = 5;
  s.out_channels = 7;
  s.windows.axes = 1;
  s.windows.axis[0] = Axis(3001, 25, 1, 2, 3, 0);
  Check(s);
  s.windows.axes = 2;
  s.windows.axis[0] = Axis(1100, 3, 1, 1, 1, 1);
  s.windows.axis[1] = Axis(1, 1, 1, 1, 0, 0);
  Check(s);
  // Windows of padding alone, and kernels larger than the image.
  s.windows.axis[0] = Axis(2, 3, 1, 1, 5, 5);
  s.windows.axis[1] = Axis(3, 11, 1, 1, 5, 5);
  Check(s);
}

TEST_P(ConvolutionTest, AnExampleGivesTheSameBitsInAnyGroup) {
  CheckPlaces(Square(1, 1, 24, 40, 8, 3, 1, 1), 13);
  CheckPlaces(Square(1, 1, 40, 24, 4, 3, 1, 1), 61);
  CheckPlaces(Square(1, 1, 24, 17, 7, 3, 2, 1), 11);
  CheckPlaces(Square(1, 1, 130, 20, 2, 1, 1, 0), 150);
  CheckPlaces(Square(1, 1, 512, 512, 4, 1, 1, 0), 20);
  CheckPlaces(Square(1, 1, 64, 96, 7, 1, 1, 0), 9);
  CheckPlaces(Square(1, 1, 48, 48, 2, 1, 1, 0), 21);
  CheckPlaces(Square(1, 1, 16, 16, 32, 3, 1, 1), 3);
  CheckPlaces(Square(1, 1, 40, 56, 13, 3, 1, 1), 7);
  CheckPlaces(Square(1, 2, 6, 10, 5, 3, 1, 1), 9);
  CheckPlaces(Square(1, 1, 1, 16, 28, 8, 2, 3), 15);
  CheckPlaces(Square(1, 1, 16, 32, 13, 4, 2, 0), 31);
  CheckPlaces(Square(1, 2, 6, 10, 5, 3, 1, 1), 16);
  CheckPlaces(Square(1, 1, 70, 9, 7, 3, 2, 1), 16);
  CheckPlaces(Square(1, 21, 1, 1, 4, 3, 1, 1), 5);
  CheckPlaces(Square(1, 21, 1, 1, 16, 3, 2, 1), 5);
}

TEST_P(ConvolutionTest, NotANumberStaysInItsExample) {
  for (const ConvolutionShape& s :
       {Square(3, 1, 8, 12, 4, 3, 1, 1), Square(3, 1, 32, 32, 12, 3, 1, 1),
        Square(3, 20, 1, 1, 4, 3, 1, 1), Square(3, 20, 1, 1, 9, 3, 1, 1),
        Square(3, 1, 64, 96, 3, 1, 1, 0)}) {
    SCOPED_TRACE(Describe(s));
    const Sizes n(s);
    Guarded x(3 * n.x, 0.5F);
    std::fill_n(x.data() + n.x, n.x, NAN);
    Guarded w(n.w, 0.25F);
    Guarded scratch(kernels_->scratch(s), 0);
    Guarded y(3 * n.y, 0);
    Epilogue relu;
    relu.clip = true;
    relu.high = INFINITY;
    kernels_->forward(s, x.data(), {w.data()}, relu, y.data(), scratch.data());
    const bool packs = kernels_->packed(s, ConvolutionMap::kForward) != 0;
    Guarded y_packed(3 * n.y, 0);
    if (packs) {
      const Guarded packed = Packed(s, ConvolutionMap::kForward, w);
      kernels_->forward(s, x.data(), {packed.data(), true}, relu, y_packed.data(), scratch.data());
    }
    Guarded dw(3 * n.w, 0);
    const Guarded g(3 * n.y, 1);
    double squares[3];
    kernels_->weight(s, x.data(), g.data(), {dw.data(), n.w}, squares, scratch.data());
    for (std::size_t i = 0; i < 3 * n.y; ++i) {
      EXPECT_EQ(std::isnan(y.data()[i]), i / n.y == 1) << i;
      EXPECT_EQ(std::isnan(y_packed.data()[i]), packs && i / n.y == 1) << i;
    }
    for (std::size_t i = 0; i < 3 * n.w; ++i) {
      EXPECT_EQ(std::isnan(dw.data()[i]), i / n.w == 1) << i;
    }
    for (std::size_t e = 0; e < 3; ++e) EXPECT_EQ(std::isfinite(squares[e]), e != 1) << e;
  }
}

TEST_P(ConvolutionTest, RefusesWhatItDoesNotServe) {
  ConvolutionShape s = Square(1, 1, 2, 2, 4, 3, 1, 1);
  s.windows.axes = 3;
  s.windows.axis[2] = s.windows.axis[0];
  EXPECT_FALSE(kernels_->serves(s));
  s = Square(1, 1, 1 << 16, 1 << 16, 4, 3, 1, 1);
  EXPECT_FALSE(kernels_->serves(s));
  s = Square(1, 1, 2, 2, 40, 1, 40, 0);  // more phases than any network has
  EXPECT_FALSE(kernels_->serves(s));
  s = Square(1, 1, 2, 2, 1, 1, 1 << 12, 0);  // one, whatever the stride
  EXPECT_TRUE(kernels_->serves(s));
  Check(s);
  s = Square(1, 1, 1024, 1024, 32, 1, 1, 0);
  EXPECT_TRUE(kernels_->serves(s));
}

INSTANTIATE_TEST_SUITE_P(Targets, ConvolutionTest, ::testing::ValuesIn(AvailableTargets()),
                         [](const auto& param_info) { return TargetName(param_info.param); });

}  // namespace
}  // namespace anchorhold::simd
