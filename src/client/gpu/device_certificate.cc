#include "client/gpu/device_certificate.h"

#include <algorithm>

#include "shared/attest/der.h"

namespace anchorhold::client {
namespace {

using attest::DerReader;
using attest::DerTag;

constexpr std::string_view kHopperOid = "2.23.133.5.4.1";
constexpr std::string_view kTcbInfoOid = "2.23.133.5.4.1.1";
constexpr std::uint8_t kFwidsTag = 0xa6;  // [6], constructed
constexpr std::string_view kSha384Oid =
    "\x60\x86\x48\x01\x65\x03\x04\x02\x02";  // 2.16.840.1.101.3.4.2.2

// The next element is a fwid.
Result<Bytes> ReadFwid(DerReader& reader) {
  AH_ASSIGN_OR_RETURN(const ByteSpan content, reader.Next(DerTag::kSequence));
  DerReader fwid(content);
  AH_ASSIGN_OR_RETURN(const ByteSpan hash, fwid.Next(DerTag::kOid));
  AH_ASSIGN_OR_RETURN(const ByteSpan digest, fwid.Next(DerTag::kOctetString));
  if (AsText(hash) != kSha384Oid || digest.size() != kFwidBytes || !fwid.AtEnd()) {
    return InvalidInput("the firmware's digest is not one of SHA-384");
  }
  return CopyBytes(digest);
}

}  // namespace

Result<Bytes> DeviceFwid(const crypto::CertificateFields& certificate) {
  if (const auto* hopper = certificate.Find(kHopperOid)) {
    AH_ASSIGN_OR_RETURN(const ByteSpan content, attest::ReadDer(hopper->value, DerTag::kSequence));
    DerReader reader(content);
    AH_RETURN_IF_ERROR(reader.Next(DerTag::kInteger));
    AH_RETURN_IF_ERROR(reader.Next(DerTag::kSequence));
    return ReadFwid(reader);
  }
  const auto* tcb_info = certificate.Find(kTcbInfoOid);
  if (tcb_info == nullptr) return InvalidInput("it states no digest of the device's firmware");
  AH_ASSIGN_OR_RETURN(const ByteSpan content, attest::ReadDer(tcb_info->value, DerTag::kSequence));
  DerReader reader(content);
  while (!reader.AtEnd()) {
    AH_ASSIGN_OR_RETURN(const attest::DerElement element, reader.Next());
    if (element.tag != kFwidsTag) continue;
    DerReader fwids(element.content);
    return ReadFwid(fwids);
  }
  return InvalidInput("its DICE extension states no digest of the device's firmware");
}

std::string DeviceSubject(const crypto::CertificateFields& certificate) {
  constexpr std::string_view kName = "serialNumber=";
  std::string subject = certificate.subject;
  for (std::size_t at = 0; (at = subject.find(kName, at)) != std::string::npos; ++at) {
    if (at == 0 || (subject[at - 1] == ',' && (at < 2 || subject[at - 2] != '\\'))) {
      subject.replace(at, kName.size(), "2.5.4.5=");
    }
  }
  return subject;
}

std::string DeviceProduct(const crypto::CertificateFields& certificate) {
  std::string product = certificate.common_name.substr(0, certificate.common_name.find(' '));
  std::erase(product, '_');
  return product;
}

}  // namespace anchorhold::client
