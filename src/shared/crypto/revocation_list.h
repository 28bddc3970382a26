// Certificate revocation lists (RFC 5280, section 5): complete lists of one issuer.
#pragma once

#include "shared/crypto/certificate.h"

namespace anchorhold::crypto {

inline constexpr std::size_t kRevocationListBytesMax = 4 * 1024 * 1024;

class UnverifiedRevocationList {
 public:
  // In DER, nothing after it.
  static Result<UnverifiedRevocationList> FromDer(ByteSpan der);
  const Bytes& der() const { return der_; }
  const std::string& unverified_issuer() const { return issuer_; }
  // Nothing if the list does not say when it is to be replaced.
  std::optional<UnixSeconds> unverified_next_update() const { return next_update_; }

 private:
  UnverifiedRevocationList(Bytes der, std::string issuer, std::optional<UnixSeconds> next_update)
      : der_(std::move(der)), issuer_(std::move(issuer)), next_update_(next_update) {}
  Bytes der_;
  std::string issuer_;
  std::optional<UnixSeconds> next_update_;
};

// One list in DER, or up to `max_count` of them as PEM blocks.
Result<std::vector<UnverifiedRevocationList>> ReadRevocationLists(ByteSpan bytes,
                                                                  std::size_t max_count);

enum class RevocationCheck {
  kIssuer,     // the list is another issuer's
  kKeyUsage,   // the issuer may not sign lists
  kSignature,  // not signed by the issuer, or over a hash that can be forged
  kExtension,  // a critical extension: a partial or indirect list, which is not a complete one
  kDates,      // it does not say from when until when it holds
};

// Made only by Verify.
class VerifiedRevocationList {
 public:
  // kIntegrity unless `issuer` signed the list; `fault`, if given, says why. Whether the list is
  // current is the caller's to ask: a list that is not says nothing of today.
  static Result<VerifiedRevocationList> Verify(const UnverifiedRevocationList& list,
                                               const VerifiedCertificate& issuer,
                                               RevocationCheck* fault = nullptr);
  // Neither issued later than `now` nor to be replaced before it.
  bool IsCurrent(UnixSeconds now) const { return this_update_ <= now && now <= next_update_; }
  // Whether the list revokes the certificate. Precondition: the list's issuer issued it.
  bool Revokes(const VerifiedCertificate& certificate) const;
  UnixSeconds this_update() const { return this_update_; }
  UnixSeconds next_update() const { return next_update_; }
  std::size_t revoked_count() const { return serials_.size(); }

 private:
  VerifiedRevocationList() = default;
  std::string issuer_;
  std::vector<Bytes> serials_;
  UnixSeconds this_update_;
  UnixSeconds next_update_;
};

}  // namespace anchorhold::crypto
