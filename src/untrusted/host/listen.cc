#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "untrusted/host/relay.h"

namespace anchorhold::host {
namespace {

constexpr int kBacklog = 128;

struct HostAndPort {
  std::string host;
  std::string port;
};

Result<HostAndPort> Split(std::string_view address) {
  const Error bad = InvalidInput("--listen " + std::string(address) +
                                 ": not ADDRESS:PORT, such as 127.0.0.1:7641 or [::1]:7641");
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad;
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return bad;
  if (port.empty() || port.size() > 5) return bad;
  for (const char c : port) {
    if (c < '0' || c > '9') return bad;
  }
  if (std::stoi(std::string(port)) > 65535) return bad;
  return HostAndPort{.host = std::string(host), .port = std::string(port)};
}

}  // namespace

Result<UniqueFd> Listen(std::string_view address) {
  AH_ASSIGN_OR_RETURN(const HostAndPort where, Split(address));
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &found) != 0) {
    return InvalidInput("--listen " + std::string(address) + ": not a numeric address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  UniqueFd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd.ok() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return Unavailable("cannot listen at " + std::string(address) + ": " + std::strerror(errno));
  }
  return fd;
}

Result<std::string> AddressOf(const UniqueFd& listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  auto* address = reinterpret_cast<sockaddr*>(&bound);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getsockname(listener.get(), address, &size) != 0 ||
      ::getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return Unavailable("the system does not say where the host listens");
  }
  const std::string name = host.data();
  const bool six = name.find(':') != std::string::npos;
  return (six ? "[" + name + "]" : name) + ":" + port.data();
}

}  // namespace anchorhold::host
