#include "shared/crypto/random.h"

#include <algorithm>
#include <bit>
#include <set>

#include "shared/crypto/counter_mode_for_test.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/key_stream.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

using internal::KeyStream;

Bytes Draw(RandomSource& random, std::size_t count) {
  Bytes out(count);
  random.Fill(out);
  return out;
}

// key_stream.h's definition, written out with libcrypto alone.
Bytes ExpectedStream(Bytes key, std::size_t count) {
  Bytes out;
  while (out.size() < count) {
    const Bytes block = LibraryKeyStream(key, KeyStream::kBufferBytes);
    key.assign(block.begin(), block.begin() + KeyStream::kKeyBytes);
    AppendBytes(out, ByteSpan(block).subspan(KeyStream::kKeyBytes));
  }
  out.resize(count);
  return out;
}

TEST(KeyStream, IsAesCtrWithFastKeyErasure) {
  const std::size_t count = 3 * KeyStream::kBufferBytes;
  const Bytes key = Unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const Bytes expected = ExpectedStream(key, count);
  // The same stream, however it is cut.
  for (const std::size_t step : {std::size_t{7}, std::size_t{32768}, std::size_t{65504},
                                 std::size_t{65505}, std::size_t{131008}, count}) {
    KeyStream stream(SecretBytes::CopyOf(key), KeyStream::Reseed::kNever);
    Bytes got(count);
    for (std::size_t at = 0; at < count; at += step) {
      stream.Fill(MutableByteSpan(got).subspan(at, std::min(step, count - at)));
    }
    EXPECT_EQ(got, expected) << step;
  }
}

// A state in which nothing is pending holds none of the bytes that it has handed out.
TEST(KeyStream, KeepsNothingOfWhatItHandedOut) {
  const SecretBytes key(KeyStream::kKeyBytes);
  for (const std::size_t step : {KeyStream::kOutputBytes, std::size_t{1000}, std::size_t{24}}) {
    const auto stream = std::make_unique<KeyStream>(key, KeyStream::Reseed::kNever);
    Bytes out(KeyStream::kOutputBytes);
    const ByteSpan state(reinterpret_cast<const std::byte*>(stream.get()), sizeof(KeyStream));
    for (std::size_t begin = 0; begin < out.size(); begin += step) {
      stream->Fill(MutableByteSpan(out).subspan(begin, std::min(step, out.size() - begin)));
      if (begin % (16 * step) != 0 && begin + step < out.size()) continue;
      const std::string_view image = AsText(state);
      const std::size_t end = std::min(begin + step, out.size());
      for (std::size_t at = 0; at + 16 <= end; at += 4096) {
        ASSERT_EQ(image.find(AsText(ByteSpan(out).subspan(at, 16))), std::string_view::npos)
            << at << " after " << end << ", by " << step;
      }
    }
  }
}

TEST(InsecureSeededRandom, RepeatsItselfForASeed) {
  InsecureSeededRandom a(7);
  InsecureSeededRandom b(7);
  InsecureSeededRandom c(8);
  const Bytes drawn = Draw(a, 100'000);
  EXPECT_EQ(drawn, Draw(b, 100'000));
  EXPECT_NE(drawn, Draw(c, 100'000));
}

TEST(BranchedRandom, DependsOnItsPlaceInTheParentAlone) {
  InsecureSeededRandom parent(7);
  BranchedRandom first(parent);
  BranchedRandom second(parent);
  const Bytes of_first = Draw(first, 100'000);
  const Bytes of_second = Draw(second, 100'000);
  EXPECT_NE(of_first, of_second);
  InsecureSeededRandom again(7);
  BranchedRandom first_again(again);
  Draw(first_again, 17);
  BranchedRandom second_again(again);
  EXPECT_EQ(of_second, Draw(second_again, 100'000));
  // The definition: the parent's next 32 bytes are the key.
  InsecureSeededRandom source(7);
  EXPECT_EQ(of_first, ExpectedStream(Draw(source, KeyStream::kKeyBytes), 100'000));
}

TEST(RandomSource, NextU64IsLittleEndian) {
  InsecureSeededRandom a(1);
  InsecureSeededRandom b(1);
  const Bytes bytes = Draw(a, 8);
  std::uint64_t expected = 0;
  for (std::size_t i = 8; i-- > 0;) expected = expected << 8 | std::to_integer<unsigned>(bytes[i]);
  EXPECT_EQ(b.NextU64(), expected);
  EXPECT_EQ(a.NextU64(), b.NextU64());
}

TEST(SystemRandom, StreamsAreIndependent) {
  SystemRandom a;
  SystemRandom b;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 10'000; ++i) {
    seen.insert(a.NextU64());
    seen.insert(b.NextU64());
  }
  EXPECT_EQ(seen.size(), 20'000u);
}

// 2^26 fair bits: their sum has standard deviation sqrt(2^26) / 2 = 4096. Eight of those happen by
// chance less often than once in 10^14 runs.
TEST(SystemRandom, BitsAreBalanced) {
  SystemRandom random;
  std::int64_t ones = 0;
  for (int i = 0; i < 1 << 20; ++i) ones += std::popcount(random.NextU64());
  EXPECT_NEAR(static_cast<double>(ones), 1 << 25, 8 * 4096);
}

TEST(RandomBytes, AreFreshAndOfTheSizeAsked) {
  EXPECT_EQ(RandomBytes(0).size(), 0u);
  EXPECT_EQ(RandomBytes(1'000'003).size(), 1'000'003u);
  EXPECT_NE(RandomBytes(32), RandomBytes(32));
  EXPECT_NE(RandomBytes(32), Bytes(32));
  EXPECT_EQ(RandomSecret(48).size(), 48u);
  EXPECT_FALSE(RandomSecret(32) == RandomSecret(32));
}

}  // namespace
}  // namespace anchorhold::crypto
