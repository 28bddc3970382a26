// Softmaxes against the naive kernels in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trusted/kernels/softmax.h"
#include "trusted/simd/rows_for_test.h"

namespace anchorhold::simd {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class RowsSoftmaxTest : public RowsTest {};

std::vector<SoftmaxShape> Shapes() {
  std::vector<SoftmaxShape> shapes;
  for (const std::size_t n : {1u, 2u, 3u, 4u, 7u, 8u, 10u, 15u, 16u, 17u, 33u, 128u, 1000u}) {
    for (const std::size_t inner : {1u, 2u, 5u, 16u, 19u}) {
      for (const bool log : {false, true}) shapes.push_back({3, n, inner, log});
    }
  }
  return shapes;
}

std::string Describe(const SoftmaxShape& s) {
  return std::to_string(s.n) + "x" + std::to_string(s.inner) + (s.log ? " log" : "");
}

std::vector<double> Expected(const SoftmaxShape& s, const Numbers& x) {
  const std::vector<double> wide = x.Doubles();
  std::vector<double> y(x.size());
  const kernels::SoftmaxShape shape{s.outer, s.n, s.inner};
  s.log ? kernels::LogSoftmax(shape, wide.data(), y.data())
        : kernels::Softmax(shape, wide.data(), y.data());
  return y;
}

TEST_P(RowsSoftmaxTest, ForwardEqualsTheNaiveKernel) {
  for (const SoftmaxShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    const Numbers x(shape.outer * shape.n * shape.inner, 1, -9, 9);
    const std::vector<double> expected = Expected(shape, x);
    Results y(x.size());
    kernels().softmax(shape, x.data(), y.data());
    EXPECT_TRUE(y.Intact());
    EXPECT_TRUE(Near(y.data(), expected.data(), y.size(), shape.log ? 5e-6 : 1e-6));
    Numbers in_place(x.data(), x.size());
    kernels().softmax(shape, in_place.data(), in_place.data());
    EXPECT_TRUE(SameBits(in_place.data(), y.data(), y.size()));
  }
}

TEST_P(RowsSoftmaxTest, GradientEqualsTheNaiveKernel) {
  for (const SoftmaxShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    const std::size_t size = shape.outer * shape.n * shape.inner;
    Numbers y(size, 1);
    kernels().softmax(shape, y.data(), y.data());
    const Numbers g(size, 2);
    const std::vector<double> wide_y = y.Doubles();
    const std::vector<double> wide_g = g.Doubles();
    std::vector<double> expected(size);
    const kernels::SoftmaxShape naive{shape.outer, shape.n, shape.inner};
    shape.log ? kernels::LogSoftmaxGrad(naive, wide_y.data(), wide_g.data(), expected.data())
              : kernels::SoftmaxGrad(naive, wide_y.data(), wide_g.data(), expected.data());
    Results dx(size);
    kernels().softmax_grad(shape, y.data(), g.data(), dx.data());
    EXPECT_TRUE(dx.Intact());
    EXPECT_TRUE(Near(dx.data(), expected.data(), size, 2e-5));
    Numbers in_place(g.data(), size);
    kernels().softmax_grad(shape, y.data(), in_place.data(), in_place.data());
    EXPECT_TRUE(SameBits(in_place.data(), dx.data(), size));
  }
}

TEST_P(RowsSoftmaxTest, MasksAndNonNumbers) {
  for (SoftmaxShape shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    shape.outer = 5;
    const std::size_t size = shape.n * shape.inner;
    Numbers x(shape.outer * size, 1);
    for (std::size_t j = 0; j < shape.n; ++j) {
      for (std::size_t i = 0; i < shape.inner; ++i) {
        if (j % 3 == 1) x[j * shape.inner + i] = -kInfinity;  // a mask
        x[size + j * shape.inner + i] = -kInfinity;           // everything masked
      }
    }
    for (std::size_t i = 0; i < shape.inner; ++i) {
      x[2 * size + (shape.n - 1) * shape.inner + i] = std::nanf("");
      x[3 * size + shape.n / 2 * shape.inner + i] = kInfinity;
      x[4 * size + i] = std::nanf("");
    }
    const std::vector<double> expected = Expected(shape, x);
    Results y(x.size());
    kernels().softmax(shape, x.data(), y.data());
    EXPECT_TRUE(Near(y.data(), expected.data(), y.size(), 5e-6));
  }
}

TEST_P(RowsSoftmaxTest, AnExampleHasTheSameBitsInAnyGroup) {
  for (const SoftmaxShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    const std::size_t size = shape.n * shape.inner;
    const Numbers x(shape.outer * size, 1);
    const Numbers g(shape.outer * size, 2);
    Results y(x.size());
    Results dx(x.size());
    kernels().softmax(shape, x.data(), y.data());
    kernels().softmax_grad(shape, y.data(), g.data(), dx.data());
    SoftmaxShape one = shape;
    one.outer = 1;
    for (std::size_t e = 0; e < shape.outer; ++e) {
      Results y_one(size);
      Results dx_one(size);
      kernels().softmax(one, x.data() + e * size, y_one.data());
      kernels().softmax_grad(one, y_one.data(), g.data() + e * size, dx_one.data());
      EXPECT_TRUE(SameBits(y_one.data(), y.data() + e * size, size));
      EXPECT_TRUE(SameBits(dx_one.data(), dx.data() + e * size, size));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsSoftmaxTest, ::testing::ValuesIn(FastTargets()),
                         NameOfTarget);

}  // namespace
}  // namespace anchorhold::simd
