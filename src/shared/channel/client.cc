#include "shared/channel/client.h"

#include "shared/attest/answer.h"
#include "shared/base/log.h"
#include "shared/channel/certificate.h"
#include "shared/channel/socket.h"
#include "shared/channel/tls_stream.h"
#include "shared/crypto/random.h"
#include "shared/wire/session.pb.h"

namespace anchorhold::channel {
namespace {

constexpr int kConnectSeconds = 10;
constexpr int kHandshakeSeconds = 30;
constexpr int kSendSeconds = 60;

std::string Where(const ServerAddress& address) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

// The AttestReply of a serialized Response.
Result<attest::UnverifiedEvidence> ReadAttestReply(ByteSpan message) {
  wire::proto::Response response;
  if (!response.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return InvalidInput("the answer is not a Response message");
  }
  if (response.has_error()) {
    return InvalidInput("the enclave answers: " + PublicText(response.error().message()).text());
  }
  if (!response.has_attest()) return InvalidInput("the answer is of another kind");
  return attest::ParseEvidence(AsBytes(response.attest().evidence()));
}

}  // namespace

struct ClientChannel::State final : PeerVerifier {
  State(Socket connected, SSL_CTX* context, const attest::AppraisalPolicy& accepted,
        UnixSeconds time, const attest::EndorsementSource* source)
      : socket(std::move(connected)),
        policy(accepted),
        now(time),
        endorsements(source),
        stream(context, End::kClient, *this) {}

  // Runs inside the handshake, before the client's certificate is sent.
  Status VerifyPeer(X509* certificate) override;
  Status AppraiseCertificate(X509* certificate);

  // Alternates between network and TLS until the handshake is over.
  Status Handshake();
  // The second appraisal: Evidence made for this session alone.
  Status AppraiseFresh();
  Status AppraiseAnswer(ByteSpan nonce, ByteSpan message);

  Status Send(ByteSpan message);
  Result<Bytes> Receive(int timeout_seconds);
  // Feeds TLS and sends what it wants sent, also when it failed: the alert tells the other end.
  Status Exchange(ByteSpan received);

  Socket socket;
  attest::AppraisalPolicy policy;
  UnixSeconds now;
  const attest::EndorsementSource* endorsements;  // asked while connecting only
  CertifiedEvidence certified;
  std::optional<attest::AttestationResult> attestation;
  TlsStream stream;
};

Status ClientChannel::State::VerifyPeer(X509* certificate) {
  const Status appraised = AppraiseCertificate(certificate);
  if (appraised.ok()) return Ok();
  return AttestationRefused("certificate: " + appraised.error().message());
}

Status ClientChannel::State::AppraiseCertificate(X509* certificate) {
  AH_ASSIGN_OR_RETURN(const crypto::Ed25519PublicKey key,
                      ReadSelfSigned(certificate, kServerCertificateBytesMax));
  AH_ASSIGN_OR_RETURN(certified, ReadCertifiedEvidence(certificate));
  if (certified.keys.tls_key != key) {
    return AttestationRefused(
        "its key is not the enclave's: somebody who holds the enclave's evidence, but not its key, "
        "stands between");
  }
  AH_ASSIGN_OR_RETURN(attestation,
                      attest::Appraise(now, certified.evidence, policy,
                                       attest::BindKeys(certified.keys), endorsements));
  return Ok();
}

Status ClientChannel::State::Handshake() {
  AH_RETURN_IF_ERROR(Exchange({}));
  while (!stream.established()) {
    AH_ASSIGN_OR_RETURN(const Bytes received, socket.ReceiveSome(kHandshakeSeconds));
    AH_RETURN_IF_ERROR(Exchange(received));
  }
  AH_CHECK(attestation.has_value());
  return Ok();
}

Status ClientChannel::State::AppraiseFresh() {
  const Bytes nonce = crypto::RandomBytes(attest::kNonceBytes);
  wire::proto::Request request;
  request.mutable_attest()->set_nonce(CopyText(nonce));
  AH_RETURN_IF_ERROR(Send(AsBytes(request.SerializeAsString())));
  AH_ASSIGN_OR_RETURN(const Bytes answer, Receive(kHandshakeSeconds));
  const Status appraised = AppraiseAnswer(nonce, answer);
  if (appraised.ok()) return Ok();
  return AttestationRefused("fresh evidence: " + appraised.error().message());
}

Status ClientChannel::State::AppraiseAnswer(ByteSpan nonce, ByteSpan message) {
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedEvidence fresh, ReadAttestReply(message));
  const attest::ReportData expected = attest::BindSession(certified.keys, nonce, stream.Exporter());
  AH_ASSIGN_OR_RETURN(const attest::AttestationResult result,
                      attest::Appraise(now, fresh, policy, expected, endorsements));
  // Both were accepted, yet a policy may accept several: they must speak of one enclave.
  if (result.platform() != attestation->platform() ||
      result.measurement() != attestation->measurement()) {
    return AttestationRefused("measurement: not the enclave that the certificate speaks of");
  }
  attestation = result;
  return Ok();
}

Status ClientChannel::State::Send(ByteSpan message) {
  AH_RETURN_IF_ERROR(stream.Send(message));
  return socket.SendAll(stream.TakeOutput(), kSendSeconds);
}

Result<Bytes> ClientChannel::State::Receive(int timeout_seconds) {
  while (true) {
    if (std::optional<Bytes> message = stream.NextMessage(); message.has_value()) {
      return *std::move(message);
    }
    AH_ASSIGN_OR_RETURN(const Bytes received, socket.ReceiveSome(timeout_seconds));
    const Status exchanged = Exchange(received);
    if (exchanged.ok()) continue;
    // What came whole ahead of the end still counts.
    if (std::optional<Bytes> message = stream.NextMessage(); message.has_value()) {
      return *std::move(message);
    }
    return exchanged.error();
  }
}

Status ClientChannel::State::Exchange(ByteSpan received) {
  const Status fed = stream.Feed(received);
  const Bytes output = stream.TakeOutput();
  if (!fed.ok()) {
    socket.SendWithoutWaiting(output);
    // Whatever broke the channel, the caller's remedy is to connect anew; a refusal says its own.
    if (fed.error().code() == ErrorCode::kAttestationRefused) return fed;
    return Unavailable(fed.error().message());
  }
  return socket.SendAll(output, kSendSeconds);
}

ClientChannel::ClientChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClientChannel::ClientChannel(ClientChannel&&) noexcept = default;

ClientChannel& ClientChannel::operator=(ClientChannel&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

ClientChannel::~ClientChannel() {
  if (state_ == nullptr) return;
  state_->stream.Close();
  state_->socket.SendWithoutWaiting(state_->stream.TakeOutput());
}

Result<ClientChannel> ClientChannel::Connect(const ServerAddress& address,
                                             const crypto::Ed25519PrivateKey& key,
                                             const attest::AppraisalPolicy& policy,
                                             const Clock& clock,
                                             const attest::EndorsementSource* endorsements) {
  AH_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                      MakeCertificate(key, "anchorhold client", std::nullopt));
  AH_ASSIGN_OR_RETURN(const ContextPtr context,
                      TlsStream::MakeContext(End::kClient, key, certificate.get()));
  const std::string where = Where(address);
  Result<Socket> socket = Socket::Connect(address.host, address.port, kConnectSeconds);
  if (!socket.ok()) return socket.error().At(where);
  auto state = std::make_unique<State>(std::move(socket).value(), context.get(), policy,
                                       clock.Now(), endorsements);
  Status ready = state->Handshake();
  if (ready.ok()) ready = state->AppraiseFresh();
  state->endorsements = nullptr;
  if (!ready.ok()) return ready.error().At(where);
  return ClientChannel(std::move(state));
}

const attest::AttestationResult& ClientChannel::attestation() const { return *state_->attestation; }
const attest::EnclaveKeys& ClientChannel::enclave_keys() const { return state_->certified.keys; }
const attest::UnverifiedEvidence& ClientChannel::evidence() const {
  return state_->certified.evidence;
}

Status ClientChannel::Send(ByteSpan message) { return state_->Send(message); }
Result<Bytes> ClientChannel::Receive(int timeout_seconds) {
  return state_->Receive(timeout_seconds);
}

}  // namespace anchorhold::channel
