#include "shared/attest/nvidia_gpu_policy.h"

#include <algorithm>

namespace anchorhold::attest {
namespace {

constexpr std::size_t kVersionBytesMax = 64;

// Digits, letters, dots: so that a version needs no escapes when it is written again.
bool IsVersion(const std::string& text) {
  return !text.empty() && text.size() <= kVersionBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '-';
         });
}

Result<std::optional<std::vector<std::string>>> ReadVersions(wire::TomlTable& table,
                                                             std::string_view key) {
  if (IsWaived(table, key)) return std::optional<std::vector<std::string>>();
  AH_ASSIGN_OR_RETURN(std::vector<std::string> versions, table.Strings(key));
  if (versions.empty() || versions.size() > kPolicyEntriesMax ||
      !std::all_of(versions.begin(), versions.end(), IsVersion)) {
    return table.Invalid(key,
                         "must list 1 to 256 versions such as \"590.12\", or be "
                         "\"not-checked\"");
  }
  return std::optional(std::move(versions));
}

}  // namespace

Result<NvidiaGpuPolicy> ReadNvidiaGpuPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("nvidia-gpu"));
  NvidiaGpuPolicy out;
  AH_ASSIGN_OR_RETURN(out.require_driver_rim,
                      ReadChoice(table, "driver_rim", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.require_vbios_rim,
                      ReadChoice(table, "vbios_rim", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.driver_versions, ReadVersions(table, "driver_versions"));
  AH_ASSIGN_OR_RETURN(out.vbios_versions, ReadVersions(table, "vbios_versions"));
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  AH_ASSIGN_OR_RETURN(out.rim_roots, ReadRootRule(table, "rim_roots"));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatNvidiaGpuPolicy(const NvidiaGpuPolicy& policy) {
  std::string out = "[nvidia-gpu]\n";
  out += FormatChoice("driver_rim", policy.require_driver_rim ? "required" : "if-given");
  out += FormatChoice("vbios_rim", policy.require_vbios_rim ? "required" : "if-given");
  out += FormatRule("driver_versions", policy.driver_versions);
  out += FormatRule("vbios_versions", policy.vbios_versions);
  return out + FormatRule("roots", policy.roots) + FormatRule("rim_roots", policy.rim_roots);
}

}  // namespace anchorhold::attest
