#include "shared/wire/window.h"

#include <gtest/gtest.h>

#include "shared/base/reader.h"

namespace anchorhold::wire {
namespace {

TEST(RelayFrame, IsAHeaderAndItsPayload) {
  const Bytes frame = SerializeRelayFrame(0x01020304, RelayKind::kData, AsBytes("abc"));
  EXPECT_EQ(ToHex(frame), "010203040200000003616263");
  const Result<RelayHeader> header = ParseRelayHeader(ByteSpan(frame).first(kRelayHeaderBytes));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->connection, 0x01020304u);
  EXPECT_EQ(header->kind, RelayKind::kData);
  EXPECT_EQ(header->size, 3u);
  for (const RelayKind kind : {RelayKind::kOpen, RelayKind::kClose}) {
    EXPECT_TRUE(ParseRelayHeader(SerializeRelayFrame(7, kind, {})).ok());
  }
  for (const RelayKind kind : {RelayKind::kReady, RelayKind::kStop}) {
    EXPECT_TRUE(ParseRelayHeader(SerializeRelayFrame(0, kind, {})).ok());
  }
}

Result<RelayHeader> ParseHex(std::string_view hex) { return ParseRelayHeader(*FromHex(hex)); }

TEST(RelayFrame, RefusesEveryOtherHeader) {
  EXPECT_FALSE(ParseHex("000000010000000000").ok());  // kind 0
  EXPECT_FALSE(ParseHex("000000010600000000").ok());  // kind 6
  EXPECT_FALSE(ParseHex("00000001ff00000000").ok());
  EXPECT_FALSE(ParseHex("000000010100000001").ok());  // open with a payload
  EXPECT_FALSE(ParseHex("000000010300000001").ok());  // close with a payload
  EXPECT_FALSE(ParseHex("000000000400000001").ok());  // ready with a payload
  EXPECT_FALSE(ParseHex("000000000500000001").ok());  // stop with a payload
  EXPECT_FALSE(ParseHex("000000010400000000").ok());  // ready on a client's connection
  EXPECT_FALSE(ParseHex("000000010500000000").ok());  // stop on a client's connection
  EXPECT_FALSE(ParseHex("000000000200000000").ok());  // data on connection 0
  EXPECT_TRUE(ParseHex("000000010200010000").ok());   // the limit, 64 KiB
  EXPECT_EQ(ParseHex("000000010200010001").error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ParseHex("0000000102ffffffff").error().code(), ErrorCode::kLimitExceeded);
  const std::string good = "000000010200000005";
  for (std::size_t n = 0; n < good.size(); n += 2) EXPECT_FALSE(ParseHex(good.substr(0, n)).ok());
  EXPECT_FALSE(ParseHex(good + "00").ok());
}

TEST(RelayFrameDeathTest, RefusesToWriteWhatItWouldNotRead) {
  const Bytes large(limits::kRelayFrameBytesMax + 1);
  EXPECT_DEATH(SerializeRelayFrame(1, RelayKind::kData, large), "invariant broken");
  EXPECT_DEATH(SerializeRelayFrame(0, RelayKind::kData, {}), "invariant broken");
}

TEST(StoreFrame, RoundTripsEveryOperationAndStatus) {
  for (std::uint8_t op = 1; op <= 10; ++op) {
    const Bytes frame = SerializeStoreRequest(static_cast<StoreOp>(op), AsBytes("xy"));
    ByteReader r(frame);
    ASSERT_EQ(*r.ReadU32(), 3u);
    const Result<StoreRequest> request = ParseStoreRequest(*r.ReadBytes(3));
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(static_cast<std::uint8_t>(request->op), op);
    EXPECT_EQ(AsText(request->payload), "xy");
  }
  for (std::uint8_t status = 0; status <= 2; ++status) {
    const Bytes frame = SerializeStoreReply(static_cast<StoreStatus>(status), {});
    EXPECT_EQ(frame.size(), 5u);
    const Result<StoreReply> reply = ParseStoreReply(ByteSpan(frame).subspan(4));
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(static_cast<std::uint8_t>(reply->status), status);
    EXPECT_TRUE(reply->payload.empty());
  }
}

TEST(StoreFrame, RefusesUnknownEmptyAndOversized) {
  EXPECT_FALSE(ParseStoreRequest({}).ok());
  EXPECT_FALSE(ParseStoreReply({}).ok());
  for (unsigned code = 0; code < 256; ++code) {
    const Bytes body = {static_cast<std::byte>(code)};
    EXPECT_EQ(ParseStoreRequest(body).ok(), code >= 1 && code <= 11) << code;
    EXPECT_EQ(ParseStoreReply(body).ok(), code <= 2) << code;
  }
  Bytes large(kStoreFrameBytesMax, std::byte{1});
  EXPECT_TRUE(ParseStoreRequest(large).ok());
  large.push_back(std::byte{0});
  EXPECT_EQ(ParseStoreRequest(large).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ParseStoreReply(large).error().code(), ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace anchorhold::wire
