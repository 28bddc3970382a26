#include "trusted/simd/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "trusted/simd/gemm_amx.h"
#include "trusted/simd/matrix_unit_for_test.h"

namespace anchorhold::simd {
namespace {

constexpr float kCanary = -12345.5F;
constexpr std::size_t kGuard = 24;

std::vector<float> Random(std::size_t n, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> x(n);
  for (float& v : x) v = uniform(generator);
  return x;
}

// A product with everything that may be chosen; operands lie `offset` floats into their buffers,
// which end with their last element, so that a sanitizer sees a read too many.
struct Case {
  GemmShape shape;
  bool row_bias = false;
  bool column_bias = false;
  bool clip = false;
  std::size_t offset = 0;
};

std::size_t Extent(std::size_t rows, std::size_t columns, std::size_t stride) {
  return rows == 0 || columns == 0 ? 0 : (rows - 1) * stride + columns;
}

struct Operands {
  std::vector<float> a, b, c, row_bias, column_bias;
};

Operands OperandsOf(const Case& test, std::uint32_t seed) {
  const GemmShape& s = test.shape;
  const std::size_t extent_a =
      s.transpose_a ? Extent(s.inner, s.rows, s.lda) : Extent(s.rows, s.inner, s.lda);
  const std::size_t extent_b =
      s.transpose_b ? Extent(s.columns, s.inner, s.ldb) : Extent(s.inner, s.columns, s.ldb);
  Operands operands;
  operands.a = Random(test.offset + extent_a, seed);
  operands.b = Random(test.offset + extent_b, seed + 1);
  operands.c.assign(kGuard + Extent(s.rows, s.columns, s.ldc) + kGuard, kCanary);
  const std::vector<float> before = Random(s.rows * s.columns, seed + 2);
  if (s.accumulate) {
    for (std::size_t i = 0; i < s.rows; ++i) {
      for (std::size_t j = 0; j < s.columns; ++j) {
        operands.c[kGuard + i * s.ldc + j] = before[i * s.columns + j];
      }
    }
  }
  operands.row_bias = Random(s.rows, seed + 3);
  operands.column_bias = Random(s.columns, seed + 4);
  return operands;
}

Epilogue EpilogueOf(const Case& test, const Operands& operands) {
  Epilogue epilogue;
  if (test.row_bias) epilogue.row_bias = operands.row_bias.data();
  if (test.column_bias) epilogue.column_bias = operands.column_bias.data();
  epilogue.clip = test.clip;
  epilogue.low = -0.25F;
  epilogue.high = 2;
  return epilogue;
}

// One term of a chain, as the target computes it.
float MulAdd(Target target, float a, float b, float c) {
  if (target != Target::kSse4) return std::fma(a, b, c);
  volatile float product = a * b;  // not to be fused with the addition
  return product + c;
}

bool OnMatrixUnit(Target target, const GemmShape& shape) {
  return target == Target::kAmx && shape.tiles;
}

// Element (i, j) as the chain of gemm.h, or that of amx_unit.h, gives it; `before` is what C held.
float Expected(Target target, const Case& test, const Operands& operands, std::size_t i,
               std::size_t j, float before) {
  const GemmShape& s = test.shape;
  const float* a = operands.a.data() + test.offset + (s.transpose_a ? i : i * s.lda);
  const float* b = operands.b.data() + test.offset + (s.transpose_b ? j * s.ldb : j);
  const std::size_t step_a = s.transpose_a ? s.lda : 1;
  const std::size_t step_b = s.transpose_b ? 1 : s.ldb;
  float sum = s.accumulate ? before : 0;
  if (OnMatrixUnit(target, s)) {
    std::vector<float> row(s.inner);
    std::vector<float> column(s.inner);
    for (std::size_t k = 0; k < s.inner; ++k) {
      row[k] = a[k * step_a];
      column[k] = b[k * step_b];
    }
    sum = testing::MatrixUnitSum(row, column, amx::SlabDepth(s.inner), !s.accumulate, before);
  } else {
    for (std::size_t k = 0; k < s.inner; ++k) {
      sum = MulAdd(target, a[k * step_a], b[k * step_b], sum);
    }
  }
  if (test.row_bias) sum += operands.row_bias[i];
  if (test.column_bias) sum += operands.column_bias[j];
  return test.clip ? std::fmin(2.0F, std::fmax(-0.25F, sum)) : sum;
}

std::string Name(const Case& test) {
  const GemmShape& s = test.shape;
  return std::to_string(s.rows) + "x" + std::to_string(s.inner) + "x" + std::to_string(s.columns) +
         (s.transpose_a ? " A^T" : "") + (s.transpose_b ? " B^T" : "") + " ld " +
         std::to_string(s.lda) + " " + std::to_string(s.ldb) + " " + std::to_string(s.ldc) +
         (s.accumulate ? " accumulate" : "") + (s.tiles ? " tiles" : "") +
         (test.row_bias ? " rows" : "") + (test.column_bias ? " columns" : "") +
         (test.clip ? " clip" : "");
}

// All that must not be written, and every `stride`th element.
void Check(Target target, const Case& test, std::uint32_t seed, std::size_t stride = 1) {
  SCOPED_TRACE(std::string(TargetName(target)) + " " + Name(test));
  const GemmKernels& kernels = *GemmKernelsFor(target);
  const GemmShape& s = test.shape;
  const Operands operands = OperandsOf(test, seed);
  std::vector<float> c = operands.c;
  std::vector<float> scratch(test.offset + kernels.scratch(s),
                             std::numeric_limits<float>::quiet_NaN());
  kernels.multiply(s, operands.a.data() + test.offset, operands.b.data() + test.offset,
                   EpilogueOf(test, operands), c.data() + kGuard, scratch.data() + test.offset);
  std::size_t elements = 0;
  for (std::size_t at = 0; at < c.size(); ++at) {
    const bool inside = at >= kGuard && s.ldc != 0 && (at - kGuard) / s.ldc < s.rows &&
                        (at - kGuard) % s.ldc < s.columns;
    if (!inside) {
      ASSERT_EQ(c[at], kCanary) << "at " << at;
      continue;
    }
    if (elements++ % stride != 0) continue;
    const std::size_t i = (at - kGuard) / s.ldc;
    const std::size_t j = (at - kGuard) % s.ldc;
    ASSERT_EQ(c[at], Expected(target, test, operands, i, j, operands.c[at])) << i << ", " << j;
  }
}

GemmShape ShapeOf(std::size_t rows, std::size_t inner, std::size_t columns, unsigned kind,
                  std::size_t pad) {
  GemmShape s;
  s.rows = rows;
  s.inner = inner;
  s.columns = columns;
  s.transpose_a = (kind & 1) != 0;
  s.transpose_b = (kind & 2) != 0;
  s.accumulate = (kind & 4) != 0;
  s.tiles = (rows + inner + columns) % 4 != 0;  // most; else the matrix unit leaves it to vectors
  s.lda = (s.transpose_a ? rows : inner) + pad;
  s.ldb = (s.transpose_b ? inner : columns) + pad;
  s.ldc = columns + pad;
  return s;
}

std::vector<Target> Targets() {
  std::vector<Target> targets;
  for (const Target target : AvailableTargets()) {
    if (target != Target::kScalar) targets.push_back(target);
  }
  return targets;
}

TEST(Gemm, NoTableForScalar) { EXPECT_EQ(GemmKernelsFor(Target::kScalar), nullptr); }

TEST(Gemm, SmallAndAwkwardSizesEqualTheChainBitForBit) {
  const std::size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 65};
  std::mt19937 generator(1);
  for (const Target target : Targets()) {
    for (const std::size_t rows : sizes) {
      for (const std::size_t columns : sizes) {
        const std::size_t inner = sizes[generator() % std::size(sizes)];
        Case test;
        test.shape = ShapeOf(rows, inner, columns, generator() % 8, generator() % 4);
        test.row_bias = generator() % 2 != 0;
        test.column_bias = generator() % 2 != 0;
        test.clip = generator() % 2 != 0;
        test.offset = generator() % 3;
        Check(target, test, static_cast<std::uint32_t>(generator()));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Several slabs, blocks of rows and panels, every packing, at once and ahead.
TEST(Gemm, LargeSizesEqualTheChainBitForBit) {
  const std::size_t sizes[][3] = {
      {13, 515, 300},   {70, 1030, 130}, {700, 200, 50}, {40, 300, 3},    {3, 700, 40},
      {1, 1000, 200},   {200, 1000, 1},  {24, 770, 200}, {390, 400, 330}, {1100, 130, 17},
      {1100, 390, 100}, {72, 50, 100},   {300, 801, 70}};
  std::uint32_t seed = 7;
  for (const Target target : Targets()) {
    for (const auto& size : sizes) {
      for (unsigned kind = 0; kind < 8; ++kind) {
        Case test;
        test.shape = ShapeOf(size[0], size[1], size[2], kind, kind % 3);
        test.row_bias = kind % 2 == 0;
        test.column_bias = kind % 3 == 0;
        test.clip = kind == 5;
        Check(target, test, ++seed, 43);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Gemm, EmptySizes) {
  for (const Target target : Targets()) {
    for (unsigned kind = 0; kind < 8; ++kind) {
      Case test;
      test.shape = ShapeOf(5, 0, 7, kind, 1);
      test.column_bias = true;
      Check(target, test, kind);
      test.shape = ShapeOf(0, 3, 7, kind, 1);
      Check(target, test, kind);
      test.shape = ShapeOf(5, 3, 0, kind, 1);
      Check(target, test, kind);
    }
  }
}

TEST(Gemm, ErrorIsWithinTheBound) {
  for (const Target target : Targets()) {
    for (unsigned kind = 0; kind < 4; ++kind) {
      const GemmKernels& kernels = *GemmKernelsFor(target);
      Case test;
      test.shape = ShapeOf(37, 900, 53, kind, 0);
      const GemmShape& s = test.shape;
      Operands operands = OperandsOf(test, kind);
      std::vector<float> scratch(kernels.scratch(s));
      kernels.multiply(s, operands.a.data(), operands.b.data(), {}, operands.c.data() + kGuard,
                       scratch.data());
      for (std::size_t i = 0; i < s.rows; ++i) {
        for (std::size_t j = 0; j < s.columns; ++j) {
          double sum = 0;
          double absolute = 0;
          for (std::size_t k = 0; k < s.inner; ++k) {
            const double a = operands.a[s.transpose_a ? k * s.lda + i : i * s.lda + k];
            const double b = operands.b[s.transpose_b ? j * s.ldb + k : k * s.ldb + j];
            sum += a * b;
            absolute += std::fabs(a * b);
          }
          const double steps = std::ceil(static_cast<double>(s.inner) / 32);
          const double bound = OnMatrixUnit(target, s)
                                   ? (6 * steps + 22) * 0x1p-24 + std::exp2(-20.9)
                                   : static_cast<double>(s.inner) * 0x1p-24;
          ASSERT_NEAR(operands.c[kGuard + i * s.ldc + j], sum, bound * absolute);
        }
      }
    }
  }
}

TEST(Gemm, NanAndInfinityPass) {
  for (const Target target : Targets()) {
    const GemmKernels& kernels = *GemmKernelsFor(target);
    for (unsigned kind = 0; kind < 4; ++kind) {
      const GemmShape s = ShapeOf(20, 6, 21, kind, 0);
      std::vector<float> a(20 * 6, 1);
      const std::vector<float> b(6 * 21, 1);
      std::vector<float> c(20 * 21);
      std::vector<float> scratch(kernels.scratch(s));
      a[s.transpose_a ? 2 * 20 + 3 : 3 * 6 + 2] = std::numeric_limits<float>::quiet_NaN();
      a[s.transpose_a ? 2 * 20 + 4 : 4 * 6 + 2] = -std::numeric_limits<float>::infinity();
      Epilogue relu;
      relu.clip = true;
      relu.high = std::numeric_limits<float>::infinity();
      kernels.multiply(s, a.data(), b.data(), relu, c.data(), scratch.data());
      for (std::size_t i = 0; i < 20; ++i) {
        for (std::size_t j = 0; j < 21; ++j) {
          const float v = c[i * 21 + j];
          if (i == 3 || (i == 4 && OnMatrixUnit(target, s))) {
            EXPECT_TRUE(std::isnan(v));
          } else {
            EXPECT_EQ(v, i == 4 ? 0 : 6);
          }
        }
      }
    }
  }
}

// Numbers of all sizes, down to those whose parts are no normal numbers any more.
TEST(Gemm, MatrixUnitTakesNumbersOfAllSizes) {
  for (const Target target : Targets()) {
    if (target != Target::kAmx) continue;
    std::mt19937 generator(3);
    std::uniform_int_distribution<int> exponent(-126, 60);
    std::uniform_real_distribution<float> uniform(-2, 2);
    GemmShape s = ShapeOf(40, 100, 33, 0, 0);
    s.tiles = true;
    std::vector<float> a(40 * 100);
    std::vector<float> b(100 * 33);
    for (float& x : a) x = std::ldexp(uniform(generator), exponent(generator));
    for (float& x : b) x = std::ldexp(uniform(generator), exponent(generator));
    std::vector<float> c(40 * 33);
    const GemmKernels& kernels = *GemmKernelsFor(target);
    std::vector<float> scratch(kernels.scratch(s));
    kernels.multiply(s, a.data(), b.data(), {}, c.data(), scratch.data());
    for (std::size_t i = 0; i < 40; ++i) {
      for (std::size_t j = 0; j < 33; ++j) {
        double sum = 0;
        double bound = 0;
        for (std::size_t k = 0; k < 100; ++k) {
          const double x = a[i * 100 + k];
          const double y = b[k * 33 + j];
          sum += x * y;
          bound += ((6 * 4 + 22) * 0x1p-24 + std::exp2(-20.9)) * std::fabs(x * y) +
                   0x1p-125 * (std::fabs(x) + std::fabs(y) + 8);
        }
        ASSERT_NEAR(c[i * 33 + j], sum, bound) << i << ", " << j;
      }
    }
  }
}

// Each product of a batch has the bits that it has alone; a shared operand has stride 0.
TEST(Gemm, BatchEqualsProductsOneByOne) {
  for (const Target target : Targets()) {
    const GemmKernels& kernels = *GemmKernelsFor(target);
    for (unsigned kind = 0; kind < 32; ++kind) {
      SCOPED_TRACE(std::string(TargetName(target)) + " " + std::to_string(kind));
      const GemmShape s = ShapeOf(9, 20, 18, kind, (kind & 8) != 0 ? 5 : 0);
      GemmBatch batch;
      batch.count = 5;
      batch.stride_a = s.transpose_a ? s.inner * s.lda : s.rows * s.lda;
      batch.stride_b = (kind & 16) != 0 ? 0 : s.transpose_b ? s.columns * s.ldb : s.inner * s.ldb;
      batch.stride_c = s.rows * s.ldc;
      const std::vector<float> a = Random(5 * batch.stride_a, kind);
      const std::vector<float> b = Random(5 * s.ldb * (s.transpose_b ? s.columns : s.inner), 99);
      const std::vector<float> bias = Random(s.columns, 3);
      std::vector<float> c = Random(5 * batch.stride_c, 100 + kind);
      std::vector<float> alone = c;
      Epilogue epilogue;
      epilogue.column_bias = bias.data();
      std::vector<float> scratch(kernels.scratch(s));
      kernels.multiply_batch(s, batch, a.data(), b.data(), epilogue, c.data(), scratch.data());
      for (std::size_t i = 0; i < batch.count; ++i) {
        kernels.multiply(s, a.data() + i * batch.stride_a, b.data() + i * batch.stride_b, epilogue,
                         alone.data() + i * batch.stride_c, scratch.data());
      }
      ASSERT_EQ(c, alone);
    }
  }
}

}  // namespace
}  // namespace anchorhold::simd
