#include "shared/attest/intel_pck.h"

#include <algorithm>

#include "shared/attest/der.h"
#include "shared/crypto/pem.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kExtension = "1.2.840.113741.1.13.1";
constexpr std::string_view kArcHex = "2a864886f84d010d01";  // the same in DER
constexpr std::size_t kChainMax = 4;
constexpr std::uint8_t kPceSvn = 17;
constexpr std::uint8_t kCpuSvn = 18;

// An entry of one of the SEQUENCEs: the last number of its arc, and the value in DER.
struct Entry {
  std::uint8_t arc = 0;
  DerElement value;
};

// The entries of a SEQUENCE whose arcs are `parent` and one more number, each of which may be there
// once.
Result<std::vector<Entry>> ReadEntries(ByteSpan content, const Bytes& parent) {
  constexpr std::size_t kEntriesMax = 64;
  std::vector<Entry> out;
  DerReader entries(content);
  while (!entries.AtEnd()) {
    if (out.size() == kEntriesMax) return LimitExceeded("too many entries");
    AH_ASSIGN_OR_RETURN(const ByteSpan pair, entries.Next(DerTag::kSequence));
    DerReader reader(pair);
    AH_ASSIGN_OR_RETURN(const ByteSpan oid, reader.Next(DerTag::kOid));
    AH_ASSIGN_OR_RETURN(const DerElement value, reader.Next());
    if (!reader.AtEnd()) return InvalidInput("an entry with more than a value");
    if (oid.size() != parent.size() + 1 || !BytesEqual(oid.first(parent.size()), parent)) {
      return InvalidInput("an entry of another arc");
    }
    const auto arc = std::to_integer<std::uint8_t>(oid.back());
    for (const Entry& other : out) {
      if (other.arc == arc) return InvalidInput("an entry that is there twice");
    }
    out.push_back({arc, value});
  }
  return out;
}

Result<ByteSpan> ValueOf(const std::vector<Entry>& entries, std::uint8_t arc, DerTag tag) {
  for (const Entry& entry : entries) {
    if (entry.arc != arc) continue;
    if (entry.value.tag != static_cast<std::uint8_t>(tag)) return InvalidInput("another type");
    return entry.value.content;
  }
  return NotFound("entry " + std::to_string(arc) + " is missing");
}

Result<Bytes> Octets(const std::vector<Entry>& entries, std::uint8_t arc, std::size_t size) {
  AH_ASSIGN_OR_RETURN(const ByteSpan value, ValueOf(entries, arc, DerTag::kOctetString));
  if (value.size() != size) return InvalidInput("an entry of another length");
  return CopyBytes(value);
}

Bytes Below(const Bytes& parent, std::uint8_t arc) {
  Bytes out = parent;
  out.push_back(std::byte{arc});
  return out;
}

Status ReadTcb(ByteSpan content, const Bytes& arc, PckFields& out) {
  AH_ASSIGN_OR_RETURN(const auto entries, ReadEntries(content, arc));
  for (std::uint8_t i = 0; i < kTcbComponents; ++i) {
    AH_ASSIGN_OR_RETURN(const ByteSpan value,
                        ValueOf(entries, static_cast<std::uint8_t>(i + 1), DerTag::kInteger));
    AH_ASSIGN_OR_RETURN(const std::uint16_t svn, DerUnsigned(value));
    if (svn > 255) return InvalidInput("a component over 255");
    out.components[i] = static_cast<std::uint8_t>(svn);
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan pce_svn, ValueOf(entries, kPceSvn, DerTag::kInteger));
  AH_ASSIGN_OR_RETURN(out.pce_svn, DerUnsigned(pce_svn));
  AH_ASSIGN_OR_RETURN(out.cpu_svn, Octets(entries, kCpuSvn, 16));
  return Ok();
}

Status ReadConfiguration(ByteSpan content, const Bytes& arc, PckFields& out) {
  AH_ASSIGN_OR_RETURN(const auto entries, ReadEntries(content, arc));
  const std::pair<std::uint8_t, std::optional<bool>*> switches[] = {
      {std::uint8_t{1}, &out.dynamic_platform},
      {std::uint8_t{2}, &out.cached_keys},
      {std::uint8_t{3}, &out.smt}};
  for (const auto& [number, place] : switches) {
    const auto value = ValueOf(entries, number, DerTag::kBoolean);
    if (!value.ok() && value.error().code() == ErrorCode::kNotFound) continue;
    if (!value.ok()) return value.error();
    AH_ASSIGN_OR_RETURN(*place, DerBoolean(*value));
  }
  return Ok();
}

Result<PckFields> ReadExtension(ByteSpan der) {
  const Bytes arc = FromHex(kArcHex).value();
  AH_ASSIGN_OR_RETURN(const ByteSpan content, ReadDer(der, DerTag::kSequence));
  AH_ASSIGN_OR_RETURN(const auto entries, ReadEntries(content, arc));
  PckFields out;
  AH_ASSIGN_OR_RETURN(out.ppid, Octets(entries, 1, 16));
  AH_ASSIGN_OR_RETURN(const ByteSpan tcb, ValueOf(entries, 2, DerTag::kSequence));
  AH_RETURN_IF_ERROR(ReadTcb(tcb, Below(arc, 2), out));
  AH_ASSIGN_OR_RETURN(out.pceid, Octets(entries, 3, 2));
  AH_ASSIGN_OR_RETURN(out.fmspc, Octets(entries, 4, 6));
  AH_ASSIGN_OR_RETURN(const ByteSpan type, ValueOf(entries, 5, DerTag::kEnumerated));
  AH_ASSIGN_OR_RETURN(out.sgx_type, DerUnsigned(type));
  auto instance = Octets(entries, 6, 16);
  if (instance.ok()) {
    out.platform_instance = std::move(instance).value();
  } else if (instance.error().code() != ErrorCode::kNotFound) {
    return instance.error();
  }
  const auto configuration = ValueOf(entries, 7, DerTag::kSequence);
  if (configuration.ok()) {
    AH_RETURN_IF_ERROR(ReadConfiguration(*configuration, Below(arc, 7), out));
  } else if (configuration.error().code() != ErrorCode::kNotFound) {
    return configuration.error();
  }
  return out;
}

Result<std::vector<crypto::UnverifiedCertificate>> ReadPemOrDer(ByteSpan bytes) {
  if (crypto::LooksLikePem(bytes)) {
    while (bytes.back() == std::byte{0}) bytes = bytes.first(bytes.size() - 1);
    return crypto::ReadCertificates(bytes, kChainMax);
  }
  std::vector<crypto::UnverifiedCertificate> out;
  DerReader reader(bytes);
  while (!reader.AtEnd()) {
    if (out.size() == kChainMax) return LimitExceeded("more than 4 certificates");
    AH_ASSIGN_OR_RETURN(const DerElement next, reader.Next());
    AH_ASSIGN_OR_RETURN(auto certificate, crypto::UnverifiedCertificate::FromDer(next.whole));
    out.push_back(std::move(certificate));
  }
  if (out.empty()) return InvalidInput("no certificate");
  return out;
}

}  // namespace

Result<PckFields> ReadPck(const crypto::CertificateFields& certificate) {
  const auto* const extension = certificate.Find(kExtension);
  if (extension == nullptr) return InvalidInput("the certificate has no extension of a PCK");
  auto out = ReadExtension(extension->value);
  if (!out.ok()) return InvalidInput("the PCK's extension: " + out.error().message());
  return out;
}

Claim PckClaims(const PckFields& fields, const crypto::CertificateFields& certificate) {
  Claim out = Claim::Map();
  out.Add("ppid", Claim::Hex(fields.ppid));
  Claim components = Claim::List();
  for (const std::uint8_t svn : fields.components) components.Add(Claim::Number(svn));
  out.Add("comp", std::move(components));
  out.Add("pcesvn", Claim::Number(fields.pce_svn));
  out.Add("cpusvn", Claim::Hex(fields.cpu_svn));
  out.Add("pceid", Claim::Hex(fields.pceid));
  out.Add("fmspc", Claim::Hex(fields.fmspc));
  out.Add("sgxtype", Claim::Number(fields.sgx_type));
  if (fields.platform_instance) {
    out.Add("platform_instance_id", Claim::Hex(*fields.platform_instance));
  }
  if (fields.dynamic_platform) out.Add("dynamic_platform", Claim::Bool(*fields.dynamic_platform));
  if (fields.cached_keys) out.Add("cached_keys", Claim::Bool(*fields.cached_keys));
  if (fields.smt) out.Add("smt", Claim::Bool(*fields.smt));
  out.Add("ca", Claim::Text(certificate.issuer_common_name));
  // A number, not bytes: of zeros ahead of it, none.
  const std::string serial = ToHex(certificate.serial);
  out.Add("serial", Claim::Text(serial.starts_with('0') ? serial.substr(1) : serial));
  return out;
}

Result<std::vector<crypto::UnverifiedCertificate>> ReadPckChain(ByteSpan bytes) {
  AH_ASSIGN_OR_RETURN(auto chain, ReadPemOrDer(bytes));
  if (chain.front().unverified().Find(kExtension) == nullptr) {
    std::reverse(chain.begin(), chain.end());
  }
  return chain;
}

}  // namespace anchorhold::attest
