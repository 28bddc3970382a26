// The fast convolutions against the naive ones in double precision, on every target of the machine.
#include "trusted/simd/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "trusted/kernels/convolution.h"
#include "trusted/simd/target.h"
#include "trusted/simd/winograd_reference.h"

namespace anchorhold::simd {
namespace {

using kernels::ConvolutionShape;
using kernels::WindowAxis;

constexpr float kCanary = 12345.5F;
// Roundings of winograd_transform-inl.h's transforms that a result goes through, at most.
constexpr std::size_t kTransforms = 12;

// Floats between canaries, at an address that is no multiple of a vector's.
class Guarded {
 public:
  Guarded(std::size_t n, float value) : n_(n), storage_(n + 2 * kMargin, kCanary) {
    std::fill_n(data(), n, value);
  }
  float* data() { return storage_.data() + kMargin; }
  const float* data() const { return storage_.data() + kMargin; }
  std::size_t size() const { return n_; }
  void Fill(std::mt19937& generator) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::size_t i = 0; i < n_; ++i) data()[i] = uniform(generator);
  }
  bool Intact() const {
    for (std::size_t i = 0; i < kMargin; ++i) {
      if (storage_[i] != kCanary || storage_[kMargin + n_ + i] != kCanary) return false;
    }
    return true;
  }
  std::vector<double> Doubles() const { return {data(), data() + n_}; }

 private:
  static constexpr std::size_t kMargin = 67;
  std::size_t n_;
  std::vector<float> storage_;
};

WindowAxis Axis(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                std::int64_t pad, std::int64_t pad_end) {
  WindowAxis a;
  a.in = in;
  a.kernel = kernel;
  a.stride = stride;
  a.dilation = dilation;
  a.pad = pad;
  a.pad_end = pad_end;
  a.out = (in + pad + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
  return a;
}

ConvolutionShape Square(std::size_t batch, std::size_t groups, std::size_t in, std::size_t out,
                        std::int64_t size, std::int64_t kernel, std::int64_t stride,
                        std::int64_t pad) {
  ConvolutionShape s;
  s.batch = batch;
  s.groups = groups;
  s.in_channels = in;
  s.out_channels = out;
  s.windows.axes = 2;
  s.windows.axis[0] = s.windows.axis[1] = Axis(size, kernel, stride, 1, pad, pad);
  return s;
}

std::string Describe(const ConvolutionShape& s) {
  std::string text = std::to_string(s.batch) + " x " + std::to_string(s.groups) + " groups " +
                     std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels);
  for (std::size_t i = 0; i < s.windows.axes; ++i) {
    const WindowAxis& a = s.windows.axis[i];
    text += " [in " + std::to_string(a.in) + " out " + std::to_string(a.out) + " k " +
            std::to_string(a.kernel) + " s " + std::to_string(a.stride) + " d " +
            std::to_string(a.dilation) + " p " + std::to_string(a.pad) + "]";
  }
  return text;
}

struct Sizes {
  explicit Sizes(const ConvolutionShape& s)
      : x(s.groups * s.in_channels * s.windows.inputs()),
        y(s.groups * s.out_channels * s.windows.outputs()),
        w(s.groups * s.out_channels * s.in_channels * s.windows.taps()) {}
  std::size_t x;  // of an example
  std::size_t y;
  std::size_t w;
};

std::vector<double> Magnitudes(std::vector<double> v) {
  for (double& value : v) value = std::fabs(value);
  return v;
}

// |got - want| within the bound of a chain of `terms` roundings, given the sums of magnitudes.
void ExpectClose(const float* got, const std::vector<double>& want,
                 const std::vector<double>& magnitude, std::size_t terms) {
  const double unit = static_cast<double>(terms + 2) * 0x1p-23;
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_LE(std::fabs(static_cast<double>(got[i]) - want[i]), unit * magnitude[i] + 1e-30)
        << "element " << i << ": " << got[i] << " for " << want[i];
  }
}

class ConvolutionTest : public ::testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    kernels_ = ConvolutionKernelsFor(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "the scalar target has no fast kernels";
  }

  void CheckForward(const ConvolutionShape& s, const Guarded& x, const Guarded& w,
                    Guarded& scratch) {
    const Sizes n(s);
    Guarded y(s.batch * n.y, NAN);
    kernels_->forward(s, x.data(), {w.data()}, {}, y.data(), scratch.data());
    std::vector<double> want(y.size());
    std::vector<double> magnitude(y.size());
    kernels::Convolution(s, x.Doubles().data(), w.Doubles().data(), want.data());
    kernels::Convolution(s, Magnitudes(x.Doubles()).data(), Magnitudes(w.Doubles()).data(),
                         magnitude.data());
    std::size_t terms = s.in_channels * s.windows.taps();
    if (kernels_->minimal(s, ConvolutionMap::kForward)) {
      magnitude = WinogradBounds(s).Forward(x.Doubles(), w.Doubles());
      terms = s.in_channels + kTransforms;
    }
    ExpectClose(y.data(), want, magnitude, terms);
    EXPECT_TRUE(y.Intact() && scratch.Intact());
    CheckPacked(s, ConvolutionMap::kForward, w, y, [&](const Filter& filter, float* to) {
      kernels_->forward(s, x.data(), filter, {}, to, scratch.data());
    });

    Guarded bias(s.groups * s.out_channels, 0);
    bias.Fill(generator_);
    Epilogue epilogue;
    epilogue.row_bias = bias.data();
    epilogue.clip = true;
    epilogue.low = 0;
    epilogue.high = 1.5F;
    Guarded finished(y.size(), NAN);
    kernels_->forward(s, x.data(), {w.data()}, epilogue, finished.data(), scratch.data());
    const std::size_t plane = s.windows.outputs();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const float sum = y.data()[i] + bias.data()[i / plane % bias.size()];
      ASSERT_EQ(finished.data()[i], std::clamp(sum, 0.0F, 1.5F)) << i;
    }
    EXPECT_TRUE(finished.Intact() && scratch.Intact());
  }

  // Packed weights give the same bits. `run(filter, result)` is one of the maps.
  template <class Run>
  void CheckPacked(const ConvolutionShape& s, ConvolutionMap map, const Guarded& w,
                   const Guarded& want, Run run) {
    const std::size_t floats = kernels_->packed(s, map);
    if (floats == 0) return;
    Guarded packed(floats, NAN);
    kernels_->pack(s, map, w.data(), packed.data());
    EXPECT_TRUE(packed.Intact());
    Guarded result(want.size(), NAN);
    run(Filter{packed.data(), true}, result.data());
    EXPECT_TRUE(packed.Intact() && result.Intact());
    EXPECT_EQ(std::memcmp(result.data(), want.data(), want.size() * sizeof(float)), 0);
  }

  void CheckInput(const ConvolutionShape& s, const Guarded& y, const Guarded& w, Guarded& scratch) {
    const Sizes n(s);
    Guarded x(s.batch * n.x, NAN);
    kernels_->input(s, y.data(), {w.data()}, x.data(), scratch.data());
    std::vector<double> want(x.size());
    std::vector<double> magnitude(x.size());
    kernels::ConvolutionInput(s, y.Doubles().data(), w.Doubles().data(), want.data());
    kernels::ConvolutionInput(s, Magnitudes(y.Doubles()).data(), Magnitudes(w.Doubles()).data(),
                              magnitude.data());
    std::size_t terms = s.out_channels * s.windows.taps();
    if (kernels_->minimal(s, ConvolutionMap::kInput)) {
      magnitude = WinogradBounds(s).Input(y.Doubles(), w.Doubles());
      terms = s.out_channels + kTransforms;
    }
    ExpectClose(x.data(), want, magnitude, terms);
    EXPECT_TRUE(x.Intact() && scratch.Intact());
    CheckPacked(s, ConvolutionMap::kInput, w, x, [&](const Filter& filter, float* to) {
      kernels_->input(s, y.data(), filter, to, scratch.data());
    });
  }

  void CheckWeight(const ConvolutionShape& s, const Guarded& x, const Guarded& y,
                   Guarded& scratch) {
    const Sizes n(s);
    const std::size_t stride = n.w + 5;
    Guarded w((s.batch - 1) * stride + n.w, kCanary);
    std::vector<double> squares(s.batch + 1, -1.0);
    kernels_->weight(s, x.data(), y.data(), stride, w.data(), squares.data(), scratch.data());
    Guarded without(w.size(), kCanary);
    kernels_->weight(s, x.data(), y.data(), stride, without.data(), nullptr, scratch.data());
    EXPECT_EQ(std::memcmp(without.data(), w.data(), w.size() * sizeof(float)), 0);
    EXPECT_EQ(squares.back(), -1.0);
    ConvolutionShape one = s;
    one.batch = 1;
    const std::vector<double> all_x = x.Doubles();
    const std::vector<double> all_y = y.Doubles();
    const std::vector<double> size_x = Magnitudes(all_x);
    const std::vector<double> size_y = Magnitudes(all_y);
    std::vector<double> want(n.w);
    std::vector<double> magnitude(n.w);
    for (std::size_t e = 0; e < s.batch; ++e) {
      kernels::ConvolutionWeight(one, &all_x[e * n.x], &all_y[e * n.y], want.data());
      kernels::ConvolutionWeight(one, &size_x[e * n.x], &size_y[e * n.y], magnitude.data());
      std::size_t terms = s.windows.outputs();
      if (kernels_->minimal(s, ConvolutionMap::kWeight)) {
        magnitude = WinogradBounds(one).Weight({&size_x[e * n.x], &size_x[e * n.x] + n.x},
                                               {&size_y[e * n.y], &size_y[e * n.y] + n.y});
        terms = (terms + 3) / 4 + 2 * kTransforms;  // half a row and column may be no outputs
      }
      ExpectClose(w.data() + e * stride, want, magnitude, terms);
      double sum = 0;
      for (std::size_t i = 0; i < n.w; ++i) {
        const double value = w.data()[e * stride + i];
        sum += value * value;
      }
      EXPECT_NEAR(squares[e], sum, sum * 0x1p-19);
      if (e + 1 < s.batch) {
        for (std::size_t i = n.w; i < stride; ++i) {
          ASSERT_EQ(w.data()[e * stride + i], kCanary) << "between examples";
        }
      }
    }
    EXPECT_TRUE(w.Intact() && scratch.Intact());
  }

  void Check(const ConvolutionShape& s) {
    SCOPED_TRACE(Describe(s));
    ASSERT_TRUE(kernels_->serves(s));
    const Sizes n(s);
    Guarded x(s.batch * n.x, 0);
    Guarded y(s.batch * n.y, 0);
    Guarded w(n.w, 0);
    x.Fill(generator_);
    y.Fill(generator_);
    w.Fill(generator_);
    // Whatever the scratch memory holds beforehand.
    Guarded scratch(kernels_->scratch(s), NAN);
    CheckForward(s, x, w, scratch);
    CheckInput(s, y, w, scratch);
    CheckWeight(s, x, y, scratch);
    EXPECT_TRUE(x.Intact() && y.Intact() && w.Intact());
  }

  // Example `place` of a group of `batch` gives the bits that it gives alone.
  void CheckPlaces(ConvolutionShape s, std::size_t batch) {
    SCOPED_TRACE(Describe(s));
    const Sizes n(s);
    s.batch = batch;
    Guarded x(batch * n.x, 0);
    Guarded y(batch * n.y, 0);
    Guarded w(n.w, 0);
    x.Fill(generator_);
    y.Fill(generator_);
    w.Fill(generator_);
    Guarded scratch(kernels_->scratch(s), NAN);
    Guarded out(batch * n.y, 0);
    Guarded in(batch * n.x, 0);
    Guarded dw(batch * n.w, 0);
    kernels_->forward(s, x.data(), {w.data()}, {}, out.data(), scratch.data());
    kernels_->input(s, y.data(), {w.data()}, in.data(), scratch.data());
    kernels_->weight(s, x.data(), y.data(), n.w, dw.data(), nullptr, scratch.data());
    s.batch = 1;
    std::vector<float> other(kernels_->scratch(s) + 3, 7.0F);
    for (std::size_t e = 0; e < batch; ++e) {
      std::vector<float> result(std::max({n.x, n.y, n.w}));
      const auto same = [&](const Guarded& group, std::size_t size) {
        return std::memcmp(group.data() + e * size, result.data(), size * sizeof(float)) == 0;
      };
      float* const memory = other.data() + e % 4;
      kernels_->forward(s, x.data() + e * n.x, {w.data()}, {}, result.data(), memory);
      EXPECT_TRUE(same(out, n.y)) << "forward " << e;
      kernels_->input(s, y.data() + e * n.y, {w.data()}, result.data(), memory);
      EXPECT_TRUE(same(in, n.x)) << "input " << e;
      kernels_->weight(s, x.data() + e * n.x, y.data() + e * n.y, n.w, result.data(), nullptr,
                       memory);
      EXPECT_TRUE(same(dw, n.w)) << "weight " << e;
    }
  }

  const ConvolutionKernels* kernels_ = nullptr;
  std::mt19937 generator_{1234};
};

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

TEST_P(ConvolutionTest, MinimalFiltering) {
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
TEST_P(ConvolutionTest, MinimalFilteringIsAsPreciseOnOrdinaryData) {
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
    kernels_->forward(s, x.data(), {w.data()}, {}, y.data(), scratch.data());
    std::vector<float> direct(y.size());
    std::vector<double> want(y.size());
    kernels::Convolution(s, x.data(), w.data(), direct.data());
    kernels::Convolution(s, x.Doubles().data(), w.Doubles().data(), want.data());
    EXPECT_LT(RootMeanSquare(y.data(), want), 1.2 * RootMeanSquare(direct.data(), want));
  }
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
        Square(3, 20, 1, 1, 4, 3, 1, 1), Square(3, 20, 1, 1, 9, 3, 1, 1)}) {
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
    Guarded dw(3 * n.w, 0);
    const Guarded g(3 * n.y, 1);
    double squares[3];
    kernels_->weight(s, x.data(), g.data(), n.w, dw.data(), squares, scratch.data());
    for (std::size_t i = 0; i < 3 * n.y; ++i) {
      EXPECT_EQ(std::isnan(y.data()[i]), i / n.y == 1) << i;
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
  s = Square(1, 1, 1024, 1024, 32, 1, 1, 0);
  EXPECT_TRUE(kernels_->serves(s));
}

INSTANTIATE_TEST_SUITE_P(Targets, ConvolutionTest, ::testing::ValuesIn(AvailableTargets()),
                         [](const auto& param_info) { return TargetName(param_info.param); });

}  // namespace
}  // namespace anchorhold::simd
