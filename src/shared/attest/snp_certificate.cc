#include "shared/attest/snp_certificate.h"

#include "shared/attest/fields.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kArc = "1.3.6.1.4.1.3704.1.";
constexpr std::size_t kHardwareIdBytes = 64;
constexpr std::size_t kTurinHardwareIdBytes = 8;

// The value of a DER INTEGER from 0 to 65535.
Result<std::uint32_t> SmallInteger(ByteSpan der) {
  const Error bad = InvalidInput("a number that is none");
  if (der.size() < 3 || der.size() > 5 || der[0] != std::byte{2} ||
      std::to_integer<std::size_t>(der[1]) != der.size() - 2) {
    return bad;
  }
  if ((der[2] & std::byte{0x80}) != std::byte{0}) return bad;  // negative
  const bool padded = der.size() > 3 && der[2] == std::byte{0};
  if (padded && (der[3] & std::byte{0x80}) == std::byte{0}) return bad;  // not the shortest
  if (der.size() == 5 && !padded) return bad;
  std::uint32_t value = 0;
  for (const std::byte b : der.subspan(2)) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

// The text of a DER IA5String of up to 127 characters.
Result<std::string> Ia5Text(ByteSpan der) {
  if (der.size() < 2 || der[0] != std::byte{0x16} ||
      std::to_integer<std::size_t>(der[1]) != der.size() - 2 || der.size() > 129) {
    return InvalidInput("a text that is none");
  }
  std::string text = CopyText(der.subspan(2));
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return InvalidInput("a text with control characters");
  }
  return text;
}

Result<ByteSpan> ValueOf(const crypto::CertificateFields& certificate, std::string_view arc) {
  const auto* const extension = certificate.Find(std::string(kArc) + std::string(arc));
  if (extension == nullptr) return InvalidInput("it is missing");
  return ByteSpan(extension->value);
}

Result<std::uint8_t> PatchLevel(const crypto::CertificateFields& certificate,
                                std::string_view arc) {
  AH_ASSIGN_OR_RETURN(const ByteSpan der, ValueOf(certificate, arc));
  AH_ASSIGN_OR_RETURN(const std::uint32_t value, SmallInteger(der));
  if (value > 255) return InvalidInput("a patch level over 255");
  return static_cast<std::uint8_t>(value);
}

Result<SnpTcb> ReadTcb(const crypto::CertificateFields& certificate, SnpProduct product) {
  SnpTcb tcb;
  AH_ASSIGN_OR_RETURN(tcb.boot_loader, PatchLevel(certificate, "3.1"));
  AH_ASSIGN_OR_RETURN(tcb.tee, PatchLevel(certificate, "3.2"));
  AH_ASSIGN_OR_RETURN(tcb.snp, PatchLevel(certificate, "3.3"));
  AH_ASSIGN_OR_RETURN(tcb.microcode, PatchLevel(certificate, "3.8"));
  if (product == SnpProduct::kTurin) {
    AH_ASSIGN_OR_RETURN(tcb.fmc, PatchLevel(certificate, "3.9"));
  }
  return tcb;
}

Result<SnpVekFields> ReadVek(const crypto::CertificateFields& certificate) {
  SnpVekFields out;
  AH_ASSIGN_OR_RETURN(const ByteSpan name_der, ValueOf(certificate, "2"));
  AH_ASSIGN_OR_RETURN(const std::string name, Ia5Text(name_der));
  AH_ASSIGN_OR_RETURN(out.product, ParseSnpProduct(name.substr(0, name.find('-'))));
  AH_ASSIGN_OR_RETURN(out.tcb, ReadTcb(certificate, out.product));
  const auto hardware_id = ValueOf(certificate, "4");
  const auto service = ValueOf(certificate, "5");
  if (hardware_id.ok() == service.ok()) {
    return InvalidInput("it must name either a chip or a service");
  }
  if (service.ok()) {
    AH_ASSIGN_OR_RETURN(out.service, Ia5Text(*service));
    if (out.service.empty()) return InvalidInput("the service has no name");
    return out;
  }
  const std::size_t size =
      out.product == SnpProduct::kTurin ? kTurinHardwareIdBytes : kHardwareIdBytes;
  if (hardware_id->size() != size) return InvalidInput("a hardware id of another length");
  out.hardware_id = CopyBytes(*hardware_id);
  return out;
}

struct TableEntry {
  std::string_view guid;
  Bytes SnpCertificateTable::*place;
};
constexpr TableEntry kTableEntries[] = {
    {"c0b406a4a803495297433fb6014cd0ae", &SnpCertificateTable::ark},
    {"4ab7b379bbac4fe4a02f05aef327c782", &SnpCertificateTable::intermediate},
    {"63da758de6644564adc5f4b93be8accd", &SnpCertificateTable::vek},  // VCEK
    {"a8074bc2a25a483eaae639c045a0b8a1", &SnpCertificateTable::vek},  // VLEK
    {"92f81bc358114d3d97ffd19f88dc67ea", &SnpCertificateTable::crl},
};

}  // namespace

Result<SnpVekFields> ReadSnpVek(const crypto::CertificateFields& certificate) {
  Result<SnpVekFields> fields = ReadVek(certificate);
  if (!fields.ok()) return fields.error().At("the endorsement certificate's extensions");
  return fields;
}

Result<Claim> SnpVekClaims(const crypto::CertificateFields& certificate) {
  constexpr std::pair<std::string_view, std::string_view> kNumbers[] = {
      {"1", "struct_version"}, {"3.9", "fmcSPL"},  {"3.1", "blSPL"}, {"3.2", "teeSPL"},
      {"3.3", "snpSPL"},       {"3.4", "spl4"},    {"3.5", "spl5"},  {"3.6", "spl6"},
      {"3.7", "spl7"},         {"3.8", "ucodeSPL"}};
  Claim out = Claim::Map();
  for (const auto& [arc, name] : kNumbers) {
    const auto der = ValueOf(certificate, arc);
    if (!der.ok()) continue;
    AH_ASSIGN_OR_RETURN(const std::uint32_t value, SmallInteger(*der));
    out.Add(name, Claim::Number(value));
  }
  for (const auto& [arc, name] : {std::pair{"2", "product_name"}, std::pair{"5", "cspID"}}) {
    const auto der = ValueOf(certificate, arc);
    if (!der.ok()) continue;
    AH_ASSIGN_OR_RETURN(const std::string text, Ia5Text(*der));
    out.Add(name, Claim::Text(text));
  }
  const auto hardware_id = ValueOf(certificate, "4");
  if (hardware_id.ok()) out.Add("hwID", Claim::Hex(*hardware_id));
  return out;
}

Result<SnpCertificateTable> ReadSnpCertificateTable(ByteSpan table) {
  constexpr std::size_t kEntryBytes = 24;
  constexpr std::size_t kEntriesMax = 32;
  SnpCertificateTable out;
  for (std::size_t i = 0; i < kEntriesMax; ++i) {
    if (table.size() < (i + 1) * kEntryBytes) return InvalidInput("a table without an end");
    const Fields entry(table.subspan(i * kEntryBytes, kEntryBytes));
    if (AllZero(entry.Span(0, 16))) return out;
    const std::size_t offset = entry.U32(16);
    const std::size_t size = entry.U32(20);
    if (offset > table.size() || size > table.size() - offset || size == 0) {
      return InvalidInput("an entry that points outside of the table");
    }
    for (const TableEntry& known : kTableEntries) {
      if (known.guid != ToHex(entry.Span(0, 16))) continue;
      if (!(out.*known.place).empty()) return InvalidInput("two entries for one certificate");
      out.*known.place = CopyBytes(table.subspan(offset, size));
    }
  }
  return LimitExceeded("more than 32 entries");
}

}  // namespace anchorhold::attest
