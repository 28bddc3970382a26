#include "untrusted/host/log_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "untrusted/host/test_support.h"

namespace anchorhold::host {
namespace {

Bytes Record(const std::string& text) { return CopyBytes(AsBytes(text)); }

class LogFileTest : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "ledger.log"; }
  LogFile Open() {
    auto log = LogFile::Open(path());
    EXPECT_TRUE(log.ok());
    return std::move(*log);
  }
  void WriteThree() {
    LogFile log = Open();
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(log.Append(i, Record("record " + std::to_string(i))).ok());
    }
  }
  testing::ScratchFolder folder_;
};

TEST_F(LogFileTest, KeepsRecordsOverARestart) {
  WriteThree();
  const LogFile log = Open();
  ASSERT_EQ(log.size(), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(*log.Read(i).value(), Record("record " + std::to_string(i)));
  }
  EXPECT_FALSE(log.Read(3).value().has_value());
}

// A crash may leave any part of the last frame. What was acknowledged before it stays.
TEST_F(LogFileTest, RemovesATornTailWhateverItsLength) {
  WriteThree();
  const std::uintmax_t whole = std::filesystem::file_size(path());
  const std::uintmax_t frame = 4 + Record("record 2").size();
  for (std::uintmax_t cut = 1; cut < frame; ++cut) {
    std::filesystem::resize_file(path(), whole - cut);
    LogFile log = Open();
    ASSERT_EQ(log.size(), 2U) << cut;
    EXPECT_EQ(*log.Read(1).value(), Record("record 1"));
    ASSERT_TRUE(log.Append(2, Record("record 2")).ok());
    ASSERT_EQ(std::filesystem::file_size(path()), whole);
  }
}

TEST_F(LogFileTest, RefusesImpossibleSizesAndTouchesNothing) {
  WriteThree();
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.put('\x7f');
  }
  const std::uintmax_t size = std::filesystem::file_size(path());
  const auto log = LogFile::Open(path());
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error().code(), ErrorCode::kIntegrity);
  EXPECT_EQ(std::filesystem::file_size(path()), size);
}

TEST_F(LogFileTest, AcceptsARepeatedCallButNoOtherRecordInItsPlace) {
  WriteThree();
  LogFile log = Open();
  EXPECT_TRUE(log.Append(1, Record("record 1")).ok());
  EXPECT_EQ(log.size(), 3U);
  EXPECT_EQ(log.Append(1, Record("another")).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(log.Append(4, Record("a gap")).error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(log.Append(3, {}).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(*log.Read(1).value(), Record("record 1"));
}

// /dev/full refuses every write as a full disk does.
TEST(LogFileOnAFullDisk, SaysSo) {
  testing::ScratchFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path() / "ledger.log");
  auto log = LogFile::Open(folder.path() / "ledger.log");
  ASSERT_TRUE(log.ok()) << log.error().message();
  const Status appended = log->Append(0, Record("record"));
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(appended.error().message().find("No space left"), std::string::npos);
  EXPECT_EQ(log->size(), 0U);
}

}  // namespace
}  // namespace anchorhold::host
