#include "shared/attest/evidence.h"

#include <algorithm>

#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/crypto/hash.h"

namespace anchorhold::attest {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kEvidenceMagic = "AHEVID1\0"sv;
constexpr std::string_view kKeysMagic = "AHKEYS1\0"sv;
constexpr std::string_view kKeysLabel = "anchorhold keys v1\0"sv;
constexpr std::string_view kSessionLabel = "anchorhold session v1\0"sv;

constexpr std::pair<Platform, std::string_view> kPlatforms[] = {
    {Platform::kInsecureSimulated, "insecure-simulated"},
    {Platform::kSevSnp, "sev-snp"},
    {Platform::kTdx, "tdx"},
    {Platform::kSgxDcap, "sgx-dcap"},
    {Platform::kNitro, "nitro"},
    {Platform::kTpm2, "tpm2"},
    {Platform::kAzureVtpm, "azure-vtpm"},
    {Platform::kNvidiaGpu, "nvidia-gpu"}};

Status ExpectMagic(ByteReader& reader, std::string_view magic, const char* what) {
  AH_ASSIGN_OR_RETURN(const ByteSpan found, reader.ReadBytes(magic.size()));
  if (!BytesEqual(found, AsBytes(magic))) return InvalidInput(std::string("not ") + what);
  return Ok();
}

template <typename T>
Result<T> ReadFixed(ByteReader& reader) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, reader.ReadBytes(T::kSize));
  return T::From(bytes);
}

bool IsNamed(Platform platform) {
  return std::any_of(std::begin(kPlatforms), std::end(kPlatforms),
                     [&](const auto& entry) { return entry.first == platform; });
}

Result<UnverifiedEvidence> ReadEvidence(ByteSpan bytes) {
  ByteReader reader(bytes);
  AH_RETURN_IF_ERROR(ExpectMagic(reader, kEvidenceMagic, "evidence of this version"));
  AH_ASSIGN_OR_RETURN(const std::uint8_t platform, reader.ReadU8());
  if (!IsNamed(static_cast<Platform>(platform))) {
    return Unsupported("platform " + std::to_string(platform) + ": this version does not know it");
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan body, reader.ReadSized(limits::kEvidenceBytesMax));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  return UnverifiedEvidence{static_cast<Platform>(platform), CopyBytes(body)};
}

Result<EnclaveKeys> ReadKeys(ByteSpan bytes) {
  ByteReader reader(bytes);
  AH_RETURN_IF_ERROR(ExpectMagic(reader, kKeysMagic, "enclave keys of this version"));
  EnclaveKeys keys;
  AH_ASSIGN_OR_RETURN(keys.tls_key, ReadFixed<crypto::Ed25519PublicKey>(reader));
  AH_ASSIGN_OR_RETURN(keys.sealing_key, ReadFixed<crypto::HpkePublicKey>(reader));
  AH_ASSIGN_OR_RETURN(keys.ledger_key, ReadFixed<crypto::Ed25519PublicKey>(reader));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  return keys;
}

ReportData HashToReportData(const ByteWriter& writer) {
  return ReportData{crypto::Sha512(writer.bytes()).value};
}

}  // namespace

std::string_view PlatformName(Platform platform) {
  for (const auto& [known, name] : kPlatforms) {
    if (known == platform) return name;
  }
  return "unknown";
}

Result<Platform> ParsePlatform(std::string_view name) {
  std::string names;
  for (const auto& [platform, known] : kPlatforms) {
    if (known == name) return platform;
    names += (names.empty() ? "\"" : ", \"") + std::string(known) + "\"";
  }
  return InvalidInput("no such platform; there are " + names);
}

bool IsSupported(Platform platform) {
  switch (platform) {
    case Platform::kInsecureSimulated:
    case Platform::kSevSnp:
    case Platform::kTdx:
    case Platform::kSgxDcap:
    case Platform::kTpm2:
      return true;
    default:
      return false;
  }
}

Bytes SerializeEvidence(const UnverifiedEvidence& evidence) {
  AH_CHECK(evidence.body.size() <= limits::kEvidenceBytesMax);
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kEvidenceMagic));
  writer.WriteU8(static_cast<std::uint8_t>(evidence.platform));
  writer.WriteSized(evidence.body);
  return std::move(writer).Take();
}

Result<UnverifiedEvidence> ParseEvidence(ByteSpan bytes) {
  Result<UnverifiedEvidence> evidence = ReadEvidence(bytes);
  if (!evidence.ok()) return evidence.error().At("evidence");
  return evidence;
}

Bytes SerializeKeys(const EnclaveKeys& keys) {
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kKeysMagic));
  writer.WriteBytes(keys.tls_key.span());
  writer.WriteBytes(keys.sealing_key.span());
  writer.WriteBytes(keys.ledger_key.span());
  return std::move(writer).Take();
}

Result<EnclaveKeys> ParseKeys(ByteSpan bytes) {
  Result<EnclaveKeys> keys = ReadKeys(bytes);
  if (!keys.ok()) return keys.error().At("enclave keys");
  return keys;
}

ReportData BindKeys(const EnclaveKeys& keys) {
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kKeysLabel));
  writer.WriteBytes(SerializeKeys(keys));
  return HashToReportData(writer);
}

ReportData BindSession(const EnclaveKeys& keys, ByteSpan nonce, ByteSpan exporter) {
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kSessionLabel));
  writer.WriteBytes(SerializeKeys(keys));
  writer.WriteSized(nonce);
  writer.WriteSized(exporter);
  return HashToReportData(writer);
}

Bytes BoundBytes(Platform platform, const ReportData& report_data) {
  if (platform == Platform::kTpm2) return CopyBytes(crypto::Sha256(report_data.span()).span());
  return CopyBytes(report_data.span());
}

}  // namespace anchorhold::attest
