// AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags. The caller owns the rule that
// a nonce is never used twice with a key; the callers are wire/sealed_object, trusted/vault and
// hpke.
#pragma once

#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;

using AeadNonce = FixedBytes<struct AeadNonceTag, kAeadNonceBytes>;

// Ciphertext followed by the tag: plaintext.size() + kAeadTagBytes bytes.
// Precondition: a key of kAeadKeyBytes.
Bytes AeadSeal(const SecretBytes& key, const AeadNonce& nonce, ByteSpan associated_data,
               ByteSpan plaintext);

// Any change to ciphertext, tag, nonce or associated data is one and the same kIntegrity error.
Result<Bytes> AeadOpen(const SecretBytes& key, const AeadNonce& nonce, ByteSpan associated_data,
                       ByteSpan ciphertext_and_tag);

}  // namespace anchorhold::crypto
