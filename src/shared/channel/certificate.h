// Certificates of the channel: X.509 v3, self-signed with Ed25519. They name nobody; who speaks is
// said by the key alone (client) or by Evidence (enclave). Internal to channel/.
//
//   version 3, serial number 1, issuer = subject = CN, Ed25519 key and signature
//   notBefore 2020-01-01, notAfter 9999-12-31 (RFC 5280, 4.1.2.5: no well-defined end): freshness
//   comes from Evidence, and neither end asks a clock
//   enclave only: the Evidence extension (certificate_extension.h)
#pragma once

#include <optional>

#include "shared/channel/certificate_extension.h"
#include "shared/channel/openssl_ptr.h"

namespace anchorhold::channel {

// Most that a certificate may measure in DER: a client's has no extensions to speak of, an
// enclave's carries Evidence.
inline constexpr std::size_t kClientCertificateBytesMax = 2 * limits::kKiB;
inline constexpr std::size_t kServerCertificateBytesMax =
    limits::kEvidenceBytesMax + 2 * limits::kKiB;

// The private key for OpenSSL's use.
KeyPtr ToOpensslKey(const crypto::Ed25519PrivateKey& key);

// Precondition: `common_name` is at most 64 printable ASCII characters.
Result<CertificatePtr> MakeCertificate(const crypto::Ed25519PrivateKey& key,
                                       std::string_view common_name,
                                       const std::optional<CertifiedEvidence>& content);

// The key of a certificate that is exactly an Ed25519 key signing itself, `max_bytes` long at most.
// It proves nothing more; that the other end holds the private key is proved by TLS. Its names and
// dates are not looked at.
Result<crypto::Ed25519PublicKey> ReadSelfSigned(X509* certificate, std::size_t max_bytes);

// The Evidence extension's content. A certificate without one, or with two, is an error.
Result<CertifiedEvidence> ReadCertifiedEvidence(X509* certificate);

}  // namespace anchorhold::channel
