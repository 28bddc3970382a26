#include "shared/wire/contract.h"

#include <algorithm>
#include <set>

#include "shared/base/limits.h"
#include "shared/wire/toml.h"

namespace anchorhold::wire {
namespace {

constexpr std::size_t kSignatureFileBytesMax = 1 * limits::kKiB;
constexpr std::size_t kMeasurementBytesMin = 32;
constexpr std::size_t kMeasurementBytesMax = 64;

template <typename Fixed>
Result<Fixed> FixedHex(TomlTable& table, std::string_view key) {
  AH_ASSIGN_OR_RETURN(const Bytes bytes, table.HexBytes(key));
  Result<Fixed> fixed = Fixed::From(bytes);
  if (!fixed.ok()) {
    return table.Invalid(key, "must be " + std::to_string(Fixed::kSize) +
                                  " bytes in hexadecimal, "
                                  "that is " +
                                  std::to_string(2 * Fixed::kSize) + " digits");
  }
  return fixed;
}

Result<Epsilon> ParseEpsilon(TomlTable& table) {
  const Result<double> epsilon = table.Number("epsilon");
  if (table.Has("epsilon") && (!epsilon.ok() || *epsilon <= 0)) {
    return table.Invalid("epsilon", "must be a positive finite number");
  }
  if (!epsilon.ok()) return epsilon.error();
  return Epsilon(*epsilon);
}

// A list without repetitions that is not empty.
Result<std::vector<std::string>> ParseList(TomlTable& table, std::string_view key) {
  AH_ASSIGN_OR_RETURN(std::vector<std::string> list, table.Strings(key));
  if (list.empty()) return table.Invalid(key, "must not be empty");
  if (std::set<std::string_view>(list.begin(), list.end()).size() != list.size()) {
    return table.Invalid(key, "must not repeat an entry");
  }
  return list;
}

Status ParsePrivacy(TomlTable table, Contract& contract) {
  AH_ASSIGN_OR_RETURN(const std::string unit, table.String("unit"));
  if (unit != "row") return table.Invalid("unit", "must be \"row\", the only unit yet");
  AH_ASSIGN_OR_RETURN(contract.epsilon, ParseEpsilon(table));
  AH_ASSIGN_OR_RETURN(const double delta, table.Number("delta"));
  if (!(delta > 0 && delta < 1)) return table.Invalid("delta", "must be between 0 and 1");
  // Publishing one row in the clear, chosen at random, is (0, 1/rows)-DP: such a delta protects
  // nobody (Dwork and Roth 2014, section 2.3).
  if (!(delta < 1 / static_cast<double>(contract.public_rows))) {
    return PrivacyRefused(table.Invalid("delta", "must be below 1/public_rows").message());
  }
  contract.delta = Delta(delta);
  return table.ExpectNoOthers();
}

Status ParseEnclave(TomlTable table, Contract& contract) {
  AH_ASSIGN_OR_RETURN(contract.platforms, ParseList(table, "platforms"));
  for (const std::string& platform : contract.platforms) {
    if (!CheckName(platform).ok()) {
      return table.Invalid("platforms", "must be names such as \"insecure-simulated\"");
    }
  }
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> list, ParseList(table, "measurements"));
  for (const std::string& hex : list) {
    Result<Bytes> measurement = FromHex(hex);
    if (!measurement.ok() || measurement->size() < kMeasurementBytesMin ||
        measurement->size() > kMeasurementBytesMax) {
      return table.Invalid("measurements", "must be 32 to 64 bytes each, in hexadecimal");
    }
    // Upper and lower case spell the same bytes.
    if (std::count(contract.measurements.begin(), contract.measurements.end(), *measurement) != 0) {
      return table.Invalid("measurements", "must not repeat an entry");
    }
    contract.measurements.push_back(std::move(measurement).value());
  }
  return table.ExpectNoOthers();
}

Result<Grant> ParseGrant(TomlTable& table) {
  Grant grant;
  AH_ASSIGN_OR_RETURN(grant.researcher, FixedHex<crypto::KeyFingerprint>(table, "researcher"));
  AH_ASSIGN_OR_RETURN(grant.purposes, ParseList(table, "purposes"));
  for (const std::string& purpose : grant.purposes) {
    if (purpose != "train") {
      return table.Invalid("purposes", "must hold only known purposes: \"train\"");
    }
  }
  AH_ASSIGN_OR_RETURN(grant.epsilon, ParseEpsilon(table));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return grant;
}

Status ParseGrants(std::vector<TomlTable> tables, Contract& contract) {
  std::set<crypto::KeyFingerprint> seen;
  for (TomlTable& table : tables) {
    AH_ASSIGN_OR_RETURN(Grant grant, ParseGrant(table));
    if (!seen.insert(grant.researcher).second) {
      return table.Invalid("researcher", "must not have a second grant; join the two");
    }
    contract.grants.push_back(std::move(grant));
  }
  return Ok();
}

Result<Contract> Parse(ByteSpan toml) {
  AH_ASSIGN_OR_RETURN(TomlTable table, TomlTable::Parse(toml, limits::kContractBytesMax));
  AH_ASSIGN_OR_RETURN(const std::int64_t version, table.Integer("version"));
  if (version != 1) return Unsupported(table.Invalid("version", "must be 1").message());
  Contract contract;
  AH_ASSIGN_OR_RETURN(contract.dataset, table.String("dataset"));
  const Status named = CheckName(contract.dataset);
  if (!named.ok()) return table.Invalid("dataset", named.error().message());
  AH_ASSIGN_OR_RETURN(contract.schema_sha256,
                      FixedHex<crypto::Sha256Digest>(table, "schema_sha256"));
  AH_ASSIGN_OR_RETURN(const std::int64_t rows, table.Integer("public_rows"));
  if (rows < 1 || rows > static_cast<std::int64_t>(limits::kRowsMax)) {
    return table.Invalid("public_rows", "must be 1 to " + std::to_string(limits::kRowsMax));
  }
  contract.public_rows = static_cast<std::uint64_t>(rows);
  AH_ASSIGN_OR_RETURN(contract.expires, table.Time("expires"));
  AH_ASSIGN_OR_RETURN(TomlTable privacy, table.Table("privacy"));
  AH_RETURN_IF_ERROR(ParsePrivacy(std::move(privacy), contract));
  AH_ASSIGN_OR_RETURN(TomlTable enclave, table.Table("enclave"));
  AH_RETURN_IF_ERROR(ParseEnclave(std::move(enclave), contract));
  AH_ASSIGN_OR_RETURN(std::vector<TomlTable> grants, table.Tables("grant", limits::kGrantsMax));
  AH_RETURN_IF_ERROR(ParseGrants(std::move(grants), contract));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return contract;
}

Result<ContractSignature> ParseSignature(ByteSpan toml) {
  AH_ASSIGN_OR_RETURN(TomlTable table, TomlTable::Parse(toml, kSignatureFileBytesMax));
  ContractSignature out;
  AH_ASSIGN_OR_RETURN(out.key, FixedHex<crypto::Ed25519PublicKey>(table, "key"));
  AH_ASSIGN_OR_RETURN(out.signature, FixedHex<crypto::Ed25519Signature>(table, "signature"));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return out;
}

}  // namespace

Status CheckName(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  const auto allowed = [&](char c) { return letter_or_digit(c) || c == '-'; };
  if (name.empty() || name.size() > limits::kNameBytesMax || !letter_or_digit(name[0]) ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return InvalidInput("must be 1 to " + std::to_string(limits::kNameBytesMax) +
                        " of a-z, 0-9 and \"-\", a letter or digit first");
  }
  return Ok();
}

Result<Contract> ParseContract(ByteSpan toml) {
  Result<Contract> contract = Parse(toml);
  if (!contract.ok()) return contract.error().At("contract");
  return contract;
}

Result<Contract> AcceptContract(ByteSpan toml, const crypto::Ed25519PublicKey& owner,
                                const crypto::Ed25519Signature& signature, UnixSeconds now) {
  if (!crypto::VerifySignature(owner, kContractSignatureContext, toml, signature).ok()) {
    return IntegrityError(
        "contract: the signature is not the owner's over exactly this text; sign it again");
  }
  AH_ASSIGN_OR_RETURN(Contract contract, ParseContract(toml));
  if (contract.expires <= now) {
    return PermissionDenied("contract: expired on " + FormatTime(contract.expires) +
                            "; ask the owner for a new contract");
  }
  return contract;
}

std::string FormatContractSignature(const ContractSignature& signature) {
  return "key = \"" + signature.key.hex() + "\"\nsignature = \"" + signature.signature.hex() +
         "\"\n";
}

Result<ContractSignature> ParseContractSignature(ByteSpan toml) {
  Result<ContractSignature> out = ParseSignature(toml);
  if (!out.ok()) return out.error().At("contract signature");
  return out;
}

std::string SealedForValue(const crypto::Ed25519PublicKey& owner, ByteSpan contract_text) {
  Bytes sealed_for = CopyBytes(AsBytes("anchorhold sealed for v1"));
  sealed_for.push_back(std::byte{0});
  AppendBytes(sealed_for, owner.span());
  AppendBytes(sealed_for, contract_text);
  return crypto::Sha256(sealed_for).hex();
}

}  // namespace anchorhold::wire
