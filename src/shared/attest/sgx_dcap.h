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

inline constexpr auto kSgxDcapRoles = JoinRoles(
    {
        {"quote", "", RolePart::kEvidence, "the quote of the enclave, version 3"},
    },
    kIntelCollateralRoles);

inline constexpr Kind kSgxDcapKind = {Platform::kSgxDcap, kSgxDcapRoles, VerifySgxDcap,
                                      ShowSgxDcap};

}  // namespace anchorhold::attest
