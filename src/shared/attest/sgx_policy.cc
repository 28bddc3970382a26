#include "shared/attest/sgx_policy.h"

namespace anchorhold::attest {

Result<SgxPolicy> ReadSgxPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("sgx-dcap"));
  SgxPolicy out;
  AH_ASSIGN_OR_RETURN(out.allow_debug, ReadChoice(table, "debug", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.mr_signer, ReadHexListRule(table, "mr_signer", 32));
  AH_ASSIGN_OR_RETURN(out.isv_prod_id, ReadNumberRule(table, "isv_prod_id"));
  AH_ASSIGN_OR_RETURN(out.isv_svn_min, ReadNumberRule(table, "isv_svn_min"));
  AH_ASSIGN_OR_RETURN(out.config_id, ReadHexListRule(table, "config_id", 64));
  AH_ASSIGN_OR_RETURN(out.intel, ReadIntelRules(table));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatSgxPolicy(const SgxPolicy& policy) {
  std::string out = "[sgx-dcap]\n";
  out += FormatChoice("debug", policy.allow_debug ? "allowed" : "forbidden");
  out += FormatRule("mr_signer", policy.mr_signer);
  out += FormatRule("isv_prod_id", policy.isv_prod_id);
  out += FormatRule("isv_svn_min", policy.isv_svn_min);
  out += FormatRule("config_id", policy.config_id);
  return out + FormatIntelRules(policy.intel);
}

}  // namespace anchorhold::attest
