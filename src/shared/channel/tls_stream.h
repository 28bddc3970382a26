// One end of a TLS 1.3 connection over memory, with framed messages inside. Both ends are this same
// code; server.h and client.h add who must be on the other side. Internal to channel/.
//
// Offered and accepted, and nothing else (RFC 8446): TLS 1.3, TLS_AES_256_GCM_SHA384, X25519,
// Ed25519 signatures, a certificate from both ends. No resumption, tickets, pre-shared keys or
// early data. No clock, no file, no system trust store.
#pragma once

#include "shared/channel/frame.h"
#include "shared/channel/openssl_ptr.h"
#include "shared/crypto/signature.h"

namespace anchorhold::channel {

enum class End { kServer, kClient };

// Decides about the other end's certificate during the handshake. On the client's end this is
// before anything about the client is sent.
class PeerVerifier {
 public:
  virtual ~PeerVerifier() = default;
  virtual Status VerifyPeer(X509* certificate) = 0;
};

class TlsStream {
 public:
  // Settings, key and certificate of one end, for any number of its streams. `certificate` is over
  // `key`'s public key.
  static Result<ContextPtr> MakeContext(End end, const crypto::Ed25519PrivateKey& key,
                                        X509* certificate);

  // `context` is MakeContext's; the stream shares in it. `verifier` outlives the stream. Its
  // refusal is what Feed then returns.
  TlsStream(SSL_CTX* context, End end, PeerVerifier& verifier);
  TlsStream(const TlsStream&) = delete;  // OpenSSL holds its address
  TlsStream& operator=(const TlsStream&) = delete;

  // Bytes from the network; none at all starts a client's handshake. After an error: send what
  // TakeOutput gives, then close. kUnavailable if the other end closed or refused, the verifier's
  // error if it refused, kInvalidInput for what is not this TLS, kLimitExceeded.
  Status Feed(ByteSpan from_network);
  Bytes TakeOutput();

  // The handshake is complete: the other end has proved that it holds its certificate's key.
  bool established() const { return established_; }
  // Precondition: established().
  Bytes Exporter() const;

  std::optional<Bytes> NextMessage() { return deframer_.Next(); }
  // Precondition: established(). kLimitExceeded for a message over limits::kMessageBytesMax, after
  // which the stream still works.
  Status Send(ByteSpan message);
  // Queues close_notify, so that the other end can tell an end from a cut.
  void Close();

 private:
  static int VerifyCallback(X509_STORE_CTX* store, void* unused);

  Status Verify(X509_STORE_CTX* store);
  Status Advance(ByteSpan from_network);
  Status Handshake();
  Status ReadAll();
  // The error that OpenSSL's last call left.
  Error TlsError();

  SslPtr ssl_;
  PeerVerifier* verifier_;
  Deframer deframer_;
  bool established_ = false;
  std::size_t handshake_bytes_ = 0;
  std::size_t handshake_bytes_max_;
  std::optional<Error> refusal_;  // the verifier's
  std::optional<Error> failure_;  // ends the stream
};

}  // namespace anchorhold::channel
