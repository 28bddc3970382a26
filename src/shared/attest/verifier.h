// The Verifier: a pure function from (now, evidence, appraisal policy, expected report data) to an
// Attestation Result or a named refusal. No network, no clock, no globals.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/evidence.h"
#include "shared/base/clock.h"

namespace anchorhold::attest {

// What a reader accepts. TOML; nothing set is an error.
//
//   version = 1
//   platforms = ["insecure-simulated"]     # naming it is the consent to no protection at all
//   measurements = ["hex", ...]            # reference values, from one's own build of the enclave
struct AppraisalPolicy {
  std::vector<Platform> platforms;
  std::vector<Measurement> measurements;
};
Result<AppraisalPolicy> ParsePolicy(ByteSpan toml);
std::string FormatPolicy(const AppraisalPolicy& policy);

// Made only by Appraise.
class AttestationResult {
 public:
  Platform platform() const { return platform_; }
  const Measurement& measurement() const { return measurement_; }
  UnixSeconds appraised_at() const { return appraised_at_; }
  // Sentences a reader must see, such as that the platform is simulated.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                            const AppraisalPolicy& policy,
                                            const ReportData& expected);
  AttestationResult() = default;
  Platform platform_ = Platform::kInsecureSimulated;
  Measurement measurement_;
  UnixSeconds appraised_at_;
  std::vector<std::string> warnings_;
};

// kAttestationRefused, saying which check failed and what the reader can do.
Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                   const AppraisalPolicy& policy, const ReportData& expected);

}  // namespace anchorhold::attest
