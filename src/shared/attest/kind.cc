#include "shared/attest/kind.h"

#include <algorithm>

#include "shared/base/limits.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kNoPolicy = "no policy was given";

Status CheckPolicyNames(const Kind& kind, const AppraisalInput& input, Appraiser& appraiser) {
  if (input.policy == nullptr) {
    appraiser.Skip("platform", kNoPolicy);
    return Ok();
  }
  const auto& accepted = input.policy->platforms;
  return appraiser.Check(
      "platform", std::find(accepted.begin(), accepted.end(), kind.platform) != accepted.end(),
      "\"" + std::string(kind.name()) + "\" is not listed under platforms in the policy");
}

Status CheckReportData(const std::optional<Bytes>& found, const AppraisalInput& input,
                       Appraiser& appraiser) {
  if (!input.report_data.has_value()) {
    appraiser.Skip("report_data", "no report data was asked for: the evidence may be an old one");
    return Ok();
  }
  if (!found.has_value()) return Refuse("report_data", "the evidence states none");
  return appraiser.Check("report_data", *found == *input.report_data,
                         "the evidence was made over " + ToHex(*found) +
                             ", not over what was asked for: it is an old one, or another's");
}

Status CheckMeasurement(const Measurement& found, const AppraisalInput& input,
                        Appraiser& appraiser) {
  if (input.policy == nullptr) {
    appraiser.Skip("measurement", kNoPolicy);
    return Ok();
  }
  const auto& accepted = input.policy->measurements;
  const bool listed =
      !found.empty() && std::find(accepted.begin(), accepted.end(), found) != accepted.end();
  return appraiser.Check("measurement", listed,
                         found.empty()
                             ? "the evidence states none"
                             : ToHex(found) + " is not listed under measurements in the policy");
}

}  // namespace

Status UnverifiedFiles::Add(std::span<const Role> roles, std::string_view role, Bytes bytes) {
  const auto known = std::find_if(roles.begin(), roles.end(), [&](const Role& candidate) {
    return candidate.name == role || (!role.empty() && candidate.alias == role);
  });
  if (known == roles.end()) {
    std::string names;
    for (const Role& candidate : roles) {
      names += (names.empty() ? "" : ", ") + std::string(candidate.name);
    }
    return InvalidInput("no file of this kind has the role '" + std::string(role) +
                        "'; there are " + names);
  }
  if (Find(known->name) != nullptr) {
    return InvalidInput("two files are given for the role '" + std::string(known->name) + "'");
  }
  if (bytes.size() > limits::kEvidenceFileBytesMax) {
    return LimitExceeded("the file for the role '" + std::string(known->name) + "' has more than " +
                         std::to_string(limits::kEvidenceFileBytesMax) + " bytes");
  }
  files_.push_back({known->name, std::move(bytes)});
  return Ok();
}

const Bytes* UnverifiedFiles::Find(std::string_view role) const {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const File& file) { return file.role == role; });
  return found == files_.end() ? nullptr : &found->bytes;
}

Result<ByteSpan> RequireFile(const UnverifiedFiles& files, std::string_view role) {
  const Bytes* const found = files.Find(role);
  if (found != nullptr) return ByteSpan(*found);
  return Refuse(std::string(role) + "_is_given",
                "no file has the role '" + std::string(role) + "'");
}

Result<AttestationResult> Appraise(const Kind& kind, const AppraisalInput& input) {
  Appraiser appraiser(input.now);
  AH_RETURN_IF_ERROR(CheckPolicyNames(kind, input, appraiser));
  Result<Findings> findings = kind.verify(input, appraiser);
  if (!findings.ok()) {
    if (!RefusedCheck(findings.error()).empty()) return findings.error();
    return Refuse("evidence_is_well_formed", findings.error().message());
  }
  AH_RETURN_IF_ERROR(CheckReportData(findings->report_data, input, appraiser));
  AH_RETURN_IF_ERROR(CheckMeasurement(findings->measurement, input, appraiser));
  if (input.policy != nullptr) findings->trust.executables = TrustTier::kAffirming;
  return std::move(appraiser).Conclude(kind.platform, std::move(findings).value());
}

}  // namespace anchorhold::attest
