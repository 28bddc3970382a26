#include "client/gpu/nvidia_rims.h"

#include <algorithm>

#include "shared/attest/chain_checks.h"

namespace anchorhold::client {
namespace {

using attest::Claim;

constexpr std::uint8_t kVideoDecoderIndex = 35;
constexpr std::byte kVideoDecoderOff{0x55};

bool VideoDecoderIsOff(const SpdmReportFields& report) {
  const Bytes* const status = report.Find(GpuField::kNvdec0Status);
  return status != nullptr && *status == Bytes{kVideoDecoderOff};
}

bool Matches(const RimReference& reference, const SpdmReportFields& report) {
  const auto block = report.measurements.find(static_cast<std::uint8_t>(reference.index + 1));
  return block != report.measurements.end() &&
         std::find(reference.accepted.begin(), reference.accepted.end(), block->second) !=
             reference.accepted.end();
}

Claim Indices(const std::vector<std::uint8_t>& indices) {
  Claim out = Claim::List();
  for (const std::uint8_t index : indices) out.Add(Claim::Number(index));
  return out;
}

// Whether each certificate is signed by the next, at the one time at which they may all be valid.
bool ChainHolds(std::span<const crypto::UnverifiedCertificate> chain) {
  UnixSeconds latest = chain.front().unverified().not_before;
  for (const auto& certificate : chain) {
    latest = std::max(latest, certificate.unverified().not_before);
  }
  const crypto::Sha256Digest pin = chain.back().unverified().key.Fingerprint();
  return crypto::VerifyChain(latest, chain, {.pins = std::span(&pin, 1)}).ok();
}

std::string Joined(const std::vector<std::uint8_t>& indices) {
  std::string out;
  for (const std::uint8_t index : indices) {
    out += (out.empty() ? "" : ", ") + std::to_string(index);
  }
  return out;
}

}  // namespace

RimMatch MatchRim(const RimFields& rim, const SpdmReportFields& report) {
  RimMatch out;
  for (const RimReference& reference : rim.active) {
    if (Matches(reference, report)) {
      ++out.matching;
    } else if (reference.index == kVideoDecoderIndex && VideoDecoderIsOff(report)) {
      out.left_out.push_back(reference.index);
    } else {
      out.mismatching.push_back(reference.index);
    }
  }
  return out;
}

Result<Claim> RimClaims(const UnverifiedRim& rim, std::span<const crypto::Sha256Digest> pins,
                        const SpdmReportFields* report) {
  const RimFields& fields = rim.unverified();
  const auto& chain = rim.unverified_chain();
  AH_ASSIGN_OR_RETURN(const auto signature, rim.CheckSignature(chain[0].unverified().key));
  const auto root = chain.back().unverified().key.Fingerprint();
  Claim certificates = Claim::List();
  for (const auto& certificate : chain) {
    Claim entry = Claim::Map();
    entry.Add("cn", Claim::Text(certificate.unverified().common_name))
        .Add("not_before", Claim::Text(FormatTime(certificate.unverified().not_before)))
        .Add("not_after", Claim::Text(FormatTime(certificate.unverified().not_after)));
    certificates.Add(std::move(entry));
  }
  Claim out = Claim::Map();
  out.Add("id", Claim::Text(fields.id))
      .Add("product", Claim::Text(fields.product))
      .Add("edition", Claim::Text(fields.edition))
      .Add("active_measurements", Claim::Number(fields.active.size()));
  if (report != nullptr) {
    const RimMatch match = MatchRim(fields, *report);
    out.Add("matching", Claim::Number(match.matching))
        .Add("mismatching_indices", Indices(match.mismatching))
        .Add("left_out_indices", Indices(match.left_out));
  }
  out.Add("xml_reference_digest", Claim::Bool(signature.reference_digest))
      .Add("xml_signature_value", Claim::Bool(signature.signature_value))
      .Add("chain_signatures", Claim::Bool(ChainHolds(chain)))
      .Add("root_is_nvidia_corim_root",
           Claim::Bool(std::find(pins.begin(), pins.end(), root) != pins.end()))
      .Add("certificates", std::move(certificates));
  return out;
}

Result<RimFields> CheckRim(attest::Appraiser& appraiser, const UnverifiedRim& rim,
                           std::span<const crypto::Sha256Digest> pins, const Bytes* root,
                           const std::string& prefix) {
  const auto& unverified_chain = rim.unverified_chain();
  if (root != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto given, attest::ReadOneCertificate("rim_root", *root));
    AH_RETURN_IF_ERROR(
        appraiser.Check(prefix + "root_is_the_given_one",
                        given.unverified().der == unverified_chain.back().unverified().der,
                        "the RIM's chain ends in another root certificate than was given"));
  }
  const std::string link = prefix + "chain_signatures";
  const std::vector<std::string_view> links(unverified_chain.size(), link);
  AH_ASSIGN_OR_RETURN(const auto chain,
                      attest::CheckChain(appraiser, unverified_chain, links, {.pins = pins},
                                         prefix + "root_is_nvidia_corim_root"));
  AH_ASSIGN_OR_RETURN(const auto outcome, rim.CheckSignature(chain[0].key()));
  AH_RETURN_IF_ERROR(appraiser.Check(prefix + "xml_reference_digest", outcome.reference_digest,
                                     "the RIM was changed after it was signed"));
  AH_RETURN_IF_ERROR(appraiser.Check(prefix + "xml_signature_value", outcome.signature_value,
                                     "the RIM is not signed with its certificate's key"));
  return rim.VerifiedBy(chain[0].key());
}

Status CheckRimFits(attest::Appraiser& appraiser, const RimFields& rim, const RimSubject& subject,
                    const std::string& prefix) {
  AH_RETURN_IF_ERROR(appraiser.Check(
      prefix + "is_for_this_device",
      !subject.version.empty() && rim.id == subject.version && rim.product == subject.product,
      "it is for " + rim.product + " with version " + rim.id + ", not for " + subject.product +
          " with version " + (subject.version.empty() ? "(none)" : subject.version)));
  const RimMatch match = MatchRim(rim, subject.report);
  if (!match.left_out.empty()) {
    appraiser.Skip(prefix + "measurement_35", "the video decoder is off");
  }
  return appraiser.Check(
      prefix + "measurements", match.mismatching.empty() && match.matching > 0,
      "the device does not measure what the RIM says at its index " + Joined(match.mismatching));
}

}  // namespace anchorhold::client
