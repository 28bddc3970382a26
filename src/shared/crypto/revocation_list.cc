#include "shared/crypto/revocation_list.h"

#include <algorithm>

#include "shared/crypto/pem.h"
#include "shared/crypto/x509_internal.h"

namespace anchorhold::crypto {
namespace {

Error Fail(RevocationCheck* fault, RevocationCheck check, const std::string& issuer,
           const std::string& what) {
  if (fault != nullptr) *fault = check;
  return IntegrityError("the revocation list of " + issuer + " " + what);
}

bool HasCriticalExtension(const X509_CRL* list) {
  for (int i = 0; i < X509_CRL_get_ext_count(list); ++i) {
    if (X509_EXTENSION_get_critical(X509_CRL_get_ext(list, i)) == 1) return true;
  }
  return false;
}

// An entry's critical extension may say that it is about another issuer's certificate.
bool HasCriticalExtension(const X509_REVOKED* entry) {
  for (int i = 0; i < X509_REVOKED_get_ext_count(entry); ++i) {
    if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, i)) == 1) return true;
  }
  return false;
}

bool MaySignLists(X509* issuer) {
  X509_check_purpose(issuer, -1, 0);
  const std::uint32_t flags = X509_get_extension_flags(issuer);
  return (flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0;
}

}  // namespace

Result<UnverifiedRevocationList> UnverifiedRevocationList::FromDer(ByteSpan der) {
  const internal::ErrorQueueMark mark;
  if (der.size() > kRevocationListBytesMax) return LimitExceeded("revocation list: too many bytes");
  const auto list = internal::Decode<internal::CrlPtr, d2i_X509_CRL>(der);
  if (list == nullptr || !BytesEqual(internal::Encode<i2d_X509_CRL>(list.get()), der)) {
    return InvalidInput("revocation list: not X.509 in DER");
  }
  const auto next_update = internal::TimeOf(X509_CRL_get0_nextUpdate(list.get()));
  return UnverifiedRevocationList(CopyBytes(der), internal::NameOf(X509_CRL_get_issuer(list.get())),
                                  next_update.ok() ? std::optional(*next_update) : std::nullopt);
}

Result<std::vector<UnverifiedRevocationList>> ReadRevocationLists(ByteSpan bytes,
                                                                  std::size_t max_count) {
  std::vector<Bytes> blocks;
  if (LooksLikePem(bytes)) {
    AH_ASSIGN_OR_RETURN(blocks, ReadPem(bytes, "X509 CRL", max_count));
  } else {
    blocks.push_back(CopyBytes(bytes));
  }
  std::vector<UnverifiedRevocationList> out;
  for (const Bytes& block : blocks) {
    AH_ASSIGN_OR_RETURN(auto next, UnverifiedRevocationList::FromDer(block));
    out.push_back(std::move(next));
  }
  return out;
}

Result<VerifiedRevocationList> VerifiedRevocationList::Verify(const UnverifiedRevocationList& list,
                                                              const VerifiedCertificate& issuer,
                                                              RevocationCheck* fault) {
  const internal::ErrorQueueMark mark;
  const auto crl = internal::Decode<internal::CrlPtr, d2i_X509_CRL>(list.der());
  AH_CHECK(crl != nullptr);
  const auto by = internal::ParseAgain(issuer.fields());
  const std::string& name = list.unverified_issuer();
  if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(by.get())) != 0) {
    return Fail(fault, RevocationCheck::kIssuer, name, "is not that of " + issuer.fields().subject);
  }
  if (!MaySignLists(by.get())) {
    return Fail(fault, RevocationCheck::kKeyUsage, name, "has an issuer that may not sign lists");
  }
  if (!internal::HashIsSound(crl.get()) ||
      X509_CRL_verify(crl.get(), X509_get0_pubkey(by.get())) != 1) {
    return Fail(fault, RevocationCheck::kSignature, name, "is not signed by its issuer's key");
  }
  if (HasCriticalExtension(crl.get())) {
    return Fail(fault, RevocationCheck::kExtension, name, "is not a complete list");
  }
  const auto this_update = internal::TimeOf(X509_CRL_get0_lastUpdate(crl.get()));
  const auto next_update = internal::TimeOf(X509_CRL_get0_nextUpdate(crl.get()));
  if (!this_update.ok() || !next_update.ok()) {
    return Fail(fault, RevocationCheck::kDates, name, "does not say until when it holds");
  }
  VerifiedRevocationList out;
  out.issuer_ = issuer.fields().subject;
  out.this_update_ = *this_update;
  out.next_update_ = *next_update;
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    auto serial = internal::SerialOf(X509_REVOKED_get0_serialNumber(entry));
    if (!serial.ok() || HasCriticalExtension(entry)) {
      return Fail(fault, RevocationCheck::kExtension, name, "has an entry that cannot be read");
    }
    out.serials_.push_back(std::move(serial).value());
  }
  std::sort(out.serials_.begin(), out.serials_.end());
  return out;
}

bool VerifiedRevocationList::Revokes(const VerifiedCertificate& certificate) const {
  AH_CHECK(certificate.fields().issuer == issuer_);
  return std::binary_search(serials_.begin(), serials_.end(), certificate.fields().serial);
}

}  // namespace anchorhold::crypto
