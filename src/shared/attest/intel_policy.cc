#include "shared/attest/intel_policy.h"

namespace anchorhold::attest {
namespace {

Result<std::optional<std::vector<TcbStatus>>> ReadStatuses(wire::TomlTable& table) {
  constexpr std::string_view kKey = "tcb_statuses";
  if (IsWaived(table, kKey)) return std::optional<std::vector<TcbStatus>>();
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> names, table.Strings(kKey));
  std::vector<TcbStatus> out;
  for (const std::string& name : names) {
    const auto status = ParseTcbStatus(name);
    if (!status.ok()) return table.Invalid(kKey, "must list statuses as Intel spells them");
    if (*status == TcbStatus::kRevoked) return table.Invalid(kKey, "cannot accept \"Revoked\"");
    out.push_back(*status);
  }
  if (out.empty() || out.size() > kPolicyEntriesMax) {
    return table.Invalid(kKey, "must list at least one, or be \"not-checked\"");
  }
  return std::optional(std::move(out));
}

Result<std::optional<std::vector<std::string>>> ReadAdvisories(wire::TomlTable& table) {
  constexpr std::string_view kKey = "tcb_advisories";
  if (IsWaived(table, kKey)) return std::optional<std::vector<std::string>>();
  AH_ASSIGN_OR_RETURN(std::vector<std::string> ids, table.Strings(kKey));
  if (ids.size() > kPolicyEntriesMax) return table.Invalid(kKey, "may list 256 at most");
  return std::optional(std::move(ids));
}

}  // namespace

Result<IntelRules> ReadIntelRules(wire::TomlTable& table) {
  IntelRules out;
  AH_ASSIGN_OR_RETURN(out.require_crls, ReadChoice(table, "crls", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.tcb_statuses, ReadStatuses(table));
  AH_ASSIGN_OR_RETURN(out.tcb_advisories, ReadAdvisories(table));
  AH_ASSIGN_OR_RETURN(out.evaluation_number_min,
                      ReadNumberRule(table, "tcb_evaluation_data_number_min"));
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  return out;
}

std::string FormatIntelRules(const IntelRules& rules) {
  std::optional<std::vector<std::string>> statuses;
  if (rules.tcb_statuses.has_value()) {
    statuses.emplace();
    for (const TcbStatus status : *rules.tcb_statuses) {
      statuses->emplace_back(TcbStatusName(status));
    }
  }
  std::string out = FormatChoice("crls", rules.require_crls ? "required" : "if-given");
  out += FormatRule("tcb_statuses", statuses);
  out += FormatRule("tcb_advisories", rules.tcb_advisories);
  out += FormatRule("tcb_evaluation_data_number_min", rules.evaluation_number_min);
  return out + FormatRule("roots", rules.roots);
}

}  // namespace anchorhold::attest
