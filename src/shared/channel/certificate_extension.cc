#include "shared/channel/certificate_extension.h"

#include "shared/channel/cbor.h"

namespace anchorhold::channel {
namespace {

constexpr std::size_t kItems = 3;
// "AHEVID1\0", platform and size ahead of the body.
constexpr std::size_t kEvidenceMax = limits::kEvidenceBytesMax + 8 + 1 + 4;
constexpr std::size_t kKeysBytes = 8 + 3 * 32;

void WriteString(ByteWriter& writer, CborType type, ByteSpan bytes) {
  WriteCborHead(writer, type, bytes.size());
  writer.WriteBytes(bytes);
}

Result<CertifiedEvidence> Read(ByteSpan value) {
  ByteReader reader(value);
  AH_ASSIGN_OR_RETURN(const std::size_t items, ReadCborHead(reader, CborType::kArray));
  if (items != kItems) return InvalidInput("an array of " + std::to_string(items) + ", not of 3");
  AH_ASSIGN_OR_RETURN(const ByteSpan type,
                      ReadCborString(reader, CborType::kText, kEvidenceMediaType.size()));
  if (AsText(type) != kEvidenceMediaType) return Unsupported("evidence of another media type");
  AH_ASSIGN_OR_RETURN(const ByteSpan evidence,
                      ReadCborString(reader, CborType::kBytes, kEvidenceMax));
  AH_ASSIGN_OR_RETURN(const ByteSpan keys, ReadCborString(reader, CborType::kBytes, kKeysBytes));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  CertifiedEvidence out;
  AH_ASSIGN_OR_RETURN(out.evidence, attest::ParseEvidence(evidence));
  AH_ASSIGN_OR_RETURN(out.keys, attest::ParseKeys(keys));
  return out;
}

}  // namespace

Bytes EncodeEvidenceExtension(const CertifiedEvidence& content) {
  ByteWriter writer;
  WriteCborHead(writer, CborType::kArray, kItems);
  WriteString(writer, CborType::kText, AsBytes(kEvidenceMediaType));
  WriteString(writer, CborType::kBytes, attest::SerializeEvidence(content.evidence));
  WriteString(writer, CborType::kBytes, attest::SerializeKeys(content.keys));
  return std::move(writer).Take();
}

Result<CertifiedEvidence> ParseEvidenceExtension(ByteSpan value) {
  Result<CertifiedEvidence> content = Read(value);
  if (!content.ok()) return content.error().At("certificate extension 2.23.133.5.4.9");
  return content;
}

}  // namespace anchorhold::channel
