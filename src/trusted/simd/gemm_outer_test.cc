#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "trusted/simd/gemm.h"
#include "trusted/simd/gemm_amx.h"
#include "trusted/simd/matrix_unit_for_test.h"

namespace anchorhold::simd {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kGuard = 24;

std::vector<float> Random(std::size_t n, std::uint32_t seed, float size = 1) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-size, size);
  std::vector<float> x(n);
  for (float& v : x) v = uniform(generator);
  return x;
}

std::vector<Target> Targets() {
  std::vector<Target> targets;
  for (const Target target : AvailableTargets()) {
    if (target != Target::kScalar) targets.push_back(target);
  }
  return targets;
}

struct Group {
  OuterShape shape;
  std::vector<float> g, a, scale;
  const float* G(std::size_t e, std::size_t t) const {
    return g.data() + (e * shape.positions + t) * shape.ldg;
  }
  const float* A(std::size_t e, std::size_t t) const {
    return a.data() + (e * shape.positions + t) * shape.lda;
  }
};

std::size_t Extent(std::size_t rows, std::size_t columns, std::size_t stride) {
  return rows == 0 || columns == 0 ? 0 : (rows - 1) * stride + columns;
}

Group GroupOf(std::size_t examples, std::size_t positions, std::size_t p, std::size_t d,
              std::size_t pad, std::uint32_t seed) {
  Group group;
  group.shape = {examples, positions, p, d, p + pad, d + pad};
  group.g = Random(Extent(examples * positions, p, p + pad), seed);
  group.a = Random(Extent(examples * positions, d, d + pad), seed + 1);
  group.scale = Random(examples, seed + 2, 1000);
  return group;
}

std::string Name(Target target, const Group& group) {
  const OuterShape& s = group.shape;
  return std::string(TargetName(target)) + " " + std::to_string(s.examples) + " examples of " +
         std::to_string(s.positions) + ", " + std::to_string(s.p) + " x " + std::to_string(s.d) +
         ", ldg " + std::to_string(s.ldg);
}

// Groups of every kind of edge: tiles, panels, chunks and lots of examples, blocks of rows.
std::vector<Group> Groups() {
  const std::size_t sizes[][4] = {{1, 1, 1, 1},
                                  {3, 1, 5, 7},
                                  {64, 1, 33, 50},
                                  {5, 2, 4, 16},
                                  {7, 3, 9, 17},
                                  {2, 4, 48, 48},
                                  {3, 5, 31, 49},
                                  {300, 1, 6, 97},
                                  {4, 16, 13, 8},
                                  {2, 130, 7, 100},
                                  {3, 200, 20, 33},
                                  {3, 70, 90, 110},
                                  {6, 130, 390, 20},
                                  // As a matrix unit takes them.
                                  {3, 32, 130, 140},
                                  {15, 32, 129, 131},
                                  {2, 25, 300, 97},
                                  {3, 4, 130, 140},
                                  {9, 16, 160, 120},
                                  {3, 190, 97, 200},
                                  {19, 50, 128, 128}};
  std::vector<Group> groups;
  std::uint32_t seed = 1;
  for (const auto& size : sizes) {
    groups.push_back(GroupOf(size[0], size[1], size[2], size[3], seed % 3, seed * 10));
    ++seed;
  }
  return groups;
}

float MulAdd(Target target, float a, float b, float c) {
  if (target != Target::kSse4) return std::fma(a, b, c);
  volatile float product = a * b;
  return product + c;
}

bool GridOnMatrixUnit(Target target, const Group& group) {
  return target == Target::kAmx && amx::TakesGrid(group.shape);
}

// Element (i, j) of V_e: one chain.
float Chain(Target target, const Group& group, std::size_t e, std::size_t i, std::size_t j) {
  if (GridOnMatrixUnit(target, group)) {
    std::vector<float> g(group.shape.positions);
    std::vector<float> a(group.shape.positions);
    for (std::size_t t = 0; t < group.shape.positions; ++t) {
      g[t] = group.G(e, t)[i];
      a[t] = group.A(e, t)[j];
    }
    return testing::MatrixUnitSum(g, a, g.size(), true, 0);
  }
  float v = 0;
  for (std::size_t t = 0; t < group.shape.positions; ++t) {
    v = MulAdd(target, group.G(e, t)[i], group.A(e, t)[j], v);
  }
  return v;
}

std::int32_t OnGrid(Target target, const Group& group, std::size_t e, std::size_t i,
                    std::size_t j) {
  if (group.scale[e] == 0) return 0;
  const float scaled = Chain(target, group, e, i, j) * group.scale[e];
  return static_cast<std::int32_t>(std::nearbyint(std::fmin(scaled, 2147483520.0F)));
}

TEST(OuterSquares, EqualsTheNormOfTheGradient) {
  for (const Target target : Targets()) {
    for (const Group& group : Groups()) {
      SCOPED_TRACE(Name(target, group));
      const OuterShape& s = group.shape;
      const GemmKernels& kernels = *GemmKernelsFor(target);
      std::vector<float> scratch(kernels.outer_squares_scratch(s));
      std::vector<double> squares(s.examples, -1);
      kernels.outer_squares(s, group.g.data(), group.a.data(), squares.data(), scratch.data());
      for (std::size_t e = 0; e < s.examples; ++e) {
        double expected = 0;
        double absolute = 0;
        for (std::size_t i = 0; i < s.p; ++i) {
          for (std::size_t j = 0; j < s.d; ++j) {
            double v = 0;
            double size = 0;
            for (std::size_t t = 0; t < s.positions; ++t) {
              const double term = double{group.G(e, t)[i]} * double{group.A(e, t)[j]};
              v += term;
              size += std::fabs(term);
            }
            expected += v * v;
            absolute += size * size;
          }
        }
        const double chain = static_cast<double>(s.p + s.d) / 4 + 8;  // lanes, and their tree
        ASSERT_NEAR(squares[e], expected, chain * 0x1p-24 * absolute);
      }
    }
  }
}

TEST(OuterSquares, TheSameBitsAtAnotherPlaceOfAnotherGroup) {
  for (const Target target : Targets()) {
    for (const std::size_t positions : std::vector<std::size_t>{1, 2, 5, 16, 33}) {
      const GemmKernels& kernels = *GemmKernelsFor(target);
      const Group group = GroupOf(7, positions, 19, 35, 2, 5);
      OuterShape one = group.shape;
      one.examples = 1;
      std::vector<float> scratch(kernels.outer_squares_scratch(group.shape) + 1);
      std::vector<double> squares(7);
      kernels.outer_squares(group.shape, group.g.data(), group.a.data(), squares.data(),
                            scratch.data());
      for (std::size_t e = 0; e < 7; ++e) {
        double alone = 0;
        kernels.outer_squares(one, group.G(e, 0), group.A(e, 0), &alone, scratch.data() + 1);
        ASSERT_EQ(alone, squares[e]);
      }
    }
  }
}

// Element (i, j) of the weighted sum as the matrix unit has it.
float UnitsSum(const Group& group, std::size_t i, std::size_t j, float sum) {
  const OuterShape& s = group.shape;
  std::vector<float> g;
  std::vector<float> a;
  for (std::size_t e = 0; e < s.examples; ++e) {
    const float scale = group.scale[e];
    for (std::size_t t = 0; t < s.positions; ++t) {
      g.push_back(scale == 0 ? 0 : group.G(e, t)[i] * scale);
      a.push_back(scale == 0 ? 0 : group.A(e, t)[j]);
    }
  }
  return testing::MatrixUnitChain(g, a, sum);
}

TEST(OuterSum, TheSameBitsInAnyGroups) {
  for (const Target target : Targets()) {
    const GemmKernels& kernels = *GemmKernelsFor(target);
    for (const Group& group : {GroupOf(7, 32, 130, 140, 0, 1), GroupOf(6, 64, 128, 150, 0, 2),
                               GroupOf(9, 5, 40, 30, 1, 3), GroupOf(5, 16, 160, 130, 0, 4)}) {
      SCOPED_TRACE(Name(target, group));
      std::vector<float> whole;
      for (const std::size_t at_once : std::vector<std::size_t>{64, 1, 2, 3}) {
        std::vector<float> sum(group.shape.p * group.shape.d, kNan);
        for (std::size_t first = 0; first < group.shape.examples; first += at_once) {
          OuterShape s = group.shape;
          s.examples = std::min(at_once, group.shape.examples - first);
          std::vector<float> scratch(kernels.outer_sum_scratch(s), kNan);
          kernels.outer_sum(s, group.G(first, 0), group.A(first, 0), group.scale.data() + first,
                            first != 0, sum.data(), scratch.data());
        }
        if (whole.empty()) whole = sum;
        ASSERT_EQ(sum, whole) << at_once << " examples at once";
      }
    }
  }
}

TEST(OuterSum, EqualsTheWeightedSum) {
  for (const Target target : Targets()) {
    for (const Group& group : Groups()) {
      for (const bool accumulate : {false, true}) {
        SCOPED_TRACE(Name(target, group));
        const OuterShape& s = group.shape;
        const GemmKernels& kernels = *GemmKernelsFor(target);
        std::vector<float> scratch(kernels.outer_sum_scratch(s), kNan);
        const std::vector<float> before = Random(s.p * s.d + 2 * kGuard, 3);
        std::vector<float> sum = before;
        kernels.outer_sum(s, group.g.data(), group.a.data(), group.scale.data(), accumulate,
                          sum.data() + kGuard, scratch.data());
        for (std::size_t at = 0; at < sum.size(); ++at) {
          if (at < kGuard || at >= kGuard + s.p * s.d) {
            ASSERT_EQ(sum[at], before[at]);
            continue;
          }
          const std::size_t i = (at - kGuard) / s.d;
          const std::size_t j = (at - kGuard) % s.d;
          double expected = accumulate ? before[at] : 0;
          double absolute = std::fabs(expected);
          for (std::size_t e = 0; e < s.examples; ++e) {
            for (std::size_t t = 0; t < s.positions; ++t) {
              const double term =
                  double{group.scale[e]} * double{group.G(e, t)[i]} * double{group.A(e, t)[j]};
              expected += term;
              absolute += std::fabs(term);
            }
          }
          const bool unit = target == Target::kAmx && amx::TakesSum(s);
          const auto terms = static_cast<double>(s.examples * s.positions + (unit ? 38 : 2));
          ASSERT_NEAR(sum[at], expected, terms * 0x1p-24 * absolute);
          if (unit) {
            ASSERT_EQ(sum[at], UnitsSum(group, i, j, accumulate ? before[at] : 0));
          }
        }
      }
    }
  }
}

struct GridResult {
  std::vector<std::int32_t> sum;
  std::vector<double> squares;
};

GridResult RunGrid(Target target, const Group& group, std::size_t begin, std::size_t end,
                   std::int32_t sign, bool accumulate, std::int32_t before, std::size_t offset) {
  const OuterShape& s = group.shape;
  const GemmKernels& kernels = *GemmKernelsFor(target);
  std::vector<float> scratch(kernels.outer_grid_scratch(s) + offset, kNan);
  GridResult result;
  result.sum.assign(s.p * s.d + 2 * kGuard, before);
  result.squares.assign(s.examples, 0.5);
  kernels.outer_grid(s, begin, end, group.g.data(), group.a.data(), group.scale.data(), sign,
                     accumulate, result.sum.data() + kGuard, result.squares.data(),
                     scratch.data() + offset);
  return result;
}

TEST(OuterGrid, EqualsTheRoundedGradientsOneByOne) {
  for (const Target target : Targets()) {
    for (const Group& group : Groups()) {
      for (unsigned kind = 0; kind < 4; ++kind) {
        SCOPED_TRACE(Name(target, group));
        const OuterShape& s = group.shape;
        const bool accumulate = (kind & 1) != 0;
        const std::int32_t sign = (kind & 2) != 0 ? -1 : 1;
        const std::size_t begin = kind == 3 ? s.p / 3 : 0;
        const std::size_t end = kind == 3 ? s.p / 2 + 1 : s.p;
        const GridResult result = RunGrid(target, group, begin, end, sign, accumulate, 77, kind);
        std::vector<std::int32_t> expected(s.p * s.d + 2 * kGuard, 77);
        std::vector<double> squares(s.examples, 0);
        for (std::size_t i = begin; i < end; ++i) {
          for (std::size_t j = 0; j < s.d; ++j) {
            std::int32_t& element = expected[kGuard + i * s.d + j];
            if (!accumulate) element = 0;
            for (std::size_t e = 0; e < s.examples; ++e) {
              const std::int32_t v = OnGrid(target, group, e, i, j);
              element += sign * v;
              squares[e] += double{1} * v * v;
            }
          }
        }
        ASSERT_EQ(result.sum, expected);
        for (std::size_t e = 0; e < s.examples; ++e) {
          ASSERT_NEAR(result.squares[e] - 0.5, squares[e], 0x1p-19 * squares[e] + 0x1p-40);
        }
      }
    }
  }
}

TEST(OuterGrid, SaturatesAndRoundsToEven) {
  for (const Target target : Targets()) {
    Group group = GroupOf(1, 1, 1, 6, 0, 1);
    group.g = {1};
    group.a = {3e9F, -3e9F, 2.5F, 3.5F, -0.5F, kInfinity};
    group.scale = {1};
    const GridResult result = RunGrid(target, group, 0, 1, 1, false, 0, 0);
    const std::vector<std::int32_t> v(result.sum.begin() + kGuard, result.sum.end() - kGuard);
    EXPECT_EQ(v, (std::vector<std::int32_t>{2147483520, std::numeric_limits<std::int32_t>::min(), 2,
                                            4, 0, 2147483520}));
    EXPECT_GT(result.squares[0], 0x1p62);
  }
}

// A weight of 0 takes an example out, whatever it holds, in grid and float sums alike.
TEST(Outer, ScaleZeroContributesNothing) {
  for (const Target target : Targets()) {
    for (const std::size_t positions : std::vector<std::size_t>{1, 3, 20, 31}) {
      const std::size_t p = positions == 31 ? 128 : 11;
      const std::size_t d = positions == 31 ? 150 : 21;
      Group group = GroupOf(5, positions, p, d, 0, 40);
      Group without = group;
      group.scale[1] = 0;
      group.scale[4] = -0.0F;
      without.scale = group.scale;
      for (std::size_t t = 0; t < positions; ++t) {
        std::fill_n(group.g.begin() + static_cast<std::ptrdiff_t>((positions + t) * p), p, kNan);
        std::fill_n(group.a.begin() + static_cast<std::ptrdiff_t>((positions + t) * d), d,
                    kInfinity);
        std::fill_n(group.a.begin() + static_cast<std::ptrdiff_t>((4 * positions + t) * d), d,
                    kNan);
      }
      const GridResult result = RunGrid(target, group, 0, p, 1, false, 0, 0);
      const GridResult expected = RunGrid(target, without, 0, p, 1, false, 0, 0);
      EXPECT_EQ(result.sum, expected.sum);
      EXPECT_EQ(result.squares, expected.squares);
      EXPECT_EQ(result.squares[1], 0.5);

      const GemmKernels& kernels = *GemmKernelsFor(target);
      std::vector<float> scratch(kernels.outer_sum_scratch(group.shape));
      std::vector<float> sum(p * d);
      std::vector<float> sum_without(p * d);
      kernels.outer_sum(group.shape, group.g.data(), group.a.data(), group.scale.data(), false,
                        sum.data(), scratch.data());
      kernels.outer_sum(without.shape, without.g.data(), without.a.data(), without.scale.data(),
                        false, sum_without.data(), scratch.data());
      EXPECT_EQ(sum, sum_without);
    }
  }
}

TEST(OuterGrid, SquaresAreTheSameBitsAtAnotherPlaceOfAnotherGroup) {
  for (const Target target : Targets()) {
    for (const std::size_t positions : std::vector<std::size_t>{1, 4, 70, 32}) {
      const std::size_t p = positions == 32 ? 140 : 19;
      const std::size_t d = positions == 32 ? 130 : 53;
      const Group group = GroupOf(9, positions, p, d, 0, 5);
      const GridResult all = RunGrid(target, group, 0, p, 1, false, 0, 0);
      for (std::size_t e = 0; e < 9; ++e) {
        Group one = group;
        one.shape.examples = 1;
        one.g.assign(group.G(e, 0), group.G(e, 0) + positions * p);
        one.a.assign(group.A(e, 0), group.A(e, 0) + positions * d);
        one.scale = {group.scale[e]};
        EXPECT_EQ(RunGrid(target, one, 0, p, 1, false, 0, 3).squares[0], all.squares[e]);
      }
    }
  }
}

TEST(Outer, NoExamplesOrNoPositions) {
  for (const Target target : Targets()) {
    for (const bool positions : {false, true}) {
      const Group group = GroupOf(positions ? 0 : 2, positions ? 3 : 0, 5, 6, 0, 1);
      const GridResult result = RunGrid(target, group, 0, 5, 1, false, 9, 0);
      EXPECT_EQ(std::count(result.sum.begin(), result.sum.end(), 0), 30);
      const GemmKernels& kernels = *GemmKernelsFor(target);
      std::vector<float> scratch(kernels.outer_sum_scratch(group.shape));
      std::vector<float> sum(30, 4);
      kernels.outer_sum(group.shape, group.g.data(), group.a.data(), group.scale.data(), false,
                        sum.data(), scratch.data());
      EXPECT_EQ(sum, std::vector<float>(30, 0));
      std::vector<double> squares(2, 8);
      kernels.outer_squares(group.shape, group.g.data(), group.a.data(), squares.data(), nullptr);
      EXPECT_EQ(squares, std::vector<double>(2, positions ? 8 : 0));
    }
  }
}

}  // namespace
}  // namespace anchorhold::simd
