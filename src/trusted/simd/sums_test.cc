// The passes of sums.h against plain loops in double precision or whole numbers, on every target.
#include "trusted/simd/sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace anchorhold::simd {
namespace {

using Floats = std::vector<float>;
constexpr std::size_t kMargin = 32;
constexpr std::size_t kSizes[] = {0,   1,   2,   3,   4,    5,    7,    8,    9,    15,
                                  16,  17,  31,  33,  63,   64,   65,   127,  255,  256,
                                  257, 511, 512, 513, 1023, 1024, 1025, 2047, 4099, 10007};
const float kNaN = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

// n values, not aligned to vectors, with canaries on both sides.
template <typename T>
class Guarded {
 public:
  explicit Guarded(const std::vector<T>& x) : memory_(x.size() + 2 * kMargin + 1, T{77}) {
    n_ = x.size();
    for (std::size_t i = 0; i < n_; ++i) data()[i] = x[i];
  }
  T* data() { return memory_.data() + kMargin + 1; }
  std::vector<T> Values() {
    for (std::size_t i = 0; i <= kMargin; ++i) EXPECT_EQ(memory_[i], T{77});
    for (std::size_t i = 0; i < kMargin; ++i) EXPECT_EQ(data()[n_ + i], T{77});
    return std::vector<T>(data(), data() + n_);
  }

 private:
  std::vector<T> memory_;
  std::size_t n_;
};

Floats RandomFloats(std::size_t n, std::mt19937_64& random, float size = 1) {
  std::normal_distribution<float> normal(0, size);
  Floats x(n);
  for (float& entry : x) entry = normal(random);
  return x;
}

class Sums : public ::testing::TestWithParam<Target> {
 protected:
  const SumKernels& kernels() const { return *SumKernelsFor(GetParam()); }
  double Squares(const Floats& x) const {
    Guarded<float> memory(x);
    const double sum = kernels().squares(x.size(), memory.data());
    memory.Values();
    return sum;
  }
  std::mt19937_64 random_{3};
};

TEST_P(Sums, SquaresAreWithinTheirBound) {
  for (const std::size_t n : kSizes) {
    const Floats x = RandomFloats(n, random_);
    double expected = 0;
    for (const float entry : x) expected += static_cast<double>(entry) * entry;
    EXPECT_NEAR(Squares(x), expected, expected * 0x1p-19) << n;
  }
}

// The error of one rounding direction does not pile up beyond a chain.
TEST_P(Sums, LongSumsStayWithinTheBound) {
  const Floats x(3000000, 0.1F);
  const double expected = 3e6 * static_cast<double>(0.1F) * static_cast<double>(0.1F);
  EXPECT_NEAR(Squares(x), expected, expected * 0x1p-19);
}

TEST_P(Sums, OneBadEntryMakesTheSquaresNotFinite) {
  for (const std::size_t n : {1U, 17U, 1500U}) {
    for (const float bad : {kNaN, kInfinity, -kInfinity}) {
      for (std::size_t at = 0; at < n; at += 1 + n / 40) {
        Floats x = RandomFloats(n, random_);
        EXPECT_TRUE(std::isfinite(Squares(x)));
        x[at] = bad;
        EXPECT_FALSE(std::isfinite(Squares(x)));
      }
    }
  }
}

TEST_P(Sums, SquaresDoNotDependOnTheAddress) {
  const Floats x = RandomFloats(5000, random_);
  Floats moved(x.size() + 40);
  const double sum = kernels().squares(x.size(), x.data());
  for (std::size_t shift = 0; shift < 40; ++shift) {
    std::copy(x.begin(), x.end(), moved.begin() + static_cast<std::ptrdiff_t>(shift));
    EXPECT_EQ(sum, kernels().squares(x.size(), moved.data() + shift));
  }
}

TEST_P(Sums, AddScaled) {
  for (const std::size_t n : kSizes) {
    const Floats x = RandomFloats(n, random_);
    const Floats before = RandomFloats(n, random_);
    Guarded<float> y(before);
    kernels().add_scaled(n, x.data(), 0.3F, y.data());
    const Floats after = y.Values();
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = before[i] + static_cast<double>(0.3F) * x[i];
      EXPECT_NEAR(after[i], expected, 0x1p-23 * (std::abs(before[i]) + std::abs(x[i])));
    }
  }
}

TEST_P(Sums, AScaleOfZeroAddsNothing) {
  for (const std::size_t n : {3U, 64U, 1030U}) {
    Floats x = RandomFloats(n, random_);
    x[0] = kNaN;
    x[n / 2] = kInfinity;
    const Floats before = RandomFloats(n, random_);
    Guarded<float> y(before);
    kernels().add_scaled(n, x.data(), 0, y.data());
    EXPECT_EQ(y.Values(), before);
    const std::vector<std::int32_t> whole(n, -5);
    Guarded<std::int32_t> sum(whole);
    EXPECT_EQ(kernels().add_grid(n, x.data(), 0, 1, sum.data()), 0);
    EXPECT_EQ(sum.Values(), whole);
  }
}

// round(scale x) for a product that is a float: halves to the even neighbour, saturating.
std::int64_t Rounded(float scale, float x) {
  const double product = scale * x;
  if (product >= 0x1p31) return 0x7fffff80;  // the largest float below 2^31
  if (product <= -0x1p31) return -0x80000000LL;
  return static_cast<std::int64_t>(std::nearbyint(product));
}

TEST_P(Sums, AddGridAddsRoundedNumbers) {
  for (const std::size_t n : kSizes) {
    for (const float size : {0.5F, 30.0F, 1e6F, 3e8F, 1e20F}) {
      Floats x = RandomFloats(n, random_, size);
      for (std::size_t i = 0; i + 3 < n; i += 5) {  // ties
        x[i] = 0.625F;
        x[i + 1] = -0.375F;
        x[i + 2] = 0.125F;
      }
      std::vector<std::int32_t> before(n);
      for (auto& entry : before) entry = static_cast<std::int32_t>(random_() % 2001) - 1000;
      Guarded<std::int32_t> sum(before);
      double expected = 0;
      const double squares = kernels().add_grid(n, x.data(), 4, 1, sum.data());
      const std::vector<std::int32_t> after = sum.Values();
      for (std::size_t i = 0; i < n; ++i) {
        const std::int64_t v = Rounded(4, x[i]);
        EXPECT_EQ(after[i], static_cast<std::int32_t>(before[i] + v)) << x[i];
        expected += static_cast<double>(v) * static_cast<double>(v);
      }
      EXPECT_GE(squares, expected * (1 - 0x1p-18));
      EXPECT_LE(squares, expected * (1 + 0x1p-18));
      // Taking it back leaves what was there.
      EXPECT_EQ(kernels().add_grid(n, x.data(), 4, -1, sum.data()), squares);
      EXPECT_EQ(sum.Values(), before);
    }
  }
}

TEST_P(Sums, FindRepeatsGivesTheFirstOfEqualRows) {
  for (const std::size_t n : {0U, 1U, 2U, 15U, 16U, 17U, 64U, 131U}) {
    std::vector<std::int32_t> rows(n);
    for (std::int32_t& row : rows) row = static_cast<std::int32_t>(random_() % 40) - 1;
    Guarded<std::int32_t> first(std::vector<std::int32_t>(n, -7));
    kernels().find_repeats(n, rows.data(), first.data());
    const std::vector<std::int32_t> found = first.Values();
    for (std::size_t t = 0; t < n; ++t) {
      const auto expected = std::find(rows.begin(), rows.end(), rows[t]) - rows.begin();
      EXPECT_EQ(found[t], expected) << t;
    }
  }
}

// Rows of a table: as each of them by itself, those outside of [begin, end) left out.
TEST_P(Sums, RowsAreAddedWhereTheyBelong) {
  constexpr std::int32_t kTable = 9;
  for (const std::size_t d : {1U, 15U, 16U, 64U, 70U, 129U}) {
    for (const std::size_t count : {0U, 1U, 40U}) {
      const Floats x = RandomFloats(count * d, random_, 1e5F);
      std::vector<std::int32_t> rows(count);
      for (std::int32_t& row : rows) row = static_cast<std::int32_t>(random_() % 12) - 2;
      const TableRows places{count, d, rows.data(), 1, kTable - 1};
      std::vector<std::int32_t> expected(kTable * d, 3);
      Floats expected_reals = RandomFloats(kTable * d, random_);
      Guarded<std::int32_t> table(expected);
      Guarded<float> reals(expected_reals);
      double squares = 0;
      for (std::size_t t = 0; t < count; ++t) {
        if (rows[t] < places.begin || rows[t] >= places.end) continue;
        const std::size_t at = static_cast<std::size_t>(rows[t]) * d;
        squares += kernels().add_grid(d, &x[t * d], 0.5F, 1, &expected[at]);
        kernels().add_scaled(d, &x[t * d], 0.5F, &expected_reals[at]);
      }
      const double found = kernels().add_grid_rows(places, x.data(), 0.5F, 1, table.data());
      EXPECT_EQ(table.Values(), expected);
      EXPECT_NEAR(found, squares, squares * 0x1p-18);
      kernels().add_scaled_rows(places, x.data(), 0.5F, reals.data());
      EXPECT_EQ(reals.Values(), expected_reals);
      EXPECT_EQ(kernels().add_grid_rows(places, x.data(), 0.5F, -1, table.data()), found);
      EXPECT_EQ(table.Values(), std::vector<std::int32_t>(kTable * d, 3));
    }
  }
}

// One row to many, to each of them some times over.
TEST_P(Sums, ARowIsAddedAsOftenAsItIsRead) {
  constexpr std::int32_t kTable = 300;
  for (const std::size_t d : {1U, 15U, 16U, 64U, 70U, 129U}) {
    for (const std::size_t count : {0U, 1U, 40U, 290U}) {
      const Floats x = RandomFloats(d, random_, 1e5F);
      std::vector<std::int32_t> rows(count);
      std::vector<std::int32_t> times(count, 1);
      for (std::size_t t = 0; t < count; ++t) {
        rows[t] = t % 7 == 3 ? -1 : static_cast<std::int32_t>((t * 11 + 5) % kTable);
        if (t % 5 == 2) times[t] = 1 + static_cast<std::int32_t>(t % 4);
      }
      const TableRows places{count, d, rows.data(), 1, kTable - 1, times.data()};
      std::vector<std::int32_t> expected(kTable * d, 3);
      Floats expected_reals = RandomFloats(kTable * d, random_);
      Guarded<std::int32_t> table(expected);
      Guarded<float> reals(expected_reals);
      double squares = 0;
      for (std::size_t t = 0; t < count; ++t) {
        if (rows[t] < places.begin || rows[t] >= places.end) continue;
        const std::size_t at = static_cast<std::size_t>(rows[t]) * d;
        const float scale = 0.5F * static_cast<float>(times[t]);
        squares += kernels().add_grid(d, x.data(), scale, 1, &expected[at]);
        kernels().add_scaled(d, x.data(), scale, &expected_reals[at]);
      }
      const double found = kernels().add_grid_rows(places, x.data(), 0.5F, 1, table.data());
      EXPECT_EQ(table.Values(), expected);
      EXPECT_NEAR(found, squares, squares * 0x1p-18);
      kernels().add_scaled_rows(places, x.data(), 0.5F, reals.data());
      EXPECT_EQ(reals.Values(), expected_reals);
      EXPECT_EQ(kernels().add_grid_rows(places, x.data(), 0.5F, -1, table.data()), found);
      EXPECT_EQ(table.Values(), std::vector<std::int32_t>(kTable * d, 3));
    }
  }
}

TEST_P(Sums, FlushGridEmptiesIntoTheTotal) {
  for (const std::size_t n : kSizes) {
    std::vector<std::int32_t> small(n);
    std::vector<std::int64_t> large(n);
    for (std::size_t i = 0; i < n; ++i) {
      small[i] = static_cast<std::int32_t>(random_());
      large[i] = static_cast<std::int64_t>(random_()) / 4;
    }
    Guarded<std::int32_t> sum(small);
    Guarded<std::int64_t> total(large);
    kernels().flush_grid(n, sum.data(), total.data());
    EXPECT_EQ(sum.Values(), std::vector<std::int32_t>(n, 0));
    for (std::size_t i = 0; i < n; ++i) large[i] += small[i];
    EXPECT_EQ(total.Values(), large);
  }
}

TEST_P(Sums, FromGridIsTheScaledSum) {
  for (const std::size_t n : kSizes) {
    std::vector<std::int64_t> sum(n);
    std::vector<std::int64_t> noise(n);
    for (std::size_t i = 0; i < n; ++i) {
      sum[i] = static_cast<std::int64_t>(random_()) >> (2 + i % 60);
      noise[i] = static_cast<std::int64_t>(random_()) >> (2 + i % 40);
    }
    Guarded<float> dst(Floats(n, 1));
    const double unit = 0.0123456789;
    kernels().from_grid(n, sum.data(), noise.data(), unit, dst.data());
    const Floats after = dst.Values();
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(after[i], static_cast<float>(unit * static_cast<double>(sum[i] + noise[i])));
    }
    std::vector<std::int32_t> small(n);
    for (std::size_t i = 0; i < n; ++i) small[i] = static_cast<std::int32_t>(sum[i]);
    Guarded<std::int32_t> short_sum(small);
    kernels().from_short_grid(n, short_sum.data(), noise.data(), unit, dst.data());
    const Floats of_short = dst.Values();
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(of_short[i], static_cast<float>(unit * static_cast<double>(small[i] + noise[i])));
    }
  }
}

// One step of train/optimizer.h's formulas.
void SgdReference(const SumKernels::Update& update, const Floats& gradient, Floats& w, Floats& m) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    double direction = double{update.share * gradient[i]} + update.decay * w[i];
    if (update.momentum > 0) {
      const double velocity = update.momentum * m[i] + direction;
      m[i] = static_cast<float>(velocity);
      direction = update.nesterov ? direction + update.momentum * velocity : velocity;
    }
    w[i] = static_cast<float>(w[i] - update.rate * direction);
  }
}

void AdamReference(const SumKernels::Update& update, bool decoupled, const Floats& gradient,
                   Floats& w, Floats& m, Floats& s) {
  const double penalty = decoupled ? 0 : update.decay;
  const double kept = decoupled ? 1 - update.rate * update.decay : 1;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double g = double{update.share * gradient[i]} + penalty * w[i];
    const double first = update.beta1 * m[i] + (1 - update.beta1) * g;
    const double second = update.beta2 * s[i] + (1 - update.beta2) * g * g;
    m[i] = static_cast<float>(first);
    s[i] = static_cast<float>(second);
    const double step = (first / update.first_correction) /
                        (std::sqrt(second / update.second_correction) + update.epsilon);
    w[i] = static_cast<float>(kept * w[i] - update.rate * step);
  }
}

TEST_P(Sums, SgdIsItsFormula) {
  for (const std::size_t n : kSizes) {
    for (int variant = 0; variant < 4; ++variant) {
      SumKernels::Update update;
      update.rate = 0.05;
      update.decay = variant % 2 == 0 ? 0 : 0.003;
      update.momentum = variant == 0 ? 0 : 0.9;
      update.nesterov = variant == 3;
      update.share = variant == 1 ? 0.37F : 1;
      Floats w = RandomFloats(n, random_);
      Floats m(n);
      Guarded<float> fast_w(w);
      Guarded<float> fast_m(m);
      for (int step = 0; step < 3; ++step) {
        const Floats gradient = RandomFloats(n, random_);
        SgdReference(update, gradient, w, m);
        kernels().sgd(update, n, gradient.data(), fast_w.data(),
                      update.momentum == 0 ? nullptr : fast_m.data());
        EXPECT_EQ(fast_w.Values(), w);
        EXPECT_EQ(fast_m.Values(), m);
      }
    }
  }
}

bool IsNeighbour(float a, float b) {
  return a == b || a == std::nextafter(b, kInfinity) || a == std::nextafter(b, -kInfinity);
}

TEST_P(Sums, AdamIsItsFormula) {
  for (const std::size_t n : kSizes) {
    for (const bool decoupled : {false, true}) {
      SumKernels::Update update = {0.001, 0.01, 0, false, 0.9, 0.999, 1e-8, 1, 1, 0.37F};
      Floats w = RandomFloats(n, random_);
      Floats m(n);
      Floats s(n);
      Guarded<float> fast_w(w);
      Guarded<float> fast_m(m);
      Guarded<float> fast_s(s);
      for (int step = 1; step < 5; ++step) {
        update.first_correction = 1 - std::pow(update.beta1, step);
        update.second_correction = 1 - std::pow(update.beta2, step);
        Floats gradient = RandomFloats(n, random_);
        if (n > 3) gradient[n / 3] = step % 2 == 0 ? 0.0F : 1e-18F;
        AdamReference(update, decoupled, gradient, w, m, s);
        kernels().adam(update, decoupled, n, gradient.data(), fast_w.data(), fast_m.data(),
                       fast_s.data());
        const Floats after = fast_w.Values();
        for (std::size_t i = 0; i < n; ++i) EXPECT_TRUE(IsNeighbour(after[i], w[i]));
        std::copy(w.begin(), w.end(), fast_w.data());  // or the neighbours part
        EXPECT_EQ(fast_m.Values(), m);
        EXPECT_EQ(fast_s.Values(), s);
      }
    }
  }
}

std::vector<Target> FastTargets() {
  const auto targets = AvailableTargets();
  return {targets.begin() + 1, targets.end()};
}

INSTANTIATE_TEST_SUITE_P(Targets, Sums, ::testing::ValuesIn(FastTargets()),
                         [](const auto& target) { return TargetName(target.param); });

}  // namespace
}  // namespace anchorhold::simd
