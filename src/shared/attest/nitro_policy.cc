#include "shared/attest/nitro_policy.h"

#include "shared/attest/nitro_document.h"

namespace anchorhold::attest {
namespace {

std::string PcrKey(std::uint8_t index) { return "pcr" + std::to_string(index); }

}  // namespace

Result<NitroPolicy> ReadNitroPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("nitro"));
  NitroPolicy out;
  AH_ASSIGN_OR_RETURN(out.allow_debug, ReadChoice(table, "debug", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.age_max, ReadNumberRule(table, "age_max"));
  for (const std::uint8_t index : kNitroPcrRules) {
    AH_ASSIGN_OR_RETURN(auto values, ReadHexListRule(table, PcrKey(index), kNitroPcrBytes));
    if (values.has_value()) out.pcrs[index] = std::move(*values);
  }
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatNitroPolicy(const NitroPolicy& policy) {
  std::string out = "[nitro]\n";
  out += FormatChoice("debug", policy.allow_debug ? "allowed" : "forbidden");
  out += FormatRule("age_max", policy.age_max);
  for (const std::uint8_t index : kNitroPcrRules) {
    const auto found = policy.pcrs.find(index);
    out +=
        FormatRule(PcrKey(index), found == policy.pcrs.end() ? std::optional<std::vector<Bytes>>()
                                                             : std::optional(found->second));
  }
  return out + FormatRule("roots", policy.roots);
}

}  // namespace anchorhold::attest
