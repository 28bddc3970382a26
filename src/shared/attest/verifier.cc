#include "shared/attest/verifier.h"

#include <algorithm>

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
  if (Contains(policy.platforms, platform) && IsSupported(platform)) return Ok();
  if (platform == Platform::kInsecureSimulated) {
    return AttestationRefused(
        "platform: the enclave presents insecure-simulated evidence, which protects against nobody "
        "who owns the machine; to accept it all the same, list \"insecure-simulated\" under "
        "platforms in the policy");
  }
  return AttestationRefused("platform: \"" + std::string(PlatformName(platform)) +
                            "\" is not listed under platforms in the policy, or this version has "
                            "no verifier for it");
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

}  // namespace

Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                   const AppraisalPolicy& policy, const ReportData& expected) {
  AH_RETURN_IF_ERROR(CheckPlatform(evidence.platform, policy));
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
  // There is no hardware that would keep the machine's owner out.
  findings.trust = {.configuration = TrustTier::kContraindicated,
                    .executables = TrustTier::kWarning,
                    .hardware = TrustTier::kContraindicated,
                    .runtime_opaque = TrustTier::kContraindicated};
  findings.warnings.emplace_back(kSimulatedWarning);
  return std::move(appraiser).Conclude(evidence.platform, std::move(findings));
}

}  // namespace anchorhold::attest
