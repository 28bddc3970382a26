#include "shared/attest/verifier.h"

#include <algorithm>

#include "shared/attest/kinds.h"
#include "shared/attest/simulated.h"

namespace anchorhold::attest {
namespace {

constexpr const char* kSimulatedWarning =
    "the enclave presents insecure-simulated evidence: it protects against nobody who owns the "
    "machine";

bool Contains(const auto& list, const auto& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// First, so that nothing of a platform that the reader does not accept is even parsed.
Status CheckPlatform(Platform platform, const AppraisalPolicy& policy) {
  if (Contains(policy.platforms, platform)) return Ok();
  if (platform == Platform::kInsecureSimulated) {
    return AttestationRefused(
        "platform: the enclave presents insecure-simulated evidence, which protects against nobody "
        "who owns the machine; to accept it all the same, list \"insecure-simulated\" under "
        "platforms in the policy");
  }
  return AttestationRefused("platform: \"" + std::string(PlatformName(platform)) +
                            "\" is not listed under platforms in the policy");
}

Status CheckReportData(const ReportData& found, const ReportData& expected) {
  if (found == expected) return Ok();
  return AttestationRefused(
      "report data: the evidence is genuine but was made for other keys or another session; "
      "somebody may stand between, so do not go on with this connection");
}

Status CheckMeasurement(const Measurement& found, const AppraisalPolicy& policy) {
  if (!found.empty() && Contains(policy.measurements, found)) return Ok();
  return AttestationRefused("measurement: the enclave measures " + ToHex(found) +
                            ", which is not listed under measurements in the policy; compare it "
                            "with a build of your own");
}

// There is no hardware that would keep the machine's owner out.
Result<AttestationResult> AppraiseSimulated(UnixSeconds now, const UnverifiedEvidence& evidence,
                                            const AppraisalPolicy& policy,
                                            const ReportData& expected) {
  const Result<SimulatedClaims> claims = VerifySimulated(evidence.body);
  if (!claims.ok()) {
    return AttestationRefused("signature: " + claims.error().message() +
                              "; the evidence is damaged or forged");
  }
  AH_RETURN_IF_ERROR(CheckReportData(claims->report_data, expected));
  AH_RETURN_IF_ERROR(CheckMeasurement(claims->measurement, policy));

  Appraiser appraiser(now);
  for (const char* name : {"platform", "signature", "report data", "measurement"}) {
    AH_RETURN_IF_ERROR(appraiser.Check(name, Ok()));
  }
  Findings findings;
  findings.measurement = claims->measurement;
  findings.report_data = CopyBytes(claims->report_data.span());
  findings.trust = {.configuration = TrustTier::kContraindicated,
                    .executables = TrustTier::kWarning,
                    .hardware = TrustTier::kContraindicated,
                    .runtime_opaque = TrustTier::kContraindicated};
  findings.warnings.emplace_back(kSimulatedWarning);
  return std::move(appraiser).Conclude(evidence.platform, std::move(findings));
}

Result<const Kind*> FindKind(Platform platform) {
  for (const Kind& kind : Kinds()) {
    if (kind.platform == platform) return &kind;
  }
  return Refuse("platform", "this version has no verifier for \"" +
                                std::string(PlatformName(platform)) + "\" in the channel");
}

// Null if there is none. Aliases are for people: what travels has one spelling.
const Role* RoleNamed(const Kind& kind, std::string_view name) {
  for (const Role& role : kind.roles) {
    if (role.name == name) return &role;
  }
  return nullptr;
}

// The evidence, and its endorsements: what the source knows goes ahead of what came along.
Result<UnverifiedFiles> CollectFiles(UnixSeconds now, const Kind& kind, ByteSpan body,
                                     const EndorsementSource* source) {
  AH_ASSIGN_OR_RETURN(const std::vector<CarriedFile> carried, ParseCarried(body));
  UnverifiedFiles came;
  for (const CarriedFile& file : carried) {
    if (RoleNamed(kind, file.role) == nullptr) {
      return InvalidInput("no file of this kind has the role '" + file.role + "'");
    }
    AH_RETURN_IF_ERROR(came.Add(kind.roles, file.role, file.bytes));
  }
  if (source == nullptr) return came;
  AH_ASSIGN_OR_RETURN(const std::vector<CarriedFile> known, source->Find(now, kind, came));
  UnverifiedFiles files;
  for (const CarriedFile& file : known) {
    const Role* const role = RoleNamed(kind, file.role);
    AH_CHECK(role != nullptr && role->part == RolePart::kEndorsement);
    AH_RETURN_IF_ERROR(files.Add(kind.roles, file.role, file.bytes));
  }
  for (const CarriedFile& file : carried) {
    if (files.Find(file.role) != nullptr) continue;
    AH_RETURN_IF_ERROR(files.Add(kind.roles, file.role, file.bytes));
  }
  return files;
}

// Most refusals for want of an endorsement have one remedy.
Error WithRemedy(const Error& error) {
  const std::string_view check = RefusedCheck(error);
  const bool of_collateral =
      check.ends_with("_is_given") || check.ends_with("_current") || check.ends_with("_expired");
  if (!of_collateral) return error;
  return AttestationRefused(error.message() +
                            "; 'anchorhold endorsements fetch' gets what your home lacks");
}

Result<AttestationResult> AppraiseHardware(UnixSeconds now, const UnverifiedEvidence& evidence,
                                           const AppraisalPolicy& policy,
                                           const ReportData& expected,
                                           const EndorsementSource* source) {
  AH_ASSIGN_OR_RETURN(const Kind* const kind, FindKind(evidence.platform));
  const auto files = CollectFiles(now, *kind, evidence.body, source);
  if (!files.ok()) {
    if (files.error().code() == ErrorCode::kAttestationRefused) return files.error();
    return Refuse("evidence_is_well_formed", files.error().message());
  }
  auto result =
      Appraise(*kind, AppraisalInput{.now = now,
                                     .files = *files,
                                     .policy = &policy,
                                     .report_data = BoundBytes(evidence.platform, expected)});
  if (!result.ok()) return WithRemedy(result.error());
  return result;
}

}  // namespace

Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                   const AppraisalPolicy& policy, const ReportData& expected,
                                   const EndorsementSource* source) {
  AH_RETURN_IF_ERROR(CheckPlatform(evidence.platform, policy));
  if (evidence.platform == Platform::kInsecureSimulated) {
    return AppraiseSimulated(now, evidence, policy, expected);
  }
  return AppraiseHardware(now, evidence, policy, expected, source);
}

}  // namespace anchorhold::attest
