#include "shared/attest/sgx_dcap.h"

#include "shared/attest/rule_checks.h"

namespace anchorhold::attest {
namespace {

Result<SgxPolicy> PolicyInForce(const AppraisalInput& input) {
  SgxPolicy waived;
  waived.allow_debug = true;  // nothing is judged but signatures, chains and bindings
  AH_ASSIGN_OR_RETURN(SgxPolicy policy,
                      RulesInForce(input, &AppraisalPolicy::sgx_dcap, waived,
                                   "it has no table [sgx-dcap]: nothing is said about enclaves"));
  if (input.strict) policy.allow_debug = false;
  return policy;
}

Status CheckSgxRules(Appraiser& appraiser, const AppraisalInput& input, const SgxPolicy& policy,
                     const SgxReportFields& report) {
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_debug", !policy.allow_debug,
                                    report.Debug(),
                                    "the enclave may be debugged: the host can read its memory"));
  AH_RETURN_IF_ERROR(
      CheckListed(appraiser, input, "mr_signer", policy.mr_signer, &report.mr_signer));
  AH_RETURN_IF_ERROR(
      CheckIfSet(appraiser, input, "isv_prod_id", policy.isv_prod_id.has_value(),
                 report.isv_prod_id == policy.isv_prod_id,
                 "the enclave is the signer's product " + std::to_string(report.isv_prod_id)));
  AH_RETURN_IF_ERROR(CheckIfSet(appraiser, input, "isv_svn", policy.isv_svn_min.has_value(),
                                report.isv_svn >= policy.isv_svn_min,
                                "the enclave's SVN is " + std::to_string(report.isv_svn)));
  return CheckListed(appraiser, input, "config_id", policy.config_id, &report.config_id);
}

}  // namespace

Result<Findings> VerifySgxDcap(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const SgxPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(VerifiedIntelQuote verified,
                      VerifyIntelQuote(input, appraiser, CollectIntelFiles(input.files),
                                       policy.intel, IntelTee::kSgx));
  AH_ASSIGN_OR_RETURN(const SgxReportFields report, ParseSgxReport(verified.quote.body));
  AH_RETURN_IF_ERROR(CheckSgxRules(appraiser, input, policy, report));
  Findings findings;
  findings.claims = std::move(verified.claims);
  findings.claims.Add("body", SgxReportClaims(report));
  findings.measurement = report.mr_enclave;
  findings.report_data = report.report_data;
  findings.trust = IntelTrust(input, verified.tcb, report.Debug());
  if (report.Debug()) {
    findings.warnings.emplace_back("debugging is allowed: the host can read the enclave's memory");
  }
  return findings;
}

Result<UnverifiedClaims> ShowSgxDcap(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(ShownIntelQuote shown, ShowIntelQuote(CollectIntelFiles(files)));
  if (shown.quote.body_type != QuoteBody::kSgxReport) return InvalidInput("a quote of TDX");
  AH_ASSIGN_OR_RETURN(const SgxReportFields report, ParseSgxReport(shown.quote.body));
  shown.claims.Add("body", SgxReportClaims(report));
  return UnverifiedClaims{std::move(shown.claims)};
}

}  // namespace anchorhold::attest
