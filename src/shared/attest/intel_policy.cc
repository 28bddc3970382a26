#include "shared/attest/intel_policy.h"

#include "shared/wire/json.h"

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

std::string FormatList(std::string_view key, const std::vector<std::string>& texts) {
  std::string out = std::string(key) + " = [";
  for (const std::string& text : texts) {
    out += (out.back() == '[' ? "" : ", ") + wire::QuoteJson(text);
  }
  return out + "]\n";
}

std::string FormatWaived(std::string_view key) {
  return std::string(key) + " = \"" + std::string(kNotChecked) + "\"\n";
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
  std::string out =
      "crls = \"" + std::string(rules.require_crls ? "required" : "if-given") + "\"\n";
  if (rules.tcb_statuses.has_value()) {
    std::vector<std::string> names;
    for (const TcbStatus status : *rules.tcb_statuses) names.emplace_back(TcbStatusName(status));
    out += FormatList("tcb_statuses", names);
  } else {
    out += FormatWaived("tcb_statuses");
  }
  out += rules.tcb_advisories.has_value() ? FormatList("tcb_advisories", *rules.tcb_advisories)
                                          : FormatWaived("tcb_advisories");
  out += FormatRule("tcb_evaluation_data_number_min", rules.evaluation_number_min);
  return out + FormatRule("roots", rules.roots);
}

}  // namespace anchorhold::attest
