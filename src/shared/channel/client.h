// The client's end of the attested channel. Nothing about the client, not even its key, is sent
// before the Evidence in the server's certificate has passed the policy; nothing else is sent
// before fresh Evidence, bound to this session, has passed it too.
#pragma once

#include <memory>
#include <string>

#include "shared/attest/verifier.h"
#include "shared/crypto/signature.h"

namespace anchorhold::channel {

struct ServerAddress {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:7641", "[::1]:7641", "enclave.example:7641".
Result<ServerAddress> ParseAddress(std::string_view text);

// What the enclave at an address presents in its certificate, appraised by nobody, so that its
// endorsements can be fetched ahead of an appraisal. The handshake is broken off; nothing about the
// client is sent.
Result<attest::UnverifiedEvidence> AskForUnverifiedEvidence(const ServerAddress& address);

class ClientChannel {
 public:
  // Connects, appraises twice, and returns a channel ready for requests. `endorsements` adds to
  // what the evidence brings along; null: nothing. kUnavailable if nobody answers;
  // kAttestationRefused with the reason if the policy says no.
  static Result<ClientChannel> Connect(const ServerAddress& address,
                                       const crypto::Ed25519PrivateKey& key,
                                       const attest::AppraisalPolicy& policy, const Clock& clock,
                                       const attest::EndorsementSource* endorsements = nullptr);
  ~ClientChannel();
  ClientChannel(ClientChannel&&) noexcept;
  ClientChannel& operator=(ClientChannel&&) noexcept;

  const attest::AttestationResult& attestation() const;
  const attest::EnclaveKeys& enclave_keys() const;
  // The static evidence, for a receipt's reader to compare.
  const attest::UnverifiedEvidence& evidence() const;

  Status Send(ByteSpan message);
  // Blocks until a whole message is there; kUnavailable when the other end is gone or nothing comes
  // for `timeout_seconds`.
  Result<Bytes> Receive(int timeout_seconds);

 private:
  struct State;
  explicit ClientChannel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace anchorhold::channel
