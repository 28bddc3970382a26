#include "shared/attest/tpm2_key.h"

#include "shared/attest/tpm2_reader.h"
#include "shared/crypto/insecure_sha1.h"

namespace anchorhold::attest {
namespace {

constexpr std::uint16_t kTypeRsa = 0x0001;
constexpr std::uint16_t kTypeEcc = 0x0023;
constexpr std::uint16_t kNone = 0x0010;
constexpr std::uint16_t kCurveP256 = 0x0003;
constexpr std::uint16_t kCurveP384 = 0x0004;
// Of TPMA_OBJECT; the others are reserved, or restrict keys in ways that are unknown here.
constexpr std::uint32_t kKnownAttributes = 0x000f0cf6;
constexpr std::uint32_t kUsualExponent = 65537;
constexpr std::size_t kRsaBytesMax = 1024;
constexpr std::size_t kScalarBytesMax = 48;
constexpr std::size_t kPolicyBytesMax = 64;

struct HashEntry {
  Tpm2Hash hash;
  std::string_view name;
  std::size_t bytes;
};
constexpr HashEntry kHashes[] = {{Tpm2Hash::kSha1, "sha1", 20},
                                 {Tpm2Hash::kSha256, "sha256", 32},
                                 {Tpm2Hash::kSha384, "sha384", 48},
                                 {Tpm2Hash::kSha512, "sha512", 64}};

const HashEntry& EntryOf(Tpm2Hash hash) {
  for (const HashEntry& entry : kHashes) {
    if (entry.hash == hash) return entry;
  }
  AH_CHECK(false);
  return kHashes[0];
}

Result<Tpm2Scheme> SchemeFromId(std::uint16_t id) {
  for (const Tpm2Scheme scheme : {Tpm2Scheme::kRsassa, Tpm2Scheme::kRsapss, Tpm2Scheme::kEcdsa}) {
    if (static_cast<std::uint16_t>(scheme) == id) return scheme;
  }
  return Unsupported("the signature scheme " + std::to_string(id));
}

std::string_view SchemeName(Tpm2Scheme scheme) {
  switch (scheme) {
    case Tpm2Scheme::kRsassa:
      return "RSASSA";
    case Tpm2Scheme::kRsapss:
      return "RSAPSS";
    case Tpm2Scheme::kEcdsa:
      return "ECDSA";
  }
  return "unknown";
}

crypto::HashName SoundHash(Tpm2Hash hash) {
  return hash == Tpm2Hash::kSha256   ? crypto::HashName::kSha256
         : hash == Tpm2Hash::kSha384 ? crypto::HashName::kSha384
                                     : crypto::HashName::kSha512;
}

Result<crypto::PublicKey> ReadRsa(ByteReader& reader, std::size_t& bits) {
  AH_ASSIGN_OR_RETURN(bits, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(std::uint32_t exponent, reader.ReadU32());
  if (exponent == 0) exponent = kUsualExponent;
  AH_ASSIGN_OR_RETURN(const ByteSpan modulus, ReadTpm2b(reader, kRsaBytesMax));
  if (modulus.size() * 8 != bits) return InvalidInput("a modulus of another length than it says");
  ByteWriter writer;
  writer.WriteU32(exponent);
  return crypto::PublicKey::FromRsa(modulus, writer.bytes());
}

// Older TPMs leave zeros at a coordinate's start out.
Result<Bytes> ReadCoordinate(ByteReader& reader, std::size_t size) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, ReadTpm2b(reader, size));
  Bytes out(size - bytes.size());
  AppendBytes(out, bytes);
  return out;
}

Result<crypto::PublicKey> ReadEcc(ByteReader& reader, std::size_t& bits) {
  AH_ASSIGN_OR_RETURN(const std::uint16_t curve, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(const std::uint16_t kdf, reader.ReadU16());
  if (curve != kCurveP256 && curve != kCurveP384) return Unsupported("another curve");
  if (kdf != kNone) return Unsupported("a key with a key derivation scheme");
  bits = curve == kCurveP256 ? 256 : 384;
  AH_ASSIGN_OR_RETURN(const Bytes x, ReadCoordinate(reader, bits / 8));
  AH_ASSIGN_OR_RETURN(const Bytes y, ReadCoordinate(reader, bits / 8));
  return crypto::PublicKey::FromPoint(
      curve == kCurveP256 ? crypto::KeyType::kEcP256 : crypto::KeyType::kEcP384, x, y);
}

}  // namespace

std::string_view Tpm2HashName(Tpm2Hash hash) { return EntryOf(hash).name; }
std::size_t Tpm2HashBytes(Tpm2Hash hash) { return EntryOf(hash).bytes; }

Result<Tpm2Hash> ParseTpm2Hash(std::string_view name) {
  for (const HashEntry& entry : kHashes) {
    if (entry.name == name) return entry.hash;
  }
  return InvalidInput(R"(no hash of that name; there are "sha1", "sha256", "sha384", "sha512")");
}

Result<Tpm2Hash> Tpm2HashFromId(std::uint16_t id) {
  for (const HashEntry& entry : kHashes) {
    if (static_cast<std::uint16_t>(entry.hash) == id) return entry.hash;
  }
  return Unsupported("the hash algorithm " + std::to_string(id));
}

Bytes Tpm2Digest(Tpm2Hash hash, ByteSpan data) {
  switch (hash) {
    case Tpm2Hash::kSha1:
      return CopyBytes(crypto::InsecureSha1(data).span());
    case Tpm2Hash::kSha256:
      return CopyBytes(crypto::Sha256(data).span());
    case Tpm2Hash::kSha384:
      return CopyBytes(crypto::Sha384(data).span());
    case Tpm2Hash::kSha512:
      return CopyBytes(crypto::Sha512(data).span());
  }
  return {};
}

Result<Tpm2Signature> Tpm2Signature::Parse(ByteSpan bytes) {
  ByteReader reader(bytes);
  Tpm2Signature out;
  out.size_ = bytes.size();
  AH_ASSIGN_OR_RETURN(const std::uint16_t scheme, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(out.scheme_, SchemeFromId(scheme));
  AH_ASSIGN_OR_RETURN(const std::uint16_t hash, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(out.hash_, Tpm2HashFromId(hash));
  const bool ecdsa = out.scheme_ == Tpm2Scheme::kEcdsa;
  AH_ASSIGN_OR_RETURN(const ByteSpan first,
                      ReadTpm2b(reader, ecdsa ? kScalarBytesMax : kRsaBytesMax));
  out.first_ = CopyBytes(first);
  if (ecdsa) {
    AH_ASSIGN_OR_RETURN(const ByteSpan second, ReadTpm2b(reader, kScalarBytesMax));
    out.second_ = CopyBytes(second);
  }
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  return out;
}

Tpm2Signature Tpm2Signature::Rsassa(Tpm2Hash hash, ByteSpan signature) {
  Tpm2Signature out;
  out.hash_ = hash;
  out.size_ = signature.size();
  out.first_ = CopyBytes(signature);
  return out;
}

Status Tpm2Signature::Verify(const crypto::PublicKey& key, ByteSpan message) const {
  if (hash_ == Tpm2Hash::kSha1) {
    if (scheme_ != Tpm2Scheme::kRsassa) return IntegrityError("SHA-1 is judged for RSASSA alone");
    return crypto::VerifyRsaOverInsecureSha1(key, message, first_);
  }
  if (scheme_ == Tpm2Scheme::kEcdsa) {
    AH_ASSIGN_OR_RETURN(const auto signature, crypto::EcdsaSignature::FromRaw(
                                                  first_, second_, crypto::ByteOrder::kBigEndian));
    return crypto::VerifyEcdsa(key, SoundHash(hash_), message, signature);
  }
  const auto padding =
      scheme_ == Tpm2Scheme::kRsassa ? crypto::RsaPadding::kPkcs1 : crypto::RsaPadding::kPssAnySalt;
  return crypto::VerifyRsa(key, padding, SoundHash(hash_), message, first_);
}

Claim Tpm2Signature::ToClaim() const {
  Claim out = Claim::Map();
  out.Add("scheme", Claim::Text(SchemeName(scheme_)));
  out.Add("hash", Claim::Text(Tpm2HashName(hash_)));
  out.Add("length", Claim::Number(size_));
  return out;
}

Result<Tpm2Public> ParseTpm2Public(ByteSpan bytes) {
  ByteReader reader(bytes);
  AH_ASSIGN_OR_RETURN(const std::uint16_t type, reader.ReadU16());
  if (type != kTypeRsa && type != kTypeEcc) return Unsupported("a key that is neither RSA nor ECC");
  AH_ASSIGN_OR_RETURN(const std::uint16_t name_id, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(const Tpm2Hash name_hash, Tpm2HashFromId(name_id));
  AH_ASSIGN_OR_RETURN(const std::uint32_t attributes, reader.ReadU32());
  if ((attributes & ~kKnownAttributes) != 0) return Unsupported("a key with unknown attributes");
  AH_RETURN_IF_ERROR(ReadTpm2b(reader, kPolicyBytesMax));
  AH_ASSIGN_OR_RETURN(const std::uint16_t symmetric, reader.ReadU16());
  if (symmetric != kNone) return Unsupported("a key that encrypts");
  std::optional<Tpm2Scheme> scheme;
  std::optional<Tpm2Hash> scheme_hash;
  AH_ASSIGN_OR_RETURN(const std::uint16_t scheme_id, reader.ReadU16());
  if (scheme_id != kNone) {
    AH_ASSIGN_OR_RETURN(scheme, SchemeFromId(scheme_id));
    AH_ASSIGN_OR_RETURN(const std::uint16_t hash_id, reader.ReadU16());
    AH_ASSIGN_OR_RETURN(scheme_hash, Tpm2HashFromId(hash_id));
  }
  std::size_t bits = 0;
  AH_ASSIGN_OR_RETURN(crypto::PublicKey key,
                      type == kTypeRsa ? ReadRsa(reader, bits) : ReadEcc(reader, bits));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  ByteWriter name;
  name.WriteU16(name_id);
  name.WriteBytes(Tpm2Digest(name_hash, bytes));
  return Tpm2Public{.key = std::move(key),
                    .name_hash = name_hash,
                    .attributes = attributes,
                    .scheme = scheme,
                    .scheme_hash = scheme_hash,
                    .bits = bits,
                    .name = std::move(name).Take()};
}

Claim Tpm2PublicClaims(const Tpm2Public& fields) {
  const auto bit = [&](int at) { return Claim::Number(fields.Attribute(at) ? 1 : 0); };
  Claim out = Claim::Map();
  out.Add("type", Claim::Text(fields.key.type() == crypto::KeyType::kRsa ? "RSA" : "ECC"));
  out.Add("name_alg", Claim::Text(Tpm2HashName(fields.name_hash)));
  out.Add("attributes", Claim::HexNumber(fields.attributes, 8));
  out.Add("restricted", bit(16));
  out.Add("decrypt", bit(17));
  out.Add("sign", bit(18));
  out.Add("fixed_tpm", bit(1));
  out.Add("fixed_parent", bit(4));
  if (fields.scheme.has_value()) {
    out.Add("scheme", Claim::Text(SchemeName(*fields.scheme)));
    out.Add("scheme_hash", Claim::Text(Tpm2HashName(*fields.scheme_hash)));
  }
  out.Add("bits", Claim::Number(fields.bits));
  out.Add("name", Claim::Hex(fields.name));
  return out;
}

}  // namespace anchorhold::attest
