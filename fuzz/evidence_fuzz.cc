// Evidence as a client gets it: parsed, verified, appraised.
#include "shared/attest/simulated.h"
#include "shared/attest/test_support.h"

namespace {

using namespace anchorhold;

// What the corpus's evidence was made for.
const attest::ReportData kExpected = [] {
  attest::ReportData data;
  data.value.fill(std::byte{0x11});
  return data;
}();

// Takes every platform, so that the verifier of every kind sees the input; no root key of a vendor
// signs what is found here.
const attest::AppraisalPolicy kEveryPlatform = [] {
  attest::AppraisalPolicy policy = attest::testing::MakePolicy();
  for (const attest::Platform platform :
       {attest::Platform::kSevSnp, attest::Platform::kTdx, attest::Platform::kSgxDcap,
        attest::Platform::kNitro, attest::Platform::kTpm2, attest::Platform::kAzureVtpm,
        attest::Platform::kNvidiaGpu}) {
    policy.platforms.push_back(platform);
  }
  policy.sev_snp.emplace();
  policy.tdx.emplace();
  policy.sgx_dcap.emplace();
  policy.nitro.emplace();
  policy.tpm2.emplace();
  policy.azure_vtpm.emplace();
  return policy;
}();

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto evidence = attest::ParseEvidence(input);
  if (!evidence.ok()) return 0;
  AH_CHECK(BytesEqual(attest::SerializeEvidence(*evidence), input));
  const auto claims = attest::VerifySimulated(evidence->body);
  const auto result =
      attest::Appraise(attest::testing::kNow, *evidence, attest::testing::MakePolicy(), kExpected);
  if (result.ok()) AH_CHECK(claims.ok() && claims->report_data == kExpected);
  const auto any = attest::Appraise(attest::testing::kNow, *evidence, kEveryPlatform, kExpected);
  AH_CHECK(any.ok() == result.ok());
  return 0;
}
