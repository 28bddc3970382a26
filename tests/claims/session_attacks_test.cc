// Attacks 1 and 2: evidence of another time, another session, another machine's session.
#include "shared/attest/answer.h"
#include "shared/crypto/random.h"
#include "tests/claims/hardware.h"

namespace anchorhold::testing {
namespace {

using channel::testing::LoopbackServer;
using channel::testing::TestEnclave;

TEST(Attack1, NonceMissingReusedOrFromAnotherSessionASavedQuoteReplayed) {
  Machine machine;
  TestEnclave enclave(machine.Attester());
  const auto policy = machine.Policy();
  const auto answer = [&](ByteSpan nonce, ByteSpan exporter) {
    return attest::AnswerAttest(enclave.attester, enclave.keys, nonce, exporter).value();
  };
  {
    LoopbackServer honest(enclave);
    const auto channel = Connect(honest, policy, machine);
    ASSERT_TRUE(channel.ok()) << channel.error().message();
    EXPECT_EQ(channel->attestation().platform(), attest::Platform::kSevSnp);
  }
  // No nonce at all: the enclave does not answer, and a quote over none is not taken.
  const Bytes exporter_of_none(attest::kExporterBytes);
  EXPECT_FALSE(attest::AnswerAttest(enclave.attester, enclave.keys, {}, exporter_of_none).ok());
  LoopbackServer without(enclave, {.answer = [&](ByteSpan, ByteSpan exporter) {
                           const auto data = attest::BindSession(enclave.keys, {}, exporter);
                           return attest::SerializeEvidence(enclave.attester.Attest(data).value());
                         }});
  ExpectRefused(Connect(without, policy, machine), "fresh evidence: report_data: ");
  // A nonce that somebody else chose.
  LoopbackServer other_nonce(enclave, {.answer = [&](ByteSpan, ByteSpan exporter) {
                               return answer(crypto::RandomBytes(attest::kNonceBytes), exporter);
                             }});
  ExpectRefused(Connect(other_nonce, policy, machine), "fresh evidence: report_data: ");
  // The same nonce in another session.
  LoopbackServer other_session(enclave, {.answer = [&](ByteSpan nonce, ByteSpan) {
                                 return answer(nonce, Bytes(attest::kExporterBytes));
                               }});
  ExpectRefused(Connect(other_session, policy, machine), "fresh evidence: report_data: ");
  // A quote saved from an earlier session, and the one in the certificate.
  Bytes saved;
  LoopbackServer replaying(enclave, {.answer = [&](ByteSpan nonce, ByteSpan exporter) {
                             if (saved.empty()) saved = answer(nonce, exporter);
                             return saved;
                           }});
  ASSERT_TRUE(Connect(replaying, policy, machine).ok());
  ExpectRefused(Connect(replaying, policy, machine), "fresh evidence: report_data: ");
  LoopbackServer repeating(enclave, {.answer = [&](ByteSpan, ByteSpan) {
                             return attest::SerializeEvidence(enclave.evidence);
                           }});
  ExpectRefused(Connect(repeating, policy, machine), "fresh evidence: report_data: ");
}

TEST(Attack2, EvidenceNotBoundToTheTlsKeyASessionRelayedThroughAnIdenticalEnclaveElsewhere) {
  Machine machine;
  TestEnclave genuine(machine.Attester());
  const auto policy = machine.Policy();
  // The middle's key in the certificate, the enclave's evidence and keys beside it.
  {
    const auto own = crypto::Ed25519PrivateKey::Generate();
    const auto certificate =
        channel::MakeCertificate(own, "anchorhold enclave",
                                 channel::CertifiedEvidence{genuine.evidence, genuine.keys})
            .value();
    channel::testing::RawServer server(own, certificate.get());
    ExpectRefused(
        channel::ClientChannel::Connect(server.address(), crypto::Ed25519PrivateKey::Generate(),
                                        policy, SnpClock(), &machine),
        "its key is not the enclave's");
    EXPECT_FALSE(server.WaitSawCertificate());
  }
  // The middle's key in the certificate and among the keys: the evidence binds others.
  {
    TestEnclave middle(machine.Attester());
    middle.identity =
        channel::ServerIdentity::Create(middle.tls_key, middle.keys, genuine.evidence).value();
    LoopbackServer server(middle);
    ExpectRefused(Connect(server, policy, machine), "certificate: report_data: ");
    EXPECT_FALSE(server.WaitForEnd(1).established);
  }
  // An identical enclave elsewhere, through which the middle answers: same image, same policy, and
  // evidence that is genuine, but its keys and its session are its own.
  Machine elsewhere;
  TestEnclave identical(elsewhere.Attester());
  EXPECT_EQ(identical.attester.measurement(), genuine.attester.measurement());
  LoopbackServer relayed(
      genuine, {.answer = [&](ByteSpan nonce, ByteSpan exporter) {
        return attest::AnswerAttest(identical.attester, identical.keys, nonce, exporter).value();
      }});
  ExpectRefused(Connect(relayed, policy, machine), "fresh evidence: report_data: ");
  // Even with the enclave's TLS key in hand: its exporter is of the middle's session with it.
  channel::testing::RawClient own_session;
  channel::ServerSession enclave_session(genuine.identity);
  ASSERT_TRUE(channel::testing::Pair(own_session, enclave_session).ok());
  LoopbackServer leaked(genuine, {.answer = [&](ByteSpan nonce, ByteSpan) {
                          return attest::AnswerAttest(genuine.attester, genuine.keys, nonce,
                                                      enclave_session.Exporter())
                              .value();
                        }});
  ExpectRefused(Connect(leaked, policy, machine), "fresh evidence: report_data: ");
}

}  // namespace
}  // namespace anchorhold::testing
