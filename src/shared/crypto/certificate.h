// X.509 certificates of others (RFC 5280): vendors' chains under which evidence is signed. What
// parsed is only an UnverifiedCertificate; VerifyChain (certificate_chain.h) makes it a
// VerifiedCertificate, and only that has a key to verify with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::crypto {

inline constexpr std::size_t kCertificateBytesMax = 16 * 1024;

struct CertificateExtension {
  std::string oid;  // "1.3.6.1.4.1.3704.1.2"
  bool critical = false;
  Bytes value;  // what the OCTET STRING holds
};

// What a certificate says. Text is ASCII; other characters are escaped (RFC 4514).
struct CertificateFields {
  Bytes der;
  Bytes serial;         // big-endian, without leading zeros: empty for 0
  std::string subject;  // "CN=SEV-VCEK,O=Advanced Micro Devices,..."
  std::string issuer;
  std::string common_name;  // of the subject; empty if it has none, or several
  std::string issuer_common_name;
  UnixSeconds not_before;
  UnixSeconds not_after;
  PublicKey key;
  std::vector<CertificateExtension> extensions;

  // Null if there is none.
  const CertificateExtension* Find(std::string_view oid) const;
};

class UnverifiedCertificate {
 public:
  // A version 3 certificate in DER, nothing after it. kInvalidInput, kUnsupported (keys).
  static Result<UnverifiedCertificate> FromDer(ByteSpan der);
  // To show, and to choose by; never to believe.
  const CertificateFields& unverified() const { return fields_; }

 private:
  explicit UnverifiedCertificate(CertificateFields fields) : fields_(std::move(fields)) {}
  CertificateFields fields_;
};

// One certificate in DER, or up to `max_count` of them as PEM blocks with nothing but white space
// between them.
Result<std::vector<UnverifiedCertificate>> ReadCertificates(ByteSpan bytes, std::size_t max_count);

// Made only by VerifyChain.
class VerifiedCertificate {
 public:
  const CertificateFields& fields() const { return fields_; }
  const PublicKey& key() const { return fields_.key; }

 private:
  friend class ChainVerifier;
  explicit VerifiedCertificate(CertificateFields fields) : fields_(std::move(fields)) {}
  CertificateFields fields_;
};

}  // namespace anchorhold::crypto
