#include "shared/channel/frame.h"

#include "shared/base/reader.h"

namespace anchorhold::channel {

Bytes Frame(ByteSpan message) {
  AH_CHECK(message.size() <= limits::kMessageBytesMax);
  ByteWriter writer;
  writer.WriteSized(message);
  return std::move(writer).Take();
}

Status Deframer::Feed(ByteSpan bytes) {
  if (broken_) return LimitExceeded("messages: the channel is closed after a limit was exceeded");
  AppendBytes(buffer_, bytes);
  // Every size field is judged when it arrives, also behind messages that nobody has taken yet.
  while (buffer_.size() - begin_ >= next_header_ + kHeaderBytes) {
    const std::size_t size = SizeAt(next_header_);
    if (size > limits::kMessageBytesMax) {
      return Break("a message of " + std::to_string(size) + " bytes; the limit is " +
                   std::to_string(limits::kMessageBytesMax));
    }
    next_header_ += kHeaderBytes + size;
  }
  if (buffer_.size() - begin_ > kBacklogBytesMax) {
    return Break("more than " + std::to_string(kBacklogBytesMax) +
                 " bytes of messages wait; send the next one after the answer to the last");
  }
  return Ok();
}

std::optional<Bytes> Deframer::Next() {
  const std::size_t available = buffer_.size() - begin_;
  if (broken_ || available < kHeaderBytes) return std::nullopt;
  const std::size_t size = SizeAt(0);
  if (available - kHeaderBytes < size) return std::nullopt;
  const ByteSpan rest = ByteSpan(buffer_).subspan(begin_ + kHeaderBytes);
  Bytes message = CopyBytes(rest.first(size));
  begin_ += kHeaderBytes + size;
  next_header_ -= kHeaderBytes + size;
  // Moves the rest to the front only when at least as much has been taken: linear time over all.
  if (begin_ >= buffer_.size() - begin_) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  return message;
}

std::size_t Deframer::SizeAt(std::size_t offset) const {
  ByteReader reader(ByteSpan(buffer_).subspan(begin_ + offset));
  return reader.ReadU32().value();
}

Error Deframer::Break(std::string why) {
  broken_ = true;
  buffer_.clear();
  begin_ = 0;
  return LimitExceeded("messages: " + std::move(why));
}

}  // namespace anchorhold::channel
