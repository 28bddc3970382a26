#include "shared/channel/server.h"

#include <gtest/gtest.h>

#include "shared/base/reader.h"
#include "shared/channel/frame.h"
#include "shared/channel/test_support.h"

namespace anchorhold::channel {
namespace {

using testing::Pair;
using testing::RawClient;
using testing::RawClientOptions;
using testing::TestEnclave;

// One enclave for all: making one is slow, and sessions share nothing else.
TestEnclave& Enclave() {
  static TestEnclave* const enclave = new TestEnclave;
  return *enclave;
}

// A client with these options never gets a session, and says why.
void ExpectRefused(const RawClientOptions& options, const std::string& part) {
  RawClient client(options);
  ServerSession server(Enclave().identity);
  const Status status = Pair(client, server);
  EXPECT_FALSE(server.established());
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find(part), std::string::npos) << status.error().message();
  EXPECT_TRUE(client.failed());
  EXPECT_FALSE(server.Feed({}).ok());
}

TEST(Server, EstablishesAndNamesThePeer) {
  RawClient client;
  ServerSession server(Enclave().identity);
  const Status status = Pair(client, server);
  ASSERT_TRUE(status.ok()) << status.error().message();
  ASSERT_TRUE(server.established());
  ASSERT_TRUE(client.established());
  const KeyPtr key(X509_get_pubkey(SSL_get_certificate(client.ssl())));
  crypto::Ed25519PublicKey raw;
  std::size_t size = raw.value.size();
  ASSERT_EQ(EVP_PKEY_get_raw_public_key(key.get(), RawMutable(MutableByteSpan(raw.value)), &size),
            1);
  EXPECT_EQ(server.peer(), raw);
  EXPECT_EQ(server.Exporter().size(), 32u);
  EXPECT_EQ(server.Exporter(), client.Exporter());
}

TEST(Server, SpeaksOnlyWhatItSays) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  EXPECT_STREQ(SSL_get_version(client.ssl()), "TLSv1.3");
  EXPECT_STREQ(SSL_get_cipher_name(client.ssl()), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(SSL_get_negotiated_group(client.ssl()), NID_X25519);
  int signature = 0;
  ASSERT_EQ(SSL_get_peer_signature_type_nid(client.ssl(), &signature), 1);
  EXPECT_EQ(signature, NID_ED25519);
  // No ticket came: the session cannot be resumed.
  EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get0_session(client.ssl())), 0);
  EXPECT_EQ(SSL_CTX_sess_number(SSL_get_SSL_CTX(client.ssl())), 0);
}

TEST(Server, PresentsItsEvidence) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  X509* const certificate = SSL_get0_peer_certificate(client.ssl());
  const auto content = ReadCertifiedEvidence(certificate);
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(content->evidence.body, Enclave().evidence.body);
  EXPECT_EQ(content->keys.tls_key, Enclave().tls_key.public_key());
}

TEST(Server, RefusesOlderTls) {
  RawClientOptions options{.max_version = TLS1_2_VERSION};
  ExpectRefused(options, "unsupported protocol");
}

TEST(Server, RefusesOtherGroupsAndSuites) {
  ExpectRefused({.groups = "P-256"}, "no suitable key share");
  ExpectRefused({.ciphersuites = "TLS_AES_128_GCM_SHA256"}, "no shared cipher");
  ExpectRefused({.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256"}, "no shared cipher");
}

TEST(Server, RefusesClientsWithoutAnEd25519Certificate) {
  ExpectRefused({.key_type = nullptr}, "did not return a certificate");
  ExpectRefused({.key_type = "RSA"}, "did not return a certificate");
  ExpectRefused({.key_type = "P-256"}, "did not return a certificate");
}

TEST(Server, RefusesACertificateSignedByAnotherKey) {
  ExpectRefused({.signed_by_itself = false}, "not signed by its own key");
}

TEST(Server, RefusesAChain) { ExpectRefused({.extra_chain = 1}, "exactly one certificate"); }

TEST(Server, RefusesALargeCertificate) {
  RawClientOptions options{.padding = 1000};
  RawClient client(options);
  ServerSession server(Enclave().identity);
  EXPECT_TRUE(Pair(client, server).ok());
  options.padding = 3000;
  ExpectRefused(options, "excessive message size");
}

TEST(Server, EchoesMessagesOfEverySize) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16384}, limits::kMiB,
                                 limits::kMessageBytesMax}) {
    const Bytes message(size, std::byte{0x42});
    ASSERT_TRUE(server.Feed(client.Encrypt(Frame(message))).ok()) << size;
    const auto received = server.NextMessage();
    ASSERT_TRUE(received.has_value());
    EXPECT_TRUE(*received == message) << size;
    const std::size_t before = client.plaintext().size();
    ASSERT_TRUE(server.Send(*received).ok());
    EXPECT_TRUE(client.Step(server.TakeOutput()).empty());
    EXPECT_TRUE(BytesEqual(ByteSpan(client.plaintext()).subspan(before), Frame(message))) << size;
  }
}

TEST(Server, RefusesToSendOneByteOverTheLimit) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  const Status sent = server.Send(Bytes(limits::kMessageBytesMax + 1));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code(), ErrorCode::kLimitExceeded);
  EXPECT_TRUE(server.TakeOutput().empty());
  EXPECT_TRUE(server.Send(AsBytes("still works")).ok());
}

TEST(Server, RefusesAnOversizedFrame) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  ByteWriter writer;
  writer.WriteU32(static_cast<std::uint32_t>(limits::kMessageBytesMax + 1));
  const Status fed = server.Feed(client.Encrypt(writer.bytes()));
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(server.NextMessage(), std::nullopt);
  EXPECT_FALSE(server.Send({}).ok());
}

TEST(Server, RefusesGarbage) {
  for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(5000, '\0'),
                                     std::string(5000, '\xff')}) {
    ServerSession server(Enclave().identity);
    const Status fed = server.Feed(AsBytes(garbage));
    ASSERT_FALSE(fed.ok());
    EXPECT_EQ(fed.error().code(), ErrorCode::kInvalidInput);
    EXPECT_FALSE(server.established());
  }
}

TEST(Server, BoundsTheHandshake) {
  ServerSession server(Enclave().identity);
  // A ClientHello of 100,000 zeroes, which libssl alone would collect, in records of 16 KiB.
  Bytes record = FromHex(
                     "1603014000"
                     "010186a0")
                     .value();
  record.resize(5 + 0x4000);
  Status fed = server.Feed(record);
  std::size_t fed_bytes = record.size();
  std::fill(record.begin() + 5, record.end(), std::byte{0});
  while (fed.ok()) {
    ASSERT_LE(fed_bytes, limits::kHandshakeBytesMax);
    fed = server.Feed(record);
    fed_bytes += record.size();
  }
  EXPECT_EQ(fed.error().code(), ErrorCode::kLimitExceeded) << fed.error().message();
  EXPECT_GT(fed_bytes, limits::kHandshakeBytesMax);
}

TEST(Server, TellsTheClientsCloseFromACut) {
  RawClient client;
  ServerSession server(Enclave().identity);
  ASSERT_TRUE(Pair(client, server).ok());
  Bytes last = client.Encrypt(Frame(AsBytes("last")));
  AppendBytes(last, client.Close());
  const Status fed = server.Feed(last);
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(server.NextMessage(), CopyBytes(AsBytes("last")));
}

// The client's second flight, with a request behind it.
Bytes SecondFlight(RawClient& client, ServerSession& server) {
  AH_CHECK(server.Feed(client.Step({})).ok());
  Bytes flight = client.Step(server.TakeOutput());
  AppendBytes(flight, client.Encrypt(Frame(AsBytes("request"))));
  return flight;
}

TEST(Server, AStreamCutAnywhereGivesNoMessage) {
  std::size_t size = 1;
  for (std::size_t cut = 0; cut < size; ++cut) {
    RawClient client;
    ServerSession server(Enclave().identity);
    const Bytes flight = SecondFlight(client, server);
    size = flight.size();
    EXPECT_TRUE(server.Feed(ByteSpan(flight).first(cut)).ok()) << cut;
    EXPECT_EQ(server.NextMessage(), std::nullopt) << cut;
    EXPECT_TRUE(server.Feed(ByteSpan(flight).subspan(cut)).ok()) << cut;
    EXPECT_EQ(server.NextMessage(), CopyBytes(AsBytes("request"))) << cut;
  }
}

TEST(Server, AFlippedByteGivesNoOtherMessage) {
  std::size_t size = 1;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < size; ++at) {
    RawClient client;
    ServerSession server(Enclave().identity);
    Bytes flight = SecondFlight(client, server);
    size = flight.size();
    flight[at] ^= std::byte{0x10};
    if (!server.Feed(flight).ok()) ++refused;
    // The version fields of records are not authenticated: TLS 1.3 ignores them.
    const auto message = server.NextMessage();
    if (message.has_value()) {
      EXPECT_EQ(*message, CopyBytes(AsBytes("request"))) << at;
    }
  }
  EXPECT_GT(refused, size * 9 / 10);
}

TEST(Server, SessionsOutliveAMoveOfTheirOwner) {
  RawClient client;
  ServerSession first(Enclave().identity);
  ASSERT_TRUE(Pair(client, first).ok());
  ServerSession second = std::move(first);
  ASSERT_TRUE(second.Feed(client.Encrypt(Frame(AsBytes("moved")))).ok());
  EXPECT_EQ(second.NextMessage(), CopyBytes(AsBytes("moved")));
}

}  // namespace
}  // namespace anchorhold::channel
