// Ed25519 over the bare message, as RFC 8032's test vectors have it. Internal to crypto/: everybody
// else signs with a context (signature.h).
#pragma once

#include "shared/crypto/signature.h"

namespace anchorhold::crypto::internal {

// Precondition: a seed of 32 bytes.
Ed25519Signature SignRaw(const SecretBytes& seed, ByteSpan message);
bool VerifyRaw(const Ed25519PublicKey& key, ByteSpan message, const Ed25519Signature& signature);

}  // namespace anchorhold::crypto::internal
