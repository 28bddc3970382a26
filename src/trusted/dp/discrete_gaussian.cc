#include "trusted/dp/discrete_gaussian.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "shared/base/check.h"
#include "trusted/dp/exact_exp.h"
#include "trusted/dp/gaussian_table.h"

namespace anchorhold::dp {
namespace internal {
namespace {

using simd::GaussianCandidate;
using simd::GaussianRule;

// As many words as one block of crypto's key stream gives, so that a fresh stream writes straight
// into the buffer.
constexpr std::size_t kWordsMax = 8188;

// Words and digits are taken as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// Random words that are gone from memory when it dies.
class WordBuffer {
 public:
  explicit WordBuffer(std::size_t size)
      : words_(std::make_unique_for_overwrite<std::uint64_t[]>(size)), size_(size) {}
  ~WordBuffer() { crypto::Wipe(BytesOf(size_)); }
  WordBuffer(const WordBuffer&) = delete;
  WordBuffer& operator=(const WordBuffer&) = delete;

  const std::uint64_t* Draw(std::size_t count, crypto::RandomSource& random) {
    random.Fill(BytesOf(count));
    return words_.get();
  }
  std::size_t size() const { return size_; }

 private:
  MutableByteSpan BytesOf(std::size_t count) {
    return std::as_writable_bytes(std::span(words_.get(), count));
  }

  std::unique_ptr<std::uint64_t[]> words_;
  std::size_t size_;
};

// True if u < q, for a uniform number u of which the first `digits` bits, 1 to 63, are those of
// `known`.
bool UniformIsBelow(const ScaledExp& q, std::uint64_t known, int digits,
                    crypto::RandomSource& further) {
  // The highest limb first, as they are drawn.
  std::array<std::uint64_t, kLimbsMax> drawn{};
  const std::uint64_t unknown = ~std::uint64_t{0} >> digits;
  drawn[0] = (known & ~unknown) | (further.NextU64() & unknown);
  for (std::size_t limbs = 1;; ++limbs) {
    Limbs u{};
    for (std::size_t i = 0; i < limbs; ++i) u[i] = drawn[limbs - 1 - i];
    const Order order = CompareWithExp(limbs, u, q);
    crypto::Wipe(std::as_writable_bytes(std::span(u)));
    if (order != Order::kOpen) {
      crypto::Wipe(std::as_writable_bytes(std::span(drawn)));
      return order == Order::kBelow;
    }
    // The header says why more limbs are never needed.
    AH_CHECK(limbs < kLimbsMax);
    drawn[limbs] = further.NextU64();
  }
}

// The number of tails before the first head.
int Tails(crypto::RandomSource& further) {
  const int tails = std::countr_zero(further.NextU64());
  AH_CHECK(tails < 48);
  return tails;
}

// Decides what the fast arithmetic left undecided; true if accepted, the draw is then in `out`.
bool Decide(const GaussianRule& rule, std::uint64_t word, crypto::RandomSource& further,
            std::int64_t& out) {
  const int unit_log2 = rule.sigma_log2 - 2;
  GaussianCandidate candidate = simd::ReadGaussianWord(rule, word);
  ScaledExp p;
  p.weight = kGaussianScale * BlockUnits(candidate.block);
  p.divisor = kBlockSlots[candidate.block];
  if (candidate.magnitude >> unit_log2 == kOpenUnit) {
    const int tails = Tails(further);
    candidate.magnitude += static_cast<std::uint64_t>(tails) << unit_log2;
    p.weight <<= tails + 1;
  }
  const std::uint64_t size = candidate.magnitude + candidate.negative;
  p.numerator = size * size;
  p.denominator_log2 = 2 * rule.sigma_log2 + 1;
  out = candidate.Value();
  return UniformIsBelow(p, simd::GaussianDigitsFirst(word), simd::GaussianDigits(rule.sigma_log2),
                        further);
}

// For sigma_log2 >= 2.
void SampleWide(const GaussianOptions& options, int sigma_log2, crypto::RandomSource& words,
                crypto::RandomSource& further, WordBuffer& buffer, std::span<std::int64_t> out) {
  const GaussianRule rule{
      .table = &kGaussianTable, .sigma_log2 = sigma_log2, .margin = options.margin};
  const simd::GaussianAccept accept = simd::GaussianAcceptFor(options.target);
  simd::GaussianAhead ahead = options.ahead;
  while (!out.empty()) {
    // No more words than draws that are missing, so that all that is accepted has a place.
    const std::size_t count = std::min(out.size(), buffer.size());
    const std::uint64_t* drawn = buffer.Draw(count, words);
    std::size_t judged = 0;
    std::size_t made = 0;
    while (judged < count) {
      const simd::GaussianProgress progress =
          accept(rule, count - judged, drawn + judged, out.data() + made, ahead);
      judged += progress.words;
      made += progress.draws;
      if (judged == count) break;
      made += static_cast<std::size_t>(Decide(rule, drawn[judged], further, out[made]));
      ++judged;
    }
    out = out.subspan(made);
  }
}

}  // namespace

void SampleDiscreteGaussianWith(const GaussianOptions& options, int sigma_log2,
                                crypto::RandomSource& words, crypto::RandomSource& further,
                                std::span<std::int64_t> out) {
  AH_CHECK(sigma_log2 >= 0 && sigma_log2 <= kSigmaLog2Max);
  WordBuffer buffer(std::min(out.size(), kWordsMax));
  if (sigma_log2 >= simd::kGaussianSigmaLog2Min) {
    SampleWide(options, sigma_log2, words, further, buffer, out);
    return;
  }
  const int shift = simd::kGaussianSigmaLog2Min - sigma_log2;
  const std::int64_t divisor = std::int64_t{1} << shift;
  std::vector<std::int64_t> draws(out.size());
  std::size_t made = 0;
  while (made < out.size()) {
    draws.resize(out.size() - made);
    SampleWide(options, simd::kGaussianSigmaLog2Min, words, further, buffer, draws);
    for (const std::int64_t y : draws) {
      if (y % divisor == 0) out[made++] = y / divisor;
    }
  }
}

}  // namespace internal

void SampleDiscreteGaussian(int sigma_log2, crypto::RandomSource& random,
                            std::span<std::int64_t> out, const simd::GaussianAhead& ahead) {
  internal::SampleDiscreteGaussianWith({.ahead = ahead}, sigma_log2, random, random, out);
}

}  // namespace anchorhold::dp
