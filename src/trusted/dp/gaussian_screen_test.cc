// That the screen of simd/gaussian_screen-inl.h changes nothing: every target's kernel judges every
// word as the scalar rule does, those near the edges of the rule's three outcomes above all.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "shared/crypto/random.h"
#include "trusted/dp/gaussian_series_for_test.h"
#include "trusted/dp/gaussian_table.h"
#include "trusted/simd/gaussian_screen.h"

namespace anchorhold::dp::internal {
namespace {

using simd::GaussianRule;

// The most words that a screen's vector takes.
constexpr std::size_t kGroup = 16;

GaussianRule Rule(int sigma_log2, std::uint32_t margin) {
  return {.table = &kGaussianTable, .sigma_log2 = sigma_log2, .margin = margin};
}

std::vector<std::uint64_t> RandomWords(std::size_t count, std::uint64_t seed) {
  crypto::InsecureSeededRandom random(seed);
  std::vector<std::uint64_t> words(count);
  random.Fill(std::as_writable_bytes(std::span(words)));
  return words;
}

TEST(GaussianScreen, ConstantsAreWhatTheyAreSaidToBe) {
  using simd::internal::kScreenEdges;
  for (std::size_t k = 0; k < simd::kGaussianBlocks; ++k) {
    const auto square = static_cast<long double>(k * k);
    EXPECT_EQ(kScreenEdges[k], static_cast<float>(std::exp(square / 32)));
  }
  EXPECT_EQ(simd::internal::kScreenLog2E, static_cast<float>(1 / std::log(2.0L)));
  const std::vector<long double> series = SeriesByPowers(4, 1, 0);
  for (std::size_t i = 0; i < series.size(); ++i) {
    EXPECT_EQ(simd::internal::kScreenPowerOfTwo[i], static_cast<float>(series[i]));
  }
  EXPECT_LT(LeftOutOfSeries(4), 2.695e-6L);
}

// Whether the kernel says of words[0 .. n) what the scalar rule says.
testing::AssertionResult Agrees(simd::Target target, const GaussianRule& rule,
                                std::span<const std::uint64_t> words) {
  std::vector<std::int64_t> expected(words.size());
  std::vector<std::int64_t> out(words.size());
  const auto wanted =
      simd::internal::AcceptGaussianScalar(rule, words.size(), words.data(), expected.data());
  simd::GaussianAhead ahead;
  const auto got =
      simd::GaussianAcceptFor(target)(rule, words.size(), words.data(), out.data(), ahead);
  if (got.words != wanted.words || got.draws != wanted.draws) {
    return testing::AssertionFailure()
           << simd::TargetName(target) << ": " << got.draws << " of " << got.words << " and not "
           << wanted.draws << " of " << wanted.words;
  }
  const auto draws = static_cast<std::ptrdiff_t>(got.draws);
  if (!std::equal(out.begin(), out.begin() + draws, expected.begin())) {
    return testing::AssertionFailure() << simd::TargetName(target) << ": other draws";
  }
  return testing::AssertionSuccess();
}

TEST(GaussianScreen, RandomWordsAreJudgedByTheRule) {
  for (const int sigma_log2 : {2, 3, 10, 18, 24, 26}) {
    const std::vector<std::uint64_t> words = RandomWords(1 << 18, 40);
    for (const std::uint32_t margin : {simd::kGaussianMargin, 1U << 18, 1U << 26}) {
      const GaussianRule rule = Rule(sigma_log2, margin);
      std::vector<std::int64_t> out(words.size());
      for (std::span<const std::uint64_t> left = words; !left.empty();) {
        const std::size_t n =
            simd::internal::AcceptGaussianScalar(rule, left.size(), left.data(), out.data()).words;
        // With the undecided word, and some behind it.
        const auto part = left.first(std::min(left.size(), n + 5));
        for (const simd::Target target : simd::AvailableTargets()) {
          ASSERT_TRUE(Agrees(target, rule, part)) << sigma_log2 << " " << margin;
        }
        left = left.subspan(std::min(left.size(), n + 1));
      }
    }
  }
}

// `word` with the digits of u such that U is the first at or behind `at`; none if there is none.
std::optional<std::uint64_t> WithUniformFrom(std::uint64_t word, int sigma_log2, std::int64_t at) {
  const std::int64_t step = std::int64_t{1} << (sigma_log2 + 14);
  if (at < 0 || at > std::numeric_limits<std::int64_t>::max() - step) return std::nullopt;
  const auto below = static_cast<std::int64_t>(word) & (step - 1);
  std::int64_t u = ((at - below) & -step) + below;
  if (u < at) u += step;
  return static_cast<std::uint64_t>(u) | (word & std::uint64_t{1} << 63);
}

// Words like `word` but for u, which puts them on both sides of each edge between two outcomes, and
// of where the screen's slack ends, and between these.
std::vector<std::uint64_t> NearTheEdges(const GaussianRule& rule, std::uint64_t word,
                                        crypto::RandomSource& random) {
  const auto p = static_cast<std::int64_t>(
      simd::GaussianProbability(rule, simd::ReadGaussianWord(rule, word)));
  const std::int64_t slack = simd::internal::GaussianSlack(rule);
  const std::int64_t step = std::int64_t{1} << (rule.sigma_log2 + 14);
  const std::int64_t screen = std::int64_t{1} << 46;
  const auto between = static_cast<std::int64_t>(random.NextU64() % (std::uint64_t{1} << 46));
  std::vector<std::uint64_t> words;
  for (const std::int64_t past :
       {-2 * step, -step, std::int64_t{0}, step, between, screen - step, screen + step}) {
    for (const std::int64_t distance : {slack + past, -slack - past}) {
      if (distance > std::numeric_limits<std::int64_t>::max() - p) continue;
      const auto near = WithUniformFrom(word, rule.sigma_log2, p + distance);
      if (near) words.push_back(*near);
    }
  }
  return words;
}

// Words of every block, by both ways through the table where there are two, with both signs, at the
// ends of the block and at `inside` places within.
std::vector<std::uint64_t> EveryBlock(const GaussianRule& rule, int inside,
                                      crypto::RandomSource& random) {
  std::vector<std::uint64_t> words;
  const std::uint64_t low = (std::uint64_t{1} << (rule.sigma_log2 + 2)) - 1;
  for (std::uint64_t column = 0; column < simd::kGaussianBlocks; ++column) {
    for (const std::uint64_t r : {0, 255}) {
      for (int i = 0; i < inside + 2; ++i) {
        const std::uint64_t place = i == 0 ? 0 : i == 1 ? low : random.NextU64() & low;
        for (const std::uint64_t sign : {0, 1}) {
          words.push_back(column | r << 4 | place << 12 | sign << 63);
        }
      }
    }
  }
  return words;
}

// Whether callers have subnormal floats flushed to zero.
class Flushing {
 public:
#if defined(__SSE__)
  explicit Flushing(bool on) : before_(_mm_getcsr()) {
    constexpr unsigned kFlushBoth = 0x8040;
    _mm_setcsr(on ? before_ | kFlushBoth : before_ & ~kFlushBoth);
  }
  ~Flushing() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  explicit Flushing(bool) {}
#endif
};

// Words that the rule accepts or rejects with any margin.
std::array<std::uint64_t, kGroup> ClearWords(const GaussianRule& rule) {
  std::array<std::uint64_t, kGroup> words;
  for (std::size_t i = 0; i < kGroup; ++i) {
    // Far out with U near 1, or near 0 with U near 0.
    const bool reject = i % 3 == 0;
    const std::uint64_t block = reject ? 15 : 0;
    std::uint64_t word = 0;
    while (simd::ReadGaussianWord(rule, word).block != block) ++word;
    const std::uint64_t end = reject ? (std::uint64_t{1} << (rule.sigma_log2 + 2)) - 1 : 0;
    words[i] =
        word | (end ^ (i & 1)) << 12 | (reject ? std::uint64_t{7} << 60 : i << 54) | (i & 2) << 62;
  }
  return words;
}

// `inside` as above; in every `lane_step`-th lane, from one that changes from word to word.
void JudgeNearTheEdges(const GaussianRule& rule, int inside, std::size_t lane_step) {
  crypto::InsecureSeededRandom random(41);
  const std::array<std::uint64_t, kGroup> others = ClearWords(rule);
  std::array<std::int64_t, kGroup> draws;
  ASSERT_EQ(simd::internal::AcceptGaussianScalar(rule, kGroup, others.data(), draws.data()).words,
            kGroup);
  std::size_t lane = 0;
  std::size_t undecided = 0;
  for (const std::uint64_t word : EveryBlock(rule, inside, random)) {
    for (const std::uint64_t near : NearTheEdges(rule, word, random)) {
      std::int64_t y = 0;
      undecided += 1 - simd::internal::AcceptGaussianScalar(rule, 1, &near, &y).words;
      const std::size_t first = lane_step == 1 ? 0 : lane++ % lane_step;
      for (std::size_t place = first; place < kGroup; place += lane_step) {
        std::array<std::uint64_t, kGroup> group = others;
        group[place] = near;
        for (const simd::Target target : simd::AvailableTargets()) {
          ASSERT_TRUE(Agrees(target, rule, group))
              << rule.sigma_log2 << " " << rule.margin << " " << place << " " << std::hex << near;
        }
      }
    }
  }
  EXPECT_GT(undecided, 0U);
}

TEST(GaussianScreen, WordsNearTheEdgesAreJudgedByTheRule) {
  for (const bool flush : {false, true}) {
    const Flushing flushing(flush);
    for (const int sigma_log2 : {2, 10, 18, 24, 26}) {
      JudgeNearTheEdges(Rule(sigma_log2, simd::kGaussianMargin), 30, 15);
      JudgeNearTheEdges(Rule(sigma_log2, 1 << 20), 5, 15);
    }
  }
}

TEST(GaussianScreen, EveryLaneIsJudgedByTheRule) {
  for (const int sigma_log2 : {2, 24}) {
    JudgeNearTheEdges(Rule(sigma_log2, simd::kGaussianMargin), 0, 1);
    JudgeNearTheEdges(Rule(sigma_log2, simd::kGaussianMarginMax), 0, 1);
  }
}

}  // namespace
}  // namespace anchorhold::dp::internal
