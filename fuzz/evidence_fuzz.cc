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
  return 0;
}
