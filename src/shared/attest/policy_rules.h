// Reading the rules of a policy's table for one kind of evidence. A rule that is not set is an
// error; one that is not wanted says so: "not-checked".
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "shared/crypto/hash.h"
#include "shared/wire/toml.h"

namespace anchorhold::attest {

inline constexpr std::string_view kNotChecked = "not-checked";
inline constexpr std::size_t kPolicyEntriesMax = 256;

// Each asks `table` for `key` and returns an error that names it. Nothing: "not-checked".
Result<bool> ReadChoice(wire::TomlTable& table, std::string_view key, std::string_view yes,
                        std::string_view no);
Result<std::optional<std::uint32_t>> ReadNumberRule(wire::TomlTable& table, std::string_view key);
// A list of byte strings in hex, each of `size` bytes; not empty.
Result<std::optional<std::vector<Bytes>>> ReadHexListRule(wire::TomlTable& table,
                                                          std::string_view key, std::size_t size);
// Whether the key says "not-checked".
bool IsWaived(wire::TomlTable& table, std::string_view key);

// The root keys that a kind's chains may end in: "vendor" for those that this program knows, and
// SHA-256 fingerprints of public keys (SubjectPublicKeyInfo).
struct RootRule {
  bool vendor = true;
  std::vector<crypto::Sha256Digest> others;
};
Result<RootRule> ReadRootRule(wire::TomlTable& table, std::string_view key);

// The rules as they are read: "key = value" lines. A choice's value is a word.
std::string FormatChoice(std::string_view key, std::string_view value);
std::string FormatRule(std::string_view key, const std::optional<std::uint32_t>& value);
std::string FormatRule(std::string_view key, const std::optional<std::vector<std::string>>& value);
std::string FormatRule(std::string_view key, const std::optional<std::vector<Bytes>>& value);
std::string FormatRule(std::string_view key, const RootRule& value);

}  // namespace anchorhold::attest
