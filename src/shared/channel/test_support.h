// Servers, raw OpenSSL clients and the wires between them, for the tests of channel/.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#include "shared/attest/test_support.h"
#include "shared/channel/certificate.h"
#include "shared/channel/client.h"
#include "shared/channel/server.h"

namespace anchorhold::channel::testing {

class FixedClock final : public Clock {
 public:
  UnixSeconds Now() const override { return attest::testing::kNow; }
};

// A running enclave's keys and identity.
struct TestEnclave {
  explicit TestEnclave(std::uint8_t measurement = 0x5a);
  explicit TestEnclave(std::unique_ptr<attest::Attester> platform);

  std::unique_ptr<attest::Attester> owned;
  attest::Attester& attester;
  crypto::Ed25519PrivateKey tls_key;
  attest::EnclaveKeys keys;
  attest::UnverifiedEvidence evidence;
  ServerIdentity identity;
};

// What a client of plain OpenSSL offers; the defaults are what the enclave accepts.
struct RawClientOptions {
  int max_version = TLS1_3_VERSION;
  const char* groups = "X25519";
  const char* ciphersuites = "TLS_AES_256_GCM_SHA384";
  const char* key_type = "ED25519";  // "RSA", "P-256"; nullptr: no certificate
  bool signed_by_itself = true;      // false: the certificate is signed with another key
  int extra_chain = 0;               // further certificates sent along
  std::size_t padding = 0;           // characters of comment that swell the certificate
};

class RawClient {
 public:
  explicit RawClient(const RawClientOptions& options = {});

  // One step of the handshake, or of reading: takes the server's bytes, returns the client's own.
  // The first step takes none.
  Bytes Step(ByteSpan from_server);
  bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  bool failed() const { return failed_; }
  // Encrypts bytes as they are, framed or not; TakeOutput of that is what it returns.
  Bytes Encrypt(ByteSpan plaintext);
  Bytes Close();
  const Bytes& plaintext() const { return plaintext_; }
  Bytes Exporter() const;
  SSL* ssl() { return ssl_.get(); }

 private:
  Bytes TakeOutput();

  ContextPtr context_;
  SslPtr ssl_;
  Bytes plaintext_;
  bool failed_ = false;
};

// Alternates until both are established or one fails; the server's last status.
Status Pair(RawClient& client, ServerSession& server);

// Serves an enclave on a loopback port, one connection after another: answers Attest with fresh
// evidence, and every other message with itself. What it does can be bent.
class LoopbackServer {
 public:
  struct Options {
    // What answers an attest request with this nonce, for a session with this exporter value.
    std::function<Bytes(ByteSpan nonce, ByteSpan exporter)> answer;
    // Bytes after which the connection is cut, counted over what the server sends.
    std::size_t cut_after = std::numeric_limits<std::size_t>::max();
  };
  LoopbackServer(TestEnclave& enclave, Options options);
  explicit LoopbackServer(TestEnclave& enclave) : LoopbackServer(enclave, Options()) {}
  ~LoopbackServer();

  ServerAddress address() const { return {"127.0.0.1", port_}; }
  // Of the last connection that ended.
  struct Seen {
    bool established = false;
    std::size_t bytes_received = 0;
    std::size_t bytes_sent = 0;
    std::string error;
  };
  // Waits until the connection in progress, if any, has ended.
  Seen WaitForEnd(int connections);

 private:
  void Run();
  void Serve(int fd, Seen& seen);
  void Answer(ServerSession& session, ByteSpan message);

  TestEnclave& enclave_;
  Options options_;
  std::uint16_t port_ = 0;  // ahead of listener_, whose making sets it
  int listener_ = -1;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  Seen seen_;
  int ended_ = 0;
  std::thread thread_;
};

// A server that says the given bytes to whoever connects, then closes.
class SayingServer {
 public:
  explicit SayingServer(Bytes words);
  ~SayingServer();
  ServerAddress address() const { return {"127.0.0.1", port_}; }

 private:
  std::uint16_t port_ = 0;  // ahead of listener_, whose making sets it
  int listener_ = -1;
  std::thread thread_;
};

// A TLS 1.3 server of plain OpenSSL with any key and certificate, for one connection. It asks for a
// client certificate and takes whichever comes.
class RawServer {
 public:
  RawServer(const crypto::Ed25519PrivateKey& key, X509* certificate);
  ~RawServer();
  ServerAddress address() const { return {"127.0.0.1", port_}; }
  // Waits until the connection has ended: did a client certificate come?
  bool WaitSawCertificate();

 private:
  void Serve(int fd);

  ContextPtr context_;
  bool saw_certificate_ = false;
  std::uint16_t port_ = 0;  // ahead of listener_, whose making sets it
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace anchorhold::channel::testing
