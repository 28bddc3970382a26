// NVIDIA's Reference Integrity Manifests: the measurements that a driver or a VBIOS must give, as a
// SWID tag (ISO/IEC 19770-2, TCG RIM Information Model) with an XML signature (xml_signature.h).
//
//   <SoftwareIdentity>
//     <Meta colloquialVersion="535.86.09" edition="GPU" product="GH100" .../>
//     <Payload>
//       <Resource type="Measurement" index="i" active="True" alternatives="n" size="48"
//                 Hash0="hex" ... Hash(n-1)="hex"/>     measurement block i + 1 is one of them
#pragma once

#include "client/gpu/xml_signature.h"
#include "shared/attest/claims.h"

namespace anchorhold::client {

inline constexpr std::size_t kRimResourcesMax = 256;
inline constexpr std::size_t kRimAlternativesMax = 64;

struct RimReference {
  std::uint8_t index = 0;  // of the RIM: one less than the block's
  std::vector<Bytes> accepted;
};

struct RimFields {
  std::string id;  // the version that it is for
  std::string product;
  std::string edition;
  std::vector<RimReference> active;  // by index
};

class UnverifiedRim {
 public:
  // kInvalidInput, kLimitExceeded.
  static Result<UnverifiedRim> Parse(ByteSpan bytes);
  // To show, and to choose by; never to believe.
  const RimFields& unverified() const { return fields_; }
  // The signer's first.
  const std::vector<crypto::UnverifiedCertificate>& unverified_chain() const { return chain_; }
  // Which parts of the signature hold with that key.
  Result<XmlSignature::Outcome> CheckSignature(const crypto::PublicKey& key) const;
  // kIntegrity unless the whole document is signed with that key.
  Result<RimFields> VerifiedBy(const crypto::PublicKey& key) const;

 private:
  Bytes document_;
  RimFields fields_;
  std::vector<crypto::UnverifiedCertificate> chain_;
};

}  // namespace anchorhold::client
