#include "shared/attest/policy_rules.h"

#include <limits>

#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

std::string FormatList(std::string_view key, const std::vector<std::string>& texts) {
  std::string out = std::string(key) + " = [";
  for (const std::string& text : texts) {
    out += (out.back() == '[' ? "" : ", ") + wire::QuoteJson(text);
  }
  return out + "]\n";
}

}  // namespace

bool IsWaived(wire::TomlTable& table, std::string_view key) {
  const auto text = table.String(key);
  return text.ok() && *text == kNotChecked;
}

Result<bool> ReadChoice(wire::TomlTable& table, std::string_view key, std::string_view yes,
                        std::string_view no) {
  AH_ASSIGN_OR_RETURN(const std::string text, table.String(key));
  if (text == yes) return true;
  if (text == no) return false;
  return table.Invalid(key, "must be \"" + std::string(yes) + "\" or \"" + std::string(no) + "\"");
}

Result<std::optional<std::uint32_t>> ReadNumberRule(wire::TomlTable& table, std::string_view key) {
  if (IsWaived(table, key)) return std::optional<std::uint32_t>();
  AH_ASSIGN_OR_RETURN(const std::int64_t value, table.Integer(key));
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
    return table.Invalid(key, "must be a number from 0 to 4294967295, or \"not-checked\"");
  }
  return std::optional(static_cast<std::uint32_t>(value));
}

Result<std::optional<std::vector<Bytes>>> ReadHexListRule(wire::TomlTable& table,
                                                          std::string_view key, std::size_t size) {
  if (IsWaived(table, key)) return std::optional<std::vector<Bytes>>();
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> texts, table.Strings(key));
  if (texts.empty() || texts.size() > kPolicyEntriesMax) {
    return table.Invalid(key, "must list 1 to 256 values, or be \"not-checked\"");
  }
  std::vector<Bytes> out;
  for (const std::string& text : texts) {
    Result<Bytes> value = FromHex(text);
    if (!value.ok() || value->size() != size) {
      return table.Invalid(key, "must list values of " + std::to_string(size) + " bytes in hex");
    }
    out.push_back(std::move(value).value());
  }
  return std::optional(std::move(out));
}

Result<RootRule> ReadRootRule(wire::TomlTable& table, std::string_view key) {
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> texts, table.Strings(key));
  if (texts.empty() || texts.size() > kPolicyEntriesMax) {
    return table.Invalid(key, "must list at least one: \"vendor\", or the SHA-256 of a key");
  }
  RootRule out{.vendor = false, .others = {}};
  for (const std::string& text : texts) {
    if (text == "vendor") {
      out.vendor = true;
      continue;
    }
    const auto digest = crypto::Sha256Digest::FromHexText(text);
    if (!digest.ok()) return table.Invalid(key, "may list \"vendor\" and SHA-256 values in hex");
    out.others.push_back(*digest);
  }
  return out;
}

std::string FormatChoice(std::string_view key, std::string_view value) {
  return std::string(key) + " = \"" + std::string(value) + "\"\n";
}

std::string FormatRule(std::string_view key, const std::optional<std::uint32_t>& value) {
  if (!value.has_value()) return FormatChoice(key, kNotChecked);
  return std::string(key) + " = " + std::to_string(*value) + "\n";
}

std::string FormatRule(std::string_view key, const std::optional<std::vector<std::string>>& value) {
  return value.has_value() ? FormatList(key, *value) : FormatChoice(key, kNotChecked);
}

std::string FormatRule(std::string_view key, const std::optional<std::vector<Bytes>>& value) {
  if (!value.has_value()) return FormatChoice(key, kNotChecked);
  std::vector<std::string> texts;
  for (const Bytes& bytes : *value) texts.push_back(ToHex(bytes));
  return FormatList(key, texts);
}

std::string FormatRule(std::string_view key, const RootRule& value) {
  std::vector<std::string> texts;
  if (value.vendor) texts.emplace_back("vendor");
  for (const auto& digest : value.others) texts.push_back(digest.hex());
  return FormatList(key, texts);
}

}  // namespace anchorhold::attest
