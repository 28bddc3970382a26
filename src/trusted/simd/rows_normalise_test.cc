// Normalisations against the naive kernels in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "trusted/simd/rows_for_test.h"

namespace anchorhold::simd {
namespace {

using kernels::NormaliseMode;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<NormaliseAffineShape> Shapes() {
  std::vector<NormaliseAffineShape> shapes;
  const auto add = [&](std::size_t outer, std::size_t groups, std::size_t channels,
                       std::size_t inner) {
    NormaliseAffineShape shape;
    shape.outer = outer;
    shape.groups = groups;
    shape.channels = channels;
    shape.inner = inner;
    shape.eps = 1e-5F;
    shapes.push_back(shape);
  };
  for (const std::size_t channels : {1u, 2u, 3u, 8u, 15u, 16u, 17u, 67u}) {
    for (const std::size_t inner : {1u, 2u, 3u, 4u, 7u, 8u, 9u, 15u, 16u, 17u, 49u, 64u, 131u}) {
      add(2, 3, channels, inner);
    }
  }
  add(6, 1, 768, 1);
  add(3, 8, 2, 1024);
  add(2, 1, 3, 5000);
  return shapes;
}

std::string Describe(const NormaliseAffineShape& s) {
  return std::to_string(s.outer) + "x" + std::to_string(s.groups) + "x" +
         std::to_string(s.channels) + "x" + std::to_string(s.inner) + " mode " +
         std::to_string(static_cast<int>(s.mode)) + " clip " + std::to_string(s.clip) + " silu " +
         std::to_string(s.silu);
}

struct Case {
  explicit Case(const NormaliseAffineShape& s)
      : shape(s),
        n(s.channels * s.inner),
        rows(s.outer * s.groups),
        width(s.groups * s.channels),
        x(rows * n, 1),
        g(rows * n, 2),
        scale(width, 3),
        shift(width, 4) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += 1;  // a mean of its own
  }
  std::size_t Channel(std::size_t i) const { return i / shape.inner % width; }

  NormaliseAffineShape shape;
  std::size_t n;
  std::size_t rows;
  std::size_t width;
  Numbers x;
  Numbers g;
  Numbers scale;
  Numbers shift;
};

NormaliseGradInputs GradInputs(const Case& c, const float* stats, const float* scale,
                               const float* shift, const float* g) {
  return {c.x.data(), stats, scale, shift, g};
}

double SiluOf(double z) { return z / (1 + std::exp(-z)); }
double SiluSlopeOf(double z) {
  const double s = 1 / (1 + std::exp(-z));
  return s * (1 + z * (1 - s));
}

std::vector<double> NormalExpected(const Case& c) {
  std::vector<double> normal(c.x.size());
  const std::vector<double> x = c.x.Doubles();
  kernels::Normalise<double>(c.shape.mode, {c.rows, c.n}, double{c.shape.eps}, x.data(),
                             normal.data());
  return normal;
}

class RowsNormaliseTest : public RowsTest {
 protected:
  void CheckForward(const Case& c, bool affine) {
    const float* scale = affine ? c.scale.data() : nullptr;
    const float* shift = affine ? c.shift.data() : nullptr;
    std::vector<double> expected = NormalExpected(c);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (affine) {
        expected[i] = expected[i] * double{c.scale[c.Channel(i)]} + double{c.shift[c.Channel(i)]};
      }
      if (c.shape.silu) expected[i] = SiluOf(expected[i]);
      if (c.shape.clip) expected[i] = std::clamp<double>(expected[i], c.shape.low, c.shape.high);
    }
    Results y(c.x.size());
    Results stats(2 * c.rows);
    kernels().normalise(c.shape, c.x.data(), scale, shift, y.data(), stats.data());
    EXPECT_TRUE(Near(y.data(), expected.data(), y.size(), 2e-5));
    EXPECT_TRUE(y.Intact() && stats.Intact());
  }

  void CheckGrad(const Case& c, bool affine) {
    Results y(c.x.size());
    Results stats(2 * c.rows);
    const float* scale = affine ? c.scale.data() : nullptr;
    const float* shift = affine ? c.shift.data() : nullptr;
    kernels().normalise(c.shape, c.x.data(), scale, shift, y.data(), stats.data());

    const std::vector<double> normal = NormalExpected(c);
    const std::size_t sums = c.shape.outer / c.shape.positions * c.width;
    std::vector<double> slope(c.x.size());
    std::vector<double> dscale_expected(sums);
    std::vector<double> dshift_expected(sums);
    for (std::size_t i = 0; i < slope.size(); ++i) {
      double g = c.g[i];
      const double z =
          affine ? normal[i] * c.scale[c.Channel(i)] + c.shift[c.Channel(i)] : normal[i];
      if (c.shape.silu) g *= SiluSlopeOf(z);
      slope[i] = affine ? g * double{c.scale[c.Channel(i)]} : g;
      const std::size_t example = i / (c.width * c.shape.inner * c.shape.positions);
      dscale_expected[example * c.width + c.Channel(i)] += g * normal[i];
      dshift_expected[example * c.width + c.Channel(i)] += g;
    }
    std::vector<double> expected(c.x.size());
    const std::vector<double> x = c.x.Doubles();
    kernels::NormaliseGrad<double>(c.shape.mode, {c.rows, c.n}, double{c.shape.eps}, x.data(),
                                   slope.data(), expected.data());

    Results dx(c.x.size());
    Results dscale(sums);
    Results dshift(sums);
    kernels().normalise_grad(c.shape, GradInputs(c, stats.data(), scale, shift, c.g.data()),
                             dx.data(), dscale.data(), dshift.data());
    // Rows of one or two numbers have divisors as small as sqrt(eps).
    double factor = 1;
    for (std::size_t r = 0; r < c.rows; ++r) factor = std::max<double>(factor, stats[2 * r + 1]);
    const double inner = std::sqrt(static_cast<double>(c.shape.inner * c.shape.positions));
    EXPECT_TRUE(Near(dx.data(), expected.data(), dx.size(), 2e-5 * factor));
    EXPECT_TRUE(Near(dscale.data(), dscale_expected.data(), sums, 2e-5 * inner));
    EXPECT_TRUE(Near(dshift.data(), dshift_expected.data(), sums, 2e-5 * inner));
    EXPECT_TRUE(dx.Intact() && dscale.Intact() && dshift.Intact());

    Numbers in_place(c.g.data(), c.g.size());  // dx = g, nothing else wanted: the same bits
    kernels().normalise_grad(c.shape, GradInputs(c, stats.data(), scale, shift, in_place.data()),
                             in_place.data(), nullptr, nullptr);
    EXPECT_TRUE(SameBits(in_place.data(), dx.data(), dx.size()));
  }

  // Of a normalisation that clips: the same bits as for a gradient that is zero where it clipped.
  // With `shifted`, the last channel's y is no number, and counts as clipped.
  void CheckClippedGrad(Case c, bool shifted, float low, float high) {
    c.shape.clip = true;
    c.shape.low = low;
    c.shape.high = high;
    Results y(c.x.size());
    Results stats(2 * c.rows);
    if (shifted) c.shift[c.width - 1] = NAN;
    const float* shift = shifted ? c.shift.data() : nullptr;
    kernels().normalise(c.shape, c.x.data(), c.scale.data(), shift, y.data(), stats.data());
    Numbers zeroed(c.g.data(), c.g.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const bool inside = y.data()[i] > low && (high == kInfinity || y.data()[i] < high);
      if (!inside) zeroed.data()[i] = 0;
    }
    const std::size_t sums = c.shape.outer / c.shape.positions * c.width;
    const auto grad = [&](bool clip, const float* g) {
      c.shape.clip = clip;
      std::vector<float> out(c.x.size() + 2 * sums);
      kernels().normalise_grad(c.shape, GradInputs(c, stats.data(), c.scale.data(), shift, g),
                               out.data(), out.data() + c.x.size(), out.data() + c.x.size() + sums);
      return out;
    };
    const std::vector<float> got = grad(true, c.g.data());
    const std::vector<float> want = grad(false, zeroed.data());
    EXPECT_TRUE(SameBits(got.data(), want.data(), want.size()));
    c.shape.clip = true;
    Numbers in_place(c.g.data(), c.g.size());
    const NormaliseGradInputs inputs =
        GradInputs(c, stats.data(), c.scale.data(), shift, in_place.data());
    kernels().normalise_grad(c.shape, inputs, in_place.data(), nullptr, nullptr);
    EXPECT_TRUE(SameBits(in_place.data(), want.data(), c.x.size()));
  }

  // Bounds that are numbers of y: they count as clipped, so that z must be y to the last bit.
  void CheckClippedAtItsOwn(const Case& c, bool shifted) {
    Results y(c.x.size());
    Results stats(2 * c.rows);
    const float* shift = shifted ? c.shift.data() : nullptr;
    kernels().normalise(c.shape, c.x.data(), c.scale.data(), shift, y.data(), stats.data());
    for (std::size_t i = 0; i < 4; ++i) {
      const float a = y[i * 7919 % y.size()];
      const float b = y[(i * 104729 + y.size() / 2) % y.size()];
      if (a != b) CheckClippedGrad(c, shifted, std::min(a, b), std::max(a, b));
    }
  }
};

constexpr NormaliseMode kModes[] = {NormaliseMode::kMeanVariance, NormaliseMode::kRootMeanSquare,
                                    NormaliseMode::kMeanAbsolute};

TEST_P(RowsNormaliseTest, ForwardEqualsTheNaiveKernel) {
  for (NormaliseAffineShape shape : Shapes()) {
    for (const NormaliseMode mode : kModes) {
      for (const bool clip : {false, true}) {
        shape.mode = mode;
        shape.clip = clip;
        shape.low = 0;
        shape.high = shape.inner % 2 == 0 ? kInfinity : 1.5F;
        SCOPED_TRACE(Describe(shape));
        const Case c(shape);
        CheckForward(c, true);
        CheckForward(c, false);
      }
      shape.clip = false;
      shape.silu = true;
      SCOPED_TRACE(Describe(shape));
      CheckForward(Case(shape), true);
      CheckForward(Case(shape), false);
      shape.silu = false;
    }
  }
}

TEST_P(RowsNormaliseTest, GradientEqualsTheNaiveKernel) {
  for (NormaliseAffineShape shape : Shapes()) {
    for (const NormaliseMode mode : kModes) {
      shape.mode = mode;
      SCOPED_TRACE(Describe(shape));
      const Case c(shape);
      for (const bool shifted : {false, true}) {
        CheckClippedGrad(c, shifted, 0, kInfinity);
        CheckClippedGrad(c, shifted, -0.5F, 0.75F);
        CheckClippedAtItsOwn(c, shifted);
      }
      CheckGrad(c, true);
      CheckGrad(c, false);
      Case silu = c;
      silu.shape.silu = true;
      CheckGrad(silu, true);
      CheckGrad(silu, false);
      if (shape.outer % 2 == 0) {
        Case by_two = c;
        by_two.shape.positions = 2;
        CheckGrad(by_two, true);
        CheckClippedGrad(by_two, true, -0.5F, 0.75F);
        by_two.shape.silu = true;
        CheckGrad(by_two, true);
      }
    }
  }
}

TEST_P(RowsNormaliseTest, AnExampleHasTheSameBitsInAnyGroup) {
  for (NormaliseAffineShape shape : Shapes()) {
    shape.outer = 6;
    shape.positions = 2;
    shape.silu = shape.channels % 2 == 1;
    shape.clip = !shape.silu;
    shape.low = -0.5F;
    shape.high = 0.75F;
    SCOPED_TRACE(Describe(shape));
    const Case all(shape);
    NormaliseAffineShape one = shape;
    one.outer = 2;
    const std::size_t size = 2 * all.width * shape.inner;
    const auto run = [&](const NormaliseAffineShape& s, const float* x, const float* g) {
      const std::size_t n = s.outer * all.width * s.inner;
      std::vector<float> out(2 * n + 2 * s.outer * s.groups + s.outer * all.width);
      float* stats = out.data() + 2 * n;
      float* sums = stats + 2 * s.outer * s.groups;
      kernels().normalise(s, x, all.scale.data(), all.shift.data(), out.data(), stats);
      const NormaliseGradInputs inputs = {x, stats, all.scale.data(), all.shift.data(), g};
      kernels().normalise_grad(s, inputs, out.data() + n, sums, sums + s.outer / 2 * all.width);
      return out;
    };
    const std::vector<float> whole = run(shape, all.x.data(), all.g.data());
    const std::size_t total = 3 * size;
    for (std::size_t e = 0; e < 3; ++e) {
      const std::vector<float> part = run(one, all.x.data() + e * size, all.g.data() + e * size);
      EXPECT_TRUE(SameBits(part.data(), whole.data() + e * size, size));
      EXPECT_TRUE(SameBits(part.data() + size, whole.data() + total + e * size, size));
      const float* sums = whole.data() + 2 * total + 12 * shape.groups;
      const float* part_sums = part.data() + 2 * size + 4 * shape.groups;
      EXPECT_TRUE(SameBits(part_sums, sums + e * all.width, all.width));
      EXPECT_TRUE(SameBits(part_sums + all.width, sums + (3 + e) * all.width, all.width));
    }
  }
}

TEST_P(RowsNormaliseTest, RowsWithoutVariationAndNonNumbers) {
  NormaliseAffineShape shape;
  shape.outer = 4;
  shape.channels = 5;
  shape.inner = 7;
  shape.clip = true;
  shape.low = -kInfinity;
  shape.high = kInfinity;
  Numbers x(4 * 35, 1);
  for (std::size_t i = 0; i < 35; ++i) x[i] = 3;  // divisor 0
  x[35 + 11] = std::nanf("");
  x[70 + 34] = kInfinity;
  Results y(x.size());
  Results stats(8);
  kernels().normalise(shape, x.data(), nullptr, nullptr, y.data(), stats.data());
  std::vector<float> expected(x.size());
  kernels::Normalise<float>(shape.mode, {4, 35}, 0, x.data(), expected.data());
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(y[i], 0);
  for (std::size_t i = 35; i < 105; ++i) {
    EXPECT_TRUE(std::isnan(y[i]) && std::isnan(expected[i])) << i;
  }
  for (std::size_t i = 105; i < 140; ++i) EXPECT_NEAR(y[i], expected[i], 1e-5);

  Results dx(x.size());
  NormaliseGradInputs inputs;
  inputs.x = x.data();
  inputs.stats = stats.data();
  inputs.g = x.data();
  kernels().normalise_grad(shape, inputs, dx.data(), nullptr, nullptr);
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(dx[i], 0);
}

// Behind a Silu, a row that is not a number is none in its gradient either, and its neighbours are.
TEST_P(RowsNormaliseTest, SiluKeepsNonNumbersInTheirRow) {
  for (const std::size_t inner : {1u, 4u, 7u, 64u}) {
    NormaliseAffineShape shape;
    shape.outer = 3;
    shape.channels = 5;
    shape.inner = inner;
    shape.silu = true;
    Case c(shape);
    c.x[c.n + inner] = std::nanf("");
    Results y(c.x.size());
    Results stats(6);
    Results dx(c.x.size());
    Results dscale(c.width * 3);
    kernels().normalise(shape, c.x.data(), c.scale.data(), c.shift.data(), y.data(), stats.data());
    kernels().normalise_grad(
        shape, GradInputs(c, stats.data(), c.scale.data(), c.shift.data(), c.g.data()), dx.data(),
        dscale.data(), nullptr);
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      EXPECT_EQ(std::isnan(y[i]), i / c.n == 1) << i;
      EXPECT_EQ(std::isnan(dx[i]), i / c.n == 1) << i;
    }
    for (std::size_t i = 0; i < 3 * c.width; ++i)
      EXPECT_EQ(std::isnan(dscale[i]), i / c.width == 1);
  }
}

// Where the mean is large, squares of differences keep what mean(x^2) - mean(x)^2 would lose.
TEST_P(RowsNormaliseTest, ALongRowFarFromZero) {
  NormaliseAffineShape shape;
  shape.outer = 1;
  shape.channels = 100000;
  const Numbers x(100000, 5, 999, 1001);
  Results y(x.size());
  Results stats(2);
  kernels().normalise(shape, x.data(), nullptr, nullptr, y.data(), stats.data());
  std::vector<double> expected(x.size());
  const std::vector<double> wide = x.Doubles();
  kernels::Normalise<double>(shape.mode, {1, x.size()}, 0, wide.data(), expected.data());
  EXPECT_TRUE(Near(y.data(), expected.data(), y.size(), 1e-3));
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsNormaliseTest, ::testing::ValuesIn(FastTargets()),
                         NameOfTarget);

}  // namespace
}  // namespace anchorhold::simd
