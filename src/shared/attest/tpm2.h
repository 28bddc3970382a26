// A quote of a TPM 2.0, by its attestation key (AK). The report data is the quote's extra data; the
// measurement is the register that the policy names as measurement_pcr.
//
// Checks by name, in this order; the first that fails refuses:
//   attest_is_well_formed, signature_is_well_formed, ak_is_given, ak_public_*_is_well_formed,
//   tpmt_public_is_same_key, attest_signature, magic_is_tpm_generated, type_is_quote,
//   signature_scheme_is_aks, no_sha1_signature, those of the key's certificate (tpm2_checks.h,
//   ak_cert_key_is_ak), ak_is_trusted, ak_public_tpmt_is_given, ak_is_restricted,
//   creation_signature, type_is_creation, certify_signature, type_is_certify, certified_name,
//   those of the registers (tpm2_checks.h), event_log_is_given, event_log_is_well_formed,
//   event_log_replays_to_pcrs, and the policy's about registers: pcr0 to pcr23,
//   measurement_pcr_is_quoted.
//
// A TPM says what was started on a machine. It keeps nobody who owns the machine out of its memory.
#pragma once

#include "shared/attest/kind.h"

namespace anchorhold::attest {

Result<Findings> VerifyTpm2(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowTpm2(const UnverifiedFiles& files);

inline constexpr Role kTpm2Roles[] = {
    {"attest", "", RolePart::kEvidence, "the quote, TPMS_ATTEST"},
    {"signature", "", RolePart::kEvidence, "its signature, TPMT_SIGNATURE"},
    {"ak_public_spki", "", RolePart::kEvidence, "the attestation key, SubjectPublicKeyInfo"},
    {"ak_public_tpmt", "", RolePart::kEvidence, "the same as the TPM writes it, TPMT_PUBLIC"},
    {"pcrs", "", RolePart::kEvidence, "the registers' values, JSON: {bank: {number: hex}}"},
    {"event_log", "", RolePart::kEvidence, "the firmware's event log"},
    {"ak_cert", "", RolePart::kEndorsement, "the certificate of the attestation key"},
    {"ak_cert_intermediate", "ak_cert_intermediates", RolePart::kEndorsement,
     "who signed that, and so on, in DER or PEM"},
    {"ak_cert_root", "", RolePart::kEndorsement, "the root certificate that chain ends in"},
    {"ak_crl", "", RolePart::kEndorsement, "the revocation list of who signed ak_cert"},
    {"creation_attest", "", RolePart::kEvidence, "how an object was created, TPMS_ATTEST"},
    {"creation_signature", "", RolePart::kEvidence, "the attestation key's signature of that"},
    {"certify_attest", "", RolePart::kEvidence, "that a key is in the TPM, TPMS_ATTEST"},
    {"certify_signature", "", RolePart::kEvidence, "the attestation key's signature of that"},
    {"certified_public_tpmt", "", RolePart::kEvidence, "that key, TPMT_PUBLIC"},
};

inline constexpr Kind kTpm2Kind = {Platform::kTpm2, kTpm2Roles, VerifyTpm2, ShowTpm2};

}  // namespace anchorhold::attest
