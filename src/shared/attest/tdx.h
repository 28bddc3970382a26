// Intel TDX: a quote (intel_quote.h) over a TD report (td_report.h), with Intel's collateral, and
// the event log whose digests the runtime registers were extended by.
//
// Checks by name, in this order; the first that fails refuses: those of intel_evidence.h, then the
// policy's: no_debug, no_migration, sept_ve_disable, mr_seam, mr_config_id, mr_owner,
// mr_owner_config, mr_service_td, rtmr0 to rtmr3, xfam; then event_log_is_well_formed,
// event_log_digests, rtmr0_replay to rtmr3_replay, nonce.
#pragma once

#include "shared/attest/intel_evidence.h"
#include "shared/attest/td_report.h"

namespace anchorhold::attest {

// A TD whose quote is genuine and keeps to the rules.
struct VerifiedTd {
  TdReportFields report;
  IntelTcb tcb;
  Claim claims = Claim::Map();  // of the quote, its certificate, and the TCB's status
  TrustVector trust;
  std::vector<std::string> warnings;
};

// For every kind whose evidence holds a TD quote: judges the quote, its chain and the collateral by
// the rules of input.policy's table [tdx] (refused as "policy" if it has none), which is everything
// but event logs, report data and measurement. Those are the caller's; `report` has report_data and
// mr_td. `files` may come from roles of any name; input.files is not read.
Result<VerifiedTd> VerifyTdQuote(const AppraisalInput& input, Appraiser& appraiser,
                                 const IntelFiles& files);
// What the quote and its certificates say, by nobody verified.
Result<Claim> ShowTdQuote(const IntelFiles& files);

Result<Findings> VerifyTdx(const AppraisalInput& input, Appraiser& appraiser);
Result<UnverifiedClaims> ShowTdx(const UnverifiedFiles& files);

inline constexpr auto kTdxRoles = JoinRoles(
    {
        {"quote", "", RolePart::kEvidence, "the quote of the TD, version 4 or 5"},
        {"ccel_data", "", RolePart::kEvidence, "the firmware's event log (CCEL)"},
        {"ccel_table", "", RolePart::kEvidence, "the ACPI table that says where that log lies"},
        {"event_log", "", RolePart::kEvidence, "the event log of dstack, in JSON"},
        {"nonce", "", RolePart::kEvidence, "the 64 bytes that the quote was asked for with"},
    },
    kIntelCollateralRoles);

inline constexpr Kind kTdxKind = {Platform::kTdx, kTdxRoles, VerifyTdx, ShowTdx};

}  // namespace anchorhold::attest
