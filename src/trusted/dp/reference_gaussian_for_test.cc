#include "trusted/dp/reference_gaussian_for_test.h"

#include <array>

#include "shared/base/check.h"

namespace anchorhold::dp {
namespace {

// Random bits, taken from the source 64 words at a time and each handed out once.
class BitSource {
 public:
  explicit BitSource(crypto::RandomSource& random) : random_(random) {}
  ~BitSource() { crypto::Wipe(std::as_writable_bytes(std::span(words_))); }
  BitSource(const BitSource&) = delete;
  BitSource& operator=(const BitSource&) = delete;

  // `count` bits, 0 <= count <= 32, as a number.
  std::uint64_t Bits(int count) {
    if (left_ < count) Refill();
    const std::uint64_t bits = pool_ & ((std::uint64_t{1} << count) - 1);
    pool_ >>= count;
    left_ -= count;
    return bits;
  }

 private:
  // What is left of the pool is thrown away, so that no draw straddles two words.
  void Refill() {
    if (next_ == words_.size()) {
      random_.Fill(std::as_writable_bytes(std::span(words_)));
      next_ = 0;
    }
    pool_ = words_[next_];
    words_[next_++] = 0;
    left_ = 64;
  }

  crypto::RandomSource& random_;
  std::array<std::uint64_t, 64> words_{};
  std::size_t next_ = 64;
  std::uint64_t pool_ = 0;
  int left_ = 0;
};

// True with probability 1/n, n >= 1: uniform below n, by rejection from the next power of two.
bool BernoulliOneIn(std::uint64_t n, BitSource& bits) {
  int width = 0;
  while ((std::uint64_t{1} << width) < n) ++width;
  std::uint64_t draw = bits.Bits(width);
  while (draw >= n) draw = bits.Bits(width);
  return draw == 0;
}

// True with probability numerator / 2^denominator_log2; the numerator is at most 2^denominator_log2
// and that at most 2^64. Compares a uniform number, 32 bits at a time from the top, so that most
// draws take 32 bits.
bool BernoulliDyadic(unsigned __int128 numerator, int denominator_log2, BitSource& bits) {
  if (numerator >> denominator_log2 != 0) return true;
  int left = denominator_log2;
  while (left > 0) {
    const int width = left < 32 ? left : 32;
    left -= width;
    const auto part =
        static_cast<std::uint64_t>(numerator >> left) & ((std::uint64_t{1} << width) - 1);
    const std::uint64_t draw = bits.Bits(width);
    if (draw != part) return draw < part;
  }
  return false;
}

// Algorithm 1 for 0 <= gamma <= 1: true with probability exp(-gamma),
// gamma = numerator / 2^denominator_log2.
bool BernoulliExpSmall(unsigned __int128 numerator, int denominator_log2, BitSource& bits) {
  std::uint64_t k = 1;
  // Bernoulli(gamma / k) is Bernoulli(gamma) and Bernoulli(1 / k).
  while (BernoulliOneIn(k, bits) && BernoulliDyadic(numerator, denominator_log2, bits)) {
    ++k;
    // Reached with a probability of one in 2^20 factorial: the random source is broken.
    AH_CHECK(k < (std::uint64_t{1} << 20));
  }
  return k % 2 == 1;
}

// Algorithm 1 for every gamma >= 0.
bool BernoulliExp(unsigned __int128 numerator, int denominator_log2, BitSource& bits) {
  const unsigned __int128 one = static_cast<unsigned __int128>(1) << denominator_log2;
  while (numerator > one) {
    if (!BernoulliExpSmall(one, denominator_log2, bits)) return false;
    numerator -= one;
  }
  return BernoulliExpSmall(numerator, denominator_log2, bits);
}

// Algorithm 2 with t = 2^t_log2 and s = 1: the discrete Laplace distribution of scale t,
// P[y] proportional to exp(-|y| / t).
std::int64_t DiscreteLaplace(int t_log2, BitSource& bits) {
  for (;;) {
    const std::uint64_t u = bits.Bits(t_log2);
    if (!BernoulliExpSmall(u, t_log2, bits)) continue;
    std::uint64_t v = 0;
    while (BernoulliExpSmall(1, 0, bits)) {
      ++v;
      // Reached with probability exp(-2^20): the random source is broken.
      AH_CHECK(v < (std::uint64_t{1} << 20));
    }
    const auto magnitude = static_cast<std::int64_t>(u + (v << t_log2));
    const bool negative = bits.Bits(1) == 1;
    if (negative && magnitude == 0) continue;  // zero would count twice
    return negative ? -magnitude : magnitude;
  }
}

// Algorithm 3 with t = sigma: a Laplace proposal y is accepted with probability
// exp(-(|y| - sigma)^2 / (2 sigma^2)).
std::int64_t DiscreteGaussian(int sigma_log2, BitSource& bits) {
  const std::int64_t sigma = std::int64_t{1} << sigma_log2;
  for (;;) {
    const std::int64_t y = DiscreteLaplace(sigma_log2, bits);
    const std::int64_t distance = (y < 0 ? -y : y) - sigma;  // |distance| < 2^51
    const auto square = static_cast<unsigned __int128>(static_cast<__int128>(distance) * distance);
    if (BernoulliExp(square, 2 * sigma_log2 + 1, bits)) return y;
  }
}

}  // namespace

void SampleReferenceGaussian(int sigma_log2, crypto::RandomSource& random,
                             std::span<std::int64_t> out) {
  AH_CHECK(sigma_log2 >= 0 && sigma_log2 <= 30);
  BitSource bits(random);
  for (std::int64_t& y : out) y = DiscreteGaussian(sigma_log2, bits);
}

}  // namespace anchorhold::dp
