#include "shared/attest/intel_document.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kSignatureBytes = 64;

}  // namespace

Result<UnverifiedIntelDocument> UnverifiedIntelDocument::Parse(ByteSpan bytes,
                                                               std::string_view name) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue json, wire::ParseJson(bytes, kIntelDocumentBytesMax));
  AH_ASSIGN_OR_RETURN(const auto members, json.Object());
  if (members.size() != 2) return InvalidInput("it must have a value and its signature, no more");
  UnverifiedIntelDocument out;
  AH_ASSIGN_OR_RETURN(out.signature_, ReadJsonHex(json, "signature", kSignatureBytes));
  for (const wire::JsonMember& member : members) {
    if (member.key != name) continue;
    if (member.value.type() != wire::JsonType::kObject) {
      return InvalidInput(std::string(name) + " must be an object");
    }
    out.signed_ = CopyBytes(bytes.subspan(member.begin, member.end - member.begin));
    return out;
  }
  return InvalidInput(std::string(name) + " is missing");
}

Result<VerifiedIntelDocument> UnverifiedIntelDocument::VerifiedBy(
    const crypto::PublicKey& key) const {
  AH_ASSIGN_OR_RETURN(const auto signature, crypto::EcdsaSignature::FromRaw(signature_));
  if (key.type() != crypto::KeyType::kEcP256) return IntegrityError("the key is not on P-256");
  AH_RETURN_IF_ERROR(crypto::VerifyEcdsa(key, crypto::HashName::kSha256, signed_, signature));
  AH_ASSIGN_OR_RETURN(wire::JsonValue value, wire::ParseJson(signed_, kIntelDocumentBytesMax));
  return VerifiedIntelDocument(std::move(value));
}

Result<Bytes> ReadJsonHex(const wire::JsonValue& object, std::string_view name, std::size_t size) {
  AH_ASSIGN_OR_RETURN(const std::string_view text, object.String(name));
  auto bytes = FromHex(text);
  if (!bytes.ok() || bytes->size() != size) {
    return InvalidInput(std::string(name) + " must have " + std::to_string(size) +
                        " bytes in hexadecimal");
  }
  return bytes;
}

Result<UnixSeconds> ReadJsonTime(const wire::JsonValue& object, std::string_view name) {
  AH_ASSIGN_OR_RETURN(const std::string_view text, object.String(name));
  const auto time = ParseTime(text);
  if (!time.ok()) return time.error().At(name);
  return *time;
}

Result<std::uint32_t> ReadJsonNumber(const wire::JsonValue& object, std::string_view name,
                                     std::uint32_t max) {
  AH_ASSIGN_OR_RETURN(const std::int64_t value, object.Int64(name));
  if (value < 0 || value > static_cast<std::int64_t>(max)) {
    return InvalidInput(std::string(name) + " must be from 0 to " + std::to_string(max));
  }
  return static_cast<std::uint32_t>(value);
}

}  // namespace anchorhold::attest
