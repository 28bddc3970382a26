#include "shared/crypto/key_stream.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace anchorhold::crypto::internal {

KeyStream::KeyStream(const SecretBytes& key, Reseed reseed)
    : context_(EVP_CIPHER_CTX_new()), reseed_(reseed) {
  AH_CHECK(context_ != nullptr);
  AH_CHECK(key.size() == kKeyBytes);
  AH_CHECK(EVP_EncryptInit_ex2(context_.get(), EVP_aes_256_ctr(), nullptr, nullptr, nullptr) == 1);
  SetKey(key.ExposeSecret());
}

KeyStream::~KeyStream() { Wipe(buffer_); }

void KeyStream::Fill(MutableByteSpan out) {
  while (!out.empty()) {
    if (position_ == buffer_.size()) {
      if (out.size() >= kOutputBytes) {
        // A whole block's output goes to its place at once, not through the buffer.
        WriteBlock(out.first(kOutputBytes));
        out = out.subspan(kOutputBytes);
        continue;
      }
      WriteBlock(buffer_);
      position_ = 0;
    }
    const std::size_t count = std::min(out.size(), buffer_.size() - position_);
    std::memcpy(out.data(), buffer_.data() + position_, count);
    // Plain memset suffices: the buffer outlives this call, so the store is not dead.
    std::memset(buffer_.data() + position_, 0, count);
    position_ += count;
    out = out.subspan(count);
  }
}

void KeyStream::WriteBlock(MutableByteSpan out) {
  std::array<std::byte, kKeyBytes> key{};
  WriteKeyStream(key);
  WriteKeyStream(out);
  bytes_since_seed_ += kBufferBytes;
  if (reseed_ == Reseed::kFromSystem && bytes_since_seed_ >= kReseedBytes) {
    SecretBytes fresh(kKeyBytes);
    FillFromSystem(fresh.mutable_span());
    for (std::size_t i = 0; i < kKeyBytes; ++i) key[i] ^= fresh.ExposeSecret()[i];
    bytes_since_seed_ = 0;
  }
  SetKey(key);
  Wipe(key);
}

// The next bytes of the key stream: what zeros are encrypted to. Counter mode goes on where it was.
// The zeros are a few that stay in the first-level cache: `out` need not be zeroed before.
void KeyStream::WriteKeyStream(MutableByteSpan out) {
  static constexpr std::array<unsigned char, 16 * 1024> kZeros{};
  while (!out.empty()) {
    const std::size_t count = std::min(out.size(), kZeros.size());
    int written = 0;
    AH_CHECK(EVP_EncryptUpdate(context_.get(), RawMutable(out), &written, kZeros.data(),
                               static_cast<int>(count)) == 1);
    AH_CHECK(static_cast<std::size_t>(written) == count);
    out = out.subspan(count);
  }
}

void KeyStream::SetKey(ByteSpan key) {
  static constexpr std::array<unsigned char, 16> kCounterZero{};
  AH_CHECK(EVP_EncryptInit_ex2(context_.get(), nullptr, Raw(key), kCounterZero.data(), nullptr) ==
           1);
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
