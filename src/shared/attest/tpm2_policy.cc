#include "shared/attest/tpm2_policy.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kPcrTables = "tpm2-pcr";
constexpr std::size_t kKeyDigestBytes = 32;

Result<std::uint8_t> ReadPcrNumber(wire::TomlTable& table, std::string_view key) {
  AH_ASSIGN_OR_RETURN(const std::int64_t value, table.Integer(key));
  if (value < 0 || value >= kTpm2Pcrs) return table.Invalid(key, "must be a number from 0 to 23");
  return static_cast<std::uint8_t>(value);
}

// Not SHA-1: two states of a machine can be made to have one value.
Result<Tpm2Hash> ReadBank(wire::TomlTable& table) {
  AH_ASSIGN_OR_RETURN(const std::string name, table.String("bank"));
  const auto bank = ParseTpm2Hash(name);
  if (bank.ok() && *bank != Tpm2Hash::kSha1) return *bank;
  return table.Invalid("bank", R"(must be "sha256", "sha384" or "sha512")");
}

Result<Tpm2AkRule> ReadAkRule(wire::TomlTable& table) {
  AH_ASSIGN_OR_RETURN(const std::string text, table.String("ak"));
  if (text == "certified") return Tpm2AkRule::kCertified;
  if (text == "pinned") return Tpm2AkRule::kPinned;
  if (text == kNotChecked) return Tpm2AkRule::kWaived;
  return table.Invalid("ak", R"(must be "certified", "pinned" or "not-checked")");
}

std::string_view AkRuleName(Tpm2AkRule rule) {
  return rule == Tpm2AkRule::kCertified ? "certified"
         : rule == Tpm2AkRule::kPinned  ? "pinned"
                                        : kNotChecked;
}

}  // namespace

Result<Tpm2PcrRules> ReadTpm2PcrRules(wire::TomlTable& document, wire::TomlTable& rules,
                                      std::string_view tables) {
  Tpm2PcrRules out;
  AH_ASSIGN_OR_RETURN(out.bank, ReadBank(rules));
  AH_ASSIGN_OR_RETURN(out.measurement_pcr, ReadPcrNumber(rules, "measurement_pcr"));
  AH_ASSIGN_OR_RETURN(const bool required, ReadChoice(rules, "pcrs", "required", kNotChecked));
  AH_ASSIGN_OR_RETURN(auto entries, document.Tables(tables, kTpm2Pcrs));
  if (entries.empty() == required) {
    return rules.Invalid("pcrs", "is \"required\" if there are tables [[" + std::string(tables) +
                                     "]], one for each register, and else \"not-checked\"");
  }
  if (!required) return out;
  out.values.emplace();
  for (wire::TomlTable& entry : entries) {
    AH_ASSIGN_OR_RETURN(const std::uint8_t index, ReadPcrNumber(entry, "index"));
    AH_ASSIGN_OR_RETURN(auto values, ReadHexListRule(entry, "values", Tpm2HashBytes(out.bank)));
    if (!values.has_value()) return entry.Invalid("values", "must list at least one");
    AH_RETURN_IF_ERROR(entry.ExpectNoOthers());
    if (!out.values->emplace(index, std::move(*values)).second) {
      return entry.Invalid("index", "is there twice");
    }
  }
  return out;
}

std::string FormatTpm2PcrKeys(const Tpm2PcrRules& rules) {
  return FormatChoice("bank", Tpm2HashName(rules.bank)) +
         "measurement_pcr = " + std::to_string(rules.measurement_pcr) + "\n" +
         FormatChoice("pcrs", rules.values.has_value() ? "required" : kNotChecked);
}

std::string FormatTpm2PcrTables(const Tpm2PcrRules& rules, std::string_view tables) {
  std::string out;
  if (!rules.values.has_value()) return out;
  for (const auto& [index, values] : *rules.values) {
    out += "[[" + std::string(tables) + "]]\nindex = " + std::to_string(index) + "\n" +
           FormatRule("values", std::optional(values));
  }
  return out;
}

Result<Tpm2Policy> ReadTpm2Policy(wire::TomlTable& document) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, document.Table("tpm2"));
  Tpm2Policy out;
  AH_ASSIGN_OR_RETURN(out.ak, ReadAkRule(table));
  AH_ASSIGN_OR_RETURN(auto keys, ReadHexListRule(table, "ak_keys", kKeyDigestBytes));
  if (keys.has_value() != (out.ak == Tpm2AkRule::kPinned)) {
    return table.Invalid("ak_keys", R"(must list keys if ak is "pinned", or be "not-checked")");
  }
  if (keys.has_value()) out.ak_keys = std::move(*keys);
  AH_ASSIGN_OR_RETURN(out.roots, ReadRootRule(table, "roots"));
  AH_ASSIGN_OR_RETURN(out.require_crl, ReadChoice(table, "crl", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.require_ak_attributes,
                      ReadChoice(table, "ak_attributes", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.allow_sha1_signatures,
                      ReadChoice(table, "sha1_signatures", "allowed", "forbidden"));
  AH_ASSIGN_OR_RETURN(out.require_event_log,
                      ReadChoice(table, "event_log", "required", "if-given"));
  AH_ASSIGN_OR_RETURN(out.pcrs, ReadTpm2PcrRules(document, table, kPcrTables));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

std::string FormatTpm2Policy(const Tpm2Policy& policy) {
  std::string out = "[tpm2]\n" + FormatChoice("ak", AkRuleName(policy.ak));
  out +=
      FormatRule("ak_keys", policy.ak == Tpm2AkRule::kPinned ? std::optional(policy.ak_keys)
                                                             : std::optional<std::vector<Bytes>>());
  out += FormatRule("roots", policy.roots);
  out += FormatChoice("crl", policy.require_crl ? "required" : "if-given");
  out += FormatChoice("ak_attributes", policy.require_ak_attributes ? "required" : "if-given");
  out += FormatChoice("sha1_signatures", policy.allow_sha1_signatures ? "allowed" : "forbidden");
  out += FormatChoice("event_log", policy.require_event_log ? "required" : "if-given");
  return out + FormatTpm2PcrKeys(policy.pcrs) + FormatTpm2PcrTables(policy.pcrs, kPcrTables);
}

}  // namespace anchorhold::attest
