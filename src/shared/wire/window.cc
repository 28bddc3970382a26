#include "shared/wire/window.h"

#include "shared/base/reader.h"

namespace anchorhold::wire {
namespace {

// kOpen, kData and kClose speak of a client's connection, whose id is never 0; kReady and kStop
// speak of the whole window, connection 0. Only kData has a payload.
Status CheckRelay(const RelayHeader& header) {
  if (header.size > limits::kRelayFrameBytesMax) {
    return LimitExceeded("relay frame: a payload of " + std::to_string(header.size) +
                         " bytes; the limit is " + std::to_string(limits::kRelayFrameBytesMax));
  }
  if (header.kind != RelayKind::kData && header.size != 0) {
    return InvalidInput("relay frame: only data frames have a payload");
  }
  const bool of_window = header.kind == RelayKind::kReady || header.kind == RelayKind::kStop;
  if (of_window != (header.connection == 0)) {
    return InvalidInput("relay frame: connection 0 is for ready and stop, and only for them");
  }
  return Ok();
}

Bytes SerializeStoreFrame(std::uint8_t first, ByteSpan payload) {
  AH_CHECK(payload.size() < kStoreFrameBytesMax);
  ByteWriter w;
  w.WriteU32(static_cast<std::uint32_t>(payload.size() + 1));
  w.WriteU8(first);
  w.WriteBytes(payload);
  return std::move(w).Take();
}

struct StoreFrame {
  std::uint8_t first;
  ByteSpan payload;
};

Result<StoreFrame> ParseStoreFrame(ByteSpan body) {
  if (body.size() > kStoreFrameBytesMax) {
    return LimitExceeded("store frame: " + std::to_string(body.size()) + " bytes; the limit is " +
                         std::to_string(kStoreFrameBytesMax));
  }
  if (body.empty()) return InvalidInput("store frame: empty");
  return StoreFrame{std::to_integer<std::uint8_t>(body[0]), body.subspan(1)};
}

}  // namespace

Result<RelayHeader> ParseRelayHeader(ByteSpan nine_bytes) {
  ByteReader r(nine_bytes);
  RelayHeader header;
  AH_ASSIGN_OR_RETURN(header.connection, r.ReadU32());
  AH_ASSIGN_OR_RETURN(const std::uint8_t kind, r.ReadU8());
  AH_ASSIGN_OR_RETURN(header.size, r.ReadU32());
  AH_RETURN_IF_ERROR(r.ExpectEnd());
  if (kind < static_cast<std::uint8_t>(RelayKind::kOpen) ||
      kind > static_cast<std::uint8_t>(RelayKind::kStop)) {
    return InvalidInput("relay frame: unknown kind " + std::to_string(kind));
  }
  header.kind = static_cast<RelayKind>(kind);
  AH_RETURN_IF_ERROR(CheckRelay(header));
  return header;
}

Bytes SerializeRelayFrame(std::uint32_t connection, RelayKind kind, ByteSpan payload) {
  AH_CHECK(payload.size() <= limits::kRelayFrameBytesMax);
  const RelayHeader header{connection, kind, static_cast<std::uint32_t>(payload.size())};
  AH_CHECK(CheckRelay(header).ok());
  ByteWriter w;
  w.WriteU32(header.connection);
  w.WriteU8(static_cast<std::uint8_t>(header.kind));
  w.WriteU32(header.size);
  w.WriteBytes(payload);
  return std::move(w).Take();
}

Bytes SerializeStoreRequest(StoreOp op, ByteSpan payload) {
  return SerializeStoreFrame(static_cast<std::uint8_t>(op), payload);
}

Bytes SerializeStoreReply(StoreStatus status, ByteSpan payload) {
  return SerializeStoreFrame(static_cast<std::uint8_t>(status), payload);
}

Result<StoreRequest> ParseStoreRequest(ByteSpan body) {
  AH_ASSIGN_OR_RETURN(const StoreFrame frame, ParseStoreFrame(body));
  if (frame.first < static_cast<std::uint8_t>(StoreOp::kLaunch) ||
      frame.first > static_cast<std::uint8_t>(StoreOp::kEvidence)) {
    return InvalidInput("store request: unknown operation " + std::to_string(frame.first));
  }
  return StoreRequest{static_cast<StoreOp>(frame.first), CopyBytes(frame.payload)};
}

Result<StoreReply> ParseStoreReply(ByteSpan body) {
  AH_ASSIGN_OR_RETURN(const StoreFrame frame, ParseStoreFrame(body));
  if (frame.first > static_cast<std::uint8_t>(StoreStatus::kFailed)) {
    return InvalidInput("store reply: unknown status " + std::to_string(frame.first));
  }
  return StoreReply{static_cast<StoreStatus>(frame.first), CopyBytes(frame.payload)};
}

}  // namespace anchorhold::wire
