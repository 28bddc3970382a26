// The relay's loop: the enclave's main thread. It takes frames from the host, gives each connection
// its TLS session and conversation, and sends what they and the job thread have to say.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "shared/base/buffer.h"
#include "shared/channel/server.h"
#include "shared/wire/window.h"
#include "trusted/enclave/bulletin.h"
#include "trusted/enclave/session.h"

namespace anchorhold::enclave {

class Relay {
 public:
  struct Setup {
    int fd = -1;  // non-blocking
    const channel::ServerIdentity* identity = nullptr;
    Service* service = nullptr;
    Bulletin* bulletin = nullptr;
  };
  explicit Relay(const Setup& setup) : setup_(setup) {}

  // Says kReady, then serves until the host says kStop or is gone (Ok). An error if the host breaks
  // the protocol: it is not trusted, but with a broken one there is nothing to be done.
  Status Serve();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Connection {
    explicit Connection(const channel::ServerIdentity& identity) : tls(identity) {}
    channel::ServerSession tls;
    std::optional<Session> session;  // once TLS is established
    Instant last_heard;
  };
  using Connections = std::map<std::uint32_t, Connection>;

  Status Wait();
  // Reads what is there; false at the end of file.
  Result<bool> Read();
  Status OnFrames();
  Status OnFrame(const wire::RelayHeader& header, ByteSpan payload);
  Status OnOpen(std::uint32_t id);
  Status OnData(std::uint32_t id, ByteSpan payload);
  // False if the connection must be closed: the client broke the protocol.
  bool Converse(Connection& connection, ByteSpan payload);
  bool Respond(Connection& connection, const wire::proto::Response& response);
  void FlushTls(std::uint32_t id, Connection& connection);
  Connections::iterator Close(Connections::iterator connection);
  void DeliverUpdates();
  void CloseIdle();
  void Send(std::uint32_t id, wire::RelayKind kind, ByteSpan payload);
  Status FlushOut();

  Setup setup_;
  Connections connections_;
  std::uint32_t last_id_ = 0;
  bool stopped_ = false;
  Buffer in_;
  Buffer out_;
};

}  // namespace anchorhold::enclave
