#include "shared/crypto/test_certificates.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "shared/base/base64.h"
#include "shared/crypto/x509_internal.h"

namespace anchorhold::crypto::testing {
namespace {

using namespace internal;
using NamePtr = OpensslPtr<X509_NAME, X509_NAME_free>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using TimePtr = OpensslPtr<ASN1_TIME, ASN1_TIME_free>;

EVP_PKEY* Native(const TestKey& key) { return static_cast<EVP_PKEY*>(key.native()); }

const EVP_MD* DigestOf(HashName hash) {
  return hash == HashName::kSha256   ? EVP_sha256()
         : hash == HashName::kSha384 ? EVP_sha384()
                                     : EVP_sha512();
}

NamePtr MakeName(const std::string& common_name) {
  NamePtr name(X509_NAME_new());
  AH_CHECK(X509_NAME_add_entry_by_txt(name.get(), "CN", MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                      -1, -1, 0) == 1);
  return name;
}

TimePtr MakeTime(UnixSeconds time) {
  std::string text;  // "20271121130500Z"
  for (const char c : FormatTime(time)) {
    if ((c >= '0' && c <= '9') || c == 'Z') text.push_back(c);
  }
  TimePtr out(ASN1_TIME_new());
  AH_CHECK(ASN1_TIME_set_string_X509(out.get(), text.c_str()) == 1);
  return out;
}

ExtensionPtr MakeExtension(const std::string& oid, bool critical, ByteSpan value) {
  const OpensslPtr<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(oid.c_str(), 1));
  const OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> data(ASN1_OCTET_STRING_new());
  AH_CHECK(object != nullptr);
  AH_CHECK(ASN1_OCTET_STRING_set(data.get(), Raw(value), static_cast<int>(value.size())) == 1);
  return ExtensionPtr(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, data.get()));
}

void AddKnown(X509* certificate, int nid, const std::string& value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  AH_CHECK(extension != nullptr);
  AH_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

DigestContextPtr Signer(EVP_PKEY* key, const EVP_MD* digest, RsaPadding padding) {
  DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  AH_CHECK(EVP_DigestSignInit(context.get(), &options, digest, nullptr, key) == 1);
  if (padding != RsaPadding::kPkcs1) {
    const int salt = padding == RsaPadding::kPss ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_MAX;
    AH_CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
    AH_CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt) == 1);
  }
  return context;
}

Bytes Sign(EVP_PKEY* key, const EVP_MD* digest, RsaPadding padding, ByteSpan message) {
  const DigestContextPtr context = Signer(key, digest, padding);
  std::size_t size = 0;
  AH_CHECK(EVP_DigestSign(context.get(), nullptr, &size, Raw(message), message.size()) == 1);
  Bytes out(size);
  AH_CHECK(EVP_DigestSign(context.get(), RawMutable(out), &size, Raw(message), message.size()) ==
           1);
  out.resize(size);
  return out;
}

}  // namespace

TestKey TestKey::Generate(KeyType type) {
  EVP_PKEY* const key = type == KeyType::kRsa      ? EVP_RSA_gen(2048u)
                        : type == KeyType::kEcP256 ? EVP_EC_gen("P-256")
                                                   : EVP_EC_gen("P-384");
  AH_CHECK(key != nullptr);
  return TestKey(
      std::shared_ptr<void>(key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }));
}

PublicKey TestKey::public_key() const {
  return PublicKey::FromSpki(Encode<i2d_PUBKEY>(Native(*this))).value();
}

Bytes TestKey::SignEcdsa(HashName hash, ByteSpan message) const {
  const std::size_t size = public_key().type() == KeyType::kEcP256 ? 32 : 48;
  const Bytes der = Sign(Native(*this), DigestOf(hash), RsaPadding::kPkcs1, message);
  const auto signature = Decode<OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>, d2i_ECDSA_SIG>(der);
  Bytes out(2 * size);
  const int bytes = static_cast<int>(size);
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), RawMutable(out), bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), RawMutable(out) + size, bytes);
  return out;
}

Bytes TestKey::SignRsa(RsaPadding padding, HashName hash, ByteSpan message) const {
  return Sign(Native(*this), DigestOf(hash), padding, message);
}

Bytes TestKey::SignRsaOverInsecureSha1(ByteSpan message) const {
  return Sign(Native(*this), EVP_sha1(), RsaPadding::kPkcs1, message);
}

Bytes MakeCertificate(const CertificateSpec& spec, const TestKey& subject, const TestKey& issuer) {
  const X509Ptr certificate(X509_new());
  X509* const x = certificate.get();
  AH_CHECK(X509_set_version(x, 2) == 1);
  AH_CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), spec.serial) == 1);
  AH_CHECK(X509_set_subject_name(x, MakeName(spec.subject).get()) == 1);
  AH_CHECK(X509_set_issuer_name(x, MakeName(spec.issuer).get()) == 1);
  AH_CHECK(X509_set1_notBefore(x, MakeTime(spec.not_before).get()) == 1);
  AH_CHECK(X509_set1_notAfter(x, MakeTime(spec.not_after).get()) == 1);
  AH_CHECK(X509_set_pubkey(x, Native(subject)) == 1);
  if (spec.ca) {
    std::string constraints = "critical,CA:TRUE";
    if (spec.path_length >= 0) constraints += ",pathlen:" + std::to_string(spec.path_length);
    AddKnown(x, NID_basic_constraints, constraints);
  }
  const std::string usage =
      spec.key_usage.empty() && spec.ca ? "critical,keyCertSign,cRLSign" : spec.key_usage;
  if (!usage.empty() && usage != "-") AddKnown(x, NID_key_usage, usage);
  for (const CertificateExtension& extension : spec.extensions) {
    const auto made = MakeExtension(extension.oid, extension.critical, extension.value);
    AH_CHECK(X509_add_ext(x, made.get(), -1) == 1);
  }
  const DigestContextPtr signer = Signer(Native(issuer), spec.sha1 ? EVP_sha1() : EVP_sha384(),
                                         spec.pss ? RsaPadding::kPss : RsaPadding::kPkcs1);
  AH_CHECK(X509_sign_ctx(x, signer.get()) > 0);
  return Encode<i2d_X509>(x);
}

Bytes MakeRevocationList(const RevocationListSpec& spec, const TestKey& issuer) {
  const CrlPtr list(X509_CRL_new());
  X509_CRL* const x = list.get();
  AH_CHECK(X509_CRL_set_version(x, 1) == 1);
  AH_CHECK(X509_CRL_set_issuer_name(x, MakeName(spec.issuer).get()) == 1);
  AH_CHECK(X509_CRL_set1_lastUpdate(x, MakeTime(spec.this_update).get()) == 1);
  if (spec.has_next_update) {
    AH_CHECK(X509_CRL_set1_nextUpdate(x, MakeTime(spec.next_update).get()) == 1);
  }
  for (const std::uint32_t serial : spec.serials) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    const OpensslPtr<ASN1_INTEGER, ASN1_INTEGER_free> number(ASN1_INTEGER_new());
    AH_CHECK(ASN1_INTEGER_set_uint64(number.get(), serial) == 1);
    AH_CHECK(X509_REVOKED_set_serialNumber(entry, number.get()) == 1);
    AH_CHECK(X509_REVOKED_set_revocationDate(entry, MakeTime(spec.this_update).get()) == 1);
    AH_CHECK(X509_CRL_add0_revoked(x, entry) == 1);
  }
  if (spec.critical_extension) {
    const auto made = MakeExtension("1.2.3.4", true, AsBytes("x"));
    AH_CHECK(X509_CRL_add_ext(x, made.get(), -1) == 1);
  }
  AH_CHECK(X509_CRL_sort(x) == 1);
  const DigestContextPtr signer =
      Signer(Native(issuer), spec.sha1 ? EVP_sha1() : EVP_sha384(), RsaPadding::kPkcs1);
  AH_CHECK(X509_CRL_sign_ctx(x, signer.get()) > 0);
  return Encode<i2d_X509_CRL>(x);
}

std::string ToPem(ByteSpan der, std::string_view label) {
  std::string out = "-----BEGIN " + std::string(label) + "-----\n";
  const std::string text = EncodeBase64(der, Base64::kStandard);
  for (std::size_t at = 0; at < text.size(); at += 64) out += text.substr(at, 64) + "\n";
  return out + "-----END " + std::string(label) + "-----\n";
}

}  // namespace anchorhold::crypto::testing
