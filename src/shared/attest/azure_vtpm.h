// Confidential VMs of Azure: hardware (SEV-SNP or TDX) vouches for the paravisor (HCL) and, by its
// report data, for the attestation key of a virtual TPM that the paravisor runs; that key signs a
// quote over what the VM started. The report data is the quote's extra data; the measurement is the
// register that the policy names as measurement_pcr.
//
// Checks by name, in this order; the first that fails refuses:
//   hcl_report_is_well_formed, quote_attest_is_well_formed; on SNP those of the kind sev-snp
//   (snp.h), and vmpl_is_zero; on TDX those of a quote (tdx.h) and tdreport_is_well_formed,
//   tdreport_internal_hashes, td_quote_mrtd_equals_tdreport_mrtd, td_quote_equals_tdreport;
//   report_data_is_sha256_of_runtime_claims, runtime_claims_is_well_formed,
//   tpm_quote_signature_by_HCLAkPub, magic_is_tpm_generated, type_is_quote, those of the key's
//   certificate and of the registers (tpm2_checks.h, ak_cert_key_is_HCLAkPub), ak_cert_is_given,
//   and the policy's: launch_measurement, secure_boot, pcr0 to pcr23, measurement_pcr_is_quoted.
//
// Collateral of TD quotes may be missing, also in strict mode: what it would say is then written
// down as left out, unless the policy's table [tdx] requires it.
#pragma once

#include "shared/attest/kind.h"

namespace anchorhold::attest {

Result<Findings> VerifyAzureVtpm(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowAzureVtpm(const UnverifiedFiles& files);

inline constexpr Role kAzureVtpmRoles[] = {
    {"hcl_report", "", RolePart::kEvidence, "the paravisor's report, from NV index 0x01400001"},
    {"quote_attest", "", RolePart::kEvidence, "the virtual TPM's quote, TPMS_ATTEST"},
    {"quote_signature", "", RolePart::kEvidence, "its RSASSA signature, without a header"},
    {"pcrs", "", RolePart::kEvidence, "the registers' values, JSON: {bank: {number: hex}}"},
    {"td_quote", "", RolePart::kEvidence, "on TDX: the TD's quote"},
    {"vek", "vcek", RolePart::kEndorsement, "on SNP: the certificate of the key that signed"},
    {"intermediate", "ask", RolePart::kEndorsement, "on SNP: AMD's certificate that signed that"},
    {"ark", "", RolePart::kEndorsement, "on SNP: AMD's root certificate for the product"},
    {"cert_table", "", RolePart::kEndorsement, "on SNP: the host's table of the three"},
    {"crl", "", RolePart::kEndorsement, "on SNP: the revocation list of the ARK"},
    {"intel_root", "", RolePart::kEndorsement, "on TDX: Intel's root certificate"},
    {"tcb_info", "", RolePart::kEndorsement, "on TDX: Intel's TCB info for the platform"},
    {"tcb_info_issuer_chain", "", RolePart::kEndorsement, "on TDX: who signed that"},
    {"qe_identity", "", RolePart::kEndorsement, "on TDX: the quoting enclave's identity"},
    {"qe_identity_issuer_chain", "", RolePart::kEndorsement, "on TDX: who signed that"},
    {"pck_crl", "", RolePart::kEndorsement, "on TDX: the list of who issued the PCK certificate"},
    {"root_ca_crl", "", RolePart::kEndorsement, "on TDX: the list of Intel's root"},
    {"ak_cert", "", RolePart::kEndorsement, "the certificate of the attestation key"},
    {"ak_cert_intermediates", "ak_cert_intermediate", RolePart::kEndorsement,
     "who signed that, and so on, in DER or PEM"},
    {"ak_cert_root", "", RolePart::kEndorsement, "the root certificate that chain ends in"},
    {"ak_crl", "", RolePart::kEndorsement, "the revocation list of who signed ak_cert"},
};

inline constexpr Kind kAzureVtpmKind = {Platform::kAzureVtpm, kAzureVtpmRoles, VerifyAzureVtpm,
                                        ShowAzureVtpm};

}  // namespace anchorhold::attest
