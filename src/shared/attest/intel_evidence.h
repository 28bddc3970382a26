// What every quote of Intel's is verified by: the chain of the PCK certificate, the quote's three
// signatures, revocation lists, and collateral (TCB info and identity of the quoting enclave).
//
// Checks by name, in this order; the first that fails refuses:
//   quote_is_well_formed, quote_is_of_platform, tcb_info_is_well_formed,
//   qe_identity_is_well_formed, pck_chain_is_given, pck_chain_is_well_formed,
//   root_is_intel_sgx_root_ca, pck_chain_signatures, certificate_* (chain_checks.h),
//   pck_certificate_is_pck, pck_is_well_formed, qe_report_signature,
//   qe_report_data_binds_attestation_key, quote_signature, qe_vendor_is_intel, root_crl_signature,
//   root_crl_current, intermediate_not_revoked, pck_crl_signature, pck_crl_current,
//   pck_not_revoked,
// then of the TCB info, if it is given (X = tcb_info), and of the identity (X = qe_identity):
//   X_is_well_formed, X_issuer_chain, collateral_root_is_pck_root, tcb_signer_is_intel_tcb_signing,
//   X_signature, tcb_signer_not_revoked, X_current, X_is_of_platform
// and tcb_info_fmspc_matches_pck, tdx_module_identity, qe_identity_matches_qe_report (without an
// identity: qe_is_known);
// then, as the rules say: tcb_status, tcb_advisories, tcb_evaluation_data_number.
#pragma once

#include "shared/attest/intel_pck.h"
#include "shared/attest/intel_policy.h"
#include "shared/attest/intel_quote.h"
#include "shared/attest/intel_tcb.h"
#include "shared/attest/kind.h"

namespace anchorhold::attest {

// The endorsements of the kinds tdx and sgx-dcap.
inline constexpr Role kIntelCollateralRoles[] = {
    {"tcb_info", "", RolePart::kEndorsement, "Intel's TCB info for the platform, in JSON"},
    {"tcb_info_issuer_chain", "", RolePart::kEndorsement, "the certificates of who signed that"},
    {"qe_identity", "", RolePart::kEndorsement, "Intel's identity of the quoting enclave, in JSON"},
    {"qe_identity_issuer_chain", "", RolePart::kEndorsement, "the certificates of who signed that"},
    {"pck_crl", "", RolePart::kEndorsement,
     "the revocation list of who issued the PCK certificate"},
    {"root_ca_crl", "", RolePart::kEndorsement, "the revocation list of Intel's root"},
    {"pck_chain", "", RolePart::kEndorsement, "the PCK certificates, if the quote has none"},
    {"root", "", RolePart::kEndorsement, "Intel's root certificate, if the chains end before it"},
    {"synthetic_root", "", RolePart::kEndorsement, "a root that is not trusted; it is not read"},
};

// Null where there is none. They must outlive the calls that they are given to.
struct IntelFiles {
  const Bytes* quote = nullptr;
  const Bytes* pck_chain = nullptr;  // read if the quote has no certificates
  const Bytes* root = nullptr;       // a place to take it from; trust is in its key
  const Bytes* tcb_info = nullptr;
  const Bytes* tcb_info_issuer_chain = nullptr;
  const Bytes* qe_identity = nullptr;
  const Bytes* qe_identity_issuer_chain = nullptr;
  const Bytes* pck_crl = nullptr;
  const Bytes* root_ca_crl = nullptr;
  // For a kind whose strict verdict does not ask for collateral: what is not given is then written
  // down as left out, unless the policy requires it.
  bool may_lack_collateral = false;
};
// By the names above, as the kinds tdx and sgx-dcap call them.
IntelFiles CollectIntelFiles(const UnverifiedFiles& files);

struct VerifiedIntelQuote {
  IntelQuoteFields quote;
  PckFields pck;
  IntelTcb tcb;
  Claim claims = Claim::Map();  // of the quote (without its body), the certificate and the TCB
};

// `tee`: which of the two the quote has to be of.
Result<VerifiedIntelQuote> VerifyIntelQuote(const AppraisalInput& input, Appraiser& appraiser,
                                            const IntelFiles& files, const IntelRules& rules,
                                            IntelTee tee);
// The same claims without the TCB's, by nobody verified.
struct ShownIntelQuote {
  IntelQuoteFields quote;
  Claim claims = Claim::Map();
};
Result<ShownIntelQuote> ShowIntelQuote(const IntelFiles& files);

// What a result says of a quote's TD or enclave: the hardware by the TCB's status, and the rest by
// whether the host may `debug` it.
TrustVector IntelTrust(const AppraisalInput& input, const IntelTcb& tcb, bool debug);

}  // namespace anchorhold::attest
