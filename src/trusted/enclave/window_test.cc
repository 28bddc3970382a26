// The enclave's side of the store, against a host that a test plays: a good one, and bad ones.
#include "trusted/enclave/window.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <thread>

#include "shared/base/reader.h"
#include "trusted/enclave/hosted_attester.h"
#include "trusted/enclave/worker.h"

namespace anchorhold::enclave {
namespace {

using wire::StoreOp;
using wire::StoreStatus;

// A host that answers every call with what `answer` gives, byte for byte.
class FakeHost {
 public:
  explicit FakeHost(std::function<Bytes(const wire::StoreRequest&)> answer) {
    std::array<int, 2> fds{};
    AH_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0);
    enclave_ = fds[0];
    host_ = fds[1];
    thread_ = std::thread([this, answer = std::move(answer)] {
      std::array<std::byte, 4> field{};
      while (::recv(host_, field.data(), 4, MSG_WAITALL) == 4) {
        Bytes body(ByteReader(field).ReadU32().value());
        AH_CHECK(::recv(host_, body.data(), body.size(), MSG_WAITALL) ==
                 static_cast<ssize_t>(body.size()));
        const Bytes reply = answer(wire::ParseStoreRequest(body).value());
        if (reply.empty()) break;
        AH_CHECK(::send(host_, reply.data(), reply.size(), MSG_NOSIGNAL) ==
                 static_cast<ssize_t>(reply.size()));
      }
      ::shutdown(host_, SHUT_RDWR);
    });
  }
  ~FakeHost() {
    ::shutdown(enclave_, SHUT_RDWR);
    thread_.join();
    ::close(enclave_);
    ::close(host_);
  }
  int fd() const { return enclave_; }

 private:
  int enclave_ = -1;
  int host_ = -1;
  std::thread thread_;
};

Bytes Reply(StoreStatus status, std::string_view payload = {}) {
  return wire::SerializeStoreReply(status, AsBytes(payload));
}

crypto::SecretBytes Key(std::uint8_t first) {
  crypto::SecretBytes key(32);
  key.mutable_span()[0] = std::byte{first};
  return key;
}

TEST(StoreClient, GivesTheReply) {
  FakeHost host([](const wire::StoreRequest& request) {
    return Reply(StoreStatus::kDone, AsText(request.payload));
  });
  StoreClient store(host.fd());
  EXPECT_EQ(AsText(*store.Call(StoreOp::kLogRead, AsBytes("echo"))), "echo");
}

TEST(StoreClient, MakesTheHostsTextHarmless) {
  FakeHost host([](const wire::StoreRequest&) {
    return Reply(StoreStatus::kFailed, "disk\nfull" + std::string(10'000, 'x'));
  });
  StoreClient store(host.fd());
  const auto reply = store.Call(StoreOp::kBlobBegin, {});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(reply.error().message().find("disk?full"), std::string::npos);
  EXPECT_LT(reply.error().message().size(), 300U);
}

// Whatever breaks the protocol is an error, and nothing more is asked of such a host.
TEST(StoreClient, RefusesAHostThatBreaksTheProtocol) {
  ByteWriter too_large;
  too_large.WriteU32(static_cast<std::uint32_t>(wire::kStoreFrameBytesMax + 1));
  ByteWriter no_body;
  no_body.WriteU32(0);
  ByteWriter unknown_status;
  unknown_status.WriteU32(1);
  unknown_status.WriteU8(9);
  for (const ByteWriter* bad : {&too_large, &no_body, &unknown_status}) {
    FakeHost host([bad](const wire::StoreRequest&) { return bad->bytes(); });
    StoreClient store(host.fd());
    EXPECT_EQ(store.Call(StoreOp::kLaunch, {}).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(store.Call(StoreOp::kLaunch, {}).error().code(), ErrorCode::kUnavailable);
  }
}

TEST(StoreClient, NoticesThatTheHostIsGone) {
  FakeHost host([](const wire::StoreRequest&) { return Bytes(); });
  StoreClient store(host.fd());
  EXPECT_EQ(store.Call(StoreOp::kLaunch, {}).error().code(), ErrorCode::kUnavailable);
}

TEST(StoreClient, RefusesACallThatIsTooLarge) {
  FakeHost host([](const wire::StoreRequest&) { return Reply(StoreStatus::kDone); });
  StoreClient store(host.fd());
  const Bytes payload(wire::kStoreFrameBytesMax);
  EXPECT_EQ(store.Call(StoreOp::kLogAppend, payload).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_TRUE(store.Call(StoreOp::kLogAppend, AsBytes("small")).ok());
}

TEST(Launch, RefusesEveryTruncationAndAnythingMore) {
  ByteWriter good;
  good.WriteSized(AsBytes("insecure-simulated"));
  good.WriteSized(Bytes(32, std::byte{7}));
  for (std::size_t size = 0; size <= good.bytes().size() + 1; ++size) {
    Bytes launch = good.bytes();
    launch.resize(size);
    FakeHost host(
        [&launch](const wire::StoreRequest&) { return Reply(StoreStatus::kDone, AsText(launch)); });
    StoreClient store(host.fd());
    EXPECT_EQ(AskForLaunch(store).ok(), size == good.bytes().size()) << size;
  }
}

TEST(Launch, OnlyTheSimulatedPlatformHasASecret) {
  const auto ask = [](std::string_view platform, std::size_t secret) {
    ByteWriter launch;
    launch.WriteSized(AsBytes(platform));
    launch.WriteSized(Bytes(secret, std::byte{7}));
    FakeHost host([&launch](const wire::StoreRequest&) {
      return Reply(StoreStatus::kDone, AsText(launch.bytes()));
    });
    StoreClient store(host.fd());
    return AskForLaunch(store).ok();
  };
  EXPECT_TRUE(ask("insecure-simulated", 32));
  EXPECT_FALSE(ask("insecure-simulated", 0));
  EXPECT_TRUE(ask("sev-snp", 0));
  EXPECT_FALSE(ask("sev-snp", 32));
}

// A host on hardware: a report over what was asked, or bent.
class HardwareHost {
 public:
  HardwareHost()
      : host_([this](const wire::StoreRequest& request) {
          Bytes report(1184);
          std::copy(request.payload.begin(), request.payload.end(), report.begin() + 0x50);
          report[0x90] = std::byte{measurement};
          report[0x50] ^= std::byte{flip};
          auto body = attest::SerializeCarried({{role, std::move(report)}});
          AH_CHECK(request.op == StoreOp::kEvidence && body.ok());
          return Reply(failing ? StoreStatus::kFailed : StoreStatus::kDone, AsText(*body));
        }),
        store(host_.fd()) {}
  std::string role = "report";
  std::uint8_t measurement = 1;
  std::uint8_t flip = 0;
  bool failing = false;

 private:
  FakeHost host_;

 public:
  StoreClient store;
};

attest::ReportData SomeReportData() {
  attest::ReportData data;
  data.value.fill(std::byte{9});
  return data;
}

TEST(HostedAttester, CarriesWhatTheHostSays) {
  HardwareHost host;
  const auto attester = HostedAttester::Create(attest::Platform::kSevSnp, host.store);
  ASSERT_TRUE(attester.ok()) << attester.error().message();
  EXPECT_EQ((*attester)->platform(), attest::Platform::kSevSnp);
  EXPECT_EQ((*attester)->measurement().size(), 48u);
  const auto evidence = (*attester)->Attest(SomeReportData());
  ASSERT_TRUE(evidence.ok()) << evidence.error().message();
  EXPECT_TRUE(
      BytesEqual(attest::ReadUnverifiedStatement(*evidence)->report_data, SomeReportData().span()));
  // The root is the process's own, and always the same in it.
  const auto root = (*attester)->SealingRoot();
  EXPECT_TRUE(*root == *(*attester)->SealingRoot());
  const auto other = HostedAttester::Create(attest::Platform::kSevSnp, host.store);
  EXPECT_FALSE(*root == *(*other)->SealingRoot());
}

TEST(HostedAttester, RefusesAnswersAboutSomethingElse) {
  HardwareHost host;
  const auto attester = HostedAttester::Create(attest::Platform::kSevSnp, host.store);
  ASSERT_TRUE(attester.ok());
  const auto code = [&] { return (*attester)->Attest(SomeReportData()).error().code(); };
  host.flip = 1;
  EXPECT_EQ(code(), ErrorCode::kIntegrity);
  EXPECT_FALSE(HostedAttester::Create(attest::Platform::kSevSnp, host.store).ok());
  host.flip = 0;
  host.measurement = 2;
  EXPECT_EQ(code(), ErrorCode::kIntegrity);
  host.measurement = 1;
  host.role = "quote";
  EXPECT_EQ(code(), ErrorCode::kInvalidInput);
  host.role = "report";
  host.failing = true;
  EXPECT_EQ(code(), ErrorCode::kUnavailable);
}

TEST(HostedAttester, IsForHardwareThatThereIsAnAttesterFor) {
  HardwareHost host;
  for (const attest::Platform platform : {attest::Platform::kInsecureSimulated,
                                          attest::Platform::kNitro, attest::Platform::kNvidiaGpu}) {
    const auto attester = HostedAttester::Create(platform, host.store);
    ASSERT_FALSE(attester.ok());
    EXPECT_EQ(attester.error().code(), ErrorCode::kUnsupported);
  }
}

TEST(HostLog, PastTheEndIsNothing) {
  FakeHost host([](const wire::StoreRequest&) { return Reply(StoreStatus::kNotFound); });
  StoreClient store(host.fd());
  HostLog log(store);
  const auto record = log.Read(0);
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->has_value());
  EXPECT_FALSE(log.Append(0, AsBytes("record")).ok());
}

TEST(HostBlobs, RefusesMoreThanWasAskedFor) {
  FakeHost host([](const wire::StoreRequest&) { return Reply(StoreStatus::kDone, "12345"); });
  StoreClient store(host.fd());
  HostBlobs blobs(store);
  EXPECT_FALSE(blobs.Read({}, 0, 4).ok());
  EXPECT_FALSE(blobs.Begin().ok());
  EXPECT_FALSE(blobs.Append(1, AsBytes("x")).ok());
}

// A host that keeps the anchor in memory.
class AnchorTest : public ::testing::Test {
 protected:
  AnchorTest()
      : host_([this](const wire::StoreRequest& request) {
          if (request.op == StoreOp::kAnchorWrite) {
            file_ = request.payload;
            return Reply(StoreStatus::kDone);
          }
          return file_ ? Reply(StoreStatus::kDone, AsText(*file_)) : Reply(StoreStatus::kNotFound);
        }),
        store_(host_.fd()) {}

  std::optional<Bytes> file_;
  FakeHost host_;
  StoreClient store_;
};

TEST_F(AnchorTest, RemembersTheLastPoint) {
  InsecureFileAnchor anchor(store_, Key(1));
  EXPECT_FALSE(anchor.Read().value().has_value());
  ledger::Anchor::Point point{.size = 7, .root = {}};
  point.root.value[3] = std::byte{9};
  ASSERT_TRUE(anchor.Advance(point).ok());
  const auto read = anchor.Read();
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->size, 7U);
  EXPECT_EQ((*read)->root, point.root);
}

TEST_F(AnchorTest, RefusesEveryFlippedByteTruncationAndOtherKey) {
  InsecureFileAnchor anchor(store_, Key(1));
  ASSERT_TRUE(anchor.Advance({.size = 7, .root = {}}).ok());
  const Bytes good = *file_;
  for (std::size_t i = 0; i < good.size(); ++i) {
    file_ = good;
    (*file_)[i] ^= std::byte{1};
    EXPECT_EQ(anchor.Read().error().code(), ErrorCode::kIntegrity) << i;
    file_->assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(anchor.Read().error().code(), ErrorCode::kIntegrity) << i;
  }
  file_ = good;
  InsecureFileAnchor other(store_, Key(2));
  EXPECT_EQ(other.Read().error().code(), ErrorCode::kIntegrity);
  EXPECT_TRUE(anchor.Read().ok());
}

TEST(Worker, RunsWhatItIsGivenInOrder) {
  std::vector<int> order;
  std::mutex mutex;
  std::condition_variable done;
  {
    Worker worker;
    for (int i = 0; i < 3; ++i) {
      worker.Post([&, i] {
        const std::lock_guard lock(mutex);
        order.push_back(i);
        done.notify_all();
      });
    }
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return order.size() == 3; });
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace anchorhold::enclave
