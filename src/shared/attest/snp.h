// AMD SEV-SNP: a report signed by the chip's (VCEK) or the service's (VLEK) key, which the ASK or
// ASVK certifies, which the ARK of the product certifies. The ARK is trusted for its key.
//
// Checks by name, in this order; the first that fails refuses:
//   root_is_pinned, ark_self_signed, intermediate_signed_by_ark, vek_signed_by_intermediate,
//   certificate_* (chain_checks.h), certificates_are_of_one_product, crl_*,
//   intermediate_not_revoked, report_signature, product_equals_vek_product, signing_key_is_vek,
//   reported_tcb_equals_vek_tcb, chip_id_equals_vek_hwid, and the policy's: no_debug,
//   no_migration_agent, no_smt, vmpl, guest_svn, host_data, id_key_digest, author_key_digest,
//   reported_tcb_floor, committed_tcb_floor, launch_tcb_floor, current_tcb_floor.
#pragma once

#include "shared/attest/kind.h"
#include "shared/attest/snp_report.h"

namespace anchorhold::attest {

// For every kind whose evidence wraps a report: VerifySnp, and the report itself; empty if there
// was none, which is refused unless only signatures are judged.
struct SnpFindings {
  Findings findings;
  std::vector<SnpReportFields> report;
};
Result<SnpFindings> VerifySnpReport(const AppraisalInput& input, Appraiser& appraiser);

Result<Findings> VerifySnp(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowSnp(const UnverifiedFiles& files);

inline constexpr Role kSnpRoles[] = {
    {"report", "", RolePart::kEvidence, "the attestation report, 1184 bytes"},
    {"vek", "vcek", RolePart::kEndorsement, "the certificate of the key that signed it"},
    {"intermediate", "ask", RolePart::kEndorsement,
     "AMD's certificate that signed that: ASK, ASVK"},
    {"ark", "", RolePart::kEndorsement, "AMD's root certificate for the product"},
    {"cert_table", "", RolePart::kEndorsement, "the host's table of the three certificates"},
    {"crl", "", RolePart::kEndorsement, "the revocation list of the ARK"},
};

inline constexpr Kind kSnpKind = {Platform::kSevSnp, kSnpRoles, VerifySnp, ShowSnp};

}  // namespace anchorhold::attest
