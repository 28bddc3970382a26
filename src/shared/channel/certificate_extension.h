// The certificate extension that carries Evidence: TCG DICE Attestation Architecture's
// tcg-dice-TaggedEvidence, 2.23.133.5.4.9, not critical. Its value (extnValue's content) is one
// CBOR array, deterministically encoded (cbor.h):
//
//   83                          array of 3
//     78 23                     text string of 35 bytes:
//       "application/vnd.anchorhold.evidence"
//     58|59|5a LENGTH           byte string: attest::SerializeEvidence (attest/evidence.h)
//       "AHEVID1\0" platform(1) size(4) body(size)
//     58 68                     byte string of 104 bytes: attest::SerializeKeys
//       "AHKEYS1\0" tls_key(32) sealing_key(32) ledger_key(32)
//
// A reader takes exactly this: no other order, count, length form or trailing byte.
#pragma once

#include "shared/attest/evidence.h"
#include "shared/base/limits.h"

namespace anchorhold::channel {

inline constexpr const char* kEvidenceExtensionOid = "2.23.133.5.4.9";
inline constexpr std::string_view kEvidenceMediaType = "application/vnd.anchorhold.evidence";

struct CertifiedEvidence {
  attest::UnverifiedEvidence evidence;
  attest::EnclaveKeys keys;
};

Bytes EncodeEvidenceExtension(const CertifiedEvidence& content);
Result<CertifiedEvidence> ParseEvidenceExtension(ByteSpan value);

}  // namespace anchorhold::channel
