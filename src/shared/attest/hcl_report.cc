#include "shared/attest/hcl_report.h"

#include "shared/attest/fields.h"
#include "shared/base/base64.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kHardwareBytes = 1184;
constexpr std::size_t kTdReportBytes = 1024;
constexpr std::size_t kRuntimeAt = kHeaderBytes + kHardwareBytes;
constexpr std::size_t kRuntimeHeaderBytes = 20;
constexpr std::size_t kReportBytesMax = 64 * 1024;
constexpr std::size_t kKeysMax = 16;
constexpr std::uint32_t kRequestType = 2;
constexpr std::uint32_t kRuntimeVersion = 1;
constexpr std::uint32_t kSha256 = 1;
constexpr std::string_view kAkId = "HCLAkPub";

// Of a configuration that may say anything.
Claim ClaimOf(const wire::JsonValue& value) {
  switch (value.type()) {
    case wire::JsonType::kNull:
      return Claim::Null();
    case wire::JsonType::kBool:
      return Claim::Bool(value.Bool().value());
    case wire::JsonType::kString:
      return Claim::Text(value.String().value());
    case wire::JsonType::kNumber: {
      const auto number = value.Int64();
      return number.ok() ? Claim::SignedNumber(*number) : Claim::Text(value.NumberText().value());
    }
    case wire::JsonType::kArray: {
      Claim out = Claim::List();
      const auto items = value.Array().value();
      for (const auto& item : items) out.Add(ClaimOf(item));
      return out;
    }
    case wire::JsonType::kObject: {
      Claim out = Claim::Map();
      const auto members = value.Object().value();
      for (const auto& member : members) out.Add(member.key, ClaimOf(member.value));
      return out;
    }
  }
  return Claim::Null();
}

Result<crypto::PublicKey> ReadRsaJwk(const wire::JsonValue& jwk) {
  AH_ASSIGN_OR_RETURN(const std::string_view type, jwk.String("kty"));
  if (type != "RSA") return Unsupported("HCLAkPub: a key that is not RSA");
  AH_ASSIGN_OR_RETURN(const std::string_view n, jwk.String("n"));
  AH_ASSIGN_OR_RETURN(const std::string_view e, jwk.String("e"));
  AH_ASSIGN_OR_RETURN(const Bytes modulus, DecodeBase64(n, Base64::kUrl));
  AH_ASSIGN_OR_RETURN(const Bytes exponent, DecodeBase64(e, Base64::kUrl));
  return crypto::PublicKey::FromRsa(modulus, exponent);
}

}  // namespace

Bytes HclReport::ExpectedReportData() const {
  Bytes out = CopyBytes(crypto::Sha256(runtime_claims).span());
  out.resize(64);
  return out;
}

Result<HclReport> ParseHclReport(ByteSpan bytes) {
  if (bytes.size() < kRuntimeAt + kRuntimeHeaderBytes || bytes.size() > kReportBytesMax) {
    return InvalidInput("an HCL report has 1236 bytes to 64 KiB");
  }
  const Fields in(bytes);
  if (AsText(in.Span(0, 4)) != "HCLA") return InvalidInput("no HCL report: it has no \"HCLA\"");
  HclReport out;
  out.version = in.U32(4);
  out.report_bytes = in.U32(8);
  if (out.version != 1 && out.version != 2) return Unsupported("an HCL report of another version");
  if (in.U32(12) != kRequestType || in.U32(16) != 0 || !AllZero(in.Span(20, 12))) {
    return InvalidInput("an HCL report of another request, or with a failure");
  }
  const std::size_t data_bytes = in.U32(kRuntimeAt);
  const std::size_t claims_bytes = in.U32(kRuntimeAt + 16);
  const std::size_t claims_at = kRuntimeAt + kRuntimeHeaderBytes;
  if (claims_bytes > bytes.size() - claims_at || data_bytes != kRuntimeHeaderBytes + claims_bytes ||
      out.report_bytes != kRuntimeAt + data_bytes) {
    return InvalidInput("an HCL report whose lengths do not agree");
  }
  const std::uint32_t type = in.U32(kRuntimeAt + 8);
  if (type != static_cast<std::uint32_t>(HclReportType::kSnp) &&
      type != static_cast<std::uint32_t>(HclReportType::kTdx)) {
    return Unsupported("an HCL report that wraps another hardware's than SNP's or TDX's");
  }
  out.type = static_cast<HclReportType>(type);
  if (in.U32(kRuntimeAt + 4) != kRuntimeVersion || in.U32(kRuntimeAt + 12) != kSha256) {
    return Unsupported("runtime data of another version, or of another hash than SHA-256");
  }
  const bool tdx = out.type == HclReportType::kTdx;
  out.hardware_report = in.Copy(kHeaderBytes, tdx ? kTdReportBytes : kHardwareBytes);
  if (tdx && !AllZero(in.Span(kHeaderBytes + kTdReportBytes, kHardwareBytes - kTdReportBytes))) {
    return InvalidInput("bytes after the TDREPORT that are not zero");
  }
  out.runtime_claims = in.Copy(claims_at, claims_bytes);
  const ByteSpan trailing = bytes.subspan(claims_at + claims_bytes);
  if (!AllZero(trailing)) return InvalidInput("bytes after the runtime claims that are not zero");
  out.trailing_bytes = trailing.size();
  return out;
}

Result<HclRuntimeClaims> ParseHclRuntimeClaims(ByteSpan json) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue document, wire::ParseJson(json, kReportBytesMax));
  AH_ASSIGN_OR_RETURN(const auto keys, document.Array("keys"));
  if (keys.size() > kKeysMax) return LimitExceeded("more than 16 keys");
  std::vector<std::string> key_ids;
  const wire::JsonValue* ak = nullptr;
  for (const wire::JsonValue& key : keys) {
    AH_ASSIGN_OR_RETURN(const std::string_view id, key.String("kid"));
    if (id == kAkId && ak != nullptr) return InvalidInput("two keys of the name HCLAkPub");
    if (id == kAkId) ak = &key;
    key_ids.emplace_back(id);
  }
  if (ak == nullptr) return InvalidInput("there is no key of the name HCLAkPub");
  AH_ASSIGN_OR_RETURN(crypto::PublicKey ak_key, ReadRsaJwk(*ak));
  HclRuntimeClaims out{.ak = std::move(ak_key),
                       .key_ids = std::move(key_ids),
                       .vm_configuration = Claim::Null(),
                       .secure_boot = {},
                       .user_data = {}};
  if (const auto* const configuration = document.Find("vm-configuration");
      configuration != nullptr) {
    out.vm_configuration = ClaimOf(*configuration);
    const auto secure_boot = configuration->Bool("secure-boot");
    if (secure_boot.ok()) out.secure_boot = *secure_boot;
  }
  if (const auto* const user_data = document.Find("user-data"); user_data != nullptr) {
    AH_ASSIGN_OR_RETURN(const std::string_view text, user_data->String());
    out.user_data = std::string(text);
  }
  return out;
}

void AddHclClaims(Claim& to, const HclReport& report, const HclRuntimeClaims& claims) {
  const bool tdx = report.type == HclReportType::kTdx;
  Claim header = Claim::Map();
  header.Add("signature", Claim::Text("HCLA"));
  header.Add("version", Claim::Number(report.version));
  header.Add("report_size", Claim::Number(report.report_bytes));
  header.Add("request_type", Claim::Number(kRequestType));
  header.Add("status", Claim::Number(0));
  to.Add("hcl_header", std::move(header));
  Claim data = Claim::Map();
  data.Add("data_size", Claim::Number(kRuntimeHeaderBytes + report.runtime_claims.size()));
  data.Add("version", Claim::Number(kRuntimeVersion));
  data.Add("report_type", Claim::Number(static_cast<std::uint32_t>(report.type)));
  data.Add("report_type_name", Claim::Text(tdx ? "TDX" : "SNP"));
  data.Add("report_data_hash_type", Claim::Number(kSha256));
  data.Add("variable_data_size", Claim::Number(report.runtime_claims.size()));
  data.Add("variable_data_sha256", Claim::Hex(crypto::Sha256(report.runtime_claims).span()));
  data.Add("trailing_bytes", Claim::Number(report.trailing_bytes));
  to.Add("runtime_data", std::move(data));
  Claim key_ids = Claim::List();
  for (const std::string& id : claims.key_ids) key_ids.Add(Claim::Text(id));
  Claim runtime = Claim::Map();
  runtime.Add("key_ids", std::move(key_ids));
  runtime.Add("vm_configuration", claims.vm_configuration);
  runtime.Add("user_data",
              claims.user_data.has_value() ? Claim::Text(*claims.user_data) : Claim::Null());
  to.Add("runtime_claims", std::move(runtime));
}

}  // namespace anchorhold::attest
