#include "shared/crypto/secret.h"

#include <openssl/crypto.h>
#include <string.h>  // explicit_bzero, which <cstring> does not promise

namespace anchorhold::crypto {

SecretBytes::SecretBytes(std::size_t size) : bytes_(size) {}

SecretBytes SecretBytes::CopyOf(ByteSpan bytes) {
  SecretBytes out;
  out.bytes_.assign(bytes.begin(), bytes.end());
  return out;
}

SecretBytes::~SecretBytes() { Wipe(bytes_); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
  other.bytes_.clear();
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  Wipe(bytes_);
  bytes_ = std::move(other.bytes_);
  other.bytes_.clear();
  return *this;
}

bool operator==(const SecretBytes& a, const SecretBytes& b) {
  return ConstantTimeEqual(a.bytes_, b.bytes_);
}

void Wipe(MutableByteSpan bytes) {
  // As OPENSSL_cleanse, but with the processor's widest stores: noise is drawn in gigabytes.
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

bool ConstantTimeEqual(ByteSpan a, ByteSpan b) {
  if (a.size() != b.size()) return false;
  return a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace anchorhold::crypto
