// HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).
#pragma once

#include "shared/crypto/hash.h"
#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

SecretBytes HmacSha256(const SecretBytes& key, ByteSpan data);

// PRK = HMAC(salt, input). An empty salt stands for 32 zero bytes.
SecretBytes HkdfExtract(ByteSpan salt, const SecretBytes& input_key_material);
// `size` bytes, at most 255 * 32 (precondition).
SecretBytes HkdfExpand(const SecretBytes& pseudo_random_key, ByteSpan info, std::size_t size);

// Extract and expand: a key for one purpose, named by `label`, from a root key.
SecretBytes DeriveKey(const SecretBytes& root, std::string_view label, std::size_t size);

}  // namespace anchorhold::crypto
