// Poolings against the naive kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trusted/simd/rows_for_test.h"

namespace anchorhold::simd {
namespace {

using kernels::Divisor;
using kernels::WindowAxis;
using kernels::Windows;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kPlanes = 3;

WindowAxis Axis(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                std::int64_t pad, std::int64_t pad_end) {
  WindowAxis a{in, 1, kernel, stride, dilation, pad, pad_end};
  a.out = (in + pad + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
  return a;
}

std::vector<Windows> AllWindows() {
  std::vector<Windows> all;
  const auto add = [&](WindowAxis rows, WindowAxis columns) {
    Windows windows;
    windows.axes = 2;
    windows.axis[0] = rows;
    windows.axis[1] = columns;
    all.push_back(windows);
  };
  for (const std::int64_t in : {2, 3, 4, 8, 9, 15, 16, 17, 24, 31, 32, 33, 34, 64, 67}) {
    add(Axis(4, 2, 2, 1, 0, 0), Axis(in, 2, 2, 1, 0, 0));
    add(Axis(5, 2, 2, 1, 0, 0), Axis(in, 2, 2, 1, 0, 0));
    add(Axis(4, 2, 1, 1, 0, 0), Axis(in, 2, 1, 1, 0, 0));
    add(Axis(4, 2, 1, 1, 0, 1), Axis(in, 2, 1, 1, 0, 1));
    add(Axis(6, 3, 2, 1, 1, 1), Axis(in, 3, 2, 1, 1, 1));
    add(Axis(6, 3, 2, 1, 0, 1), Axis(in, 3, 2, 1, 0, 1));
    add(Axis(6, 3, 1, 1, 1, 1), Axis(in, 3, 1, 1, 1, 1));
    add(Axis(6, 3, 3, 1, 1, 1), Axis(in, 3, 3, 1, 1, 1));
    add(Axis(6, 2, 2, 2, 2, 2), Axis(in, 2, 2, 2, 2, 2));
    add(Axis(6, 2, 1, 2, 3, 2), Axis(in, 2, 1, 2, 3, 4));   // windows without an input
    add(Axis(3, 3, 1, 1, 0, 0), Axis(in, in, 1, 1, 0, 0));  // the whole image
    Windows line;
    line.axes = 1;
    line.axis[0] = Axis(in, 2, 2, 1, 1, 1);
    all.push_back(line);
  }
  return all;
}

std::string Describe(const Windows& w) {
  std::string text;
  for (std::size_t a = 0; a < w.axes; ++a) {
    const WindowAxis& axis = w.axis[a];
    for (const std::int64_t v :
         {axis.in, axis.out, axis.kernel, axis.stride, axis.dilation, axis.pad, axis.pad_end}) {
      text += std::to_string(v) + " ";
    }
  }
  return text;
}

class RowsPoolTest : public RowsTest {
 protected:
  // `x` with the windows: values exactly, gradients within the rounding of their sums. `exact`
  // gradients are small whole numbers, whose sums are the same in any order.
  void CheckMax(const Windows& windows, const Numbers& x, const Numbers& g) {
    kernels::PoolingShape shape;
    shape.planes = kPlanes;
    shape.windows = windows;
    const std::size_t outputs = kPlanes * windows.outputs();
    const std::vector<double> wide_x = x.Doubles();
    const std::vector<double> wide_g = g.Doubles();
    std::vector<double> y_expected(outputs);
    std::vector<double> dx_expected(x.size());
    kernels::MaxPool(shape, wide_x.data(), y_expected.data());
    kernels::MaxPoolGrad(shape, wide_x.data(), wide_g.data(), dx_expected.data());
    Results y(outputs);
    Results dx(x.size());
    kernels().max_pool(kPlanes, windows, x.data(), y.data());
    kernels().max_pool_grad(kPlanes, windows, x.data(), g.data(), dx.data());
    EXPECT_TRUE(y.Intact() && dx.Intact());
    EXPECT_TRUE(Near(y.data(), y_expected.data(), outputs, 0));
    EXPECT_TRUE(Near(dx.data(), dx_expected.data(), x.size(), 0));
  }
};

Numbers WholeNumbers(std::size_t n, unsigned seed) {
  Numbers numbers(n, seed, -8, 8);
  for (std::size_t i = 0; i < n; ++i) numbers[i] = std::round(numbers[i]);
  return numbers;
}

TEST_P(RowsPoolTest, MaximaEqualTheNaiveKernel) {
  for (const Windows& windows : AllWindows()) {
    SCOPED_TRACE(Describe(windows));
    const std::size_t inputs = kPlanes * windows.inputs();
    const Numbers g = WholeNumbers(kPlanes * windows.outputs(), 2);
    CheckMax(windows, Numbers(inputs, 1), g);
    CheckMax(windows, WholeNumbers(inputs, 1), g);  // with ties: the first one takes the gradient
    Numbers odd = WholeNumbers(inputs, 3);
    for (std::size_t i = 0; i < inputs; ++i) {
      if (i % 5 == 1) odd[i] = -kInfinity;
      if (i % 11 == 2) odd[i] = kInfinity;
      if (i % 7 == 3) odd[i] = std::nanf("");
    }
    CheckMax(windows, odd, g);
    for (std::size_t i = 0; i < inputs; ++i) odd[i] = -kInfinity;
    CheckMax(windows, odd, g);
  }
}

TEST_P(RowsPoolTest, MeansEqualTheNaiveKernel) {
  for (const Windows& windows : AllWindows()) {
    for (const Divisor divisor : {Divisor::kOne, Divisor::kInputs, Divisor::kPadded}) {
      SCOPED_TRACE(Describe(windows) + std::to_string(static_cast<int>(divisor)));
      kernels::PoolingShape shape;
      shape.planes = kPlanes;
      shape.windows = windows;
      shape.divisor = divisor;
      const Numbers x(kPlanes * windows.inputs(), 1);
      const Numbers g(kPlanes * windows.outputs(), 2);
      const std::vector<double> wide_x = x.Doubles();
      const std::vector<double> wide_g = g.Doubles();
      std::vector<double> y_expected(g.size());
      std::vector<double> dx_expected(x.size());
      kernels::SumPool(shape, wide_x.data(), y_expected.data());
      kernels::SumPoolGrad(shape, wide_g.data(), dx_expected.data());
      Results y(g.size());
      Results dx(x.size());
      kernels().average_pool(kPlanes, windows, divisor, x.data(), y.data());
      kernels().average_pool_grad(kPlanes, windows, divisor, g.data(), dx.data());
      EXPECT_TRUE(y.Intact() && dx.Intact());
      EXPECT_TRUE(Near(y.data(), y_expected.data(), y.size(), 5e-5));
      EXPECT_TRUE(Near(dx.data(), dx_expected.data(), dx.size(), 5e-6));
    }
  }
}

TEST_P(RowsPoolTest, APlaneHasTheSameBitsInAnyGroup) {
  for (const Windows& windows : AllWindows()) {
    SCOPED_TRACE(Describe(windows));
    const std::size_t in = windows.inputs();
    const std::size_t out = windows.outputs();
    const Numbers x(kPlanes * in, 1);
    const Numbers g(kPlanes * out, 2);
    const auto run = [&](std::size_t planes, std::size_t first) {
      std::vector<float> results(planes * 2 * (in + out));
      float* dx = results.data();
      float* dx_mean = dx + planes * in;
      float* y = dx_mean + planes * in;
      float* y_mean = y + planes * out;
      const float* from = x.data() + first * in;
      const float* gradient = g.data() + first * out;
      kernels().max_pool(planes, windows, from, y);
      kernels().max_pool_grad(planes, windows, from, gradient, dx);
      kernels().average_pool(planes, windows, Divisor::kInputs, from, y_mean);
      kernels().average_pool_grad(planes, windows, Divisor::kInputs, gradient, dx_mean);
      return results;
    };
    const std::vector<float> all = run(kPlanes, 0);
    for (std::size_t p = 0; p < kPlanes; ++p) {
      const std::vector<float> one = run(1, p);
      EXPECT_TRUE(SameBits(one.data(), all.data() + p * in, in));
      EXPECT_TRUE(SameBits(one.data() + in, all.data() + (kPlanes + p) * in, in));
      EXPECT_TRUE(SameBits(one.data() + 2 * in, all.data() + 2 * kPlanes * in + p * out, out));
      EXPECT_TRUE(SameBits(one.data() + 2 * in + out,
                           all.data() + 2 * kPlanes * in + (kPlanes + p) * out, out));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsPoolTest, ::testing::ValuesIn(FastTargets()), NameOfTarget);

}  // namespace
}  // namespace anchorhold::simd
