// Attestation documents of AWS Nitro Enclaves: parsed, shown, and judged, which never accepts them;
// the input is a document, and a payload that is genuinely signed.
#include "shared/attest/nitro.h"
#include "shared/attest/test_nitro.h"
#include "shared/attest/test_snp.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;

void Judge(const Bytes& document, const attest::AppraisalPolicy& policy) {
  const attest::UnverifiedFiles added =
      attest::testing::AddAll(attest::kNitroKind, {{"document", document}});
  const auto result = attest::Appraise(
      attest::kNitroKind, {.now = attest::testing::kNitroNow, .files = added, .policy = &policy});
  // The root is made anew in every run, so no input has its certificates.
  AH_CHECK(!result.ok() && !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowNitro(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 20).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const attest::testing::NitroPlatform platform;
  static const attest::AppraisalPolicy policy = platform.Policy();
  Judge(CopyBytes(input), policy);
  Judge(platform.Sign(input), policy);
  return 0;
}
