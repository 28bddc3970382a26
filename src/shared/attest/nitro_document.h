// The attestation document of AWS Nitro Enclaves (AWS Nitro Enclaves User Guide, "Verifying the
// root of trust"): a COSE_Sign1 (RFC 9052) over a map in CBOR (wire/cbor.h).
//
//   document  = [protected, {}, payload, signature]        alone, or under tag 18
//   protected = byte string of {1: -35}: ES384
//   payload   = byte string of a map, in any order:
//     "module_id": text              "digest": "SHA384"     "timestamp": milliseconds since 1970
//     "pcrs": {0 to 31: 48 bytes}    "certificate": DER     "cabundle": [DER, ...] root first
//     "public_key", "user_data", "nonce": byte string or null, or left out
//   signature = r || s, 48 bytes each, big-endian: ECDSA P-384 with SHA-384, over the array
//               ["Signature1", protected, h'', payload], by the key of "certificate"
#pragma once

#include <map>
#include <optional>

#include "shared/attest/claims.h"
#include "shared/crypto/certificate.h"

namespace anchorhold::attest {

inline constexpr std::size_t kNitroPcrBytes = 48;

struct NitroDocumentFields {
  bool tagged = false;
  Bytes protected_header;
  std::size_t payload_bytes = 0;
  std::string module_id;
  std::uint64_t timestamp_ms = 0;
  std::map<std::uint8_t, Bytes> pcrs;
  std::vector<crypto::UnverifiedCertificate> chain;  // the signing key's first, the root's last
  std::optional<Bytes> public_key, user_data, nonce;

  // Debug mode: the measurements of image, kernel and application are zeros.
  bool Debug() const;
};

class UnverifiedNitroDocument {
 public:
  // kInvalidInput unless it is exactly what stands above.
  static Result<UnverifiedNitroDocument> Parse(ByteSpan bytes);
  const NitroDocumentFields& unverified() const { return fields_; }
  // The fields, if the key signed them; otherwise kIntegrity.
  Result<NitroDocumentFields> VerifiedBy(const crypto::PublicKey& key) const;

 private:
  UnverifiedNitroDocument() = default;
  NitroDocumentFields fields_;
  Bytes signed_;
  Bytes signature_;
};

Claim NitroDocumentClaims(const NitroDocumentFields& fields);

}  // namespace anchorhold::attest
