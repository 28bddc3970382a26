#include "shared/channel/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>

namespace anchorhold::channel {
namespace {

constexpr std::size_t kReceiveBytesMax = 64 * 1024;

struct AddressListDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

std::string ErrorText(int error_number) {
  const char* const text = ::strerrordesc_np(error_number);  // unlike strerror, safe with threads
  return text != nullptr ? text : "error " + std::to_string(error_number);
}

Result<AddressList> Resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    return Unavailable(host + ": no address found (" + ::gai_strerror(failure) + ")");
  }
  return AddressList(found);
}

// Waits for `events` or an error on the socket; false when the time is over.
Result<bool> Wait(int fd, short events, int timeout_seconds) {
  const int seconds = std::clamp(timeout_seconds, 0, std::numeric_limits<int>::max() / 1000);
  pollfd poll_fd{.fd = fd, .events = events, .revents = 0};
  while (true) {
    const int ready = ::poll(&poll_fd, 1, seconds * 1000);
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return Unavailable("network: " + ErrorText(errno));
  }
}

Status ConnectOne(int fd, const addrinfo& address, int timeout_seconds) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return Ok();
  if (errno != EINPROGRESS) return Unavailable(ErrorText(errno));
  AH_ASSIGN_OR_RETURN(const bool ready, Wait(fd, POLLOUT, timeout_seconds));
  if (!ready) return Unavailable("no answer within " + std::to_string(timeout_seconds) + " s");
  int outcome = 0;
  socklen_t size = sizeof(outcome);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) outcome = errno;
  if (outcome != 0) return Unavailable(ErrorText(outcome));
  return Ok();
}

}  // namespace

Result<Socket> Socket::Connect(const std::string& host, std::uint16_t port, int timeout_seconds) {
  AH_ASSIGN_OR_RETURN(const AddressList addresses, Resolve(host, port));
  std::string last = "no address found";
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    Socket socket(
        ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    if (socket.fd_ < 0) {
      last = ErrorText(errno);
      continue;
    }
    const Status connected = ConnectOne(socket.fd_, *a, timeout_seconds);
    if (connected.ok()) {
      // Requests are small and each waits for its answer.
      const int on = 1;
      ::setsockopt(socket.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      return socket;
    }
    last = connected.error().message();
  }
  return Unavailable("nobody answers (" + last + "); is the enclave up?");
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Status Socket::SendAll(ByteSpan bytes, int timeout_seconds) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Unavailable("network: " + ErrorText(errno));
    AH_ASSIGN_OR_RETURN(const bool ready, Wait(fd_, POLLOUT, timeout_seconds));
    if (!ready) {
      return Unavailable("network: the other end takes nothing for " +
                         std::to_string(timeout_seconds) + " s");
    }
  }
  return Ok();
}

Result<Bytes> Socket::ReceiveSome(int timeout_seconds) {
  Bytes buffer(kReceiveBytesMax);
  while (true) {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size > 0) {
      buffer.resize(static_cast<std::size_t>(size));
      return buffer;
    }
    if (size == 0) return Unavailable("network: the other end closed the connection");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Unavailable("network: " + ErrorText(errno));
    AH_ASSIGN_OR_RETURN(const bool ready, Wait(fd_, POLLIN, timeout_seconds));
    if (!ready) {
      return Unavailable("network: nothing came for " + std::to_string(timeout_seconds) + " s");
    }
  }
}

void Socket::SendWithoutWaiting(ByteSpan bytes) {
  [[maybe_unused]] const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace anchorhold::channel
