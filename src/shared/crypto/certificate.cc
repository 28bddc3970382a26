#include "shared/crypto/certificate.h"

#include <algorithm>

#include "shared/crypto/pem.h"
#include "shared/crypto/x509_internal.h"

namespace anchorhold::crypto {
namespace {

constexpr int kExtensionsMax = 64;
constexpr long kVersion3 = 2;  // as it is encoded

std::string CommonNameOf(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return "";
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  std::string out;
  for (int i = 0; i < ASN1_STRING_length(text); ++i) {
    const unsigned char c = ASN1_STRING_get0_data(text)[i];
    if (c < 0x20 || c > 0x7e) return "";
    out.push_back(static_cast<char>(c));
  }
  return out;
}

Result<std::vector<CertificateExtension>> ExtensionsOf(const X509* certificate) {
  const int count = X509_get_ext_count(certificate);
  if (count > kExtensionsMax) return InvalidInput("too many extensions");
  std::vector<CertificateExtension> out;
  for (int i = 0; i < count; ++i) {
    X509_EXTENSION* const extension = X509_get_ext(certificate, i);
    const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(extension);
    CertificateExtension next;
    next.oid = internal::OidOf(X509_EXTENSION_get_object(extension));
    next.critical = X509_EXTENSION_get_critical(extension) == 1;
    next.value = CopyBytes(std::as_bytes(std::span(
        ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)))));
    const bool known = std::any_of(out.begin(), out.end(),
                                   [&](const auto& other) { return other.oid == next.oid; });
    if (next.oid.empty() || known) return InvalidInput("an extension that is there twice");
    out.push_back(std::move(next));
  }
  return out;
}

Result<CertificateFields> FieldsOf(X509* certificate, ByteSpan der) {
  if (X509_get_version(certificate) != kVersion3) return Unsupported("not version 3");
  // Reads the extensions that libcrypto knows, and marks the certificate if one is malformed.
  X509_check_purpose(certificate, -1, 0);
  if ((X509_get_extension_flags(certificate) & EXFLAG_INVALID) != 0) {
    return InvalidInput("a malformed extension");
  }
  const X509_PUBKEY* const spki = X509_get_X509_PUBKEY(certificate);
  AH_ASSIGN_OR_RETURN(PublicKey key, PublicKey::FromSpki(internal::Encode<i2d_X509_PUBKEY>(spki)));
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  CertificateFields fields{.der = CopyBytes(der),
                           .serial = {},
                           .subject = internal::NameOf(subject),
                           .issuer = internal::NameOf(X509_get_issuer_name(certificate)),
                           .common_name = CommonNameOf(subject),
                           .issuer_common_name = CommonNameOf(X509_get_issuer_name(certificate)),
                           .not_before = {},
                           .not_after = {},
                           .key = std::move(key),
                           .extensions = {}};
  AH_ASSIGN_OR_RETURN(fields.serial, internal::SerialOf(X509_get0_serialNumber(certificate)));
  AH_ASSIGN_OR_RETURN(fields.not_before, internal::TimeOf(X509_get0_notBefore(certificate)));
  AH_ASSIGN_OR_RETURN(fields.not_after, internal::TimeOf(X509_get0_notAfter(certificate)));
  AH_ASSIGN_OR_RETURN(fields.extensions, ExtensionsOf(certificate));
  return fields;
}

}  // namespace

const CertificateExtension* CertificateFields::Find(std::string_view oid) const {
  const auto found = std::find_if(extensions.begin(), extensions.end(),
                                  [&](const auto& extension) { return extension.oid == oid; });
  return found == extensions.end() ? nullptr : &*found;
}

Result<UnverifiedCertificate> UnverifiedCertificate::FromDer(ByteSpan der) {
  const internal::ErrorQueueMark mark;
  if (der.size() > kCertificateBytesMax) {
    return LimitExceeded("certificate: more than " + std::to_string(kCertificateBytesMax) +
                         " bytes");
  }
  const auto certificate = internal::Decode<internal::X509Ptr, d2i_X509>(der);
  if (certificate == nullptr || !BytesEqual(internal::Encode<i2d_X509>(certificate.get()), der)) {
    return InvalidInput("certificate: not X.509 in DER");
  }
  Result<CertificateFields> fields = FieldsOf(certificate.get(), der);
  if (!fields.ok()) return fields.error().At("certificate");
  return UnverifiedCertificate(std::move(fields).value());
}

Result<std::vector<UnverifiedCertificate>> ReadCertificates(ByteSpan bytes, std::size_t max_count) {
  std::vector<Bytes> blocks;
  if (LooksLikePem(bytes)) {
    AH_ASSIGN_OR_RETURN(blocks, ReadPem(bytes, "CERTIFICATE", max_count));
  } else {
    blocks.push_back(CopyBytes(bytes));
  }
  std::vector<UnverifiedCertificate> out;
  for (const Bytes& block : blocks) {
    AH_ASSIGN_OR_RETURN(UnverifiedCertificate next, UnverifiedCertificate::FromDer(block));
    out.push_back(std::move(next));
  }
  return out;
}

}  // namespace anchorhold::crypto
