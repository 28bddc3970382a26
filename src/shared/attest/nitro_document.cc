#include "shared/attest/nitro_document.h"

#include "shared/attest/fields.h"
#include "shared/crypto/certificate_chain.h"
#include "shared/wire/cbor.h"

namespace anchorhold::attest {
namespace {

using wire::CborType;
using wire::CborValue;

constexpr std::size_t kDocumentBytesMax = 32 * 1024;
constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kCertificateBytesMax = 1024;
constexpr std::size_t kUserBytesMax = 1024;  // of public_key, user_data and nonce
constexpr std::uint64_t kPcrs = 32;
constexpr std::size_t kSignatureBytes = 96;
constexpr std::uint64_t kCoseSign1Tag = 18;
constexpr std::int64_t kCoseAlgorithm = 1;
constexpr std::int64_t kEs384 = -35;
constexpr std::uint64_t kMillisecondsMax = 253'402'300'799'999;  // the end of the year 9999
constexpr std::string_view kNames[] = {"module_id",   "digest",     "timestamp", "pcrs", "cabundle",
                                       "certificate", "public_key", "user_data", "nonce"};

Result<Bytes> BytesOf(const CborValue& value, std::string_view name, std::size_t max) {
  const auto bytes = value.ByteString();
  if (!bytes.ok()) return bytes.error().At(name);
  if (bytes->empty() || bytes->size() > max) {
    return InvalidInput(std::string(name) + ": " + std::to_string(bytes->size()) +
                        " bytes; there have to be 1 to " + std::to_string(max));
  }
  return CopyBytes(*bytes);
}

Result<std::optional<Bytes>> OptionalBytes(const CborValue& payload, std::string_view name) {
  const CborValue* const value = payload.Find(name);
  if (value == nullptr || value->IsNull()) return std::optional<Bytes>();
  const auto bytes = value->ByteString();
  if (!bytes.ok()) return bytes.error().At(name);
  if (bytes->size() > kUserBytesMax) {
    return InvalidInput(std::string(name) + ": more than " + std::to_string(kUserBytesMax) +
                        " bytes");
  }
  return std::optional(CopyBytes(*bytes));
}

Result<crypto::UnverifiedCertificate> CertificateOf(const CborValue& value, std::string_view name) {
  AH_ASSIGN_OR_RETURN(const Bytes der, BytesOf(value, name, kCertificateBytesMax));
  auto certificate = crypto::UnverifiedCertificate::FromDer(der);
  if (!certificate.ok()) return certificate.error().At(name);
  return certificate;
}

Status ReadPcrs(const CborValue& payload, NitroDocumentFields& out) {
  AH_ASSIGN_OR_RETURN(const CborValue* const pcrs, payload.Member("pcrs"));
  AH_ASSIGN_OR_RETURN(const auto members, pcrs->Map());
  for (const wire::CborMember& member : members) {
    const auto index = member.key.Unsigned();
    if (!index.ok() || *index >= kPcrs) return InvalidInput("pcrs: a PCR that is not 0 to 31");
    AH_ASSIGN_OR_RETURN(Bytes value, BytesOf(member.value, "pcrs", kNitroPcrBytes));
    if (value.size() != kNitroPcrBytes) return InvalidInput("pcrs: a PCR that has not 48 bytes");
    out.pcrs[static_cast<std::uint8_t>(*index)] = std::move(value);
  }
  for (std::uint8_t needed = 0; needed < 3; ++needed) {
    if (!out.pcrs.contains(needed)) return InvalidInput("pcrs: PCR0, PCR1 or PCR2 is missing");
  }
  return Ok();
}

// The bundle is root first; the chain is the other way round, after the signing key's certificate.
Status ReadChain(const CborValue& payload, NitroDocumentFields& out) {
  AH_ASSIGN_OR_RETURN(const CborValue* const leaf, payload.Member("certificate"));
  AH_ASSIGN_OR_RETURN(auto certificate, CertificateOf(*leaf, "certificate"));
  out.chain.push_back(std::move(certificate));
  AH_ASSIGN_OR_RETURN(const CborValue* const bundle, payload.Member("cabundle"));
  AH_ASSIGN_OR_RETURN(const auto items, bundle->Array());
  if (items.empty() || items.size() >= crypto::kChainLengthMax) {
    return InvalidInput("cabundle: there have to be 1 to 7 certificates");
  }
  for (std::size_t i = items.size(); i-- > 0;) {
    AH_ASSIGN_OR_RETURN(auto next, CertificateOf(items[i], "cabundle"));
    out.chain.push_back(std::move(next));
  }
  return Ok();
}

Status CheckNames(const CborValue& payload) {
  AH_ASSIGN_OR_RETURN(const auto members, payload.Map());
  for (const wire::CborMember& member : members) {
    const auto name = member.key.Text();
    bool known = false;
    for (const std::string_view candidate : kNames) known |= name.ok() && *name == candidate;
    if (!known) return InvalidInput("a member that no attestation document has");
  }
  return Ok();
}

Status ReadPayload(ByteSpan bytes, NitroDocumentFields& out) {
  AH_ASSIGN_OR_RETURN(const CborValue payload, wire::ParseCbor(bytes, kDocumentBytesMax));
  AH_RETURN_IF_ERROR(CheckNames(payload));
  AH_ASSIGN_OR_RETURN(const CborValue* const module, payload.Member("module_id"));
  AH_ASSIGN_OR_RETURN(const std::string_view module_id, module->Text());
  if (module_id.empty() || module_id.size() > kTextBytesMax) {
    return InvalidInput("module_id: no text of 1 to 256 bytes");
  }
  out.module_id = std::string(module_id);
  AH_ASSIGN_OR_RETURN(const CborValue* const digest, payload.Member("digest"));
  AH_ASSIGN_OR_RETURN(const std::string_view digest_name, digest->Text());
  if (digest_name != "SHA384") return Unsupported("digest: another one than SHA384");
  AH_ASSIGN_OR_RETURN(const CborValue* const timestamp, payload.Member("timestamp"));
  AH_ASSIGN_OR_RETURN(out.timestamp_ms, timestamp->Unsigned());
  if (out.timestamp_ms == 0 || out.timestamp_ms > kMillisecondsMax) {
    return InvalidInput("timestamp: out of range");
  }
  AH_RETURN_IF_ERROR(ReadPcrs(payload, out));
  AH_RETURN_IF_ERROR(ReadChain(payload, out));
  AH_ASSIGN_OR_RETURN(out.public_key, OptionalBytes(payload, "public_key"));
  AH_ASSIGN_OR_RETURN(out.user_data, OptionalBytes(payload, "user_data"));
  AH_ASSIGN_OR_RETURN(out.nonce, OptionalBytes(payload, "nonce"));
  return Ok();
}

// The algorithm and nothing else: a header that says more is one that this program would not heed.
Status CheckProtectedHeader(ByteSpan bytes) {
  AH_ASSIGN_OR_RETURN(const CborValue header, wire::ParseCbor(bytes, kDocumentBytesMax));
  AH_ASSIGN_OR_RETURN(const auto members, header.Map());
  if (members.size() != 1 || !members[0].key.Int64().ok() ||
      *members[0].key.Int64() != kCoseAlgorithm) {
    return InvalidInput("a protected header that is not the algorithm alone");
  }
  const auto algorithm = members[0].value.Int64();
  if (!algorithm.ok() || *algorithm != kEs384) {
    return Unsupported("signed by another algorithm than ES384");
  }
  return Ok();
}

Bytes SignedBytes(ByteSpan protected_header, ByteSpan payload) {
  Bytes out;
  wire::AppendCborHead(out, wire::CborMajor::kArray, 4);
  wire::AppendCborText(out, "Signature1");
  wire::AppendCborBytes(out, protected_header);
  wire::AppendCborBytes(out, {});
  wire::AppendCborBytes(out, payload);
  return out;
}

Claim UserClaim(const std::optional<Bytes>& bytes) {
  if (!bytes.has_value()) return Claim::Null();
  Claim out = Claim::Map();
  out.Add("length", Claim::Number(bytes->size()));
  out.Add("hex", Claim::Hex(*bytes));
  out.Add("sha256", Claim::Hex(crypto::Sha256(*bytes).span()));
  return out;
}

std::string IsoTime(std::uint64_t milliseconds) {
  std::string out = FormatTime(UnixSeconds(static_cast<std::int64_t>(milliseconds / 1000)));
  out.pop_back();  // the "Z"
  const std::string fraction = std::to_string(1000 + milliseconds % 1000);
  return out + "." + fraction.substr(1) + "Z";
}

}  // namespace

bool NitroDocumentFields::Debug() const {
  return AllZero(pcrs.at(0)) && AllZero(pcrs.at(1)) && AllZero(pcrs.at(2));
}

Result<UnverifiedNitroDocument> UnverifiedNitroDocument::Parse(ByteSpan bytes) {
  AH_ASSIGN_OR_RETURN(const CborValue document, wire::ParseCbor(bytes, kDocumentBytesMax));
  UnverifiedNitroDocument out;
  out.fields_.tagged = document.type() == CborType::kTag;
  if (out.fields_.tagged && document.tag() != kCoseSign1Tag) {
    return InvalidInput("not a COSE_Sign1: another tag than 18");
  }
  const CborValue& message = out.fields_.tagged ? document.tagged() : document;
  const auto parts = message.Array();
  if (!parts.ok() || parts->size() != 4) return InvalidInput("not a COSE_Sign1: no array of four");
  AH_ASSIGN_OR_RETURN(const ByteSpan header, (*parts)[0].ByteString());
  AH_RETURN_IF_ERROR(CheckProtectedHeader(header));
  const auto unprotected = (*parts)[1].Map();
  if (!unprotected.ok() || !unprotected->empty()) {
    return InvalidInput("an unprotected header that is not empty");
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan payload, (*parts)[2].ByteString());
  AH_ASSIGN_OR_RETURN(const ByteSpan signature, (*parts)[3].ByteString());
  if (signature.size() != kSignatureBytes) return InvalidInput("a signature that has not 96 bytes");
  out.fields_.protected_header = CopyBytes(header);
  out.fields_.payload_bytes = payload.size();
  AH_RETURN_IF_ERROR(ReadPayload(payload, out.fields_));
  out.signed_ = SignedBytes(header, payload);
  out.signature_ = CopyBytes(signature);
  return out;
}

Result<NitroDocumentFields> UnverifiedNitroDocument::VerifiedBy(
    const crypto::PublicKey& key) const {
  if (key.type() != crypto::KeyType::kEcP384) return IntegrityError("the key is not on P-384");
  AH_ASSIGN_OR_RETURN(const auto signature, crypto::EcdsaSignature::FromRaw(signature_));
  AH_RETURN_IF_ERROR(crypto::VerifyEcdsa(key, crypto::HashName::kSha384, signed_, signature));
  return fields_;
}

Claim NitroDocumentClaims(const NitroDocumentFields& fields) {
  Claim cose = Claim::Map();
  cose.Add("array_length", Claim::Number(4));
  cose.Add("tag", fields.tagged ? Claim::Number(kCoseSign1Tag) : Claim::Null());
  cose.Add("alg", Claim::SignedNumber(kEs384));
  cose.Add("protected_hex", Claim::Hex(fields.protected_header));
  cose.Add("payload_length", Claim::Number(fields.payload_bytes));
  cose.Add("signature_length", Claim::Number(kSignatureBytes));
  Claim out = Claim::Map();
  out.Add("cose", std::move(cose));
  out.Add("module_id", Claim::Text(fields.module_id));
  out.Add("digest", Claim::Text("SHA384"));
  out.Add("timestamp_ms", Claim::Number(fields.timestamp_ms));
  out.Add("timestamp_iso", Claim::Text(IsoTime(fields.timestamp_ms)));
  Claim pcrs = Claim::Map();
  for (const auto& [index, value] : fields.pcrs) {
    pcrs.Add(std::to_string(index), Claim::Hex(value));
  }
  out.Add("pcrs", std::move(pcrs));
  out.Add("debug", Claim::Bool(fields.Debug()));
  out.Add("user_data", UserClaim(fields.user_data));
  out.Add("nonce", UserClaim(fields.nonce));
  out.Add("public_key", UserClaim(fields.public_key));
  out.Add("cabundle_length", Claim::Number(fields.chain.size() - 1));
  Claim subjects = Claim::List();
  for (const auto& certificate : fields.chain) {
    subjects.Add(Claim::Text(certificate.unverified().common_name));
  }
  out.Add("chain_subjects", std::move(subjects));
  return out;
}

}  // namespace anchorhold::attest
