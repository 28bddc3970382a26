// Curve25519 keys as their 32 raw bytes. Internal to crypto/; signature.cc and hpke.cc use it.
#pragma once

#include <array>

#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/secret.h"

namespace anchorhold::crypto::internal {

inline constexpr std::size_t kRawKeyBytes = 32;

// `type` is EVP_PKEY_ED25519 or EVP_PKEY_X25519. Precondition: kRawKeyBytes bytes, of which any are
// accepted: neither curve has an invalid private key, and public keys are judged when used.
KeyPtr PrivateKeyFromRaw(int type, const SecretBytes& raw);
KeyPtr PublicKeyFromRaw(int type, ByteSpan raw);

std::array<std::byte, kRawKeyBytes> PublicKeyOf(int type, const SecretBytes& raw);

}  // namespace anchorhold::crypto::internal
