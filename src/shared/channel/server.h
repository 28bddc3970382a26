// The enclave's end of the attested channel: TLS 1.3 over memory, for the enclave has no sockets.
// The server authenticates with a self-signed certificate over its Ed25519 TLS key that carries
// Evidence (TCG DICE TaggedEvidence, 2.23.133.5.4.9; docs/formats.md); the client with a
// self-signed certificate over its own Ed25519 key. Nothing but TLS 1.3, one cipher suite, one
// group.
#pragma once

#include <memory>
#include <optional>

#include "shared/attest/evidence.h"
#include "shared/crypto/signature.h"

namespace anchorhold::channel {

// Keys and certificate, shared by all sessions.
class ServerIdentity {
 public:
  // `evidence` binds `keys` (attest::BindKeys); keys.tls_key is tls_key's public key
  // (precondition).
  static Result<ServerIdentity> Create(const crypto::Ed25519PrivateKey& tls_key,
                                       const attest::EnclaveKeys& keys,
                                       const attest::UnverifiedEvidence& evidence);
  ~ServerIdentity();
  ServerIdentity(ServerIdentity&&) noexcept;
  ServerIdentity& operator=(ServerIdentity&&) noexcept;

 private:
  friend class ServerSession;
  struct State;
  explicit ServerIdentity(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One client connection.
class ServerSession {
 public:
  explicit ServerSession(const ServerIdentity& identity);
  ~ServerSession();
  ServerSession(ServerSession&&) noexcept;
  ServerSession& operator=(ServerSession&&) noexcept;

  // Bytes from the network. An error means: send what TakeOutput gives (an alert), then close.
  Status Feed(ByteSpan from_network);
  // Bytes to send to the network; empty if there are none.
  Bytes TakeOutput();

  bool established() const;
  // The client's pinned identity. Precondition: established().
  const crypto::Ed25519PublicKey& peer() const;
  // 32 bytes that only the two ends of this session know (RFC 8446, 7.5), label
  // "EXPORTER-anchorhold-attestation". Precondition: established().
  Bytes Exporter() const;

  // The next whole request, if there is one.
  std::optional<Bytes> NextMessage();
  // Encrypts a message into the output. Precondition: established() and at most
  // limits::kMessageBytesMax bytes.
  Status Send(ByteSpan message);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anchorhold::channel
