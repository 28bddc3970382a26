#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "shared/base/bytes.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/reader.h"
#include "shared/base/result.h"

namespace anchorhold {
namespace {

Result<int> Half(int v) {
  if (v % 2 != 0) return InvalidInput("odd");
  return v / 2;
}

Result<int> Quarter(int v) {
  AH_ASSIGN_OR_RETURN(const int half, Half(v));
  AH_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(*Quarter(8), 2);
  ASSERT_FALSE(Quarter(6).ok());
  EXPECT_EQ(Quarter(6).error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(Quarter(6).error().At("row 3").message(), "row 3: odd");
}

TEST(ResultDeathTest, ValueOfAnErrorAborts) {
  const Result<int> r = Half(1);
  EXPECT_DEATH((void)r.value(), "invariant broken");
}

TEST(Bytes, HexRoundTripAndRefusals) {
  const Bytes bytes = {std::byte{0}, std::byte{0x9f}, std::byte{0xff}};
  EXPECT_EQ(ToHex(bytes), "009fff");
  EXPECT_EQ(*FromHex("009FfF"), bytes);
  EXPECT_FALSE(FromHex("0").ok());
  EXPECT_FALSE(FromHex("0g").ok());
  EXPECT_FALSE(FromHex(" 0").ok());
  EXPECT_TRUE(FromHex("")->empty());
}

TEST(Reader, ReadsWhatWriterWrote) {
  ByteWriter w;
  w.WriteU8(1);
  w.WriteU16(0x0203);
  w.WriteU32(0x04050607);
  w.WriteU64(0x08090a0b0c0d0e0fULL);
  w.WriteSized(AsBytes("abc"));
  EXPECT_EQ(ToHex(w.bytes()), "0102030405060708090a0b0c0d0e0f00000003616263");
  ByteReader r(w.bytes());
  EXPECT_EQ(*r.ReadU8(), 1);
  EXPECT_EQ(*r.ReadU16(), 0x0203);
  EXPECT_EQ(*r.ReadU32(), 0x04050607u);
  EXPECT_EQ(*r.ReadU64(), 0x08090a0b0c0d0e0fULL);
  EXPECT_FALSE(r.ExpectEnd().ok());
  EXPECT_EQ(AsText(*r.ReadSized(3)), "abc");
  EXPECT_TRUE(r.ExpectEnd().ok());
}

TEST(Reader, RefusesTruncationAtEveryLengthAndOversizedFields) {
  ByteWriter w;
  w.WriteU32(7);
  w.WriteSized(AsBytes("abcd"));
  for (std::size_t n = 0; n < w.bytes().size(); ++n) {
    ByteReader r(ByteSpan(w.bytes()).first(n));
    const bool complete = r.ReadU32().ok() && r.ReadSized(10).ok();
    EXPECT_FALSE(complete) << n;
  }
  ByteReader r(w.bytes());
  ASSERT_TRUE(r.ReadU32().ok());
  EXPECT_EQ(r.ReadSized(3).error().code(), ErrorCode::kLimitExceeded);
}

TEST(Clock, FormatsAndParsesTheSameText) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-21T13:05:00Z",
                           "2100-03-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
    const Result<UnixSeconds> time = ParseTime(text);
    ASSERT_TRUE(time.ok()) << text;
    EXPECT_EQ(FormatTime(*time), text);
  }
  EXPECT_EQ(ParseTime("2026-11-21T13:05:00Z")->value(), 1795266300);
}

TEST(Clock, RefusesWhatIsNoDate) {
  for (const char* text :
       {"", "2026-11-21", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T13:05:00+1", "2026-11-21 13:05:00Z",
        "1969-12-31T23:59:59Z", "2026-11-21T13:05:60Z", "20x6-11-21T13:05:00Z"}) {
    EXPECT_FALSE(ParseTime(text).ok()) << text;
  }
}

class FixedClock final : public Clock {
 public:
  UnixSeconds Now() const override { return UnixSeconds(0); }
};

TEST(Log, WritesOneLineAndTamesForeignText) {
  int fds[2] = {};
  ASSERT_EQ(pipe(fds), 0);
  const FixedClock clock;
  const Log log("enclave", fds[1], clock);
  log.Info("dataset stored", {{"rows", 3}, {"name", PublicText("a\nb\x1b[31m")}});
  char buffer[256] = {};
  const auto n = read(fds[0], buffer, sizeof(buffer));
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(n)),
            "1970-01-01T00:00:00Z info enclave dataset stored rows=3 name=a?b?[31m\n");
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace anchorhold
