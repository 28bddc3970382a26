// The Verifier: a pure function from (now, evidence, appraisal policy, expected report data) to an
// Attestation Result or a named refusal. No network, no clock, no globals.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/evidence.h"
#include "shared/attest/result.h"
#include "shared/attest/snp_policy.h"
#include "shared/base/clock.h"

namespace anchorhold::attest {

// What a reader accepts: reference values and rules in one file. TOML; nothing set is an error.
//
//   version = 1
//   platforms = ["insecure-simulated"]     # naming it is the consent to no protection at all
//   measurements = ["hex", ...]            # reference values, from one's own build of the enclave
//   [sev-snp]                              # the rules of a kind that is listed: snp_policy.h
struct AppraisalPolicy {
  std::vector<Platform> platforms;
  std::vector<Measurement> measurements;
  std::optional<SnpPolicy> sev_snp = std::nullopt;
};
Result<AppraisalPolicy> ParsePolicy(ByteSpan toml);
std::string FormatPolicy(const AppraisalPolicy& policy);

// kAttestationRefused, saying which check failed and what the reader can do.
Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                   const AppraisalPolicy& policy, const ReportData& expected);

}  // namespace anchorhold::attest
