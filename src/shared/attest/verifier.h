// The Verifier: a pure function from (now, evidence, appraisal policy, expected report data) to an
// Attestation Result or a named refusal. No network, no clock, no globals.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/azure_vtpm_policy.h"
#include "shared/attest/endorsements.h"
#include "shared/attest/nitro_policy.h"
#include "shared/attest/nvidia_gpu_policy.h"
#include "shared/attest/result.h"
#include "shared/attest/sgx_policy.h"
#include "shared/attest/snp_policy.h"
#include "shared/attest/tdx_policy.h"
#include "shared/attest/tpm2_policy.h"
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
  std::optional<TdxPolicy> tdx = std::nullopt;
  std::optional<SgxPolicy> sgx_dcap = std::nullopt;
  std::optional<NitroPolicy> nitro = std::nullopt;
  std::optional<Tpm2Policy> tpm2 = std::nullopt;
  std::optional<AzureVtpmPolicy> azure_vtpm = std::nullopt;
  std::optional<NvidiaGpuPolicy> nvidia_gpu = std::nullopt;
};
Result<AppraisalPolicy> ParsePolicy(ByteSpan toml);
std::string FormatPolicy(const AppraisalPolicy& policy);

// Evidence as it travels in the channel and in receipts: insecure-simulated, and every kind that is
// registered (kinds.h). `source` adds endorsements to those that travel along; null: there are no
// others. kAttestationRefused, saying which check failed and what the reader can do.
Result<AttestationResult> Appraise(UnixSeconds now, const UnverifiedEvidence& evidence,
                                   const AppraisalPolicy& policy, const ReportData& expected,
                                   const EndorsementSource* source = nullptr);

}  // namespace anchorhold::attest
