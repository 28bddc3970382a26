#include "untrusted/host/relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace anchorhold::host {
namespace {

// While this much waits for the enclave, the host reads nothing from clients.
constexpr std::size_t kToEnclaveBytesMax = limits::kMiB;
// A client that lets more than this wait is closed: room for two of the largest messages.
constexpr std::size_t kToClientBytesMax = 2 * limits::kMessageBytesMax + 4 * limits::kMiB;
constexpr std::size_t kReadBytes = limits::kRelayFrameBytesMax;
constexpr std::chrono::seconds kDrainTime{10};
constexpr int kTickMs = 1000;

Error EnclaveBroke(const Error& error) {
  return error.At("the enclave broke the relay's protocol");
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Relay::Relay(UniqueFd enclave, int signals, const Log& log)
    : enclave_(std::move(enclave)), signals_(signals), log_(log) {
  ::fcntl(enclave_.get(), F_SETFL, O_NONBLOCK);
}

Result<Relay::Event> Relay::WaitReady(std::chrono::seconds timeout) {
  const Instant deadline = std::chrono::steady_clock::now() + timeout;
  return Loop(-1, &deadline);
}

Result<Relay::Event> Relay::Run(UniqueFd listener) { return Loop(listener.get(), nullptr); }

void Relay::SendStop() {
  SendToEnclave(0, wire::RelayKind::kStop, {});
  [[maybe_unused]] const Status flushed = FlushEnclave();
}

Result<Relay::Event> Relay::Loop(int listener, const Instant* deadline) {
  std::vector<pollfd> fds;
  std::vector<std::uint32_t> ids;
  for (;;) {
    DropFinished();
    const bool read_clients = to_enclave_.size() < kToEnclaveBytesMax;
    fds.clear();
    ids.clear();
    fds.push_back({.fd = signals_, .events = POLLIN, .revents = 0});
    const short enclave_events = to_enclave_.empty() ? POLLIN : POLLIN | POLLOUT;
    fds.push_back({.fd = enclave_.get(), .events = enclave_events, .revents = 0});
    fds.push_back({.fd = listener, .events = POLLIN, .revents = 0});
    for (const auto& [id, client] : clients_) {
      const int events = (read_clients ? POLLIN : 0) | (client.out.empty() ? 0 : POLLOUT);
      fds.push_back({.fd = client.fd.get(), .events = static_cast<short>(events), .revents = 0});
      ids.push_back(id);
    }
    if (::poll(fds.data(), fds.size(), kTickMs) < 0 && errno != EINTR) {
      return Unavailable("the host cannot wait for its connections");
    }
    if (fds[0].revents != 0) return Event::kSignal;
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      AH_ASSIGN_OR_RETURN(const bool open, ReadEnclave());
      if (!open) return Event::kEnclaveGone;
    }
    if (deadline != nullptr && ready_) return Event::kReady;
    if (deadline != nullptr && std::chrono::steady_clock::now() > *deadline) {
      return Unavailable("the enclave did not become ready in time");
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto found = clients_.find(ids[i]);
      if (found == clients_.end()) continue;
      const short events = fds[i + 3].revents;
      if ((events & POLLOUT) != 0) Flush(found->second);
      if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) OnClientReadable(ids[i], found->second);
      if (!found->second.fd.ok()) Drop(found);
    }
    if (listener >= 0 && (fds[2].revents & POLLIN) != 0) Accept(listener);
    if (!FlushEnclave().ok()) return Event::kEnclaveGone;
  }
}

void Relay::Accept(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.ok()) return;
  // Ids are never used again; after 2^32 connections the host must be restarted.
  if (clients_.size() >= limits::kConnectionsMax || next_id_ == 0) {
    log_.Warning("refused a connection: too many are open");
    return;
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const std::uint32_t id = next_id_++;
  clients_[id].fd = std::move(fd);
  SendToEnclave(id, wire::RelayKind::kOpen, {});
}

void Relay::OnClientReadable(std::uint32_t id, Client& client) {
  std::array<std::byte, kReadBytes> bytes;
  const ssize_t got = ::read(client.fd.get(), bytes.data(), bytes.size());
  if (got < 0 && WouldBlock()) return;
  if (got <= 0) {
    client.fd.Reset();
    return;
  }
  if (client.draining) return;  // the enclave no longer listens to it
  SendToEnclave(id, wire::RelayKind::kData, ByteSpan(bytes).first(static_cast<std::size_t>(got)));
}

void Relay::Flush(Client& client) {
  while (client.fd.ok() && !client.out.empty()) {
    const ByteSpan bytes = client.out.span();
    const ssize_t sent = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && WouldBlock()) return;
    if (sent <= 0) {
      client.fd.Reset();
      return;
    }
    client.out.Consume(static_cast<std::size_t>(sent));
  }
  // Closing at once could destroy what the client has not read yet; it closes its side first.
  if (client.fd.ok() && client.draining && !client.shut) {
    client.shut = true;
    ::shutdown(client.fd.get(), SHUT_WR);
  }
}

void Relay::SendToEnclave(std::uint32_t id, wire::RelayKind kind, ByteSpan payload) {
  to_enclave_.Append(wire::SerializeRelayFrame(id, kind, payload));
}

Relay::Clients::iterator Relay::Drop(Clients::iterator client) {
  if (!client->second.draining) SendToEnclave(client->first, wire::RelayKind::kClose, {});
  return clients_.erase(client);
}

void Relay::DropFinished() {
  const Instant now = std::chrono::steady_clock::now();
  for (auto i = clients_.begin(); i != clients_.end();) {
    const Client& client = i->second;
    const bool late = client.draining && now > client.deadline;
    if (!late && client.out.size() > kToClientBytesMax) {
      log_.Warning("closed a connection: the client does not read");
    }
    const bool drop = late || !client.fd.ok() || client.out.size() > kToClientBytesMax;
    i = drop ? Drop(i) : std::next(i);
  }
}

Status Relay::FlushEnclave() {
  while (!to_enclave_.empty()) {
    const ByteSpan bytes = to_enclave_.span();
    const ssize_t sent = ::send(enclave_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && WouldBlock()) return Ok();
    if (sent <= 0) return Unavailable("the enclave closed the relay");
    to_enclave_.Consume(static_cast<std::size_t>(sent));
  }
  return Ok();
}

Result<bool> Relay::ReadEnclave() {
  std::array<std::byte, kReadBytes> bytes;
  const ssize_t got = ::read(enclave_.get(), bytes.data(), bytes.size());
  if (got < 0 && WouldBlock()) return true;
  if (got <= 0) return false;
  from_enclave_.Append(ByteSpan(bytes).first(static_cast<std::size_t>(got)));
  while (from_enclave_.size() >= wire::kRelayHeaderBytes) {
    const auto header = wire::ParseRelayHeader(from_enclave_.span().first(wire::kRelayHeaderBytes));
    if (!header.ok()) return EnclaveBroke(header.error());
    const std::size_t frame_bytes = wire::kRelayHeaderBytes + header->size;
    if (from_enclave_.size() < frame_bytes) break;
    const Status handled =
        OnFrame(*header, from_enclave_.span().subspan(wire::kRelayHeaderBytes, header->size));
    if (!handled.ok()) return EnclaveBroke(handled.error());
    from_enclave_.Consume(frame_bytes);
  }
  return true;
}

Status Relay::OnFrame(const wire::RelayHeader& header, ByteSpan payload) {
  if (header.kind == wire::RelayKind::kReady) {
    ready_ = true;
    return Ok();
  }
  if (header.kind != wire::RelayKind::kData && header.kind != wire::RelayKind::kClose) {
    return InvalidInput("a frame of a kind that only the host sends");
  }
  // The client may have gone while the frame was on its way.
  const auto found = clients_.find(header.connection);
  if (found == clients_.end() || found->second.draining) return Ok();
  Client& client = found->second;
  client.out.Append(payload);
  if (header.kind == wire::RelayKind::kClose) {
    client.draining = true;
    client.deadline = std::chrono::steady_clock::now() + kDrainTime;
  }
  Flush(client);
  return Ok();
}

}  // namespace anchorhold::host
