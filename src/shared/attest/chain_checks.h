// Chains and revocation lists (crypto/) as named checks of an appraisal.
#pragma once

#include <span>

#include "shared/attest/kind.h"
#include "shared/crypto/certificate_chain.h"
#include "shared/crypto/revocation_list.h"

namespace anchorhold::attest {

// The fingerprints of the root keys that a policy accepts; `vendor`: those that "vendor" stands
// for.
std::vector<crypto::Sha256Digest> RootPins(const RootRule& rule,
                                           std::span<const std::string_view> vendor);

// `link_names[i]` is the name of the check that certificate i is signed by the next one, or, of the
// last one, by itself. Precondition: as many names as certificates. The other checks are called
// root_is_pinned (or `root_name`), certificate_algorithm, certificate_constraints,
// certificate_key_usage, certificate_path_length, certificate_critical_extension and
// certificates_are_current, which refuses as certificate_not_yet_valid or certificate_expired.
Result<std::vector<crypto::VerifiedCertificate>> CheckChain(
    Appraiser& appraiser, std::span<const crypto::UnverifiedCertificate> chain,
    std::span<const std::string_view> link_names, const crypto::ChainRules& rules,
    std::string_view root_name = "root_is_pinned");

struct RevocationNames {
  std::string_view signature;    // "root_crl_signature"
  std::string_view current;      // "root_crl_current"
  std::string_view not_revoked;  // "intermediate_not_revoked"
};

// That the list is `issuer`'s, is current (not asked when only signatures are), and does not name
// `subject`, which `issuer` issued.
Status CheckNotRevoked(Appraiser& appraiser, const AppraisalInput& input, ByteSpan list,
                       const crypto::VerifiedCertificate& issuer,
                       const crypto::VerifiedCertificate& subject, const RevocationNames& names);

// Exactly one certificate, in DER or PEM; the refusal is "NAME_is_well_formed".
Result<crypto::UnverifiedCertificate> ReadOneCertificate(std::string_view name, ByteSpan bytes);

}  // namespace anchorhold::attest
