#include "shared/attest/tdx_policy.h"

namespace anchorhold::attest {
std::vector<TdxListRule> ListRules(TdxPolicy& policy) {
  return {{"td_attributes", 8, &policy.td_attributes},
          {"xfam", 8, &policy.xfam},
          {"mr_seam", 48, &policy.mr_seam},
          {"mr_config_id", 48, &policy.mr_config_id},
          {"mr_owner", 48, &policy.mr_owner},
          {"mr_owner_config", 48, &policy.mr_owner_config},
          {"mr_service_td", 48, &policy.mr_service_td},
          {"rtmr0", 48, &policy.rtmrs[0]},
          {"rtmr1", 48, &policy.rtmrs[1]},
          {"rtmr2", 48, &policy.rtmrs[2]},
          {"rtmr3", 48, &policy.rtmrs[3]}};
}

Result<TdxPolicy> ReadTdxPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("tdx"));
  TdxPolicy out;
  AH_ASSIGN_OR_RETURN(out.allow_debug, ReadChoice(table, "debug", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.allow_migration, ReadChoice(table, "migration", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.require_sept_ve_disable,
                      ReadChoice(table, "sept_ve_disable", "required", kNotChecked));
  AH_ASSIGN_OR_RETURN(out.require_event_log,
                      ReadChoice(table, "event_log", "required", "if-given"));
  for (const TdxListRule& rule : ListRules(out)) {
    AH_ASSIGN_OR_RETURN(*rule.accepted, ReadHexListRule(table, rule.key, rule.bytes));
  }
  AH_ASSIGN_OR_RETURN(out.intel, ReadIntelRules(table));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatTdxPolicy(const TdxPolicy& policy) {
  std::string out = "[tdx]\n";
  out += FormatChoice("debug", policy.allow_debug ? "allowed" : "forbidden");
  out += FormatChoice("migration", policy.allow_migration ? "allowed" : "forbidden");
  out += FormatChoice("sept_ve_disable", policy.require_sept_ve_disable ? "required" : kNotChecked);
  out += FormatChoice("event_log", policy.require_event_log ? "required" : "if-given");
  TdxPolicy copy = policy;
  for (const TdxListRule& rule : ListRules(copy)) out += FormatRule(rule.key, *rule.accepted);
  return out + FormatIntelRules(policy.intel);
}

}  // namespace anchorhold::attest
