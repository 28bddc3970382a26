// SecretBytes: key material. It is wiped when it dies, moves but is never copied, compares in
// constant time, and has no way to be printed.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold::crypto {

class SecretBytes {
 public:
  SecretBytes() = default;
  // `size` zero bytes, to be filled through mutable_span().
  explicit SecretBytes(std::size_t size);
  // Takes a copy; the caller wipes its own.
  static SecretBytes CopyOf(ByteSpan bytes);
  ~SecretBytes();

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  SecretBytes Clone() const { return CopyOf(bytes_); }
  std::size_t size() const { return bytes_.size(); }

  // The raw key. Greppable on purpose: only crypto/, wire/sealed_object, channel/certificate and
  // the key files of client/core may call it.
  ByteSpan ExposeSecret() const { return bytes_; }
  MutableByteSpan mutable_span() { return bytes_; }

  friend bool operator==(const SecretBytes& a, const SecretBytes& b);

 private:
  Bytes bytes_;
};

// Overwrites memory in a way that no optimiser removes.
void Wipe(MutableByteSpan bytes);

// Constant time for equal lengths; lengths are public.
bool ConstantTimeEqual(ByteSpan a, ByteSpan b);

}  // namespace anchorhold::crypto
