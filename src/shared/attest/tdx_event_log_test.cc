// Event logs on their own: what is no log, and limits.
#include "shared/attest/tdx_event_log.h"

#include "shared/attest/test_intel_fixture.h"

namespace anchorhold::attest::testing {
namespace {

TdReportFields Report(const IntelPlatform& platform) {
  return ParseTdReport(platform.body).value();
}

// The check that refuses the log; "" if it holds, "?" if it is none.
std::string Refused(const Result<UnverifiedEventLog>& log, const IntelPlatform& platform) {
  if (!log.ok()) return "?";
  Appraiser appraiser(kIntelNow);
  const Status verified = log->VerifiedBy(appraiser, Report(platform));
  return verified.ok() ? "" : std::string(RefusedCheck(verified.error()));
}

TEST(EventLog, NoChangedByteOfAFirmwareLogPasses) {
  const IntelPlatform platform;
  const Bytes good = platform.CcelLog();
  EXPECT_EQ(Refused(UnverifiedEventLog::ParseCcel(good), platform), "");
  std::size_t unnoticed = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes other = good;
    other[at] ^= std::byte{1};
    if (Refused(UnverifiedEventLog::ParseCcel(other), platform).empty()) ++unnoticed;
  }
  // Of the first event its index, and what the specification says of itself (8); of each event its
  // type (4) and the words that go with it, to which a longer last event adds filler (1): none of
  // them is measured.
  std::size_t words = 0;
  for (const TestEvent& event : platform.events) words += 4 + event.payload.size();
  EXPECT_EQ(unnoticed, 4 + 8 + words + 1);
}

TEST(EventLog, NoTruncationPasses) {
  const IntelPlatform platform;
  const Bytes ccel = platform.CcelLog();
  for (std::size_t size = 0; size + 40 < ccel.size(); ++size) {
    EXPECT_NE(Refused(UnverifiedEventLog::ParseCcel(ByteSpan(ccel).first(size)), platform), "");
  }
  const Bytes dstack = platform.DstackLog();
  for (std::size_t size = 0; size < dstack.size(); ++size) {
    EXPECT_EQ(Refused(UnverifiedEventLog::ParseDstack(ByteSpan(dstack).first(size)), platform),
              "?");
  }
}

TEST(EventLog, WhatFollowsAFirmwareLogIsFiller) {
  const IntelPlatform platform;
  Bytes log = platform.CcelLog();
  log.resize(log.size() - 40);
  EXPECT_EQ(Refused(UnverifiedEventLog::ParseCcel(log), platform), "");
  Bytes zeros = log;
  zeros.resize(zeros.size() + 1000);
  EXPECT_EQ(Refused(UnverifiedEventLog::ParseCcel(zeros), platform), "");
  zeros.back() = std::byte{0xff};
  EXPECT_EQ(Refused(UnverifiedEventLog::ParseCcel(zeros), platform), "?");
}

TEST(EventLog, DigestsStateTheirContent) {
  const IntelPlatform platform;
  const std::string good = CopyText(platform.DstackLog());
  EXPECT_EQ(Refused(UnverifiedEventLog::ParseDstack(AsBytes(good)), platform), "");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    AH_CHECK(at != std::string::npos);
    return Refused(UnverifiedEventLog::ParseDstack(AsBytes(text.replace(at, from.size(), to))),
                   platform);
  };
  EXPECT_EQ(with("app-id", "app-ie"), "event_log_digests");
  EXPECT_EQ(with(ToHex(AsBytes("an app")), ToHex(AsBytes("an apq"))), "event_log_digests");
  EXPECT_EQ(with("\"imr\":3", "\"imr\":2"), "rtmr2_replay");
  EXPECT_EQ(with("\"imr\":3", "\"imr\":4"), "?");
  EXPECT_EQ(with("\"imr\":3", "\"imr\":-1"), "?");
  EXPECT_EQ(with("134217729", "4294967296"), "?");
  EXPECT_EQ(with("\"digest\":\"", "\"digest\":\"00"), "?");
  EXPECT_EQ(with("\"event\"", "\"events\""), "?");
  EXPECT_EQ(with("\"event_payload\":\"", "\"event_payload\":\"x"), "?");
  // Called something else, an event's content is not stated, and not shown.
  const std::string other = "\"event_type\":10";
  std::string text = good;
  const std::size_t at = text.find("\"event_type\":134217729");
  text.replace(at, std::string("\"event_type\":134217729").size(), other);
  const auto log = UnverifiedEventLog::ParseDstack(AsBytes(text));
  EXPECT_EQ(Refused(log, platform), "");
  EXPECT_EQ(log->Claims().ToJson().find("app-id"), std::string::npos);
  EXPECT_NE(UnverifiedEventLog::ParseDstack(AsBytes(good))->Claims().ToJson().find("app-id"),
            std::string::npos);
}

TEST(EventLog, HasLimits) {
  IntelPlatform platform;
  platform.events.assign(kEventsMax, {.rtmr = 2, .name = "", .payload = ""});
  EXPECT_TRUE(UnverifiedEventLog::ParseCcel(platform.CcelLog()).ok());
  platform.events.push_back(platform.events[0]);
  EXPECT_EQ(UnverifiedEventLog::ParseCcel(platform.CcelLog()).error().code(),
            ErrorCode::kLimitExceeded);
  std::string many = "[0";
  for (std::size_t i = 0; i < kEventsMax; ++i) many += ",0";
  EXPECT_EQ(UnverifiedEventLog::ParseDstack(AsBytes(many + "]")).error().code(),
            ErrorCode::kLimitExceeded);
}

TEST(EventLog, TheTableSumsUpToZero) {
  Bytes table = CopyBytes(AsBytes("CCEL8"));
  table.resize(56);
  table[36] = std::byte{2};
  table[41] = std::byte{1};  // room for 256 bytes
  const auto close = [](Bytes& bytes) {
    bytes[9] = std::byte{0};
    int sum = 0;
    for (const std::byte b : bytes) sum += std::to_integer<int>(b);
    bytes[9] = static_cast<std::byte>(-sum);
  };
  close(table);
  EXPECT_TRUE(CheckCcelTable(table, 256).ok());
  EXPECT_FALSE(CheckCcelTable(table, 257).ok());
  for (std::size_t at = 0; at < table.size(); ++at) {
    Bytes other = table;
    other[at] ^= std::byte{1};
    EXPECT_FALSE(CheckCcelTable(other, 256).ok()) << at;
    EXPECT_FALSE(CheckCcelTable(ByteSpan(table).first(at), 0).ok()) << at;
  }
  Bytes sev = table;
  sev[36] = std::byte{1};
  close(sev);
  EXPECT_FALSE(CheckCcelTable(sev, 256).ok());
}

}  // namespace
}  // namespace anchorhold::attest::testing
