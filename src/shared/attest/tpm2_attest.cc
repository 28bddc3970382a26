#include "shared/attest/tpm2_attest.h"

#include <algorithm>

#include "shared/attest/tpm2_reader.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kNameBytesMax = 66;  // a hash's number and its value
constexpr std::size_t kDigestBytesMax = 64;
constexpr std::uint32_t kBanksMax = 16;
constexpr std::size_t kBitMapBytesMax = 4;

Result<Tpm2AttestType> TypeFromId(std::uint16_t id) {
  for (const Tpm2AttestType type :
       {Tpm2AttestType::kQuote, Tpm2AttestType::kCertify, Tpm2AttestType::kCreation}) {
    if (static_cast<std::uint16_t>(type) == id) return type;
  }
  return Unsupported("a statement of the type " + std::to_string(id));
}

Result<Tpm2PcrSelection> ReadSelection(ByteReader& reader) {
  Tpm2PcrSelection out;
  AH_ASSIGN_OR_RETURN(const std::uint16_t hash, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(out.bank, Tpm2HashFromId(hash));
  AH_ASSIGN_OR_RETURN(const std::uint8_t size, reader.ReadU8());
  if (size > kBitMapBytesMax) return InvalidInput("a selection of more PCRs than there are");
  AH_ASSIGN_OR_RETURN(const ByteSpan bits, reader.ReadBytes(size));
  for (std::size_t i = 0; i < bits.size() * 8; ++i) {
    if ((bits[i / 8] >> (i % 8) & std::byte{1}) == std::byte{0}) continue;
    if (i >= kTpm2Pcrs) return InvalidInput("a selection of a PCR over 23");
    out.pcrs.push_back(static_cast<std::uint8_t>(i));
  }
  return out;
}

Status ReadQuote(ByteReader& reader, Tpm2AttestFields& out) {
  AH_ASSIGN_OR_RETURN(const std::uint32_t count, reader.ReadU32());
  if (count > kBanksMax) return InvalidInput("a selection of too many banks");
  for (std::uint32_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(Tpm2PcrSelection next, ReadSelection(reader));
    const bool known = std::any_of(out.selections.begin(), out.selections.end(),
                                   [&](const auto& other) { return other.bank == next.bank; });
    if (known) return InvalidInput("a selection with a bank twice");
    out.selections.push_back(std::move(next));
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan digest, ReadTpm2b(reader, kDigestBytesMax));
  out.pcr_digest = CopyBytes(digest);
  return Ok();
}

Status ReadObject(ByteReader& reader, Tpm2AttestFields& out) {
  AH_ASSIGN_OR_RETURN(const ByteSpan name, ReadTpm2b(reader, kNameBytesMax));
  AH_ASSIGN_OR_RETURN(const ByteSpan detail, ReadTpm2b(reader, kNameBytesMax));
  out.object_name = CopyBytes(name);
  out.object_detail = CopyBytes(detail);
  return Ok();
}

Status ReadFields(ByteReader& reader, Tpm2AttestFields& out) {
  AH_ASSIGN_OR_RETURN(out.magic, reader.ReadU32());
  AH_ASSIGN_OR_RETURN(const std::uint16_t type, reader.ReadU16());
  AH_ASSIGN_OR_RETURN(out.type, TypeFromId(type));
  AH_ASSIGN_OR_RETURN(const ByteSpan signer, ReadTpm2b(reader, kNameBytesMax));
  out.qualified_signer = CopyBytes(signer);
  AH_ASSIGN_OR_RETURN(const ByteSpan extra_data, ReadTpm2b(reader, kNameBytesMax));
  out.extra_data = CopyBytes(extra_data);
  AH_ASSIGN_OR_RETURN(out.clock, reader.ReadU64());
  AH_ASSIGN_OR_RETURN(out.reset_count, reader.ReadU32());
  AH_ASSIGN_OR_RETURN(out.restart_count, reader.ReadU32());
  AH_ASSIGN_OR_RETURN(const std::uint8_t safe, reader.ReadU8());
  if (safe > 1) return InvalidInput("neither yes nor no");
  out.safe = safe == 1;
  AH_ASSIGN_OR_RETURN(out.firmware_version, reader.ReadU64());
  AH_RETURN_IF_ERROR(out.type == Tpm2AttestType::kQuote ? ReadQuote(reader, out)
                                                        : ReadObject(reader, out));
  return reader.ExpectEnd();
}

}  // namespace

std::string_view Tpm2AttestTypeName(Tpm2AttestType type) {
  switch (type) {
    case Tpm2AttestType::kQuote:
      return "QUOTE";
    case Tpm2AttestType::kCertify:
      return "CERTIFY";
    case Tpm2AttestType::kCreation:
      return "CREATION";
  }
  return "unknown";
}

Result<UnverifiedTpm2Attest> UnverifiedTpm2Attest::Parse(ByteSpan bytes) {
  UnverifiedTpm2Attest out;
  out.bytes_ = CopyBytes(bytes);
  ByteReader reader(bytes);
  AH_RETURN_IF_ERROR(ReadFields(reader, out.fields_));
  return out;
}

Result<Tpm2AttestFields> UnverifiedTpm2Attest::VerifiedBy(const crypto::PublicKey& key,
                                                          const Tpm2Signature& signature) const {
  AH_RETURN_IF_ERROR(signature.Verify(key, bytes_));
  return fields_;
}

Claim Tpm2AttestClaims(const Tpm2AttestFields& fields) {
  Claim out = Claim::Map();
  out.Add("magic", Claim::HexNumber(fields.magic, 8));
  out.Add("type", Claim::Text(Tpm2AttestTypeName(fields.type)));
  out.Add("qualified_signer", Claim::Hex(fields.qualified_signer));
  out.Add("extra_data", Claim::Hex(fields.extra_data));
  out.Add("clock", Claim::Number(fields.clock));
  out.Add("reset_count", Claim::Number(fields.reset_count));
  out.Add("restart_count", Claim::Number(fields.restart_count));
  out.Add("safe", Claim::Number(fields.safe ? 1 : 0));
  out.Add("firmware_version", Claim::HexNumber(fields.firmware_version, 16));
  if (fields.type != Tpm2AttestType::kQuote) {
    out.Add("object_name", Claim::Hex(fields.object_name));
    return out;
  }
  Claim selections = Claim::List();
  for (const Tpm2PcrSelection& selection : fields.selections) {
    Claim pcrs = Claim::List();
    for (const std::uint8_t pcr : selection.pcrs) pcrs.Add(Claim::Number(pcr));
    Claim next = Claim::Map();
    next.Add("bank", Claim::Text(Tpm2HashName(selection.bank)));
    next.Add("pcrs", std::move(pcrs));
    selections.Add(std::move(next));
  }
  out.Add("pcr_select", std::move(selections));
  out.Add("pcr_digest", Claim::Hex(fields.pcr_digest));
  return out;
}

}  // namespace anchorhold::attest
