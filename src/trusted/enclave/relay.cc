#include "trusted/enclave/relay.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace anchorhold::enclave {
namespace {

using std::chrono::steady_clock;

// While this much waits for the host, no request is read, so that what waits is bounded: by this,
// the answers to what has been read, and one update for each connection.
constexpr std::size_t kOutBytesMax = 2 * limits::kMessageBytesMax;
constexpr std::chrono::seconds kHandshakeTime{30};
constexpr std::chrono::minutes kIdleTime{10};
constexpr int kTickMs = 1000;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Status Relay::Serve() {
  Send(0, wire::RelayKind::kReady, {});
  while (!stopped_) {
    AH_RETURN_IF_ERROR(FlushOut());
    const Status waited = Wait();
    if (!waited.ok()) return waited;
    DeliverUpdates();
    CloseIdle();
  }
  return Ok();
}

Status Relay::Wait() {
  const bool read = out_.size() < kOutBytesMax;
  const int events = (read ? POLLIN : 0) | (out_.empty() ? 0 : POLLOUT);
  std::array<pollfd, 2> fds{
      pollfd{.fd = setup_.fd, .events = static_cast<short>(events), .revents = 0},
      pollfd{.fd = setup_.bulletin->wake_fd(), .events = POLLIN, .revents = 0}};
  if (::poll(fds.data(), fds.size(), kTickMs) < 0 && errno != EINTR) {
    return Unavailable("the relay cannot wait for the host");
  }
  if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) return Ok();
  AH_ASSIGN_OR_RETURN(const bool open, Read());
  if (!open) stopped_ = true;
  return OnFrames();
}

Result<bool> Relay::Read() {
  std::array<std::byte, limits::kRelayFrameBytesMax> bytes;
  const ssize_t got = ::read(setup_.fd, bytes.data(), bytes.size());
  if (got < 0 && WouldBlock()) return true;
  if (got <= 0) return false;
  in_.Append(ByteSpan(bytes).first(static_cast<std::size_t>(got)));
  return true;
}

Status Relay::OnFrames() {
  while (!stopped_ && in_.size() >= wire::kRelayHeaderBytes) {
    AH_ASSIGN_OR_RETURN(const wire::RelayHeader header,
                        wire::ParseRelayHeader(in_.span().first(wire::kRelayHeaderBytes)));
    const std::size_t frame_bytes = wire::kRelayHeaderBytes + header.size;
    if (in_.size() < frame_bytes) break;
    AH_RETURN_IF_ERROR(OnFrame(header, in_.span().subspan(wire::kRelayHeaderBytes, header.size)));
    in_.Consume(frame_bytes);
  }
  return Ok();
}

Status Relay::OnFrame(const wire::RelayHeader& header, ByteSpan payload) {
  switch (header.kind) {
    case wire::RelayKind::kOpen:
      return OnOpen(header.connection);
    case wire::RelayKind::kData:
      return OnData(header.connection, payload);
    case wire::RelayKind::kClose:
      connections_.erase(header.connection);
      return Ok();
    case wire::RelayKind::kStop:
      stopped_ = true;
      return Ok();
    case wire::RelayKind::kReady:
      break;
  }
  return InvalidInput("the host sent a frame that only the enclave sends");
}

Status Relay::OnOpen(std::uint32_t id) {
  if (id <= last_id_) return InvalidInput("the host used a connection's number again");
  last_id_ = id;
  if (connections_.size() >= limits::kConnectionsMax) {
    Send(id, wire::RelayKind::kClose, {});
    return Ok();
  }
  const auto placed = connections_.try_emplace(id, *setup_.identity).first;
  placed->second.last_heard = steady_clock::now();
  return Ok();
}

Status Relay::OnData(std::uint32_t id, ByteSpan payload) {
  if (id > last_id_) return InvalidInput("the host sent data of a connection that it never opened");
  const auto found = connections_.find(id);
  if (found == connections_.end()) return Ok();  // closed here while the frame was on its way
  found->second.last_heard = steady_clock::now();
  const bool open = Converse(found->second, payload);
  FlushTls(id, found->second);
  if (!open) Close(found);
  return Ok();
}

bool Relay::Converse(Connection& connection, ByteSpan payload) {
  const Status fed = connection.tls.Feed(payload);
  if (connection.tls.established() && !connection.session) {
    connection.session.emplace(*setup_.service, connection.tls.peer(), connection.tls.Exporter());
  }
  while (connection.session) {
    const std::optional<Bytes> message = connection.tls.NextMessage();
    if (!message) break;
    // Requests and responses alternate; one who asks during an answer does not speak the protocol.
    if (connection.session->following()) return false;
    if (!Respond(connection, connection.session->Handle(*message))) return false;
  }
  return fed.ok();
}

bool Relay::Respond(Connection& connection, const wire::proto::Response& response) {
  const std::string bytes = response.SerializeAsString();
  if (bytes.size() > limits::kMessageBytesMax) return false;
  return connection.tls.Send(AsBytes(bytes)).ok();
}

void Relay::FlushTls(std::uint32_t id, Connection& connection) {
  const Bytes output = connection.tls.TakeOutput();
  ByteSpan rest = output;
  while (!rest.empty()) {
    const std::size_t piece = std::min(rest.size(), limits::kRelayFrameBytesMax);
    Send(id, wire::RelayKind::kData, rest.first(piece));
    rest = rest.subspan(piece);
  }
}

Relay::Connections::iterator Relay::Close(Connections::iterator connection) {
  Send(connection->first, wire::RelayKind::kClose, {});
  return connections_.erase(connection);
}

void Relay::DeliverUpdates() {
  for (const JobUpdate& update : setup_.bulletin->Take()) {
    for (auto i = connections_.begin(); i != connections_.end();) {
      Connection& connection = i->second;
      if (!connection.session || connection.session->following() != update.job) {
        ++i;
        continue;
      }
      const bool sent = Respond(connection, update.response);
      FlushTls(i->first, connection);
      if (update.last) connection.session->StopFollowing();
      connection.last_heard = steady_clock::now();
      i = sent ? std::next(i) : Close(i);
    }
  }
}

void Relay::CloseIdle() {
  const Instant now = steady_clock::now();
  for (auto i = connections_.begin(); i != connections_.end();) {
    const Connection& connection = i->second;
    const bool waits_for_job = connection.session && connection.session->following();
    const auto limit = connection.session ? steady_clock::duration(kIdleTime) : kHandshakeTime;
    const bool idle = !waits_for_job && now - connection.last_heard > limit;
    i = idle ? Close(i) : std::next(i);
  }
}

void Relay::Send(std::uint32_t id, wire::RelayKind kind, ByteSpan payload) {
  out_.Append(wire::SerializeRelayFrame(id, kind, payload));
}

Status Relay::FlushOut() {
  while (!out_.empty()) {
    const ByteSpan bytes = out_.span();
    const ssize_t sent = ::write(setup_.fd, bytes.data(), bytes.size());
    if (sent < 0 && WouldBlock()) return Ok();
    if (sent <= 0) {
      stopped_ = true;  // the host is gone
      return Ok();
    }
    out_.Consume(static_cast<std::size_t>(sent));
  }
  return Ok();
}

}  // namespace anchorhold::enclave
