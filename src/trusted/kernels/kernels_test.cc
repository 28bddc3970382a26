// Each kernel against a naive reference in double precision, on sizes that do and do not fill its
// lanes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "trusted/kernels/binary.h"
#include "trusted/kernels/elementwise.h"
#include "trusted/kernels/float_mode.h"
#include "trusted/kernels/matmul.h"
#include "trusted/kernels/softmax.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::kernels {
namespace {

std::vector<float> Random(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(generator);
  return values;
}

class MatMulTest : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(MatMulTest, EqualsTheDefinition) {
  const auto [transpose_a, transpose_b] = GetParam();
  for (const std::size_t rows : {1u, 2u, 5u}) {
    for (const std::size_t inner : {1u, 7u, 8u, 30u}) {
      for (const std::size_t columns : {1u, 3u, 17u}) {
        const std::vector<float> a = Random(rows * inner, 1);
        const std::vector<float> b = Random(inner * columns, 2);
        std::vector<float> c(rows * columns, 99);
        MatMul<float>({rows, inner, columns, transpose_a, transpose_b}, a.data(), b.data(),
                      c.data());
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t j = 0; j < columns; ++j) {
            double sum = 0;
            double magnitude = 0;
            for (std::size_t k = 0; k < inner; ++k) {
              const double product = double{a[transpose_a ? k * rows + i : i * inner + k]} *
                                     double{b[transpose_b ? j * inner + k : k * columns + j]};
              sum += product;
              magnitude += std::abs(product);
            }
            const double bound =
                static_cast<double>(inner) * magnitude * std::numeric_limits<float>::epsilon();
            EXPECT_NEAR(c[i * columns + j], sum, bound) << rows << " " << inner << " " << columns;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transposes, MatMulTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(Strided, BroadcastingEqualsTheDefinition) {
  const std::vector<std::int64_t> a_shape = {2, 1, 4};
  const std::vector<std::int64_t> b_shape = {3, 1};
  const std::vector<std::int64_t> out = {2, 3, 4};
  const std::vector<float> a = Random(8, 3);
  const std::vector<float> b = Random(3, 4);
  std::vector<float> y(24);
  const IndexSpace space = Broadcast(a_shape, b_shape, out);
  Binary(BinaryOp::kSub, space, a.data(), b.data(), y.data());
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 4; ++k) {
        EXPECT_EQ(y[(i * 3 + j) * 4 + k], a[i * 4 + k] - b[j]);
      }
    }
  }
}

TEST(Strided, EachOperationIsItself) {
  const std::vector<std::int64_t> shape = {2};
  const std::vector<float> a = {6, 8};
  const std::vector<float> b = {2, 4};
  const IndexSpace space = Broadcast(shape, shape, shape);
  const auto apply = [&](BinaryOp op) {
    std::vector<float> y(2);
    Binary(op, space, a.data(), b.data(), y.data());
    return y;
  };
  EXPECT_EQ(apply(BinaryOp::kAdd), (std::vector<float>{8, 12}));
  EXPECT_EQ(apply(BinaryOp::kSub), (std::vector<float>{4, 4}));
  EXPECT_EQ(apply(BinaryOp::kMul), (std::vector<float>{12, 32}));
  EXPECT_EQ(apply(BinaryOp::kDiv), (std::vector<float>{3, 2}));
}

TEST(Strided, TransposesAndSums) {
  const std::vector<std::int64_t> shape = {2, 3, 4};
  const std::vector<std::int64_t> permutation = {2, 0, 1};
  const std::vector<float> x = Random(24, 5);
  std::vector<float> y(24);
  CopyStrided(Permute(shape, permutation), x.data(), y.data());
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(y[(k * 2 + i) * 3 + j], x[(i * 3 + j) * 4 + k]);
    }
  }
  const std::vector<std::int64_t> summed = {2, 1, 4};
  std::vector<float> sums(8, 99);
  SumStrided(Broadcast(shape, summed, shape), x.data(), sums.data(), sums.size());
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t k = 0; k < 4; ++k) {
      EXPECT_NEAR(sums[i * 4 + k], x[i * 12 + k] + x[i * 12 + 4 + k] + x[i * 12 + 8 + k], 1e-6);
    }
  }
}

TEST(Strided, SumsLongRunsInLanes) {
  const std::vector<std::int64_t> shape = {1003};
  const std::vector<std::int64_t> one = {1};
  const std::vector<float> x = Random(1003, 6);
  double expected = 0;
  for (const float value : x) expected += double{value};
  float sum = 0;
  SumStrided(Broadcast(shape, one, shape), x.data(), &sum, 1);
  EXPECT_NEAR(sum, expected, 1e-3);
}

TEST(Softmax, IsStableAndSumsToOne) {
  const std::vector<float> x = {1000, 1001, 1002, -1000, 0, 1000};
  std::vector<float> y(6);
  Softmax<float>({2, 3, 1}, x.data(), y.data());
  const double total = 1 + std::exp(1.0) + std::exp(2.0);
  EXPECT_NEAR(y[0], 1 / total, 1e-6);
  EXPECT_NEAR(y[2], std::exp(2.0) / total, 1e-6);
  EXPECT_EQ(y[3], 0.0F);
  EXPECT_EQ(y[5], 1.0F);
  std::vector<float> logs(6);
  LogSoftmax<float>({2, 3, 1}, x.data(), logs.data());
  EXPECT_NEAR(logs[0], -std::log(total), 1e-5);
  EXPECT_NEAR(logs[3], -2000, 1e-3);
}

TEST(Softmax, WorksAlongAMiddleAxis) {
  const std::vector<float> x = {0, 5, std::log(3.0F), 5};  // [2, 2], axis 0
  std::vector<float> y(4);
  Softmax<float>({1, 2, 2}, x.data(), y.data());
  EXPECT_NEAR(y[0], 0.25, 1e-6);
  EXPECT_NEAR(y[2], 0.75, 1e-6);
  EXPECT_NEAR(y[1], 0.5, 1e-6);
}

TEST(Elementwise, SigmoidDoesNotOverflow) {
  const std::vector<float> x = {-1000, -1, 0, 1, 1000};
  std::vector<float> y(5);
  Sigmoid(x.data(), 5, y.data());
  EXPECT_EQ(y[0], 0.0F);
  EXPECT_NEAR(y[1], 1 / (1 + std::exp(1.0)), 1e-7);
  EXPECT_EQ(y[2], 0.5F);
  EXPECT_NEAR(y[3], 1 / (1 + std::exp(-1.0)), 1e-7);
  EXPECT_EQ(y[4], 1.0F);
}

TEST(Elementwise, NaNIsNotHidden) {
  const float x = std::numeric_limits<float>::quiet_NaN();
  float y = 0;
  LeakyRelu(&x, 1, 0.0F, &y);
  EXPECT_TRUE(std::isnan(y));
  Clip(&x, 1, 0.0F, 1.0F, &y);
  EXPECT_TRUE(std::isnan(y));
}

TEST(Elementwise, ClipKeepsToItsBounds) {
  const std::vector<float> x = {-3, 0.5, 3};
  std::vector<float> y(3);
  Clip(x.data(), 3, -1.0F, 1.0F, y.data());
  EXPECT_EQ(y, (std::vector<float>{-1, 0.5, 1}));
}

TEST(FloatMode, SubnormalsAreZeroInsideTheScopeOnly) {
  volatile float small = 1e-39F;
  EXPECT_GT(small * 1.0F, 0.0F);
  {
    const FlushSubnormals flush;
    EXPECT_EQ(small * 1.0F, 0.0F);  // read as zero
    volatile float normal = 2e-38F;
    EXPECT_EQ(normal * 0.25F, 0.0F);  // written as zero
    EXPECT_GT(normal * 1.0F, 0.0F);
  }
  EXPECT_GT(small * 1.0F, 0.0F);
}

}  // namespace
}  // namespace anchorhold::kernels
