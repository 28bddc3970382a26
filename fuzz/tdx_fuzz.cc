// TD quotes, and the event logs and collateral that come with them: parsed, shown and judged.
#include "shared/attest/tdx.h"
#include "shared/attest/tdx_event_log.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"

namespace {

using namespace anchorhold;
using attest::testing::IntelPlatform;

// Whether the evidence is accepted; a refusal has a name.
bool Accepts(const std::map<std::string, Bytes>& files) {
  static const attest::AppraisalPolicy policy = IntelPlatform().Policy();
  const attest::UnverifiedFiles added = attest::testing::AddAll(attest::kTdxKind, files);
  const auto result = attest::Appraise(
      attest::kTdxKind,
      {.now = attest::testing::kIntelNow, .files = added, .policy = &policy, .strict = true});
  AH_CHECK(result.ok() || !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowTdx(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 24).ok());
  return result.ok();
}

void TryLog(const Result<attest::UnverifiedEventLog>& log) {
  static const auto report = attest::ParseTdReport(IntelPlatform().body).value();
  if (!log.ok()) return;
  attest::Appraiser appraiser(attest::testing::kIntelNow);
  const Status verified = log->VerifiedBy(appraiser, report);
  AH_CHECK(verified.ok() || !attest::RefusedCheck(verified.error()).empty());
  AH_CHECK(wire::ParseJson(AsBytes(log->Claims().ToJson()), 1 << 24).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const std::map<std::string, Bytes> good = IntelPlatform().Files();
  std::map<std::string, Bytes> files = good;
  // The keys are made anew in every run, and none of them signed the input.
  files["quote"] = CopyBytes(input);
  AH_CHECK(!Accepts(files));
  TryLog(attest::UnverifiedEventLog::ParseCcel(input));
  TryLog(attest::UnverifiedEventLog::ParseDstack(input));
  // Signed, so that what it says is read: it may be as good as what it was made from.
  files = good;
  files["tcb_info"] = IntelPlatform::SignDocument("tcbInfo", AsText(input));
  Accepts(files);
  files = good;
  files["qe_identity"] = CopyBytes(input);
  AH_CHECK(!Accepts(files));
  return 0;
}
