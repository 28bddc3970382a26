// Carries bytes between clients' TCP connections and the enclave's relay (shared/wire/window.h). It
// sees ciphertext only. Every buffer is bounded: the host stops reading from clients while the
// enclave is slow, and closes a client that does not read what it is sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "shared/base/buffer.h"
#include "shared/base/log.h"
#include "shared/wire/window.h"
#include "untrusted/host/files.h"

namespace anchorhold::host {

class Relay {
 public:
  // `enclave` is the host's end of the relay socket; `signals` becomes readable when the caller
  // must look at a signal.
  Relay(UniqueFd enclave, int signals, const Log& log);

  enum class Event { kReady, kSignal, kEnclaveGone };
  // Until the enclave says that it serves. kUnavailable after `timeout`; an error if the enclave
  // breaks the protocol.
  Result<Event> WaitReady(std::chrono::seconds timeout);
  // Serves `listener` until a signal arrives or the enclave is gone.
  Result<Event> Run(UniqueFd listener);
  // Asks the enclave to end. Best effort: the caller waits for the process and kills it.
  void SendStop();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Client {
    UniqueFd fd;
    Buffer out;             // towards the client
    bool draining = false;  // the enclave has closed it; send what is left, then close
    bool shut = false;      // our direction of the TCP connection is closed
    Instant deadline;       // of a draining client
  };
  using Clients = std::map<std::uint32_t, Client>;

  void Accept(int listener);
  void OnClientReadable(std::uint32_t id, Client& client);
  void Flush(Client& client);
  void SendToEnclave(std::uint32_t id, wire::RelayKind kind, ByteSpan payload);
  // The client is gone: tells the enclave, once, and forgets it.
  Clients::iterator Drop(Clients::iterator client);
  void DropFinished();
  Status FlushEnclave();
  // False at end of file.
  Result<bool> ReadEnclave();
  Status OnFrame(const wire::RelayHeader& header, ByteSpan payload);
  Result<Event> Loop(int listener, const Instant* deadline);

  UniqueFd enclave_;
  int signals_;
  const Log& log_;
  Clients clients_;
  std::uint32_t next_id_ = 1;
  Buffer to_enclave_;
  Buffer from_enclave_;
  bool ready_ = false;
};

// A listening TCP socket at a numeric address and port: "127.0.0.1:7641", "[::1]:0".
Result<UniqueFd> Listen(std::string_view address);
// Where it listens, with the port that the system chose for port 0.
Result<std::string> AddressOf(const UniqueFd& listener);

}  // namespace anchorhold::host
