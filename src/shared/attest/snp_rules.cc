#include "shared/attest/snp_rules.h"

#include "shared/attest/rule_checks.h"

namespace anchorhold::attest {
namespace {

bool IsAtLeast(const SnpTcb& tcb, const SnpTcb& floor) {
  return tcb.fmc.has_value() == floor.fmc.has_value() &&
         tcb.fmc.value_or(0) >= floor.fmc.value_or(0) && tcb.boot_loader >= floor.boot_loader &&
         tcb.tee >= floor.tee && tcb.snp >= floor.snp && tcb.microcode >= floor.microcode;
}

Status CheckTcbs(Appraiser& appraiser, const AppraisalInput& input, const SnpPolicy& policy,
                 const SnpReportFields& report, SnpProduct product) {
  const std::pair<std::string_view, const Bytes*> versions[] = {
      {"reported_tcb_floor", &report.reported_tcb},
      {"committed_tcb_floor", &report.committed_tcb},
      {"launch_tcb_floor", &report.launch_tcb},
      {"current_tcb_floor", &report.current_tcb}};
  if (!policy.tcb_floors.has_value()) {
    for (const auto& [name, raw] : versions) appraiser.Skip(name, WhyLeftOut(input));
    return Ok();
  }
  const auto floor = policy.tcb_floors->find(product);
  AH_RETURN_IF_ERROR(
      appraiser.Check("product_has_tcb_floor", floor != policy.tcb_floors->end(),
                      "the policy has no tcb_floor for " + std::string(SnpProductName(product))));
  for (const auto& [name, raw] : versions) {
    AH_RETURN_IF_ERROR(appraiser.Check(
        name, IsAtLeast(ParseSnpTcb(*raw, product), floor->second),
        "firmware older than the policy's floor for " + std::string(SnpProductName(product))));
  }
  return Ok();
}

}  // namespace

Status CheckSnpRules(Appraiser& appraiser, const AppraisalInput& input, const SnpPolicy& policy,
                     const SnpReportFields& report, SnpProduct product) {
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_debug", !policy.allow_debug,
                                    report.DebugAllowed(),
                                    "the guest may be debugged: the host can read its memory"));
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_migration_agent",
                                    !policy.allow_migration_agent, report.MigrationAgentAllowed(),
                                    "the guest may be moved by a migration agent"));
  AH_RETURN_IF_ERROR(CheckForbidden(appraiser, input, "no_smt", !policy.allow_smt,
                                    report.SmtAllowed(),
                                    "the guest may share a core's threads with others"));
  AH_RETURN_IF_ERROR(CheckIfSet(appraiser, input, "vmpl", policy.vmpl.has_value(),
                                report.vmpl == policy.vmpl,
                                "asked for at VMPL " + std::to_string(report.vmpl) + ", not at " +
                                    std::to_string(policy.vmpl.value_or(0))));
  AH_RETURN_IF_ERROR(CheckIfSet(appraiser, input, "guest_svn", policy.guest_svn_min.has_value(),
                                report.guest_svn >= policy.guest_svn_min,
                                "the guest's SVN is " + std::to_string(report.guest_svn)));
  AH_RETURN_IF_ERROR(
      CheckListed(appraiser, input, "host_data", policy.host_data, &report.host_data));
  AH_RETURN_IF_ERROR(
      CheckListed(appraiser, input, "id_key_digest", policy.id_key_digests, &report.id_key_digest));
  AH_RETURN_IF_ERROR(CheckListed(appraiser, input, "author_key_digest", policy.author_key_digests,
                                 &report.author_key_digest));
  return CheckTcbs(appraiser, input, policy, report, product);
}

}  // namespace anchorhold::attest
