// Statements, signatures, keys, register values and event logs of TPMs: parsed, shown, and judged
// in the place of a good one, which never accepts them.
#include "shared/attest/test_snp.h"
#include "shared/attest/test_tpm2.h"
#include "shared/attest/tpm2.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;

void Judge(const std::map<std::string, Bytes>& files) {
  static const attest::AppraisalPolicy policy = attest::testing::Tpm().Policy();
  const attest::UnverifiedFiles added = attest::testing::AddAll(attest::kTpm2Kind, files);
  const auto result = attest::Appraise(
      attest::kTpm2Kind, {.now = attest::testing::kTpmNow, .files = added, .policy = &policy});
  // The keys are made anew in every run, and none of them signed anything but the good files.
  AH_CHECK(!result.ok() && !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowTpm2(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 24).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const std::map<std::string, Bytes> good = attest::testing::Tpm().Files();
  for (const char* role : {"attest", "signature", "ak_public_tpmt", "ak_public_spki"}) {
    // A statement has no keys in it, so a file of the corpus may be the good one.
    if (BytesEqual(input, good.at(role))) continue;
    std::map<std::string, Bytes> files = good;
    files[role] = CopyBytes(input);
    Judge(files);
  }
  // Whoever finds values or a log that lead to the good registers has found nothing wrong.
  const auto values = attest::ReadTpm2PcrValues(input);
  if (values.ok()) {
    AH_CHECK(wire::ParseJson(AsBytes(attest::Tpm2PcrClaims(*values).ToJson()), 1 << 20).ok());
  }
  const auto log = attest::ReplayTpm2EventLog(input);
  if (log.ok()) {
    for (const auto& [hash, registers] : log->replayed) {
      for (const auto& [pcr, value] : registers) {
        AH_CHECK(pcr < attest::kTpm2Pcrs && value.size() == attest::Tpm2HashBytes(hash));
      }
    }
  }
  return 0;
}
