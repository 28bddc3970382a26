#include "shared/crypto/raw_key.h"

namespace anchorhold::crypto::internal {

KeyPtr PrivateKeyFromRaw(int type, const SecretBytes& raw) {
  AH_CHECK(raw.size() == kRawKeyBytes);
  KeyPtr key(EVP_PKEY_new_raw_private_key(type, nullptr, Raw(raw.ExposeSecret()), raw.size()));
  AH_CHECK(key != nullptr);
  return key;
}

KeyPtr PublicKeyFromRaw(int type, ByteSpan raw) {
  AH_CHECK(raw.size() == kRawKeyBytes);
  KeyPtr key(EVP_PKEY_new_raw_public_key(type, nullptr, Raw(raw), raw.size()));
  AH_CHECK(key != nullptr);
  return key;
}

std::array<std::byte, kRawKeyBytes> PublicKeyOf(int type, const SecretBytes& raw) {
  const KeyPtr key = PrivateKeyFromRaw(type, raw);
  std::array<std::byte, kRawKeyBytes> out;
  std::size_t size = out.size();
  AH_CHECK(EVP_PKEY_get_raw_public_key(key.get(), RawMutable(out), &size) == 1);
  AH_CHECK(size == out.size());
  return out;
}

}  // namespace anchorhold::crypto::internal
