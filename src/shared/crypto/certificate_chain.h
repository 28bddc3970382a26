// Chains of certificates up to a pinned key, judged at a given time (RFC 5280, section 6, without
// policies and name constraints: a critical extension that nobody here understands is refused).
#pragma once

#include <span>

#include "shared/crypto/certificate.h"

namespace anchorhold::crypto {

inline constexpr std::size_t kChainLengthMax = 8;

enum class ChainCheck {
  kLength,             // no certificate at all, or more than kChainLengthMax
  kRootPinned,         // the last certificate's key is none of the pinned ones
  kIssuer,             // a certificate names another issuer than the next one's subject
  kAlgorithm,          // signed over a hash that can be forged
  kSignature,          // not signed by the next one's key (the last one: not by its own)
  kNotACertifier,      // the next one may not sign certificates: basic constraints
  kKeyUsage,           // the same: key usage, or none stated
  kPathLength,         // more certificates below than it allows
  kCriticalExtension,  // a critical extension that is not understood
  kNotYetValid,
  kExpired,
};

struct ChainFault {
  ChainCheck check = ChainCheck::kLength;
  std::size_t at = 0;  // the certificate of the chain that fails, 0 the leaf
};

// What the caller trusts and understands.
struct ChainRules {
  std::span<const Sha256Digest> pins;  // PublicKey::Fingerprint of each root key that is trusted
  // Critical extensions that the caller judges itself.
  std::span<const std::string_view> understood = {};
};

// `chain`: the leaf first, each signed by the next, a self-signed root last. The root is trusted
// for its key alone, whatever its name. kIntegrity otherwise, naming the certificate; `fault`, if
// given, says the same for programs. The result has the certificates in the order of the chain.
Result<std::vector<VerifiedCertificate>> VerifyChain(UnixSeconds now,
                                                     std::span<const UnverifiedCertificate> chain,
                                                     const ChainRules& rules,
                                                     ChainFault* fault = nullptr);

}  // namespace anchorhold::crypto
