#include "shared/attest/chain_checks.h"

namespace anchorhold::attest {
namespace {

using crypto::ChainCheck;

// Names of the checks that are about one certificate alone, and hold for all if they hold.
constexpr std::string_view kAloneNames[] = {
    "certificate_algorithm",   "certificate_constraints",        "certificate_key_usage",
    "certificate_path_length", "certificate_critical_extension", "certificates_are_current"};

std::string_view NameOf(const crypto::ChainFault& fault,
                        std::span<const std::string_view> link_names, std::string_view root_name) {
  switch (fault.check) {
    case ChainCheck::kLength:
      return "certificate_chain";
    case ChainCheck::kIssuer:
    case ChainCheck::kSignature:
      return link_names[fault.at];
    case ChainCheck::kRootPinned:
      return root_name;
    case ChainCheck::kAlgorithm:
      return "certificate_algorithm";
    case ChainCheck::kNotACertifier:
      return "certificate_constraints";
    case ChainCheck::kKeyUsage:
      return "certificate_key_usage";
    case ChainCheck::kPathLength:
      return "certificate_path_length";
    case ChainCheck::kCriticalExtension:
      return "certificate_critical_extension";
    case ChainCheck::kNotYetValid:
      return "certificate_not_yet_valid";
    case ChainCheck::kExpired:
      return "certificate_expired";
  }
  return "certificate_chain";
}

}  // namespace

std::vector<crypto::Sha256Digest> RootPins(const RootRule& rule,
                                           std::span<const std::string_view> vendor) {
  std::vector<crypto::Sha256Digest> pins = rule.others;
  if (!rule.vendor) return pins;
  for (const std::string_view hex : vendor) {
    pins.push_back(crypto::Sha256Digest::FromHexText(hex).value());
  }
  return pins;
}

Result<std::vector<crypto::VerifiedCertificate>> CheckChain(
    Appraiser& appraiser, std::span<const crypto::UnverifiedCertificate> chain,
    std::span<const std::string_view> link_names, const crypto::ChainRules& rules,
    std::string_view root_name) {
  AH_CHECK(link_names.size() == chain.size());
  crypto::ChainFault fault;
  auto verified = crypto::VerifyChain(appraiser.now(), chain, rules, &fault);
  if (!verified.ok())
    return Refuse(NameOf(fault, link_names, root_name), verified.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check(root_name, Ok()));
  for (const std::string_view name : link_names) {
    AH_RETURN_IF_ERROR(appraiser.Check(name, Ok()));
  }
  for (const std::string_view name : kAloneNames) {
    AH_RETURN_IF_ERROR(appraiser.Check(name, Ok()));
  }
  return verified;
}

Status CheckNotRevoked(Appraiser& appraiser, const AppraisalInput& input, ByteSpan list,
                       const crypto::VerifiedCertificate& issuer,
                       const crypto::VerifiedCertificate& subject, const RevocationNames& names) {
  const auto lists = crypto::ReadRevocationLists(list, 1);
  if (!lists.ok()) return Refuse(names.signature, lists.error().message());
  const auto verified = crypto::VerifiedRevocationList::Verify(lists->front(), issuer);
  if (!verified.ok()) return Refuse(names.signature, verified.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check(names.signature, Ok()));
  if (input.SignaturesOnly()) {
    appraiser.Skip(names.current, "no policy was given, so that an old list counts as well");
  } else {
    AH_RETURN_IF_ERROR(
        appraiser.Check(names.current, verified->IsCurrent(input.now),
                        "the list holds from " + FormatTime(verified->this_update()) + " to " +
                            FormatTime(verified->next_update()) + "; fetch one that is current"));
  }
  return appraiser.Check(names.not_revoked, !verified->Revokes(subject),
                         "the certificate of " + subject.fields().subject + " is revoked");
}

Result<crypto::UnverifiedCertificate> ReadOneCertificate(std::string_view name, ByteSpan bytes) {
  auto read = crypto::ReadCertificates(bytes, 1);
  if (!read.ok()) return Refuse(std::string(name) + "_is_well_formed", read.error().message());
  return std::move(read->front());
}

}  // namespace anchorhold::attest
