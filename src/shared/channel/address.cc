#include <algorithm>
#include <charconv>

#include "shared/channel/client.h"

namespace anchorhold::channel {
namespace {

constexpr std::size_t kHostBytesMax = 253;  // of a DNS name (RFC 1035, 2.3.4)

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool IsNameCharacter(char c) { return IsAlphanumeric(c) || c == '.' || c == '-' || c == '_'; }
// With a zone: "fe80::1%eth0".
bool IsIpv6Character(char c) { return IsNameCharacter(c) || c == ':' || c == '%'; }

Error BadAddress(const char* why) {
  return InvalidInput(std::string("address: ") + why +
                      "; write HOST:PORT, for example 127.0.0.1:7641 or [::1]:7641");
}

Result<std::uint16_t> ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || stopped != end || port == 0) {
    return BadAddress("the port is not a number from 1 to 65535");
  }
  return port;
}

}  // namespace

Result<ServerAddress> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadAddress("no port");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto allowed = bracketed ? IsIpv6Character : IsNameCharacter;
  if (host.empty() || host.size() > kHostBytesMax ||
      !std::all_of(host.begin(), host.end(), allowed)) {
    return BadAddress("the host is not a name or an IP address");
  }
  AH_ASSIGN_OR_RETURN(const std::uint16_t port, ParsePort(text.substr(colon + 1)));
  return ServerAddress{std::string(host), port};
}

}  // namespace anchorhold::channel
