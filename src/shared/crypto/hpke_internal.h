// The steps of HPKE, so that tests can hold each against RFC 9180's vectors. Internal to crypto/.
#pragma once

#include "shared/crypto/aead.h"
#include "shared/crypto/hpke.h"

namespace anchorhold::crypto::internal {

struct HpkeEncapsulated {
  HpkeEncapsulation encapsulation;
  SecretBytes shared_secret;  // 32 bytes
};
// Encap() and Decap() of section 4.1. The other side's key being of small order is kInvalidInput.
Result<HpkeEncapsulated> HpkeEncap(const HpkePrivateKey& ephemeral, const HpkePublicKey& recipient);
Result<SecretBytes> HpkeDecap(const HpkePrivateKey& recipient,
                              const HpkeEncapsulation& encapsulation);

struct HpkeKeys {
  SecretBytes key;
  AeadNonce base_nonce;
};
// KeySchedule() of section 5.1 in base mode.
HpkeKeys HpkeKeySchedule(const SecretBytes& shared_secret, ByteSpan info);

}  // namespace anchorhold::crypto::internal
