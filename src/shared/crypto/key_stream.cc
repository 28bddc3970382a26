#include "shared/crypto/key_stream.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace anchorhold::crypto::internal {

KeyStream::KeyStream(const SecretBytes& key, Reseed reseed) : reseed_(reseed) {
  mode_.SetKey(key.ExposeSecret());
}

KeyStream::~KeyStream() { Wipe(MutableByteSpan(buffer_).subspan(position_)); }

void KeyStream::Fill(MutableByteSpan out) {
  while (!out.empty()) {
    if (position_ == buffer_.size()) {
      // What is asked for goes to its place at once, the rest of the block into the buffer.
      position_ =
          std::min(out.size(), kOutputBytes) / CounterMode::kBlockBytes * CounterMode::kBlockBytes;
      WriteBlock(out.first(position_), MutableByteSpan(buffer_).subspan(position_));
      out = out.subspan(position_);
      continue;
    }
    const std::size_t count = std::min(out.size(), buffer_.size() - position_);
    std::memcpy(out.data(), buffer_.data() + position_, count);
    // Plain memset suffices: the buffer outlives this call, so the store is not dead.
    std::memset(buffer_.data() + position_, 0, count);
    position_ += count;
    out = out.subspan(count);
  }
}

void KeyStream::WriteBlock(MutableByteSpan out, MutableByteSpan rest) {
  std::array<std::byte, kKeyBytes> key{};
  mode_.Write(key);
  mode_.Write(out);
  mode_.Write(rest);
  bytes_since_seed_ += kBufferBytes;
  if (reseed_ == Reseed::kFromSystem && bytes_since_seed_ >= kReseedBytes) {
    SecretBytes fresh(kKeyBytes);
    FillFromSystem(fresh.mutable_span());
    for (std::size_t i = 0; i < kKeyBytes; ++i) key[i] ^= fresh.ExposeSecret()[i];
    bytes_since_seed_ = 0;
  }
  mode_.SetKey(key);
  Wipe(key);
}

void FillFromSystem(MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t count = getrandom(out.data(), out.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    AH_CHECK(count > 0);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace anchorhold::crypto::internal
