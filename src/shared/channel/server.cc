#include "shared/channel/server.h"

#include "shared/channel/certificate.h"
#include "shared/channel/tls_stream.h"

namespace anchorhold::channel {

struct ServerIdentity::State {
  ContextPtr context;
};

ServerIdentity::ServerIdentity(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerIdentity::~ServerIdentity() = default;
ServerIdentity::ServerIdentity(ServerIdentity&&) noexcept = default;
ServerIdentity& ServerIdentity::operator=(ServerIdentity&&) noexcept = default;

Result<ServerIdentity> ServerIdentity::Create(const crypto::Ed25519PrivateKey& tls_key,
                                              const attest::EnclaveKeys& keys,
                                              const attest::UnverifiedEvidence& evidence) {
  AH_CHECK(keys.tls_key == tls_key.public_key());
  AH_ASSIGN_OR_RETURN(
      const CertificatePtr certificate,
      MakeCertificate(tls_key, "anchorhold enclave", CertifiedEvidence{evidence, keys}));
  auto state = std::make_unique<State>();
  AH_ASSIGN_OR_RETURN(state->context,
                      TlsStream::MakeContext(End::kServer, tls_key, certificate.get()));
  return ServerIdentity(std::move(state));
}

struct ServerSession::State final : PeerVerifier {
  explicit State(SSL_CTX* context) : stream(context, End::kServer, *this) {}

  // Any key may connect; what it may do is for the contracts to say.
  Status VerifyPeer(X509* certificate) override {
    const auto key = ReadSelfSigned(certificate, kClientCertificateBytesMax);
    if (!key.ok()) return PermissionDenied("client certificate: " + key.error().message());
    peer = *key;
    return Ok();
  }

  crypto::Ed25519PublicKey peer;
  TlsStream stream;
};

ServerSession::ServerSession(const ServerIdentity& identity)
    : state_(std::make_unique<State>(identity.state_->context.get())) {}
ServerSession::~ServerSession() = default;
ServerSession::ServerSession(ServerSession&&) noexcept = default;
ServerSession& ServerSession::operator=(ServerSession&&) noexcept = default;

Status ServerSession::Feed(ByteSpan from_network) { return state_->stream.Feed(from_network); }
Bytes ServerSession::TakeOutput() { return state_->stream.TakeOutput(); }
bool ServerSession::established() const { return state_->stream.established(); }

const crypto::Ed25519PublicKey& ServerSession::peer() const {
  AH_CHECK(established());
  return state_->peer;
}

Bytes ServerSession::Exporter() const { return state_->stream.Exporter(); }
std::optional<Bytes> ServerSession::NextMessage() { return state_->stream.NextMessage(); }
Status ServerSession::Send(ByteSpan message) { return state_->stream.Send(message); }

}  // namespace anchorhold::channel
