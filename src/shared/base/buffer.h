// A queue of bytes: appended at the back, consumed at the front. For the relay's two ends.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold {

class Buffer {
 public:
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }
  ByteSpan span() const { return ByteSpan(bytes_).subspan(begin_); }
  void Append(ByteSpan more) { AppendBytes(bytes_, more); }
  // Precondition: count <= size().
  void Consume(std::size_t count) {
    AH_CHECK(count <= size());
    begin_ += count;
    if (begin_ < bytes_.size() && begin_ < kKeepBytes) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }

 private:
  // Moving what is left costs; it is done once for this many consumed bytes.
  static constexpr std::size_t kKeepBytes = 1 << 20;

  Bytes bytes_;
  std::size_t begin_ = 0;
};

}  // namespace anchorhold
