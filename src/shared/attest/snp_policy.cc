#include "shared/attest/snp_policy.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kHostDataBytes = 32;
constexpr std::size_t kKeyDigestBytes = 48;
constexpr std::size_t kProducts = 3;
constexpr std::string_view kFloorKey = "sev-snp-floor";

Result<std::uint8_t> ReadLevel(wire::TomlTable& table, std::string_view key) {
  AH_ASSIGN_OR_RETURN(const std::int64_t value, table.Integer(key));
  if (value < 0 || value > 255) return table.Invalid(key, "must be a number from 0 to 255");
  return static_cast<std::uint8_t>(value);
}

Result<SnpTcb> ReadFloor(wire::TomlTable& table, SnpProduct product) {
  SnpTcb floor;
  if (product == SnpProduct::kTurin) {
    AH_ASSIGN_OR_RETURN(floor.fmc, ReadLevel(table, "fmc"));
  }
  AH_ASSIGN_OR_RETURN(floor.boot_loader, ReadLevel(table, "boot_loader"));
  AH_ASSIGN_OR_RETURN(floor.tee, ReadLevel(table, "tee"));
  AH_ASSIGN_OR_RETURN(floor.snp, ReadLevel(table, "snp"));
  AH_ASSIGN_OR_RETURN(floor.microcode, ReadLevel(table, "microcode"));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return floor;
}

Result<std::optional<std::map<SnpProduct, SnpTcb>>> ReadFloors(wire::TomlTable& document,
                                                               wire::TomlTable& rules) {
  AH_ASSIGN_OR_RETURN(const bool required, ReadChoice(rules, "tcb_floor", "required", kNotChecked));
  AH_ASSIGN_OR_RETURN(auto tables, document.Tables(kFloorKey, kProducts));
  if (tables.empty() == required) {
    return rules.Invalid("tcb_floor",
                         "is \"required\" if there are tables [[sev-snp-floor]], one "
                         "for each product, and else \"not-checked\"");
  }
  if (!required) return std::optional<std::map<SnpProduct, SnpTcb>>();
  std::map<SnpProduct, SnpTcb> floors;
  for (wire::TomlTable& entry : tables) {
    AH_ASSIGN_OR_RETURN(const std::string name, entry.String("product"));
    const auto product = ParseSnpProduct(name);
    if (!product.ok()) return entry.Invalid("product", product.error().message());
    AH_ASSIGN_OR_RETURN(const SnpTcb floor, ReadFloor(entry, *product));
    if (!floors.emplace(*product, floor).second) {
      return entry.Invalid("product", "is there twice");
    }
  }
  return std::optional(std::move(floors));
}

std::string FormatFloors(const std::map<SnpProduct, SnpTcb>& floors) {
  std::string out;
  for (const auto& [product, floor] : floors) {
    out += "[[" + std::string(kFloorKey) + "]]\nproduct = \"" +
           std::string(SnpProductName(product)) + "\"\n";
    if (product == SnpProduct::kTurin)
      out += FormatRule("fmc", std::optional(static_cast<std::uint32_t>(floor.fmc.value_or(0))));
    const std::pair<const char*, std::uint8_t> levels[] = {{"boot_loader", floor.boot_loader},
                                                           {"tee", floor.tee},
                                                           {"snp", floor.snp},
                                                           {"microcode", floor.microcode}};
    for (const auto& [key, level] : levels) {
      out += std::string(key) + " = " + std::to_string(level) + "\n";
    }
  }
  return out;
}

}  // namespace

Result<SnpPolicy> ReadSnpPolicy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("sev-snp"));
  SnpPolicy out;
  AH_ASSIGN_OR_RETURN(out.allow_debug, ReadChoice(table, "debug", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.allow_migration_agent,
                      ReadChoice(table, "migration_agent", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.allow_smt, ReadChoice(table, "smt", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.require_crl, ReadChoice(table, "crl", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.vmpl, ReadNumberRule(table, "vmpl"));
  AH_ASSIGN_OR_RETURN(out.guest_svn_min, ReadNumberRule(table, "guest_svn_min"));
  AH_ASSIGN_OR_RETURN(out.host_data, ReadHexListRule(table, "host_data", kHostDataBytes));
  AH_ASSIGN_OR_RETURN(out.id_key_digests,
                      ReadHexListRule(table, "id_key_digests", kKeyDigestBytes));
  AH_ASSIGN_OR_RETURN(out.author_key_digests,
                      ReadHexListRule(table, "author_key_digests", kKeyDigestBytes));
  AH_ASSIGN_OR_RETURN(out.tcb_floors, ReadFloors(document, table));
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatSnpPolicy(const SnpPolicy& policy) {
  std::string out = "[sev-snp]\n";
  out += FormatChoice("debug", policy.allow_debug ? "allowed" : "forbidden");
  out += FormatChoice("migration_agent", policy.allow_migration_agent ? "allowed" : "forbidden");
  out += FormatChoice("smt", policy.allow_smt ? "allowed" : "forbidden");
  out += FormatChoice("crl", policy.require_crl ? "required" : "if-given");
  out += FormatRule("vmpl", policy.vmpl);
  out += FormatRule("guest_svn_min", policy.guest_svn_min);
  out += FormatRule("host_data", policy.host_data);
  out += FormatRule("id_key_digests", policy.id_key_digests);
  out += FormatRule("author_key_digests", policy.author_key_digests);
  out += FormatRule("roots", policy.roots);
  out += FormatChoice("tcb_floor", policy.tcb_floors.has_value() ? "required" : kNotChecked);
  return policy.tcb_floors.has_value() ? out + FormatFloors(*policy.tcb_floors) : out;
}

}  // namespace anchorhold::attest
