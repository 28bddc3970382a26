#include "shared/attest/nitro.h"

#include <algorithm>

#include "shared/attest/chain_checks.h"
#include "shared/attest/nitro_document.h"
#include "shared/attest/rule_checks.h"

namespace anchorhold::attest {
namespace {

// The SHA-256 of the SubjectPublicKeyInfo of the AWS Nitro Enclaves root G1
// (https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip).
constexpr std::string_view kAwsRoots[] = {
    "f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225"};

// A policy may name other roots: the check is then of those.
constexpr std::string_view kRootName = "root_is_aws_nitro_root_g1";

Result<NitroPolicy> PolicyInForce(const AppraisalInput& input) {
  NitroPolicy waived;
  waived.allow_debug = true;  // nothing is judged but signatures, chains and bindings
  AH_ASSIGN_OR_RETURN(NitroPolicy policy,
                      RulesInForce(input, &AppraisalPolicy::nitro, waived,
                                   "it has no table [nitro]: nothing is said about such enclaves"));
  if (input.strict) policy.allow_debug = false;
  return policy;
}

// Trust is in the key, so a root that was handed over is only there to agree.
Status CheckGivenRoot(Appraiser& appraiser, const AppraisalInput& input,
                      const crypto::UnverifiedCertificate& root) {
  const Bytes* const given = input.files.Find("root");
  if (given == nullptr) return Ok();
  AH_ASSIGN_OR_RETURN(const auto certificate, ReadOneCertificate("root", *given));
  return appraiser.Check("root_is_the_documents",
                         certificate.unverified().der == root.unverified().der,
                         "the document's chain ends in another root certificate than was given");
}

Status CheckTimestamp(Appraiser& appraiser, std::uint64_t milliseconds,
                      std::span<const crypto::VerifiedCertificate> chain) {
  const UnixSeconds made(static_cast<std::int64_t>(milliseconds / 1000));
  const bool inside = std::all_of(chain.begin(), chain.end(), [&](const auto& certificate) {
    return certificate.fields().not_before <= made && made <= certificate.fields().not_after;
  });
  return appraiser.Check("timestamp_inside_chain_validity", inside,
                         "the document says that it was made when its certificates were not valid");
}

Status CheckRules(Appraiser& appraiser, const AppraisalInput& input, const NitroPolicy& policy,
                  const NitroDocumentFields& document) {
  AH_RETURN_IF_ERROR(CheckForbidden(
      appraiser, input, "no_debug", !policy.allow_debug, document.Debug(),
      "the enclave runs in debug mode: PCR0, PCR1 and PCR2 are zero, and its memory is readable"));
  const auto made = static_cast<std::int64_t>(document.timestamp_ms / 1000);
  AH_RETURN_IF_ERROR(CheckIfSet(
      appraiser, input, "age", policy.age_max.has_value(),
      input.now.value() - made <= static_cast<std::int64_t>(policy.age_max.value_or(0)),
      "the document was made at " + FormatTime(UnixSeconds(made)) + ", which is too long ago"));
  for (const std::uint8_t index : kNitroPcrRules) {
    const auto rule = policy.pcrs.find(index);
    const auto found = document.pcrs.find(index);
    AH_RETURN_IF_ERROR(
        CheckListed(appraiser, input, "pcr" + std::to_string(index),
                    rule == policy.pcrs.end() ? std::nullopt : std::optional(rule->second),
                    found == document.pcrs.end() ? nullptr : &found->second));
  }
  return Ok();
}

TrustVector TrustOf(const NitroDocumentFields& document) {
  TrustVector trust;
  trust.instance_identity = TrustTier::kAffirming;
  trust.hardware = TrustTier::kAffirming;
  trust.configuration = TrustTier::kAffirming;
  trust.runtime_opaque = TrustTier::kAffirming;
  if (document.Debug()) {
    trust.configuration = TrustTier::kContraindicated;
    trust.runtime_opaque = TrustTier::kContraindicated;
  }
  return trust;
}

}  // namespace

Result<Findings> VerifyNitro(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const NitroPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, RequireFile(input.files, "document"));
  const auto unverified = UnverifiedNitroDocument::Parse(bytes);
  if (!unverified.ok()) return Refuse("document_is_well_formed", unverified.error().message());
  const auto& unverified_chain = unverified->unverified().chain;
  AH_RETURN_IF_ERROR(CheckGivenRoot(appraiser, input, unverified_chain.back()));
  const std::vector<std::string_view> links(unverified_chain.size(), "chain_signatures");
  const std::vector<crypto::Sha256Digest> pins = RootPins(policy.roots, kAwsRoots);
  AH_ASSIGN_OR_RETURN(const auto chain,
                      CheckChain(appraiser, unverified_chain, links, {.pins = pins}, kRootName));
  appraiser.Skip("chain_not_revoked",
                 "revocation lists are not judged for this kind; its keys live for hours");
  const auto document = unverified->VerifiedBy(chain[0].key());
  if (!document.ok()) return Refuse("cose_signature", document.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("cose_signature", Ok()));
  AH_RETURN_IF_ERROR(CheckTimestamp(appraiser, document->timestamp_ms, chain));
  AH_RETURN_IF_ERROR(CheckRules(appraiser, input, policy, *document));

  Findings findings;
  findings.claims = NitroDocumentClaims(*document);
  findings.measurement = document->pcrs.at(0);
  findings.report_data = document->user_data;
  findings.trust = TrustOf(*document);
  if (document->Debug()) {
    findings.warnings.emplace_back(
        "debug mode: the owner of the instance can read the enclave, and it has no measurements");
  }
  return findings;
}

Result<UnverifiedClaims> ShowNitro(const UnverifiedFiles& files) {
  const Bytes* const bytes = files.Find("document");
  if (bytes == nullptr) return UnverifiedClaims{Claim::Map()};
  AH_ASSIGN_OR_RETURN(const auto document, UnverifiedNitroDocument::Parse(*bytes));
  return UnverifiedClaims{NitroDocumentClaims(document.unverified())};
}

}  // namespace anchorhold::attest
