// A TCP connection with time limits, for the client's end only: the enclave has no sockets. Nothing
// here raises SIGPIPE. Internal to channel/.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold::channel {

class Socket {
 public:
  // Tries each address that the host's name has. kUnavailable if none answers in time.
  static Result<Socket> Connect(const std::string& host, std::uint16_t port, int timeout_seconds);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  // All of it; kUnavailable if the other end is gone, or takes nothing for `timeout_seconds`.
  Status SendAll(ByteSpan bytes, int timeout_seconds);
  // What there is, at least one byte; kUnavailable if the other end is gone or sends nothing for
  // `timeout_seconds`.
  Result<Bytes> ReceiveSome(int timeout_seconds);
  // As much as goes without waiting; failure does not matter to the caller.
  void SendWithoutWaiting(ByteSpan bytes);

 private:
  explicit Socket(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace anchorhold::channel
