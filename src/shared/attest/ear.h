// Attestation Results as tokens: an EAR (draft-ietf-rats-ear), a JWT signed by whoever appraised.
//
//   {"eat_profile": "tag:github.com,2023:veraison/ear", "iat": ..., "exp": ..., "aud": ...,
//    "ear.verifier-id": {"developer": "anchorhold", "build": ...},
//    "submods": {KIND: {"ear.status": "affirming", "ear.trustworthiness-vector": {...},
//                       "ear.appraisal-policy-id": SHA-256 of the policy, or "none",
//                       "anchorhold.checks": [...], "anchorhold.skipped": {...},
//                       "anchorhold.warnings": [...], "anchorhold.claims": {...}}}}
#pragma once

#include "shared/attest/result.h"
#include "shared/crypto/signature.h"

namespace anchorhold::attest {

struct EarTerms {
  std::string build;      // version of the program that appraised
  std::string audience;   // who may rely on it
  std::string policy_id;  // names the policy; "none" if there was none
  std::int64_t lifetime_seconds = 0;
};
// The token's claims.
Claim EarClaims(const AttestationResult& result, const EarTerms& terms);
std::string SignEar(const crypto::Ed25519PrivateKey& appraiser, const AttestationResult& result,
                    const EarTerms& terms);

// What a relying party learns from somebody else's appraisal.
struct VerifiedEar {
  Platform platform = Platform::kInsecureSimulated;
  TrustTier status = TrustTier::kNone;
  std::string policy_id;
  std::string payload;  // the claims, as JSON
};
// kAttestationRefused unless `appraiser`, a key that the caller trusts, signed it for this audience
// and `now` is within its time. The token's own word on keys is not asked.
Result<VerifiedEar> VerifyEar(UnixSeconds now, std::string_view token,
                              const crypto::Ed25519PublicKey& appraiser, std::string_view audience);

}  // namespace anchorhold::attest
