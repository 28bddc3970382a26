#include "shared/crypto/counter_mode.h"

#include <algorithm>

#include "shared/crypto/counter_mode_for_test.h"

namespace anchorhold::crypto {
namespace {

using internal::CounterMode;
using Unit = CounterMode::Unit;

Bytes Key(unsigned seed) {
  Bytes key(CounterMode::kKeyBytes);
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::byte>((seed + i) * 167 >> 2);
  }
  return key;
}

Bytes Expected(const Bytes& key, std::size_t blocks) {
  return LibraryKeyStream(key, blocks * CounterMode::kBlockBytes);
}

class CounterModes : public ::testing::TestWithParam<Unit> {};

// Counters of three bytes, so that each carries into the next.
TEST_P(CounterModes, ALongStreamIsTheLibrarys) {
  constexpr std::size_t kBlocks = 70'001;
  CounterMode mode(GetParam());
  for (const unsigned seed : {0U, 1U, 99U}) {
    mode.SetKey(Key(seed));  // which begins anew
    Bytes got(kBlocks * CounterMode::kBlockBytes);
    mode.Write(got);
    EXPECT_TRUE(got == Expected(Key(seed), kBlocks)) << seed;
  }
}

TEST_P(CounterModes, ItDoesNotMatterHowAStreamIsCut) {
  constexpr std::size_t kBlocks = 300;
  const Bytes expected = Expected(Key(3), kBlocks);
  for (std::size_t step = 1; step < 80; ++step) {
    CounterMode mode(GetParam());
    mode.SetKey(Key(3));
    Bytes got(expected.size());
    for (std::size_t at = 0; at < kBlocks; at += step) {
      const std::size_t count = std::min(step, kBlocks - at);
      mode.Write(MutableByteSpan(got).subspan(at * CounterMode::kBlockBytes,
                                              count * CounterMode::kBlockBytes));
    }
    EXPECT_TRUE(got == expected) << step;
  }
}

TEST_P(CounterModes, NothingBesideTheBlocksIsWritten) {
  constexpr std::byte kCanary{0xA7};
  for (std::size_t blocks = 0; blocks < 70; ++blocks) {
    CounterMode mode(GetParam());
    mode.SetKey(Key(4));
    const std::size_t size = blocks * CounterMode::kBlockBytes;
    Bytes memory(size + 2 * 64 + 1, kCanary);
    mode.Write(MutableByteSpan(memory).subspan(65, size));
    for (std::size_t i = 0; i < memory.size(); ++i) {
      const bool outside = i < 65 || i >= 65 + size;
      ASSERT_TRUE(!outside || memory[i] == kCanary) << blocks << " blocks, " << i;
    }
  }
}

TEST_P(CounterModes, RefusesParts) {
  CounterMode mode(GetParam());
  mode.SetKey(Key(5));
  Bytes part(CounterMode::kBlockBytes + 1);
  EXPECT_DEATH(mode.Write(part), "");
  EXPECT_DEATH(mode.SetKey(Bytes(16)), "");
}

INSTANTIATE_TEST_SUITE_P(Units, CounterModes,
                         ::testing::ValuesIn(CounterMode::Units().begin(),
                                             CounterMode::Units().end()));

}  // namespace
}  // namespace anchorhold::crypto
