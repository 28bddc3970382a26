#include "shared/attest/azure_vtpm_policy.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kPcrTables = "azure-vtpm-pcr";
constexpr std::size_t kLaunchMeasurementBytes = 48;

}  // namespace

Result<AzureVtpmPolicy> ReadAzureVtpmPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("azure-vtpm"));
  AzureVtpmPolicy out;
  AH_ASSIGN_OR_RETURN(out.launch_measurements,
                      ReadHexListRule(table, "launch_measurements", kLaunchMeasurementBytes));
  AH_ASSIGN_OR_RETURN(out.require_secure_boot,
                      ReadChoice(table, "secure_boot", "required", kNotChecked));
  AH_ASSIGN_OR_RETURN(out.require_ak_certificate,
                      ReadChoice(table, "ak_certificate", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  AH_ASSIGN_OR_RETURN(out.require_crl, ReadChoice(table, "crl", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.pcrs, ReadTpm2PcrRules(document, table, kPcrTables));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatAzureVtpmPolicy(const AzureVtpmPolicy& policy) {
  std::string out = "[azure-vtpm]\n";
  out += FormatRule("launch_measurements", policy.launch_measurements);
  out += FormatChoice("secure_boot", policy.require_secure_boot ? "required" : kNotChecked);
  out += FormatChoice("ak_certificate", policy.require_ak_certificate ? "required" : "if-given");
  out += FormatRule("roots", policy.roots);
  out += FormatChoice("crl", policy.require_crl ? "required" : "if-given");
  return out + FormatTpm2PcrKeys(policy.pcrs) + FormatTpm2PcrTables(policy.pcrs, kPcrTables);
}

}  // namespace anchorhold::attest
