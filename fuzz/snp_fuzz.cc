// SEV-SNP reports and tables of certificates: parsed, shown, and judged, which never accepts them.
#include "shared/attest/snp.h"
#include "shared/attest/snp_certificate.h"
#include "shared/attest/test_snp.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;

void Judge(const std::map<std::string, Bytes>& files) {
  static const attest::AppraisalPolicy policy = attest::testing::SnpPlatform().Policy();
  const attest::UnverifiedFiles added = attest::testing::AddAll(attest::kSnpKind, files);
  const auto result = attest::Appraise(
      attest::kSnpKind, {.now = attest::testing::kSnpNow, .files = added, .policy = &policy});
  // The keys are made anew in every run, and none of them signed the input.
  AH_CHECK(!result.ok() && !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowSnp(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 20).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const std::map<std::string, Bytes> good = attest::testing::SnpPlatform().Files();
  std::map<std::string, Bytes> files = good;
  files["report"] = CopyBytes(input);
  Judge(files);
  Judge({{"report", good.at("report")}, {"cert_table", CopyBytes(input)}});
  return 0;
}
