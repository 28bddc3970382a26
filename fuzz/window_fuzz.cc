// The window's frames: what parses is written again as the same bytes.
#include "shared/base/check.h"
#include "shared/wire/window.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto header = wire::ParseRelayHeader(input);
  if (header.ok()) {
    const Bytes payload(header->size);
    const Bytes frame = wire::SerializeRelayFrame(header->connection, header->kind, payload);
    AH_CHECK(BytesEqual(ByteSpan(frame).first(wire::kRelayHeaderBytes), input));
  }
  const auto request = wire::ParseStoreRequest(input);
  if (request.ok()) {
    const Bytes frame = wire::SerializeStoreRequest(request->op, request->payload);
    AH_CHECK(BytesEqual(ByteSpan(frame).subspan(4), input));
  }
  const auto reply = wire::ParseStoreReply(input);
  if (reply.ok()) {
    const Bytes frame = wire::SerializeStoreReply(reply->status, reply->payload);
    AH_CHECK(BytesEqual(ByteSpan(frame).subspan(4), input));
  }
  return 0;
}
