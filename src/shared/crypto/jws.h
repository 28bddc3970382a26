// JSON Web Signatures in the compact form (RFC 7515) by Ed25519 (RFC 8037):
// "header.payload.signature" in base64url. One header and no other: a token cannot say by which
// algorithm or key it is to be verified. What is signed holds no zero byte, so no such signature is
// one over a document of ours, whose context ends in one (signature.h).
#pragma once

#include "shared/crypto/signature.h"

namespace anchorhold::crypto {

// {"alg":"EdDSA","typ":"JWT"}
std::string SignJws(const Ed25519PrivateKey& key, std::string_view payload);
// The payload, if this key signed it; otherwise kIntegrity, or kInvalidInput for what is no token
// of this form.
Result<std::string> VerifyJws(const Ed25519PublicKey& key, std::string_view token);

}  // namespace anchorhold::crypto
