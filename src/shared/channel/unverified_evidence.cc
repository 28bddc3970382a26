// The first half of a handshake, for what the server's certificate carries (client.h).
#include "shared/channel/certificate.h"
#include "shared/channel/client.h"
#include "shared/channel/socket.h"
#include "shared/channel/tls_stream.h"

namespace anchorhold::channel {
namespace {

constexpr int kConnectSeconds = 10;
constexpr int kHandshakeSeconds = 30;

// Keeps the evidence and refuses, so that the handshake ends there.
struct Collector final : PeerVerifier {
  Status VerifyPeer(X509* certificate) override {
    auto read = ReadCertifiedEvidence(certificate);
    if (!read.ok()) return read.error();
    found = std::move(read->evidence);
    return Unavailable("enough was seen");
  }
  std::optional<attest::UnverifiedEvidence> found;
};

Result<attest::UnverifiedEvidence> Ask(const ServerAddress& address) {
  const auto key = crypto::Ed25519PrivateKey::Generate();  // never sent
  AH_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                      MakeCertificate(key, "anchorhold client", std::nullopt));
  AH_ASSIGN_OR_RETURN(const ContextPtr context,
                      TlsStream::MakeContext(End::kClient, key, certificate.get()));
  AH_ASSIGN_OR_RETURN(Socket socket, Socket::Connect(address.host, address.port, kConnectSeconds));
  Collector collector;
  TlsStream stream(context.get(), End::kClient, collector);
  Status fed = stream.Feed({});
  while (fed.ok()) {
    AH_RETURN_IF_ERROR(socket.SendAll(stream.TakeOutput(), kHandshakeSeconds));
    AH_ASSIGN_OR_RETURN(const Bytes received, socket.ReceiveSome(kHandshakeSeconds));
    fed = stream.Feed(received);
  }
  socket.SendWithoutWaiting(stream.TakeOutput());
  if (!collector.found.has_value()) return Unavailable(fed.error().message());
  return *std::move(collector.found);
}

}  // namespace

Result<attest::UnverifiedEvidence> AskForUnverifiedEvidence(const ServerAddress& address) {
  auto evidence = Ask(address);
  if (!evidence.ok()) {
    return evidence.error().At(address.host + ":" + std::to_string(address.port));
  }
  return evidence;
}

}  // namespace anchorhold::channel
