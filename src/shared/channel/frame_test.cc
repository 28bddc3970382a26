#include "shared/channel/frame.h"

#include <gtest/gtest.h>

#include "shared/base/reader.h"

namespace anchorhold::channel {
namespace {

Bytes Pattern(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + size);
  return out;
}

Bytes Header(std::uint32_t size) {
  ByteWriter writer;
  writer.WriteU32(size);
  return std::move(writer).Take();
}

TEST(Frame, PutsABigEndianSizeAhead) {
  EXPECT_EQ(ToHex(Frame(AsBytes("abc"))), "00000003616263");
  EXPECT_EQ(ToHex(Frame({})), "00000000");
}

TEST(Deframer, GivesBackWhatWasFramed) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16384}, limits::kMiB,
                                 limits::kMessageBytesMax}) {
    Deframer deframer;
    ASSERT_TRUE(deframer.Feed(Frame(Pattern(size))).ok());
    EXPECT_EQ(deframer.Next(), Pattern(size));
    EXPECT_EQ(deframer.Next(), std::nullopt);
  }
}

TEST(Deframer, WaitsForTheLastByte) {
  const Bytes framed = Frame(Pattern(300));
  for (std::size_t cut = 0; cut < framed.size(); ++cut) {
    Deframer deframer;
    ASSERT_TRUE(deframer.Feed(ByteSpan(framed).first(cut)).ok());
    EXPECT_EQ(deframer.Next(), std::nullopt) << cut;
    ASSERT_TRUE(deframer.Feed(ByteSpan(framed).subspan(cut)).ok());
    EXPECT_EQ(deframer.Next(), Pattern(300)) << cut;
  }
}

TEST(Deframer, TakesManyMessagesInPiecesOfAnySize) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    Bytes stream;
    for (std::size_t size = 0; size < 50; ++size) AppendBytes(stream, Frame(Pattern(size)));
    Deframer deframer;
    std::size_t next = 0;
    for (ByteSpan rest = stream; !rest.empty();) {
      const std::size_t count = std::min(piece, rest.size());
      ASSERT_TRUE(deframer.Feed(rest.first(count)).ok());
      rest = rest.subspan(count);
      while (const auto message = deframer.Next()) EXPECT_EQ(*message, Pattern(next++));
    }
    EXPECT_EQ(next, 50u);
  }
}

TEST(Deframer, RefusesOneByteOverTheLimitAsSoonAsItIsSaid) {
  Deframer deframer;
  const Status fed = deframer.Feed(Header(limits::kMessageBytesMax + 1));
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().code(), ErrorCode::kLimitExceeded);
  EXPECT_FALSE(deframer.Feed(AsBytes("more")).ok());
  EXPECT_EQ(deframer.Next(), std::nullopt);
}

TEST(Deframer, JudgesASizeBehindAMessageThatWaits) {
  Bytes stream = Frame(Pattern(10));
  AppendBytes(stream, Frame(Pattern(20)));
  AppendBytes(stream, Header(0xffffffff));
  Deframer whole;
  EXPECT_FALSE(whole.Feed(stream).ok());
  EXPECT_EQ(whole.Next(), std::nullopt);

  Deframer late;
  ASSERT_TRUE(late.Feed(ByteSpan(stream).first(stream.size() - 1)).ok());
  EXPECT_EQ(late.Next(), Pattern(10));
  EXPECT_FALSE(late.Feed(ByteSpan(stream).last(1)).ok());
  EXPECT_EQ(late.Next(), std::nullopt);
}

TEST(Deframer, RefusesABacklog) {
  Deframer deframer;
  const Bytes largest = Frame(Pattern(limits::kMessageBytesMax));
  ASSERT_TRUE(deframer.Feed(largest).ok());
  ASSERT_TRUE(deframer.Feed(largest).ok());
  const Status fed = deframer.Feed(Header(0));
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().code(), ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace anchorhold::channel
