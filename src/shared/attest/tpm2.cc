#include "shared/attest/tpm2.h"

#include <algorithm>

#include "shared/attest/rule_checks.h"
#include "shared/attest/tpm2_checks.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kIntermediates = "ak_cert_intermediate";

Result<Tpm2Policy> PolicyInForce(const AppraisalInput& input) {
  Tpm2Policy waived;
  // Nothing is judged but signatures, chains and bindings.
  waived.ak = Tpm2AkRule::kWaived;
  waived.allow_sha1_signatures = true;
  AH_ASSIGN_OR_RETURN(Tpm2Policy policy,
                      RulesInForce(input, &AppraisalPolicy::tpm2, waived,
                                   "it has no table [tpm2]: nothing is said about such quotes"));
  if (!input.strict) return policy;
  // Whom the owner pins is trusted; whom nobody names has to be certified.
  if (policy.ak == Tpm2AkRule::kWaived) policy.ak = Tpm2AkRule::kCertified;
  policy.allow_sha1_signatures = false;
  policy.require_ak_attributes = true;
  return policy;
}

// A statement and who signed it how, under a pair of roles.
struct Statement {
  UnverifiedTpm2Attest attest;
  Tpm2Signature signature;
};

Result<Statement> ReadStatement(const UnverifiedFiles& files, std::string_view attest_role,
                                std::string_view signature_role) {
  AH_ASSIGN_OR_RETURN(const ByteSpan attest_bytes, RequireFile(files, attest_role));
  AH_ASSIGN_OR_RETURN(const ByteSpan signature_bytes, RequireFile(files, signature_role));
  auto attest = UnverifiedTpm2Attest::Parse(attest_bytes);
  if (!attest.ok()) {
    return Refuse(std::string(attest_role) + "_is_well_formed", attest.error().message());
  }
  auto signature = Tpm2Signature::Parse(signature_bytes);
  if (!signature.ok()) {
    return Refuse(std::string(signature_role) + "_is_well_formed", signature.error().message());
  }
  return Statement{std::move(attest).value(), std::move(signature).value()};
}

Result<std::optional<Tpm2Public>> ReadPublic(const UnverifiedFiles& files, std::string_view role) {
  const Bytes* const bytes = files.Find(role);
  if (bytes == nullptr) return std::optional<Tpm2Public>();
  auto read = ParseTpm2Public(*bytes);
  if (!read.ok()) return Refuse(std::string(role) + "_is_well_formed", read.error().message());
  return std::optional(std::move(read).value());
}

// The key by which the quote is to be signed, and what its TPM says of it: null if not given.
struct AttestationKey {
  crypto::PublicKey key;
  const Tpm2Public* tpmt = nullptr;
};

// From whichever files there are; they must agree.
Result<AttestationKey> ReadKey(Appraiser& appraiser, const UnverifiedFiles& files,
                               const std::optional<Tpm2Public>& tpmt) {
  const Tpm2Public* const given = tpmt.has_value() ? &*tpmt : nullptr;
  if (const Bytes* const spki = files.Find("ak_public_spki"); spki != nullptr) {
    auto key = crypto::PublicKey::FromSpki(*spki);
    if (!key.ok()) return Refuse("ak_public_spki_is_well_formed", key.error().message());
    if (given != nullptr) {
      AH_RETURN_IF_ERROR(appraiser.Check("tpmt_public_is_same_key", given->key == *key,
                                         "ak_public_spki and ak_public_tpmt are different keys"));
    }
    return AttestationKey{std::move(key).value(), given};
  }
  if (given != nullptr) return AttestationKey{given->key, given};
  if (const Bytes* const certificate = files.Find("ak_cert"); certificate != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto read, ReadOneCertificate("ak_cert", *certificate));
    return AttestationKey{read.unverified().key, nullptr};
  }
  return Refuse("ak_is_given", "no file has the attestation key");
}

Status CheckNoSha1(Appraiser& appraiser, const AppraisalInput& input, const Tpm2Policy& policy,
                   const Tpm2Signature& signature) {
  return CheckForbidden(appraiser, input, "no_sha1_signature", !policy.allow_sha1_signatures,
                        signature.hash() == Tpm2Hash::kSha1,
                        "it is signed over SHA-1, which can be forged");
}

Status CheckSignatureForm(Appraiser& appraiser, const AppraisalInput& input,
                          const Tpm2Policy& policy, const Tpm2Signature& signature,
                          const AttestationKey& ak) {
  if (ak.tpmt != nullptr && ak.tpmt->scheme.has_value()) {
    AH_RETURN_IF_ERROR(appraiser.Check(
        "signature_scheme_is_aks",
        signature.scheme() == *ak.tpmt->scheme && signature.hash() == *ak.tpmt->scheme_hash,
        "the key is not one that its TPM signs with like that"));
  }
  return CheckNoSha1(appraiser, input, policy, signature);
}

Status CheckAk(Appraiser& appraiser, const AppraisalInput& input, const Tpm2Policy& policy,
               const AttestationKey& ak) {
  AH_ASSIGN_OR_RETURN(const auto chain,
                      CheckTpm2AkCertificate(appraiser, input, ak.key,
                                             {.key_name = "ak_cert_key_is_ak",
                                              .intermediates_role = kIntermediates,
                                              .roots = policy.roots,
                                              .require_crl = policy.require_crl}));
  const Bytes fingerprint = CopyBytes(ak.key.Fingerprint().span());
  switch (policy.ak) {
    case Tpm2AkRule::kCertified:
      AH_RETURN_IF_ERROR(appraiser.Check("ak_is_trusted", chain.has_value(),
                                         "no certificate says that the key is a TPM's"));
      break;
    case Tpm2AkRule::kPinned:
      AH_RETURN_IF_ERROR(
          appraiser.Check("ak_is_trusted",
                          std::find(policy.ak_keys.begin(), policy.ak_keys.end(), fingerprint) !=
                              policy.ak_keys.end(),
                          "the key " + ToHex(fingerprint) + " is not listed in the policy"));
      break;
    case Tpm2AkRule::kWaived:
      appraiser.Skip("ak_is_trusted", WhyLeftOut(input));
      break;
  }
  if (ak.tpmt == nullptr) {
    if (policy.require_ak_attributes) {
      return Refuse("ak_public_tpmt_is_given", "no file has the role 'ak_public_tpmt'");
    }
    appraiser.Skip("ak_is_restricted", "the key's attributes were not given");
    return Ok();
  }
  return appraiser.Check("ak_is_restricted", ak.tpmt->IsAttestationKey(),
                         "the key may sign what its TPM did not make, or leave the TPM");
}

// Another statement of the same TPM, if it was handed over.
Result<std::optional<Tpm2AttestFields>> CheckStatement(
    Appraiser& appraiser, const AppraisalInput& input, const Tpm2Policy& policy,
    const AttestationKey& ak, Tpm2AttestType type, const std::string& name) {
  const std::string attest_role = name + "_attest";
  const std::string signature_role = name + "_signature";
  if (input.files.Find(attest_role) == nullptr && input.files.Find(signature_role) == nullptr) {
    return std::optional<Tpm2AttestFields>();
  }
  AH_ASSIGN_OR_RETURN(const Statement statement,
                      ReadStatement(input.files, attest_role, signature_role));
  auto fields = statement.attest.VerifiedBy(ak.key, statement.signature);
  if (!fields.ok()) return Refuse(signature_role, fields.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check(signature_role, Ok()));
  AH_RETURN_IF_ERROR(CheckNoSha1(appraiser, input, policy, statement.signature));
  AH_RETURN_IF_ERROR(appraiser.Check("magic_is_tpm_generated", fields->magic == kTpm2Magic,
                                     "the key signed words that no TPM made"));
  AH_RETURN_IF_ERROR(appraiser.Check("type_is_" + name, fields->type == type,
                                     "it is a " + std::string(Tpm2AttestTypeName(fields->type))));
  return std::optional(std::move(fields).value());
}

Status CheckOthers(Appraiser& appraiser, const AppraisalInput& input, const Tpm2Policy& policy,
                   const AttestationKey& ak) {
  AH_RETURN_IF_ERROR(
      CheckStatement(appraiser, input, policy, ak, Tpm2AttestType::kCreation, "creation"));
  AH_ASSIGN_OR_RETURN(const auto certify, CheckStatement(appraiser, input, policy, ak,
                                                         Tpm2AttestType::kCertify, "certify"));
  AH_ASSIGN_OR_RETURN(const auto certified, ReadPublic(input.files, "certified_public_tpmt"));
  if (certified.has_value() != certify.has_value()) {
    return Refuse("certified_name", "a certified key and its certification belong together");
  }
  if (!certified.has_value()) return Ok();
  return appraiser.Check("certified_name", certified->name == certify->object_name,
                         "the TPM certified another key");
}

// {"events": 45, "replayed_pcrs": {"sha256": [0, 1, ...]}}: those that come out as quoted.
Claim LogClaims(const Tpm2EventLog& log, const Tpm2PcrValues& values, bool& all_equal,
                bool& any_equal) {
  Claim replayed = Claim::Map();
  for (const auto& [bank, registers] : values) {
    const auto ours = log.replayed.find(bank);
    if (ours == log.replayed.end()) continue;
    Claim equal = Claim::List();
    for (const auto& [pcr, value] : ours->second) {
      const auto quoted = registers.find(pcr);
      if (quoted == registers.end()) continue;
      if (quoted->second == value) {
        equal.Add(Claim::Number(pcr));
        any_equal = true;
      } else {
        all_equal = false;
      }
    }
    replayed.Add(Tpm2HashName(bank), std::move(equal));
  }
  Claim out = Claim::Map();
  out.Add("events", Claim::Number(log.events));
  out.Add("replayed_pcrs", std::move(replayed));
  return out;
}

Result<std::optional<Claim>> CheckEventLog(Appraiser& appraiser, const AppraisalInput& input,
                                           const Tpm2Policy& policy, const Tpm2PcrValues& values) {
  const Bytes* const bytes = input.files.Find("event_log");
  if (bytes == nullptr) {
    if (policy.require_event_log) {
      return Refuse("event_log_is_given", "the policy requires an event log");
    }
    appraiser.Skip("event_log_replays_to_pcrs", "no event log was given");
    return std::optional<Claim>();
  }
  const auto log = ReplayTpm2EventLog(*bytes);
  if (!log.ok()) return Refuse("event_log_is_well_formed", log.error().message());
  bool all_equal = true;
  bool any_equal = false;
  Claim claims = LogClaims(*log, values, all_equal, any_equal);
  AH_RETURN_IF_ERROR(appraiser.Check("event_log_replays_to_pcrs", all_equal && any_equal,
                                     "its events do not lead to the registers that were quoted"));
  return std::optional(std::move(claims));
}

Claim ClaimsOf(const Tpm2AttestFields& quote, const Tpm2Signature& signature,
               const std::optional<Tpm2Public>& ak, const Tpm2PcrValues& values) {
  Claim out = Claim::Map();
  out.Add("attest", Tpm2AttestClaims(quote));
  out.Add("signature", signature.ToClaim());
  if (ak.has_value()) out.Add("ak_public", Tpm2PublicClaims(*ak));
  if (!values.empty()) out.Add("pcrs", Tpm2PcrClaims(values));
  // What whoever verifies must have asked with: the extra data once more, by the cases' name.
  out.Add("expected_nonce_hex", Claim::Hex(quote.extra_data));
  return out;
}

TrustVector TrustOf(const Tpm2Policy& policy, bool certified) {
  TrustVector trust;
  if (certified || policy.ak == Tpm2AkRule::kPinned) {
    trust.instance_identity = TrustTier::kAffirming;
  }
  if (certified) trust.hardware = TrustTier::kAffirming;
  if (policy.pcrs.values.has_value()) trust.configuration = TrustTier::kAffirming;
  return trust;
}

}  // namespace

Result<Findings> VerifyTpm2(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const Tpm2Policy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(const Statement statement, ReadStatement(input.files, "attest", "signature"));
  AH_ASSIGN_OR_RETURN(const auto tpmt, ReadPublic(input.files, "ak_public_tpmt"));
  AH_ASSIGN_OR_RETURN(const AttestationKey ak, ReadKey(appraiser, input.files, tpmt));
  const Tpm2Signature& signature = statement.signature;
  AH_ASSIGN_OR_RETURN(
      const Tpm2AttestFields quote,
      CheckTpm2Quote(appraiser, statement.attest, signature, ak.key, "attest_signature"));
  AH_RETURN_IF_ERROR(CheckSignatureForm(appraiser, input, policy, signature, ak));
  AH_RETURN_IF_ERROR(CheckAk(appraiser, input, policy, ak));
  AH_RETURN_IF_ERROR(CheckOthers(appraiser, input, policy, ak));
  AH_ASSIGN_OR_RETURN(const Tpm2PcrValues values,
                      CheckTpm2PcrValues(appraiser, input, quote, signature.hash()));
  AH_ASSIGN_OR_RETURN(auto log_claims, CheckEventLog(appraiser, input, policy, values));

  Findings findings;
  AH_ASSIGN_OR_RETURN(
      findings.measurement,
      CheckTpm2PcrRules(appraiser, input.policy == nullptr ? nullptr : &policy.pcrs, values));
  findings.claims = ClaimsOf(quote, signature, tpmt, values);
  if (log_claims.has_value()) findings.claims.Add("event_log", std::move(*log_claims));
  if (!quote.extra_data.empty()) findings.report_data = quote.extra_data;
  findings.trust = TrustOf(policy, input.files.Find("ak_cert") != nullptr);
  findings.warnings.emplace_back(
      "a TPM says what was started; whoever owns the machine can still read its memory");
  if (policy.ak == Tpm2AkRule::kWaived && input.files.Find("ak_cert") == nullptr) {
    findings.warnings.emplace_back("nothing says that the attestation key is a TPM's");
  }
  return findings;
}

Result<UnverifiedClaims> ShowTpm2(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const Statement statement, ReadStatement(files, "attest", "signature"));
  AH_ASSIGN_OR_RETURN(const auto tpmt, ReadPublic(files, "ak_public_tpmt"));
  Tpm2PcrValues values;
  if (const Bytes* const json = files.Find("pcrs"); json != nullptr) {
    AH_ASSIGN_OR_RETURN(values, ReadTpm2PcrValues(*json));
  }
  Claim claims = ClaimsOf(statement.attest.unverified(), statement.signature, tpmt, values);
  if (const Bytes* const bytes = files.Find("event_log"); bytes != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto log, ReplayTpm2EventLog(*bytes));
    bool all_equal = true;
    bool any_equal = false;
    claims.Add("event_log", LogClaims(log, values, all_equal, any_equal));
  }
  return UnverifiedClaims{std::move(claims)};
}

}  // namespace anchorhold::attest
