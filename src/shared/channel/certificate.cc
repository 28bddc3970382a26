#include "shared/channel/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace anchorhold::channel {
namespace {

constexpr const char* kNotBefore = "20200101000000Z";
constexpr const char* kNotAfter = "99991231235959Z";
constexpr int kVersion3 = 2;

using ObjectPtr = OpensslPtr<ASN1_OBJECT, ASN1_OBJECT_free>;
using OctetsPtr = OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;

ObjectPtr EvidenceOid() { return ObjectPtr(OBJ_txt2obj(kEvidenceExtensionOid, 1)); }

bool AddEvidence(X509* certificate, const CertifiedEvidence& content) {
  const Bytes value = EncodeEvidenceExtension(content);
  const ObjectPtr oid = EvidenceOid();
  const OctetsPtr octets(ASN1_OCTET_STRING_new());
  if (oid == nullptr || octets == nullptr) return false;
  if (ASN1_OCTET_STRING_set(octets.get(), Raw(value), static_cast<int>(value.size())) != 1) {
    return false;
  }
  const ExtensionPtr extension(
      X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), /*crit=*/0, octets.get()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Issuer and subject are the same name.
bool SetNames(X509* certificate, std::string_view common_name) {
  X509_NAME* const name = X509_get_subject_name(certificate);
  const ByteSpan text = AsBytes(common_name);
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, Raw(text),
                                    static_cast<int>(text.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool SetFields(X509* certificate, std::string_view common_name, EVP_PKEY* key) {
  return X509_set_version(certificate, kVersion3) == 1 &&
         ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), kNotBefore) == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), kNotAfter) == 1 &&
         SetNames(certificate, common_name) && X509_set_pubkey(certificate, key) == 1;
}

}  // namespace

KeyPtr ToOpensslKey(const crypto::Ed25519PrivateKey& key) {
  const ByteSpan seed = key.seed().ExposeSecret();
  KeyPtr out(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Raw(seed), seed.size()));
  AH_CHECK(out != nullptr);
  return out;
}

Result<CertificatePtr> MakeCertificate(const crypto::Ed25519PrivateKey& key,
                                       std::string_view common_name,
                                       const std::optional<CertifiedEvidence>& content) {
  const KeyPtr openssl_key = ToOpensslKey(key);
  CertificatePtr certificate(X509_new());
  if (certificate == nullptr || !SetFields(certificate.get(), common_name, openssl_key.get()) ||
      (content.has_value() && !AddEvidence(certificate.get(), *content)) ||
      X509_sign(certificate.get(), openssl_key.get(), nullptr) <= 0) {
    return InternalError("certificate: OpenSSL cannot make one");
  }
  return certificate;
}

Result<crypto::Ed25519PublicKey> ReadSelfSigned(X509* certificate, std::size_t max_bytes) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0 || static_cast<std::size_t>(size) > max_bytes) {
    return LimitExceeded("a certificate of " + std::to_string(size) + " bytes; the limit is " +
                         std::to_string(max_bytes));
  }
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
      X509_get_signature_nid(certificate) != NID_ED25519) {
    return InvalidInput("a certificate that is not of an Ed25519 key, signed with Ed25519");
  }
  if (X509_verify(certificate, key) != 1) {
    return InvalidInput("a certificate that is not signed by its own key");
  }
  crypto::Ed25519PublicKey out;
  std::size_t out_size = out.value.size();
  AH_CHECK(EVP_PKEY_get_raw_public_key(key, RawMutable(MutableByteSpan(out.value)), &out_size) ==
           1);
  AH_CHECK(out_size == out.value.size());
  return out;
}

Result<CertifiedEvidence> ReadCertifiedEvidence(X509* certificate) {
  const ObjectPtr oid = EvidenceOid();
  AH_CHECK(oid != nullptr);
  const int first = X509_get_ext_by_OBJ(certificate, oid.get(), -1);
  if (first < 0) return InvalidInput("a certificate that carries no evidence");
  if (X509_get_ext_by_OBJ(certificate, oid.get(), first) >= 0) {
    return InvalidInput("a certificate that carries evidence twice");
  }
  const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(X509_get_ext(certificate, first));
  AH_CHECK(value != nullptr);
  const ByteSpan bytes = std::as_bytes(std::span<const unsigned char>(
      ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))));
  return ParseEvidenceExtension(bytes);
}

}  // namespace anchorhold::channel
