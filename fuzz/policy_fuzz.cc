// Appraisal policies: what is read names something, and reads the same after it is written.
#include "shared/attest/verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const auto policy = attest::ParsePolicy(std::as_bytes(std::span(data, size)));
  if (!policy.ok()) return 0;
  AH_CHECK(!policy->platforms.empty() && !policy->measurements.empty());
  const auto again = attest::ParsePolicy(AsBytes(attest::FormatPolicy(*policy)));
  AH_CHECK(again.ok());
  AH_CHECK(again->platforms == policy->platforms);
  AH_CHECK(again->measurements == policy->measurements);
  AH_CHECK(attest::FormatPolicy(*again) == attest::FormatPolicy(*policy));
  return 0;
}
