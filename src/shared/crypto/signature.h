// Ed25519 signatures (RFC 8032). One algorithm for people's keys, the ledger and receipts.
#pragma once

#include "shared/crypto/hash.h"
#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

using Ed25519PublicKey = FixedBytes<struct Ed25519PublicKeyTag, 32>;
using Ed25519Signature = FixedBytes<struct Ed25519SignatureTag, 64>;

// Who somebody is: SHA-256 over the 32 bytes of their Ed25519 public key. People see it as hex.
using KeyFingerprint = FixedBytes<struct KeyFingerprintTag, 32>;
KeyFingerprint FingerprintOf(const Ed25519PublicKey& key);

class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey Generate();
  // RFC 8032's 32-byte private key ("seed").
  static Result<Ed25519PrivateKey> FromSeed(SecretBytes seed);

  const Ed25519PublicKey& public_key() const { return public_key_; }
  Ed25519PrivateKey Clone() const;

  // Signs `context`, a zero byte and `message`. The context is a literal that names the kind of
  // document ("anchorhold contract v1"), so that no signature is valid for another kind.
  Ed25519Signature Sign(std::string_view context, ByteSpan message) const;

  // The seed, to be written to a key file or handed to the TLS stack.
  const SecretBytes& seed() const { return seed_; }

 private:
  Ed25519PrivateKey(SecretBytes seed, const Ed25519PublicKey& public_key);

  SecretBytes seed_;
  Ed25519PublicKey public_key_;
};

// kIntegrity unless the signature is valid for exactly this context and message. A signature has
// one encoding (S < L), so it cannot be varied. A public key of small order is not refused: it has
// no private key, and anybody can make signatures that it "verifies". So a valid signature says
// only what the key's owner wanted it to say; trust in the key comes from its pinned fingerprint.
// Precondition of Sign and VerifySignature: the context is not empty and holds no zero byte.
Status VerifySignature(const Ed25519PublicKey& key, std::string_view context, ByteSpan message,
                       const Ed25519Signature& signature);

}  // namespace anchorhold::crypto
