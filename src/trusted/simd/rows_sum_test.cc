// Sums and permutations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "trusted/simd/rows_for_test.h"

namespace anchorhold::simd {
namespace {

class RowsSumTest : public RowsTest {};

struct SumSize {
  std::size_t outer;
  std::size_t n;
  std::size_t inner;
};

std::vector<SumSize> Sizes() {
  std::vector<SumSize> sizes;
  for (const std::size_t n : {1u, 2u, 3u, 4u, 8u, 16u, 17u, 63u, 64u, 65u, 131u, 1000u}) {
    for (const std::size_t inner : {1u, 2u, 3u, 7u, 8u, 15u, 16u, 17u, 33u, 130u, 300u}) {
      sizes.push_back({3, n, inner});
    }
  }
  sizes.push_back({1, 100003, 1});
  sizes.push_back({1, 100003, 3});
  sizes.push_back({1000, 2, 1});
  sizes.push_back({0, 5, 5});
  sizes.push_back({2, 0, 5});
  sizes.push_back({2, 0, 1});
  return sizes;
}

TEST_P(RowsSumTest, EqualsTheDefinition) {
  for (const auto& [outer, n, inner] : Sizes()) {
    SCOPED_TRACE(std::to_string(outer) + "x" + std::to_string(n) + "x" + std::to_string(inner));
    const Numbers x(outer * n * inner, 1);
    const Numbers z(outer * n * inner, 2);
    for (const bool product : {false, true}) {
      Results y(outer * inner);
      kernels().sum(outer, n, inner, x.data(), product ? z.data() : nullptr, y.data());
      EXPECT_TRUE(y.Intact());
      for (std::size_t o = 0; o < outer; ++o) {
        for (std::size_t i = 0; i < inner; ++i) {
          double sum = 0;
          double magnitude = 0;
          for (std::size_t j = 0; j < n; ++j) {
            const std::size_t at = (o * n + j) * inner + i;
            const double term = double{x[at]} * (product ? double{z[at]} : 1.0);
            sum += term;
            magnitude += std::abs(term);
          }
          // The most additions that a term passes through (rows_sum.cc), and its rounding.
          const double depth =
              std::min(static_cast<double>(n), 64 + static_cast<double>(n) / 64 + 20) + 1;
          EXPECT_NEAR(y[o * inner + i], sum, depth * magnitude * 0x1p-24) << o << " " << i;
        }
      }
    }
  }
}

TEST_P(RowsSumTest, AnExampleHasTheSameBitsInAnyGroup) {
  for (const auto& [outer, n, inner] : Sizes()) {
    const Numbers x(outer * n * inner, 1);
    const Numbers z(outer * n * inner, 2);
    Results y(outer * inner);
    kernels().sum(outer, n, inner, x.data(), z.data(), y.data());
    for (std::size_t o = 0; o < outer; ++o) {
      Results one(inner);
      kernels().sum(1, n, inner, x.data() + o * n * inner, z.data() + o * n * inner, one.data());
      EXPECT_TRUE(SameBits(one.data(), y.data() + o * inner, inner)) << n << " " << inner;
    }
  }
}

// The rows gathered and then summed: the same bits, but for rows shorter than a vector.
TEST_P(RowsSumTest, RowsOfATableAreSummedAsIfGathered) {
  constexpr std::size_t kRows = 11;
  std::mt19937 random(5);
  for (const std::size_t width : {1u, 3u, 8u, 16u, 17u, 64u, 70u, 129u, 300u}) {
    const Numbers table(kRows * width, 1);
    for (const std::size_t n : {0u, 1u, 2u, 63u, 64u, 65u, 200u}) {
      SCOPED_TRACE(std::to_string(n) + " of " + std::to_string(width));
      std::vector<std::int64_t> indices(n);
      Numbers rows(n * width);
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t row = random() % kRows;
        indices[j] = static_cast<std::int64_t>(row) - (j % 3 == 0 ? std::int64_t{kRows} : 0);
        std::copy_n(table.data() + row * width, width, rows.data() + j * width);
      }
      Results expected(width);
      Results found(width);
      kernels().sum(1, n, width, rows.data(), nullptr, expected.data());
      kernels().sum_rows({table.data(), kRows, width}, n, indices.data(), found.data());
      EXPECT_TRUE(found.Intact());
      if (width >= 16) {
        EXPECT_TRUE(SameBits(found.data(), expected.data(), width));
      }
      const double additions = 2 * (std::min(static_cast<double>(n), 64.0) + 6);
      for (std::size_t i = 0; i < width; ++i) {
        EXPECT_NEAR(found[i], expected[i], additions * static_cast<double>(n) * 0x1p-23);
      }
    }
  }
}

TEST_P(RowsSumTest, ARowOutOfRangeMakesTheSumNaN) {
  const Numbers table(5 * 33, 1);
  for (const std::int64_t wrong :
       {std::int64_t{5}, std::int64_t{-6}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    const std::int64_t indices[] = {0, 4, wrong, -5};
    Results found(33);
    kernels().sum_rows({table.data(), 5, 33}, 4, indices, found.data());
    EXPECT_TRUE(found.Intact());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(std::isnan(found[i]));
    Results none(33);
    kernels().sum_rows({table.data(), 0, 33}, 1, indices, none.data());
    EXPECT_TRUE(std::isnan(none[0]) && std::isnan(none[32]));
  }
}

class RowsPermuteTest : public RowsTest {
 protected:
  // Against the definition: y[i] = x[sum of i_k strides_k].
  void Check(const std::vector<std::size_t>& sizes, const std::vector<std::size_t>& strides) {
    std::size_t count = 1;
    std::size_t last = 0;
    std::string trace;
    for (std::size_t a = 0; a < sizes.size(); ++a) {
      count *= sizes[a];
      if (sizes[a] > 0) last += (sizes[a] - 1) * strides[a];
      trace += std::to_string(sizes[a]) + "/" + std::to_string(strides[a]) + " ";
    }
    SCOPED_TRACE(trace);
    const Numbers x(last + 1, 3);
    std::vector<float> expected(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t rest = i;
      std::size_t from = 0;
      for (std::size_t a = sizes.size(); a-- > 0; rest /= sizes[a]) {
        from += rest % sizes[a] * strides[a];
      }
      expected[i] = x[from];
    }
    Results y(count);
    kernels().permute(sizes.size(), sizes.data(), strides.data(), x.data(), y.data());
    EXPECT_TRUE(y.Intact());
    EXPECT_TRUE(SameBits(y.data(), expected.data(), count));
  }
};

TEST_P(RowsPermuteTest, EqualsTheDefinition) {
  Check({}, {});
  Check({1, 1}, {7, 3});
  Check({5}, {1});
  Check({5}, {0});
  Check({37}, {3});
  Check({0, 4}, {4, 1});
  for (const std::size_t rows : {1u, 3u, 4u, 15u, 16u, 17u, 64u, 67u}) {
    for (const std::size_t columns : {1u, 2u, 5u, 8u, 16u, 18u, 23u, 64u}) {
      Check({rows, columns}, {columns, 1});
      Check({columns, rows}, {1, columns});
      Check({columns, rows}, {1, columns + 3});
      Check({3, columns, rows}, {columns * rows, 1, columns});
      Check({columns, 3, rows}, {1, columns * rows, columns});
      Check({columns, rows, 2}, {1, 2 * columns, columns});
      Check({rows, columns}, {0, 1});
      Check({rows, columns}, {1, 0});
      Check({rows, 2, columns}, {columns, 0, 1});
      Check({rows, columns}, {2 * columns, 2});
    }
  }
  Check({4, 3, 5, 2, 6, 3}, {1, 4, 12, 60, 120, 720});
  Check({3, 7, 12, 64}, {7 * 12 * 64, 64, 7 * 64, 1});
  Check({2, 2, 2, 2, 2, 2, 2, 2}, {1, 4, 2, 16, 8, 64, 32, 128});
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsSumTest, ::testing::ValuesIn(FastTargets()), NameOfTarget);
INSTANTIATE_TEST_SUITE_P(Targets, RowsPermuteTest, ::testing::ValuesIn(FastTargets()),
                         NameOfTarget);

}  // namespace
}  // namespace anchorhold::simd
