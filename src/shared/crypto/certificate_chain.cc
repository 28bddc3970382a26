#include "shared/crypto/certificate_chain.h"

#include <algorithm>

#include "shared/crypto/x509_internal.h"

namespace anchorhold::crypto {

// Sees to it that nothing else makes a VerifiedCertificate.
class ChainVerifier {
 public:
  ChainVerifier(UnixSeconds now, std::span<const UnverifiedCertificate> chain,
                const ChainRules& rules)
      : now_(now), chain_(chain), rules_(rules) {}

  Status Verify() {
    if (chain_.empty() || chain_.size() > kChainLengthMax) {
      return Fail(ChainCheck::kLength, 0, "no chain of 1 to 8 certificates");
    }
    const std::size_t root = chain_.size() - 1;
    AH_RETURN_IF_ERROR(CheckPin(root));
    for (const UnverifiedCertificate& certificate : chain_) {
      parsed_.push_back(internal::ParseAgain(certificate.unverified()));
      // Has libcrypto read the extensions that the checks below ask for.
      X509_check_purpose(parsed_.back().get(), -1, 0);
    }
    // From the root down: what is said of a certificate rests on those above it.
    AH_RETURN_IF_ERROR(CheckLink(root, root));
    for (std::size_t at = root; at-- > 0;) AH_RETURN_IF_ERROR(CheckLink(at, at + 1));
    for (std::size_t at = chain_.size(); at-- > 0;) AH_RETURN_IF_ERROR(CheckAlone(at));
    return Ok();
  }

  std::vector<VerifiedCertificate> Verified() const {
    std::vector<VerifiedCertificate> out;
    for (const auto& certificate : chain_) {
      out.push_back(VerifiedCertificate(certificate.unverified()));
    }
    return out;
  }
  const ChainFault& fault() const { return fault_; }

 private:
  Error Fail(ChainCheck check, std::size_t at, const std::string& what) {
    fault_ = {check, at};
    if (at >= chain_.size()) return IntegrityError(what);
    return IntegrityError("the certificate of " + chain_[at].unverified().subject + " " + what);
  }

  Status CheckPin(std::size_t root) {
    const Sha256Digest key = chain_[root].unverified().key.Fingerprint();
    if (std::find(rules_.pins.begin(), rules_.pins.end(), key) != rules_.pins.end()) return Ok();
    return Fail(ChainCheck::kRootPinned, root,
                "ends the chain, and its key " + key.hex() + " is not one that is trusted");
  }

  // The certificate at `at` was signed by the one at `by`; both are the root, or `by` is the next.
  Status CheckLink(std::size_t at, std::size_t by) {
    X509* const issuer = parsed_[by].get();
    const int issued = X509_check_issued(issuer, parsed_[at].get());
    if (issued != X509_V_OK && issued != X509_V_ERR_KEYUSAGE_NO_CERTSIGN) {
      return Fail(ChainCheck::kIssuer, at, "was not issued under the name of the next one");
    }
    if (!internal::HashIsSound(parsed_[at].get())) {
      return Fail(ChainCheck::kAlgorithm, at, "is signed by an algorithm that can be forged");
    }
    if (X509_verify(parsed_[at].get(), X509_get0_pubkey(issuer)) != 1) {
      return Fail(ChainCheck::kSignature, at, "is not signed by the key of the next one");
    }
    return by == 0 ? Ok() : CheckCertifier(by, at);
  }

  // `by` stands above the leaf, so it must be one that may sign certificates.
  Status CheckCertifier(std::size_t by, std::size_t at) {
    X509* const issuer = parsed_[by].get();
    const std::uint32_t flags = X509_get_extension_flags(issuer);
    if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_CA) == 0) {
      return Fail(ChainCheck::kNotACertifier, by, "may not sign certificates (basic constraints)");
    }
    if ((flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN) == 0) {
      return Fail(ChainCheck::kKeyUsage, by, "may not sign certificates (key usage)");
    }
    const long path_length = X509_get_pathlen(issuer);
    if (path_length >= 0 && at != by && at > static_cast<std::size_t>(path_length)) {
      return Fail(ChainCheck::kPathLength, by, "allows fewer certificates below it");
    }
    return Ok();
  }

  Status CheckAlone(std::size_t at) {
    const CertificateFields& fields = chain_[at].unverified();
    constexpr std::string_view kUnderstoodHere[] = {"2.5.29.19", "2.5.29.15"};
    for (const CertificateExtension& extension : fields.extensions) {
      const bool known = std::find(std::begin(kUnderstoodHere), std::end(kUnderstoodHere),
                                   extension.oid) != std::end(kUnderstoodHere) ||
                         std::find(rules_.understood.begin(), rules_.understood.end(),
                                   extension.oid) != rules_.understood.end();
      if (extension.critical && !known) {
        return Fail(ChainCheck::kCriticalExtension, at,
                    "has the critical extension " + extension.oid + ", unknown here");
      }
    }
    if (now_ < fields.not_before) {
      return Fail(ChainCheck::kNotYetValid, at,
                  "is not valid before " + FormatTime(fields.not_before));
    }
    if (now_ > fields.not_after) {
      return Fail(ChainCheck::kExpired, at, "expired after " + FormatTime(fields.not_after));
    }
    return Ok();
  }

  UnixSeconds now_;
  std::span<const UnverifiedCertificate> chain_;
  const ChainRules& rules_;
  std::vector<internal::X509Ptr> parsed_;
  ChainFault fault_;
};

Result<std::vector<VerifiedCertificate>> VerifyChain(UnixSeconds now,
                                                     std::span<const UnverifiedCertificate> chain,
                                                     const ChainRules& rules, ChainFault* fault) {
  const internal::ErrorQueueMark mark;
  ChainVerifier verifier(now, chain, rules);
  const Status verified = verifier.Verify();
  if (fault != nullptr) *fault = verifier.fault();
  if (!verified.ok()) return verified.error();
  return verifier.Verified();
}

}  // namespace anchorhold::crypto
