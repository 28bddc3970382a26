// HPKE (RFC 9180), base mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//   Seal:  enc, shared_secret = Encap(pk);  key, base_nonce = KeySchedule(shared_secret, info);
//          ciphertext = AES-256-GCM(key, base_nonce, aad, plaintext)
// Section numbers in the source are the RFC's.
#pragma once

#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

using HpkePublicKey = FixedBytes<struct HpkePublicKeyTag, 32>;
using HpkeEncapsulation = FixedBytes<struct HpkeEncapsulationTag, 32>;

class HpkePrivateKey {
 public:
  static HpkePrivateKey Generate();
  // DeriveKeyPair of section 7.1.3; at least 32 bytes of input.
  static Result<HpkePrivateKey> Derive(const SecretBytes& input_key_material);
  static Result<HpkePrivateKey> FromRaw(SecretBytes raw);

  const HpkePublicKey& public_key() const { return public_key_; }
  const SecretBytes& raw() const { return raw_; }

 private:
  HpkePrivateKey(SecretBytes raw, const HpkePublicKey& public_key);

  SecretBytes raw_;
  HpkePublicKey public_key_;
};

struct HpkeSealed {
  HpkeEncapsulation encapsulation;
  Bytes ciphertext;  // with the tag
};

// A public key of small order is refused (kInvalidInput), as section 7.1.4 demands.
Result<HpkeSealed> HpkeSeal(const HpkePublicKey& recipient, ByteSpan info, ByteSpan associated_data,
                            ByteSpan plaintext);
// The same with a given ephemeral key: for the RFC's test vectors only.
Result<HpkeSealed> HpkeSealWithEphemeralForTest(const HpkePrivateKey& ephemeral,
                                                const HpkePublicKey& recipient, ByteSpan info,
                                                ByteSpan associated_data, ByteSpan plaintext);
// Any change to the encapsulation, info, associated data or ciphertext is one and the same code,
// kIntegrity; an encapsulation of small order too.
Result<SecretBytes> HpkeOpen(const HpkePrivateKey& recipient,
                             const HpkeEncapsulation& encapsulation, ByteSpan info,
                             ByteSpan associated_data, ByteSpan ciphertext);

}  // namespace anchorhold::crypto
