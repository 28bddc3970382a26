#include "shared/attest/tdx.h"

#include "shared/attest/rule_checks.h"
#include "shared/attest/tdx_event_log.h"

namespace anchorhold::attest {
namespace {

Result<TdxPolicy> PolicyInForce(const AppraisalInput& input) {
  TdxPolicy waived;
  // Nothing is judged but signatures, chains and bindings.
  waived.allow_debug = waived.allow_migration = true;
  AH_ASSIGN_OR_RETURN(TdxPolicy policy,
                      RulesInForce(input, &AppraisalPolicy::tdx, waived,
                                   "it has no table [tdx]: nothing is said about trust domains"));
  if (input.strict) policy.allow_debug = policy.allow_migration = false;
  return policy;
}

const Bytes* PointerTo(const std::optional<Bytes>& bytes) { return bytes ? &*bytes : nullptr; }

Status CheckTdxRules(Appraiser& appraiser, const AppraisalInput& input, const TdxPolicy& policy,
                     const TdReportFields& report) {
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_debug", !policy.allow_debug,
                                    report.UnderDebug(),
                                    "the TD may be debugged: the host can read its memory"));
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_migration", !policy.allow_migration,
                                    report.Migratable(), "the TD may be moved to another machine"));
  AH_RETURN_IF_ERROR(CheckIfSet(appraiser, input, "sept_ve_disable", policy.require_sept_ve_disable,
                                report.SeptVeDisabled(),
                                "the host may raise exceptions by taking pages away"));
  TdxPolicy rules = policy;
  for (const TdxListRule& rule : ListRules(rules)) {
    const std::pair<std::string_view, const Bytes*> fields[] = {
        {"td_attributes", &report.td_attributes},
        {"xfam", &report.xfam},
        {"mr_seam", &report.mr_seam},
        {"mr_config_id", &report.mr_config_id},
        {"mr_owner", &report.mr_owner},
        {"mr_owner_config", &report.mr_owner_config},
        {"mr_service_td", PointerTo(report.mr_service_td)},
        {"rtmr0", &report.rtmrs[0]},
        {"rtmr1", &report.rtmrs[1]},
        {"rtmr2", &report.rtmrs[2]},
        {"rtmr3", &report.rtmrs[3]}};
    for (const auto& [key, found] : fields) {
      if (key != rule.key) continue;
      AH_RETURN_IF_ERROR(CheckListed(appraiser, input, key, *rule.accepted, found));
    }
  }
  return Ok();
}

// Whether the module was updated under the TD, which keeps the older one's guarantees.
bool IsRelaunchAdvised(const TdReportFields& report) {
  if (!report.tee_tcb_svn_2.has_value()) return false;
  for (std::size_t i = 0; i < report.tee_tcb_svn.size(); ++i) {
    if ((*report.tee_tcb_svn_2)[i] > report.tee_tcb_svn[i]) return true;
  }
  return false;
}

// Both kinds of log there are, as far as they were given; their claims are added.
Status CheckEventLogs(const AppraisalInput& input, Appraiser& appraiser, const TdxPolicy& policy,
                      const TdReportFields& report, Claim& claims) {
  const Bytes* const ccel = input.files.Find("ccel_data");
  const Bytes* const dstack = input.files.Find("event_log");
  const Bytes* const table = input.files.Find("ccel_table");
  if (ccel == nullptr && dstack == nullptr) {
    if (policy.require_event_log) {
      return Refuse("event_log_is_given", "the policy requires an event log");
    }
    appraiser.Skip("event_log", "no event log was given: RTMRs are only numbers");
    return Ok();
  }
  for (const auto& [role, bytes] : {std::pair("ccel_data", ccel), std::pair("event_log", dstack)}) {
    if (bytes == nullptr) continue;
    const auto log = bytes == ccel ? UnverifiedEventLog::ParseCcel(*bytes)
                                   : UnverifiedEventLog::ParseDstack(*bytes);
    if (!log.ok()) return Refuse("event_log_is_well_formed", log.error().message());
    AH_RETURN_IF_ERROR(log->VerifiedBy(appraiser, report));
    claims.Add(role, log->Claims());
  }
  if (table == nullptr) return Ok();
  return appraiser.Check("ccel_table_is_well_formed",
                         CheckCcelTable(*table, ccel == nullptr ? 0 : ccel->size()));
}

}  // namespace

Result<VerifiedTd> VerifyTdQuote(const AppraisalInput& input, Appraiser& appraiser,
                                 const IntelFiles& files) {
  AH_ASSIGN_OR_RETURN(const TdxPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(VerifiedIntelQuote verified,
                      VerifyIntelQuote(input, appraiser, files, policy.intel, IntelTee::kTdx));
  VerifiedTd out;
  AH_ASSIGN_OR_RETURN(out.report, ParseTdReport(verified.quote.body));
  AH_RETURN_IF_ERROR(CheckTdxRules(appraiser, input, policy, out.report));
  out.claims = std::move(verified.claims);
  out.claims.Add("body", TdReportClaims(out.report));
  out.trust = IntelTrust(input, verified.tcb, out.report.UnderDebug());
  if (out.report.Migratable() && !out.report.UnderDebug()) {
    out.trust.configuration = TrustTier::kWarning;
  }
  if (out.report.UnderDebug()) {
    out.warnings.emplace_back("debugging is allowed: the host can read the TD's memory");
  }
  if (IsRelaunchAdvised(out.report)) {
    out.warnings.emplace_back(
        "the TDX module was updated while the TD ran: what it states is of the older one until it "
        "is started anew");
  }
  out.tcb = std::move(verified.tcb);
  return out;
}

Result<Claim> ShowTdQuote(const IntelFiles& files) {
  AH_ASSIGN_OR_RETURN(ShownIntelQuote shown, ShowIntelQuote(files));
  if (shown.quote.body_type == QuoteBody::kSgxReport) return InvalidInput("a quote of SGX");
  AH_ASSIGN_OR_RETURN(const TdReportFields report, ParseTdReport(shown.quote.body));
  shown.claims.Add("body", TdReportClaims(report));
  return std::move(shown.claims);
}

Result<Findings> VerifyTdx(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const TdxPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(VerifiedTd td,
                      VerifyTdQuote(input, appraiser, CollectIntelFiles(input.files)));
  AH_RETURN_IF_ERROR(CheckEventLogs(input, appraiser, policy, td.report, td.claims));
  if (const Bytes* const nonce = input.files.Find("nonce"); nonce != nullptr) {
    AH_RETURN_IF_ERROR(appraiser.Check("nonce", *nonce == td.report.report_data,
                                       "the quote was made over something else than the nonce"));
  }
  Findings findings;
  findings.claims = std::move(td.claims);
  findings.measurement = td.report.mr_td;
  findings.report_data = td.report.report_data;
  findings.trust = td.trust;
  findings.warnings = std::move(td.warnings);
  return findings;
}

Result<UnverifiedClaims> ShowTdx(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(Claim claims, ShowTdQuote(CollectIntelFiles(files)));
  const Bytes* const ccel = files.Find("ccel_data");
  const Bytes* const dstack = files.Find("event_log");
  if (ccel != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto log, UnverifiedEventLog::ParseCcel(*ccel));
    claims.Add("ccel_data", log.Claims());
  }
  if (dstack != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto log, UnverifiedEventLog::ParseDstack(*dstack));
    claims.Add("event_log", log.Claims());
  }
  return UnverifiedClaims{std::move(claims)};
}

}  // namespace anchorhold::attest
