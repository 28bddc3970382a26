// Named checks of a TPM's quote, for the kinds whose evidence has one.
#pragma once

#include "shared/attest/chain_checks.h"
#include "shared/attest/tpm2_policy.h"

namespace anchorhold::attest {

// That `key` signed the statement (a check called `signature_name`), that a TPM made it
// (magic_is_tpm_generated), and that it is a quote (type_is_quote).
Result<Tpm2AttestFields> CheckTpm2Quote(Appraiser& appraiser, const UnverifiedTpm2Attest& attest,
                                        const Tpm2Signature& signature,
                                        const crypto::PublicKey& key,
                                        std::string_view signature_name);

// The values under the role "pcrs", which must be those of the quote and of nothing else:
// pcrs_is_given, pcrs_is_well_formed, pcrs_are_selected, pcr_digest_matches_values. Without a
// policy and not strict they may be missing; the result is then empty, and the checks left out.
Result<Tpm2PcrValues> CheckTpm2PcrValues(Appraiser& appraiser, const AppraisalInput& input,
                                         const Tpm2AttestFields& quote, Tpm2Hash digest_hash);

// The policy's rules about registers, by names such as pcr7; `rules` is null if there is no policy.
// The result is the measurement; empty without a policy.
Result<Measurement> CheckTpm2PcrRules(Appraiser& appraiser, const Tpm2PcrRules* rules,
                                      const Tpm2PcrValues& values);

// The certificate of the key under the role "ak_cert", up to a root, with "ak_cert_intermediate"
// or "ak_cert_intermediates" between, and "ak_crl" by who certified it: ak_cert_is_well_formed,
// `key_name` (the certificate is of `key`), ak_cert_root_is_given, ak_cert_chain, root_is_pinned,
// certificate_*, ak_crl_signature, ak_crl_current, ak_cert_not_revoked. The result is the chain;
// nothing if there is no certificate.
struct Tpm2AkRules {
  std::string_view key_name;
  std::string_view intermediates_role;
  const RootRule& roots;
  bool require_crl = false;
};
Result<std::optional<std::vector<crypto::VerifiedCertificate>>> CheckTpm2AkCertificate(
    Appraiser& appraiser, const AppraisalInput& input, const crypto::PublicKey& key,
    const Tpm2AkRules& rules);
// The certificates that such files hold, the key's first; empty if there is none.
Result<std::vector<crypto::UnverifiedCertificate>> ReadTpm2AkChain(
    const UnverifiedFiles& files, std::string_view intermediates_role);

}  // namespace anchorhold::attest
