#include "untrusted/host/store_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "shared/base/reader.h"
#include "untrusted/host/state_folder.h"
#include "untrusted/host/test_support.h"

namespace anchorhold::host {
namespace {

using wire::StoreOp;
using wire::StoreStatus;

class StoreServerTest : public ::testing::Test {
 protected:
  StoreServer Open() {
    auto server = StoreServer::Open(folder_.path(), nullptr);
    EXPECT_TRUE(server.ok());
    return std::move(*server);
  }
  static wire::StoreReply Ask(StoreServer& server, StoreOp op, Bytes payload = {}) {
    return server.Answer({.op = op, .payload = std::move(payload)});
  }
  static Bytes Numbered(std::uint64_t number, std::string_view rest = {}) {
    ByteWriter w;
    w.WriteU64(number);
    w.WriteBytes(AsBytes(rest));
    return std::move(w).Take();
  }
  testing::ScratchFolder folder_;
};

TEST_F(StoreServerTest, KeepsItsSecretOverARestart) {
  StoreServer first = Open();
  const wire::StoreReply launch = Ask(first, StoreOp::kLaunch);
  ASSERT_EQ(launch.status, StoreStatus::kDone);
  ByteReader reader(launch.payload);
  EXPECT_EQ(AsText(*reader.ReadSized(100)), "insecure-simulated");
  EXPECT_EQ(reader.ReadSized(100)->size(), 32U);
  StoreServer second = Open();
  EXPECT_EQ(Ask(second, StoreOp::kLaunch).payload, launch.payload);
  struct stat info {};
  ASSERT_EQ(::stat((folder_.path() / "insecure-simulated.secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(StoreServerTest, ASecretOfAnotherSizeIsRefused) {
  { StoreServer first = Open(); }
  std::filesystem::resize_file(folder_.path() / "insecure-simulated.secret", 31);
  const auto again = StoreServer::Open(folder_.path(), nullptr);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::kIntegrity);
}

// Hardware that answers with what it was asked, or not at all.
class EchoDevice final : public EvidenceDevice {
 public:
  attest::Platform platform() const override { return attest::Platform::kTdx; }
  Result<std::vector<attest::CarriedFile>> Quote(const attest::ReportData& report_data) override {
    if (broken) return Unavailable("no answer");
    std::vector<attest::CarriedFile> out;
    out.push_back({"quote", CopyBytes(report_data.span())});
    return out;
  }
  bool broken = false;
};

TEST_F(StoreServerTest, AsksTheHardwareAndKeepsNoSecretBesideIt) {
  EchoDevice device;
  auto server = StoreServer::Open(folder_.path(), &device);
  ASSERT_TRUE(server.ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "insecure-simulated.secret"));
  ByteWriter launch;
  launch.WriteSized(AsBytes("tdx"));
  launch.WriteSized({});
  EXPECT_EQ(Ask(*server, StoreOp::kLaunch).payload, launch.bytes());
  const Bytes report_data(64, std::byte{5});
  const auto reply = Ask(*server, StoreOp::kEvidence, report_data);
  EXPECT_EQ(reply.status, StoreStatus::kDone);
  const auto files = attest::ParseCarried(reply.payload);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ((*files)[0].bytes, report_data);
  EXPECT_EQ(Ask(*server, StoreOp::kEvidence, Bytes(63)).status, StoreStatus::kFailed);
  device.broken = true;
  EXPECT_EQ(Ask(*server, StoreOp::kEvidence, report_data).status, StoreStatus::kFailed);
  StoreServer simulated = Open();
  EXPECT_EQ(Ask(simulated, StoreOp::kEvidence, report_data).status, StoreStatus::kFailed);
}

TEST_F(StoreServerTest, AnchorIsReplacedWhole) {
  StoreServer server = Open();
  EXPECT_EQ(Ask(server, StoreOp::kAnchorRead).status, StoreStatus::kNotFound);
  EXPECT_EQ(Ask(server, StoreOp::kAnchorWrite, Numbered(1)).status, StoreStatus::kDone);
  EXPECT_EQ(Ask(server, StoreOp::kAnchorWrite, Numbered(2)).status, StoreStatus::kDone);
  EXPECT_EQ(Ask(server, StoreOp::kAnchorRead).payload, Numbered(2));
  EXPECT_EQ(Ask(server, StoreOp::kAnchorWrite, Bytes(5000)).status, StoreStatus::kFailed);
  EXPECT_EQ(Ask(server, StoreOp::kAnchorRead).payload, Numbered(2));
}

TEST_F(StoreServerTest, AnswersLogCalls) {
  StoreServer server = Open();
  EXPECT_EQ(Ask(server, StoreOp::kLogRead, Numbered(0)).status, StoreStatus::kNotFound);
  EXPECT_EQ(Ask(server, StoreOp::kLogAppend, Numbered(0, "zero")).status, StoreStatus::kDone);
  EXPECT_EQ(AsText(Ask(server, StoreOp::kLogRead, Numbered(0)).payload), "zero");
  EXPECT_EQ(Ask(server, StoreOp::kLogAppend, Numbered(0, "other")).status, StoreStatus::kFailed);
}

// Every payload that is too short or too long is an error, and the server goes on.
TEST_F(StoreServerTest, RefusesMalformedCalls) {
  StoreServer server = Open();
  for (const StoreOp op : {StoreOp::kBlobAppend, StoreOp::kBlobCommit, StoreOp::kBlobAbort,
                           StoreOp::kBlobRead, StoreOp::kLogAppend, StoreOp::kLogRead}) {
    for (std::size_t size = 0; size < 8; ++size) {
      EXPECT_NE(Ask(server, op, Bytes(size)).status, StoreStatus::kDone);
    }
  }
  EXPECT_NE(Ask(server, StoreOp::kBlobBegin, Bytes(1)).status, StoreStatus::kDone);
  EXPECT_NE(Ask(server, StoreOp::kBlobCommit, Bytes(39)).status, StoreStatus::kDone);
  EXPECT_NE(Ask(server, StoreOp::kLogRead, Bytes(9)).status, StoreStatus::kDone);
  EXPECT_EQ(Ask(server, StoreOp::kLaunch).status, StoreStatus::kDone);
}

TEST_F(StoreServerTest, ServesUntilTheSocketCloses) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  StoreServer server = Open();
  Status served = InternalError("did not run");
  std::thread thread([&] { served = server.Serve(fds[1]); });
  const Bytes request = wire::SerializeStoreRequest(StoreOp::kBlobBegin, {});
  ASSERT_EQ(::write(fds[0], request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::array<std::byte, 13> reply{};
  ASSERT_EQ(::recv(fds[0], reply.data(), reply.size(), MSG_WAITALL), 13);
  EXPECT_EQ(wire::ParseStoreReply(ByteSpan(reply).subspan(4))->payload, Numbered(1));
  ::close(fds[0]);
  thread.join();
  EXPECT_TRUE(served.ok());
  ::close(fds[1]);
}

TEST_F(StoreServerTest, EndsWhenAFrameIsTooLarge) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  StoreServer server = Open();
  ByteWriter w;
  w.WriteU32(static_cast<std::uint32_t>(wire::kStoreFrameBytesMax + 1));
  ASSERT_EQ(::write(fds[0], w.bytes().data(), 4), 4);
  EXPECT_FALSE(server.Serve(fds[1]).ok());
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST_F(StoreServerTest, AStateFolderHasOneHost) {
  auto first = StateFolder::Open(folder_.path() / "state");
  ASSERT_TRUE(first.ok());
  const auto second = StateFolder::Open(folder_.path() / "state");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace anchorhold::host
