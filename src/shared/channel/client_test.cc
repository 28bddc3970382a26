#include "shared/channel/client.h"

#include <gtest/gtest.h>

#include "shared/attest/answer.h"
#include "shared/channel/test_support.h"
#include "shared/crypto/random.h"

namespace anchorhold::channel {
namespace {

using testing::FixedClock;
using testing::LoopbackServer;
using testing::SayingServer;
using testing::TestEnclave;

constexpr int kSeconds = 20;

class Client : public ::testing::Test {
 protected:
  Result<ClientChannel> Connect(const ServerAddress& address) {
    return ClientChannel::Connect(address, key_, policy_, FixedClock());
  }

  void ExpectRefused(const ServerAddress& address, const std::string& part) {
    const auto channel = Connect(address);
    ASSERT_FALSE(channel.ok());
    EXPECT_EQ(channel.error().code(), ErrorCode::kAttestationRefused);
    EXPECT_NE(channel.error().message().find(part), std::string::npos) << channel.error().message();
  }

  TestEnclave enclave_;
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
  attest::AppraisalPolicy policy_ = attest::testing::MakePolicy();
};

TEST_F(Client, ConnectsAndTalks) {
  LoopbackServer server(enclave_);
  auto channel = Connect(server.address());
  ASSERT_TRUE(channel.ok()) << channel.error().message();
  EXPECT_EQ(channel->attestation().measurement(), attest::testing::TestMeasurement());
  EXPECT_EQ(channel->attestation().appraised_at(), attest::testing::kNow);
  EXPECT_EQ(channel->enclave_keys().tls_key, enclave_.tls_key.public_key());
  EXPECT_EQ(channel->evidence().body, enclave_.evidence.body);
  // 0xff is no Request: the server sends it back.
  for (const std::size_t size : {std::size_t{1}, std::size_t{16384}, limits::kMiB,
                                 limits::kMessageBytesMax, std::size_t{0}}) {
    const Bytes message(size, std::byte{0xff});
    ASSERT_TRUE(channel->Send(message).ok()) << size;
    const auto answer = channel->Receive(kSeconds);
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_TRUE(*answer == message) << size;
  }
}

TEST_F(Client, RefusesToSendOneByteOverTheLimit) {
  LoopbackServer server(enclave_);
  auto channel = Connect(server.address());
  ASSERT_TRUE(channel.ok());
  const Status sent = channel->Send(Bytes(limits::kMessageBytesMax + 1));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code(), ErrorCode::kLimitExceeded);
  EXPECT_TRUE(channel->Send(AsBytes("\xff")).ok());
  EXPECT_TRUE(channel->Receive(kSeconds).ok());
}

TEST_F(Client, ClosesInOrder) {
  LoopbackServer server(enclave_);
  { ASSERT_TRUE(Connect(server.address()).ok()); }
  const auto seen = server.WaitForEnd(1);
  EXPECT_TRUE(seen.established);
  EXPECT_EQ(seen.error, "the other end closed the channel");
}

TEST_F(Client, RefusesASimulationAndKeepsItsNameToItself) {
  policy_.platforms.clear();
  LoopbackServer server(enclave_);
  ExpectRefused(server.address(),
                "the enclave presents insecure-simulated evidence, which protects against nobody "
                "who owns the machine; to accept it all the same, list \"insecure-simulated\" "
                "under platforms in the policy");
  const auto seen = server.WaitForEnd(1);
  EXPECT_FALSE(seen.established);
  EXPECT_NE(seen.error.find("the other end refused"), std::string::npos) << seen.error;
  // A ClientHello and an alert: no room for a certificate.
  EXPECT_LT(seen.bytes_received, 350u);
}

TEST_F(Client, RefusesAnotherMeasurement) {
  policy_.measurements = {attest::testing::TestMeasurement(0x11)};
  LoopbackServer server(enclave_);
  ExpectRefused(server.address(), "measurement: ");
  EXPECT_FALSE(server.WaitForEnd(1).established);
}

TEST_F(Client, RefusesEvidenceThatBindsOtherKeys) {
  TestEnclave other;
  enclave_.identity =
      ServerIdentity::Create(enclave_.tls_key, enclave_.keys, other.evidence).value();
  LoopbackServer server(enclave_);
  ExpectRefused(server.address(), "report data: ");
  EXPECT_FALSE(server.WaitForEnd(1).established);
}

TEST_F(Client, RefusesDamagedEvidence) {
  enclave_.evidence.body[100] ^= std::byte{1};
  enclave_.identity =
      ServerIdentity::Create(enclave_.tls_key, enclave_.keys, enclave_.evidence).value();
  LoopbackServer server(enclave_);
  ExpectRefused(server.address(), "signature: ");
}

TEST_F(Client, SaysWhenNobodyAnswers) {
  ServerAddress address;
  {
    const LoopbackServer server(enclave_);
    address = server.address();
  }
  const auto channel = Connect(address);
  ASSERT_FALSE(channel.ok());
  EXPECT_EQ(channel.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(channel.error().message().find("nobody answers (Connection refused)"),
            std::string::npos)
      << channel.error().message();
}

TEST_F(Client, RefusesGarbage) {
  for (const std::string& words : {std::string("HTTP/1.1 200 OK\r\n\r\n"), std::string(5000, '\0'),
                                   std::string(5000, '\xff'), std::string()}) {
    const SayingServer server(CopyBytes(AsBytes(words)));
    const auto channel = Connect(server.address());
    ASSERT_FALSE(channel.ok());
    EXPECT_EQ(channel.error().code(), ErrorCode::kUnavailable) << channel.error().message();
  }
}

TEST_F(Client, AStreamCutAnywhereIsAnError) {
  std::size_t whole = 0;
  {
    LoopbackServer server(enclave_);
    ASSERT_TRUE(Connect(server.address()).ok());
    whole = server.WaitForEnd(1).bytes_sent;
  }
  ASSERT_GT(whole, 500u);
  for (std::size_t cut = 0; cut < whole; cut += 5) {
    LoopbackServer server(enclave_, {.answer = nullptr, .cut_after = cut});
    const auto channel = Connect(server.address());
    ASSERT_FALSE(channel.ok()) << cut;
    EXPECT_NE(channel.error().message(), "") << cut;
  }
}

TEST_F(Client, ReceiveGivesUp) {
  LoopbackServer server(enclave_);
  auto channel = Connect(server.address());
  ASSERT_TRUE(channel.ok());
  const auto nothing = channel->Receive(0);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code(), ErrorCode::kUnavailable);
}

TEST_F(Client, SurvivesAServerThatLeaves) {
  auto server = std::make_unique<LoopbackServer>(
      enclave_, LoopbackServer::Options{.answer = nullptr, .cut_after = 4096});
  auto channel = Connect(server->address());
  ASSERT_TRUE(channel.ok()) << channel.error().message();
  ASSERT_TRUE(channel->Send(Bytes(limits::kMiB, std::byte{0xff})).ok());
  EXPECT_FALSE(channel->Receive(kSeconds).ok());
  server.reset();
  // The first write may still go into the network's buffers; none of them raises a signal.
  Status sent = Ok();
  for (int i = 0; i < 20 && sent.ok(); ++i) sent = channel->Send(Bytes(limits::kMiB));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code(), ErrorCode::kUnavailable);
}

TEST_F(Client, MovesKeepTheChannel) {
  LoopbackServer server(enclave_);
  auto connected = Connect(server.address());
  ASSERT_TRUE(connected.ok());
  ClientChannel channel = std::move(connected).value();
  ASSERT_TRUE(channel.Send(AsBytes("\xff")).ok());
  EXPECT_TRUE(channel.Receive(kSeconds).ok());
}

TEST(Address, ReadsHostAndPort) {
  const auto expect = [](const char* text, const char* host, std::uint16_t port) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  };
  expect("127.0.0.1:7641", "127.0.0.1", 7641);
  expect("[::1]:7641", "::1", 7641);
  expect("[fe80::1%eth0]:1", "fe80::1%eth0", 1);
  expect("enclave.example:65535", "enclave.example", 65535);
}

TEST(Address, RefusesEverythingElse) {
  for (const std::string& text : {std::string(),
                                  std::string(":"),
                                  std::string(":1"),
                                  std::string("host"),
                                  std::string("host:"),
                                  std::string("host:0"),
                                  std::string("host:65536"),
                                  std::string("host:-1"),
                                  std::string("host:+1"),
                                  std::string("host:1x"),
                                  std::string("host: 1"),
                                  std::string("::1:7641"),
                                  std::string("[::1]"),
                                  std::string("[]:1"),
                                  std::string("[::1:1"),
                                  std::string("ho st:1"),
                                  std::string("ho\nst:1"),
                                  std::string("a\0b:1", 5),
                                  std::string("http://a:1"),
                                  std::string(254, 'a') + ":1"}) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kInvalidInput);
  }
}

}  // namespace
}  // namespace anchorhold::channel
