#include "shared/crypto/x509_internal.h"

#include <openssl/rsa.h>

#include <cstdio>

namespace anchorhold::crypto::internal {
namespace {

constexpr std::size_t kSerialBytesMax = 20;  // RFC 5280, 4.1.2.2

bool IsSha2(int digest) {
  return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

}  // namespace

X509Ptr ParseAgain(const CertificateFields& fields) {
  X509Ptr certificate = Decode<X509Ptr, d2i_X509>(fields.der);
  AH_CHECK(certificate != nullptr);
  return certificate;
}

Result<UnixSeconds> TimeOf(const ASN1_TIME* time) {
  struct tm parts = {};
  if (time == nullptr || ASN1_TIME_check(time) != 1 || ASN1_TIME_to_tm(time, &parts) != 1) {
    return InvalidInput("a time that is none");
  }
  std::array<char, 96> text = {};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return ParseTime(text.data());
}

Result<Bytes> SerialOf(const ASN1_INTEGER* serial) {
  const OpensslPtr<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (number == nullptr || BN_is_negative(number.get()) != 0) {
    return InvalidInput("a serial number that is negative");
  }
  Bytes out(static_cast<std::size_t>(BN_num_bytes(number.get())));
  if (out.size() > kSerialBytesMax) return InvalidInput("a serial number of too many bytes");
  BN_bn2bin(number.get(), RawMutable(out));
  return out;
}

std::string NameOf(const X509_NAME* name) {
  const OpensslPtr<BIO, BIO_free> out(BIO_new(BIO_s_mem()));
  AH_CHECK(out != nullptr);
  if (X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  const char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : "";
}

std::string OidOf(const ASN1_OBJECT* object) {
  std::array<char, 128> text = {};
  const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  if (size <= 0 || static_cast<std::size_t>(size) >= text.size()) return "";
  return text.data();
}

bool HashIsSound(const X509* certificate) {
  int digest = NID_undef;
  // libcrypto keeps what it finds out about the algorithm in the object.
  return X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr, nullptr,
                                 nullptr) == 1 &&
         IsSha2(digest);
}

bool HashIsSound(const X509_CRL* list) {
  int digest = NID_undef;
  if (X509_CRL_get_signature_nid(list) != NID_rsassaPss) {
    return OBJ_find_sigid_algs(X509_CRL_get_signature_nid(list), &digest, nullptr) == 1 &&
           IsSha2(digest);
  }
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(list, nullptr, &algorithm);
  const OpensslPtr<RSA_PSS_PARAMS, RSA_PSS_PARAMS_free> parameters(static_cast<RSA_PSS_PARAMS*>(
      ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter)));
  // Without a hash named, it would be SHA-1 (RFC 4055).
  return parameters != nullptr && parameters->hashAlgorithm != nullptr &&
         IsSha2(OBJ_obj2nid(parameters->hashAlgorithm->algorithm));
}

}  // namespace anchorhold::crypto::internal
