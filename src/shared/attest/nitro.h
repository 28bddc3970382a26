// AWS Nitro Enclaves: a document signed by a key that lives for hours, whose certificate and chain
// up to AWS's root the document carries itself. The measurement is PCR0, the report data is
// user_data.
//
// Checks by name, in this order; the first that fails refuses:
//   document_is_well_formed, root_is_the_documents (if a root was handed over),
//   root_is_aws_nitro_root_g1,
//   chain_signatures, certificate_* (chain_checks.h), cose_signature,
//   timestamp_inside_chain_validity, and the policy's: no_debug, age, pcr1, pcr2, pcr3, pcr4, pcr8.
#pragma once

#include "shared/attest/kind.h"

namespace anchorhold::attest {

Result<Findings> VerifyNitro(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowNitro(const UnverifiedFiles& files);

inline constexpr Role kNitroRoles[] = {
    {"document", "", RolePart::kEvidence, "the attestation document, COSE_Sign1 in CBOR"},
    {"root", "", RolePart::kEndorsement,
     "AWS's root certificate, to compare with the document's; it need not be given"},
};

inline constexpr Kind kNitroKind = {Platform::kNitro, kNitroRoles, VerifyNitro, ShowNitro};

}  // namespace anchorhold::attest
