// Intel SGX with DCAP: a quote of version 3 over an enclave's report (sgx_report.h), with Intel's
// collateral.
//
// Checks by name, in this order; the first that fails refuses: those of intel_evidence.h, then the
// policy's: no_debug, mr_signer, isv_prod_id, isv_svn, config_id.
#pragma once

#include "shared/attest/intel_evidence.h"

namespace anchorhold::attest {

Result<Findings> VerifySgxDcap(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowSgxDcap(const UnverifiedFiles& files);

inline constexpr Role kSgxDcapRoles[] = {
    {"quote", "", RolePart::kEvidence, "the quote of the enclave, version 3"},
    {"tcb_info", "", RolePart::kEndorsement, "Intel's TCB info for the platform, in JSON"},
    {"tcb_info_issuer_chain", "", RolePart::kEndorsement, "the certificates of who signed that"},
    {"qe_identity", "", RolePart::kEndorsement, "Intel's identity of the quoting enclave, in JSON"},
    {"qe_identity_issuer_chain", "", RolePart::kEndorsement, "the certificates of who signed that"},
    {"pck_crl", "", RolePart::kEndorsement,
     "the revocation list of who issued the PCK certificate"},
    {"root_ca_crl", "", RolePart::kEndorsement, "the revocation list of Intel's root"},
    {"pck_chain", "", RolePart::kEndorsement, "the PCK certificates, if the quote has none"},
    {"root", "", RolePart::kEndorsement, "Intel's root certificate, if the chains end before it"},
    {"synthetic_root", "", RolePart::kEndorsement, "a root that is not trusted; it is not read"},
};

inline constexpr Kind kSgxDcapKind = {Platform::kSgxDcap, kSgxDcapRoles, VerifySgxDcap,
                                      ShowSgxDcap};

}  // namespace anchorhold::attest
