#include "shared/crypto/counter_mode.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace anchorhold::crypto::internal {
namespace {

using Unit = CounterMode::Unit;
constexpr std::size_t kBlock = CounterMode::kBlockBytes;

#if defined(__x86_64__)

#define ANCHORHOLD_AES __attribute__((target("sse4.1,aes")))
#define ANCHORHOLD_TWO __attribute__((target("avx2,aes,vaes")))
#define ANCHORHOLD_FOUR __attribute__((target("avx512f,avx512bw,aes,vaes")))

constexpr int kRounds = 14;
constexpr std::size_t kAtOnce = 8;  // vectors: as many as hide the latency of a round

// FIPS 197, 5.2: word i of the round keys is word i - 8 plus a function of word i - 1. `mixed` is
// that function of the last word, in all four.
ANCHORHOLD_AES __m128i NextRoundKey(__m128i before, __m128i mixed) {
  before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
  before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
  return _mm_xor_si128(before, mixed);
}

template <int kConstant>
ANCHORHOLD_AES void NextRoundKeys(__m128i* keys) {
  keys[2] =
      NextRoundKey(keys[0], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[1], kConstant), 0xFF));
  keys[3] = NextRoundKey(keys[1], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[2], 0), 0xAA));
}

ANCHORHOLD_AES void ExpandKey(const std::byte* key, std::byte* round_keys) {
  __m128i keys[kRounds + 2];  // one more than wanted
  std::memcpy(keys, key, CounterMode::kKeyBytes);
  NextRoundKeys<0x01>(keys);
  NextRoundKeys<0x02>(keys + 2);
  NextRoundKeys<0x04>(keys + 4);
  NextRoundKeys<0x08>(keys + 6);
  NextRoundKeys<0x10>(keys + 8);
  NextRoundKeys<0x20>(keys + 10);
  NextRoundKeys<0x40>(keys + 12);
  std::memcpy(round_keys, keys, (kRounds + 1) * kBlock);
  Wipe(std::as_writable_bytes(std::span(keys)));
}

// Counters are the last words of their blocks, and big-endian there.
ANCHORHOLD_AES __m128i LastWordReversed() {
  return _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

// The plain broadcast's header makes GCC 12 warn of a variable that is never set.
ANCHORHOLD_FOUR __m512i Spread(__m128i x) { return _mm512_maskz_broadcast_i32x4(0xFFFF, x); }

// Blocks 4 V + first .. + 3 for each V, which are 0, 1 and so on.
template <std::size_t... V>
ANCHORHOLD_FOUR void FourBlocks(const __m128i* keys, std::uint32_t first, std::byte* out) {
  const __m512i reversed = Spread(LastWordReversed());
  const __m512i whitening = Spread(keys[0]);
  const auto at = static_cast<int>(first);
  const __m512i start =
      _mm512_set_epi32(at + 3, 0, 0, 0, at + 2, 0, 0, 0, at + 1, 0, 0, 0, at, 0, 0, 0);
  const __m512i four = _mm512_set_epi32(4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0);
  __m512i counter = _mm512_sub_epi32(start, four);
  __m512i x[sizeof...(V)];
  ((counter = _mm512_add_epi32(counter, four),
    x[V] = _mm512_xor_si512(_mm512_shuffle_epi8(counter, reversed), whitening)),
   ...);
  for (int round = 1; round < kRounds; ++round) {
    const __m512i key = Spread(keys[round]);
    ((x[V] = _mm512_aesenc_epi128(x[V], key)), ...);
  }
  const __m512i last = Spread(keys[kRounds]);
  (_mm512_storeu_si512(out + V * 4 * kBlock, _mm512_aesenclast_epi128(x[V], last)), ...);
}

// The same of 2 V + first and + 1. Functions for two sets of instructions cannot share a template.
template <std::size_t... V>
ANCHORHOLD_TWO void TwoBlocks(const __m128i* keys, std::uint32_t first, std::byte* out) {
  const __m256i reversed = _mm256_broadcastsi128_si256(LastWordReversed());
  const __m256i whitening = _mm256_broadcastsi128_si256(keys[0]);
  const auto at = static_cast<int>(first);
  const __m256i start = _mm256_set_epi32(at + 1, 0, 0, 0, at, 0, 0, 0);
  const __m256i two = _mm256_set_epi32(2, 0, 0, 0, 2, 0, 0, 0);
  __m256i counter = _mm256_sub_epi32(start, two);
  __m256i x[sizeof...(V)];
  ((counter = _mm256_add_epi32(counter, two),
    x[V] = _mm256_xor_si256(_mm256_shuffle_epi8(counter, reversed), whitening)),
   ...);
  for (int round = 1; round < kRounds; ++round) {
    const __m256i key = _mm256_broadcastsi128_si256(keys[round]);
    ((x[V] = _mm256_aesenc_epi128(x[V], key)), ...);
  }
  const __m256i last = _mm256_broadcastsi128_si256(keys[kRounds]);
  (_mm256_storeu_si256(reinterpret_cast<__m256i*>(out + V * 2 * kBlock),
                       _mm256_aesenclast_epi128(x[V], last)),
   ...);
}

// `run` makes `unit` blocks times kAtOnce, `one` makes `unit` blocks, from block `first` on.
using MakeBlocks = void (*)(const __m128i* keys, std::uint32_t first, std::byte* out);

void WriteBlocks(MakeBlocks run, MakeBlocks one, std::size_t unit, const std::byte* round_keys,
                 std::uint32_t first, MutableByteSpan out) {
  const auto* keys = reinterpret_cast<const __m128i*>(round_keys);
  std::size_t left = out.size() / kBlock;
  std::byte* to = out.data();
  const auto step = [&](MakeBlocks make, std::size_t blocks) {
    for (; left >= blocks; left -= blocks) {
      make(keys, first, to);
      first += static_cast<std::uint32_t>(blocks);
      to += blocks * kBlock;
    }
  };
  step(run, unit * kAtOnce);
  step(one, unit);
  if (left == 0) return;
  std::array<std::byte, 4 * kBlock> last{};
  one(keys, first, last.data());
  std::memcpy(to, last.data(), left * kBlock);
  Wipe(last);
}

bool HasVectorAes() {
  constexpr unsigned kVaes = 1U << 9;  // leaf 7, ecx (Intel SDM, volume 2, CPUID)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __builtin_cpu_supports("aes") != 0 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
         (c & kVaes) != 0;
}

bool Has(Unit unit) {
  if (unit == Unit::kLibrary) return true;
  if (!HasVectorAes()) return false;
  if (unit == Unit::kTwoBlocks) return __builtin_cpu_supports("avx2") != 0;
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
}

#else

bool Has(Unit unit) { return unit == Unit::kLibrary; }

#endif

// Two runs of the longest kind, and every shorter one.
void HoldAgainstLibrary(Unit unit) {
  constexpr std::size_t kBytes = (2 * 32 + 7) * kBlock;
  SecretBytes key(CounterMode::kKeyBytes);
  for (std::size_t i = 0; i < key.size(); ++i) {
    key.mutable_span()[i] = static_cast<std::byte>(11 * i + 5);
  }
  std::array<std::byte, kBytes> blocks[2] = {};
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
    CounterMode mode(k == 0 ? Unit::kLibrary : unit);
    mode.SetKey(key.ExposeSecret());
    mode.Write(blocks[k]);
  }
  AH_CHECK(blocks[0] == blocks[1]);
}

class UnitList {
 public:
  UnitList() {
    for (const Unit unit : {Unit::kLibrary, Unit::kTwoBlocks, Unit::kFourBlocks}) {
      if (!Has(unit)) continue;
      if (unit != Unit::kLibrary) HoldAgainstLibrary(unit);
      units_[count_++] = unit;
    }
  }
  std::span<const Unit> units() const { return std::span(units_).first(count_); }

 private:
  std::array<Unit, 3> units_{};
  std::size_t count_ = 0;
};

}  // namespace

std::span<const CounterMode::Unit> CounterMode::Units() {
  static const UnitList list;
  return list.units();
}

CounterMode::CounterMode(Unit unit) : unit_(unit) {
  if (unit != Unit::kLibrary) return;
  context_.reset(EVP_CIPHER_CTX_new());
  AH_CHECK(context_ != nullptr);
  AH_CHECK(EVP_EncryptInit_ex2(context_.get(), EVP_aes_256_ctr(), nullptr, nullptr, nullptr) == 1);
}

CounterMode::~CounterMode() { Wipe(round_keys_); }

void CounterMode::SetKey(ByteSpan key) {
  AH_CHECK(key.size() == kKeyBytes);
  next_ = 0;
#if defined(__x86_64__)
  if (unit_ != Unit::kLibrary) return ExpandKey(key.data(), round_keys_.data());
#endif
  static constexpr std::array<unsigned char, kBlockBytes> kCounterZero{};
  AH_CHECK(EVP_EncryptInit_ex2(context_.get(), nullptr, Raw(key), kCounterZero.data(), nullptr) ==
           1);
}

void CounterMode::Write(MutableByteSpan out) {
  const std::size_t blocks = out.size() / kBlockBytes;
  AH_CHECK(out.size() % kBlockBytes == 0 && blocks <= kBlocksMax - next_);
  [[maybe_unused]] const auto first = static_cast<std::uint32_t>(next_);
  next_ += blocks;
#if defined(__x86_64__)
  if (unit_ == Unit::kTwoBlocks) {
    return WriteBlocks(&TwoBlocks<0, 1, 2, 3, 4, 5, 6, 7>, &TwoBlocks<0>, 2, round_keys_.data(),
                       first, out);
  }
  if (unit_ == Unit::kFourBlocks) {
    return WriteBlocks(&FourBlocks<0, 1, 2, 3, 4, 5, 6, 7>, &FourBlocks<0>, 4, round_keys_.data(),
                       first, out);
  }
#endif
  // What zeros are encrypted to: a few that stay in the first-level cache.
  static constexpr std::array<unsigned char, 16 * 1024> kZeros{};
  while (!out.empty()) {
    const std::size_t count = std::min(out.size(), kZeros.size());
    int written = 0;
    AH_CHECK(EVP_EncryptUpdate(context_.get(), RawMutable(out), &written, kZeros.data(),
                               static_cast<int>(count)) == 1);
    AH_CHECK(static_cast<std::size_t>(written) == count);
    out = out.subspan(count);
  }
}

}  // namespace anchorhold::crypto::internal
