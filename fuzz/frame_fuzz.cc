// Framed messages, in pieces as the first byte says: the same messages come out as from one piece.
#include <algorithm>

#include "shared/channel/frame.h"

namespace {

using namespace anchorhold;

struct Outcome {
  bool broken = false;
  std::vector<Bytes> messages;
};

Outcome FeedInPieces(ByteSpan stream, std::size_t piece) {
  channel::Deframer deframer;
  Outcome out;
  while (!stream.empty() && !out.broken) {
    const std::size_t count = std::min(piece, stream.size());
    out.broken = !deframer.Feed(stream.first(count)).ok();
    stream = stream.subspan(count);
    while (auto message = deframer.Next()) out.messages.push_back(*std::move(message));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteSpan stream = std::as_bytes(std::span(data, size)).subspan(1);
  const Outcome pieces = FeedInPieces(stream, std::size_t{1} + data[0]);
  const Outcome whole = FeedInPieces(stream, size);
  AH_CHECK(pieces.broken == whole.broken);
  if (!whole.broken) AH_CHECK(pieces.messages == whole.messages);
  return 0;
}
