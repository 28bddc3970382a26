#include "shared/attest/tpm2_checks.h"

#include <algorithm>

namespace anchorhold::attest {
namespace {

// The SHA-256 of the SubjectPublicKeyInfo of the roots that certify keys of virtual TPMs.
constexpr std::string_view kVirtualTpmRoots[] = {
    // Google Compute Engine (https://pki.goog/cloud_integrity/tpm_ek_root_1.crt)
    "f23057f4f97d1d90e4cae0ce91d5a0fc99069f0a1bc147021dca33b1e9c4d0d9",
    // Azure Virtual TPM Root Certificate Authority 2023 (https://www.microsoft.com/pkiops)
    "5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf",
};
// A certificate without a subject names its TPM in the alternative name, which is then critical;
// nothing here rests on names.
constexpr std::string_view kUnderstood[] = {"2.5.29.17"};
constexpr std::size_t kIntermediatesMax = crypto::kChainLengthMax - 2;

}  // namespace

Result<Tpm2AttestFields> CheckTpm2Quote(Appraiser& appraiser, const UnverifiedTpm2Attest& attest,
                                        const Tpm2Signature& signature,
                                        const crypto::PublicKey& key,
                                        std::string_view signature_name) {
  auto fields = attest.VerifiedBy(key, signature);
  if (!fields.ok()) return Refuse(signature_name, fields.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check(signature_name, Ok()));
  AH_RETURN_IF_ERROR(appraiser.Check("magic_is_tpm_generated", fields->magic == kTpm2Magic,
                                     "the key signed words that no TPM made"));
  AH_RETURN_IF_ERROR(
      appraiser.Check("type_is_quote", fields->type == Tpm2AttestType::kQuote,
                      "the TPM signed this as a " + std::string(Tpm2AttestTypeName(fields->type))));
  return fields;
}

Result<Tpm2PcrValues> CheckTpm2PcrValues(Appraiser& appraiser, const AppraisalInput& input,
                                         const Tpm2AttestFields& quote, Tpm2Hash digest_hash) {
  const Bytes* const json = input.files.Find("pcrs");
  if (json == nullptr && input.SignaturesOnly()) {
    appraiser.Skip("pcr_digest_matches_values", "no values were given");
    return Tpm2PcrValues();
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, RequireFile(input.files, "pcrs"));
  auto values = ReadTpm2PcrValues(bytes);
  if (!values.ok()) return Refuse("pcrs_is_well_formed", values.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("pcrs_are_selected", !HasOthers(quote.selections, *values),
                                     "a value is given that the quote says nothing of"));
  const auto digest = DigestPcrs(quote.selections, *values, digest_hash);
  if (!digest.ok()) return Refuse("pcr_digest_matches_values", digest.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("pcr_digest_matches_values", *digest == quote.pcr_digest,
                                     "the values are not those that the TPM signed"));
  return values;
}

Result<Measurement> CheckTpm2PcrRules(Appraiser& appraiser, const Tpm2PcrRules* rules,
                                      const Tpm2PcrValues& values) {
  if (rules == nullptr) {
    appraiser.Skip("pcrs", "no policy was given");
    return Measurement();
  }
  const auto bank = values.find(rules->bank);
  const auto find = [&](std::uint8_t pcr) -> const Bytes* {
    if (bank == values.end()) return nullptr;
    const auto found = bank->second.find(pcr);
    return found == bank->second.end() ? nullptr : &found->second;
  };
  if (!rules->values.has_value()) {
    appraiser.Skip("pcrs", "the policy says \"not-checked\"");
  } else {
    for (const auto& [pcr, accepted] : *rules->values) {
      const Bytes* const value = find(pcr);
      const bool listed =
          value != nullptr && std::find(accepted.begin(), accepted.end(), *value) != accepted.end();
      AH_RETURN_IF_ERROR(appraiser.Check("pcr" + std::to_string(pcr), listed,
                                         value == nullptr
                                             ? "the quote says nothing of it"
                                             : ToHex(*value) + " is not listed in the policy"));
    }
  }
  const Bytes* const measurement = find(rules->measurement_pcr);
  AH_RETURN_IF_ERROR(appraiser.Check("measurement_pcr_is_quoted", measurement != nullptr,
                                     "the quote says nothing of the policy's measurement_pcr"));
  return *measurement;
}

Result<std::vector<crypto::UnverifiedCertificate>> ReadTpm2AkChain(
    const UnverifiedFiles& files, std::string_view intermediates_role) {
  std::vector<crypto::UnverifiedCertificate> chain;
  const Bytes* const leaf = files.Find("ak_cert");
  if (leaf == nullptr) return chain;
  AH_ASSIGN_OR_RETURN(auto certificate, ReadOneCertificate("ak_cert", *leaf));
  chain.push_back(std::move(certificate));
  if (const Bytes* const bytes = files.Find(intermediates_role); bytes != nullptr) {
    auto read = crypto::ReadCertificates(*bytes, kIntermediatesMax);
    if (!read.ok()) {
      return Refuse(std::string(intermediates_role) + "_is_well_formed", read.error().message());
    }
    for (auto& next : *read) chain.push_back(std::move(next));
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan root_bytes, RequireFile(files, "ak_cert_root"));
  AH_ASSIGN_OR_RETURN(auto root, ReadOneCertificate("ak_cert_root", root_bytes));
  chain.push_back(std::move(root));
  return chain;
}

Result<std::optional<std::vector<crypto::VerifiedCertificate>>> CheckTpm2AkCertificate(
    Appraiser& appraiser, const AppraisalInput& input, const crypto::PublicKey& key,
    const Tpm2AkRules& rules) {
  using Chain = std::optional<std::vector<crypto::VerifiedCertificate>>;
  AH_ASSIGN_OR_RETURN(const auto unverified,
                      ReadTpm2AkChain(input.files, rules.intermediates_role));
  if (unverified.empty()) return Chain();
  AH_RETURN_IF_ERROR(appraiser.Check(rules.key_name, unverified[0].unverified().key == key,
                                     "the certificate is of another key than signed the quote"));
  const std::vector<std::string_view> links(unverified.size(), "ak_cert_chain");
  const auto pins = RootPins(rules.roots, kVirtualTpmRoots);
  AH_ASSIGN_OR_RETURN(auto chain, CheckChain(appraiser, unverified, links,
                                             {.pins = pins, .understood = kUnderstood}));
  if (const Bytes* const list = input.files.Find("ak_crl"); list != nullptr) {
    AH_RETURN_IF_ERROR(
        CheckNotRevoked(appraiser, input, *list, chain[1], chain[0],
                        {"ak_crl_signature", "ak_crl_current", "ak_cert_not_revoked"}));
  } else if (rules.require_crl) {
    return Refuse("ak_crl_is_given", "the policy requires a revocation list");
  } else {
    appraiser.Skip("ak_cert_not_revoked", "no revocation list was given");
  }
  return Chain(std::move(chain));
}

}  // namespace anchorhold::attest
