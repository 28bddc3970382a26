// Framed messages inside a TLS channel: size(u32) message, at most limits::kMessageBytesMax.
#pragma once

#include <optional>

#include "shared/base/bytes.h"
#include "shared/base/limits.h"

namespace anchorhold::channel {

// Precondition: at most limits::kMessageBytesMax bytes.
Bytes Frame(ByteSpan message);

// Collects bytes until a whole message is there.
class Deframer {
 public:
  // Messages alternate (wire/session.proto), so hardly more than one ever waits.
  static constexpr std::size_t kBacklogBytesMax = 2 * (limits::kMessageBytesMax + 4);

  // kLimitExceeded as soon as a size field says too much, or when more than kBacklogBytesMax wait
  // to be taken; the channel must be closed then. Nothing more comes out of Next.
  Status Feed(ByteSpan bytes);
  // The next whole message, if there is one.
  std::optional<Bytes> Next();

 private:
  static constexpr std::size_t kHeaderBytes = 4;

  // The size field at `offset` behind begin_. Precondition: it is there.
  std::size_t SizeAt(std::size_t offset) const;
  Error Break(std::string why);

  Bytes buffer_;
  std::size_t begin_ = 0;        // of the next message in buffer_; what is ahead has been taken
  std::size_t next_header_ = 0;  // behind begin_: the first size field not judged yet
  bool broken_ = false;
};

}  // namespace anchorhold::channel
