#include "client/cli/host_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "client/core/files.h"
#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

constexpr char kGood[] =
    R"({"address": "127.0.0.1:1", "pid": 12, "enclave_pid": 13, "measurement": "ab", )"
    R"("platform": "insecure-simulated"})";

TEST(HostProcess, ReadsDescriptions) {
  const auto host = ParseHostDescription(kGood);
  ASSERT_TRUE(host.ok());
  EXPECT_EQ(host->address, "127.0.0.1:1");
  EXPECT_EQ(host->pid, 12);
  EXPECT_EQ(host->enclave_pid, 13);
}

TEST(HostProcess, RefusesOthers) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"address": "a"})", R"({"address": "a", "pid": 0})",
        R"({"address": "a", "pid": -1})", R"({"address": "a", "pid": 1})",
        R"({"address": "a", "pid": "12"})", R"({"address": 3, "pid": 12})",
        R"({"address": "a", "pid": 99999999999})"}) {
    EXPECT_EQ(ParseHostDescription(text).error().code(), ErrorCode::kInvalidInput) << text;
  }
  const std::string good = kGood;
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseHostDescription(good.substr(0, size)).ok());
  }
}

TEST(HostProcess, PassesOnWhyAHostDidNotStart) {
  const auto host = ParseHostDescription(R"({"error": "the port\nis taken"})");
  EXPECT_EQ(host.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(host.error().message(), "the port?is taken");
}

TEST(HostProcess, AFileThatAKilledHostLeftBehindIsNoHost) {
  const TestFolder folder;
  EXPECT_FALSE(FindRunningHost(folder.path())->has_value());
  // This process is alive and no host: a pid that has been given to somebody else.
  const std::string text = R"({"address": "a:1", "pid": )" + std::to_string(getpid()) + "}";
  ASSERT_TRUE(WriteWholeFile(folder / "host.json", AsBytes(text), IfExists::kRefuse).ok());
  EXPECT_FALSE(FindRunningHost(folder.path())->has_value());
  ASSERT_TRUE(WriteWholeFile(folder / "host.json", AsBytes("x"), IfExists::kReplace).ok());
  EXPECT_FALSE(FindRunningHost(folder.path()).ok());
}

}  // namespace
}  // namespace anchorhold::client
