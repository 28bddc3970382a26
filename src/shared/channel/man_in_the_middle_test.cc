// Somebody between client and enclave who can read, keep and send again whatever is public.
#include <gtest/gtest.h>

#include "shared/attest/answer.h"
#include "shared/channel/test_support.h"
#include "shared/crypto/random.h"

namespace anchorhold::channel {
namespace {

using testing::FixedClock;
using testing::LoopbackServer;
using testing::TestEnclave;

class ManInTheMiddle : public ::testing::Test {
 protected:
  void ExpectRefused(LoopbackServer& server, const std::string& part) {
    const auto channel = ClientChannel::Connect(server.address(), key_, policy_, FixedClock());
    ASSERT_FALSE(channel.ok());
    EXPECT_EQ(channel.error().code(), ErrorCode::kAttestationRefused);
    EXPECT_NE(channel.error().message().find(part), std::string::npos) << channel.error().message();
  }

  TestEnclave genuine_;
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
  attest::AppraisalPolicy policy_ = attest::testing::MakePolicy();
};

// The middle's own TLS key, with the enclave's evidence; the keys beside it are made to fit the
// certificate, so the evidence does not bind them.
TEST_F(ManInTheMiddle, WithAKeyOfItsOwnUnderItsOwnName) {
  TestEnclave middle;
  middle.keys.sealing_key = genuine_.keys.sealing_key;
  middle.keys.ledger_key = genuine_.keys.ledger_key;
  middle.identity = ServerIdentity::Create(middle.tls_key, middle.keys, genuine_.evidence).value();
  LoopbackServer server(middle);
  ExpectRefused(server, "report data: ");
  EXPECT_FALSE(server.WaitForEnd(1).established);
}

// The middle's own TLS key under the enclave's keys and evidence, byte for byte. ServerIdentity
// refuses to make such a certificate, so it is checked as the client sees it.
TEST_F(ManInTheMiddle, WithAKeyOfItsOwnUnderTheEnclavesName) {
  const auto own = crypto::Ed25519PrivateKey::Generate();
  const auto certificate = MakeCertificate(own, "anchorhold enclave",
                                           CertifiedEvidence{genuine_.evidence, genuine_.keys})
                               .value();
  testing::RawServer server(own, certificate.get());
  const auto channel = ClientChannel::Connect(server.address(), key_, policy_, FixedClock());
  ASSERT_FALSE(channel.ok());
  EXPECT_EQ(channel.error().code(), ErrorCode::kAttestationRefused);
  EXPECT_NE(channel.error().message().find("its key is not the enclave's"), std::string::npos)
      << channel.error().message();
  EXPECT_FALSE(server.WaitSawCertificate());
}

TEST_F(ManInTheMiddle, WithoutEvidence) {
  const auto own = crypto::Ed25519PrivateKey::Generate();
  const auto certificate = MakeCertificate(own, "anchorhold enclave", std::nullopt).value();
  testing::RawServer server(own, certificate.get());
  const auto channel = ClientChannel::Connect(server.address(), key_, policy_, FixedClock());
  ASSERT_FALSE(channel.ok());
  EXPECT_EQ(channel.error().code(), ErrorCode::kAttestationRefused);
  EXPECT_NE(channel.error().message().find("carries no evidence"), std::string::npos);
  EXPECT_FALSE(server.WaitSawCertificate());
}

// The worst case that fresh evidence is for: the TLS key has leaked, so the middle passes the
// handshake, and asks the enclave itself for evidence over a second session of its own.
TEST_F(ManInTheMiddle, WhoRelaysTheFreshEvidenceOfAnotherSession) {
  testing::RawClient own_session;
  ServerSession enclave_session(genuine_.identity);
  ASSERT_TRUE(testing::Pair(own_session, enclave_session).ok());
  LoopbackServer server(genuine_, {.answer = [&](ByteSpan nonce, ByteSpan) {
                          return attest::AnswerAttest(genuine_.attester, genuine_.keys, nonce,
                                                      enclave_session.Exporter())
                              .value();
                        }});
  ExpectRefused(server, "fresh evidence: report data: ");
}

TEST_F(ManInTheMiddle, WhoReplaysFreshEvidence) {
  Bytes kept;
  LoopbackServer server(
      genuine_, {.answer = [&](ByteSpan nonce, ByteSpan exporter) {
        if (kept.empty()) {
          kept = attest::AnswerAttest(genuine_.attester, genuine_.keys, nonce, exporter).value();
        }
        return kept;
      }});
  ASSERT_TRUE(ClientChannel::Connect(server.address(), key_, policy_, FixedClock()).ok());
  ExpectRefused(server, "fresh evidence: report data: ");
}

TEST_F(ManInTheMiddle, WhoAnswersForAnotherNonce) {
  LoopbackServer server(
      genuine_, {.answer = [&](ByteSpan, ByteSpan exporter) {
        const Bytes nonce = crypto::RandomBytes(attest::kNonceBytes);
        return attest::AnswerAttest(genuine_.attester, genuine_.keys, nonce, exporter).value();
      }});
  ExpectRefused(server, "fresh evidence: report data: ");
}

TEST_F(ManInTheMiddle, WhoSendsTheCertificatesEvidenceAgain) {
  LoopbackServer server(genuine_, {.answer = [&](ByteSpan, ByteSpan) {
                          return attest::SerializeEvidence(genuine_.evidence);
                        }});
  ExpectRefused(server, "fresh evidence: report data: ");
}

TEST_F(ManInTheMiddle, WhoAnswersFromAnotherEnclave) {
  TestEnclave other(0x77);
  policy_.measurements.push_back(attest::testing::TestMeasurement(0x77));
  LoopbackServer server(
      genuine_, {.answer = [&](ByteSpan nonce, ByteSpan exporter) {
        return attest::AnswerAttest(other.attester, genuine_.keys, nonce, exporter).value();
      }});
  ExpectRefused(server, "fresh evidence: measurement: ");
}

TEST_F(ManInTheMiddle, WhoAnswersNonsense) {
  for (const Bytes& nonsense : {Bytes(), Bytes(100, std::byte{0xff})}) {
    LoopbackServer server(genuine_, {.answer = [&](ByteSpan, ByteSpan) { return nonsense; }});
    ExpectRefused(server, "fresh evidence: ");
  }
}

}  // namespace
}  // namespace anchorhold::channel
