// SGX quotes, the extension of a PCK certificate, and the quoting enclave's identity: parsed, shown
// and judged.
#include "shared/attest/sgx_dcap.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"

namespace {

using namespace anchorhold;
using attest::testing::IntelPlatform;

const IntelPlatform& Platform() {
  static const IntelPlatform platform(attest::testing::QuoteForm::kSgx3);
  return platform;
}

// Whether the evidence is accepted; a refusal has a name.
bool Accepts(const std::map<std::string, Bytes>& files) {
  static const attest::AppraisalPolicy policy = Platform().Policy();
  const attest::UnverifiedFiles added = attest::testing::AddAll(attest::kSgxDcapKind, files);
  const auto result = attest::Appraise(
      attest::kSgxDcapKind,
      {.now = attest::testing::kIntelNow, .files = added, .policy = &policy, .strict = true});
  AH_CHECK(result.ok() || !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowSgxDcap(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 20).ok());
  return result.ok();
}

void TryPck(ByteSpan input) {
  static const auto chain = attest::ReadPckChain(AsBytes(Platform().PckChain())).value();
  crypto::CertificateFields leaf = chain[0].unverified();
  leaf.extensions.back().value = CopyBytes(input);
  const auto pck = attest::ReadPck(leaf);
  if (pck.ok()) AH_CHECK(pck->fmspc.size() == 6);
  const auto read = attest::ReadPckChain(input);
  if (read.ok()) AH_CHECK(!read->empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const std::map<std::string, Bytes> good = Platform().Files();
  std::map<std::string, Bytes> files = good;
  // The keys are made anew in every run, and none of them signed the input.
  files["quote"] = CopyBytes(input);
  AH_CHECK(!Accepts(files));
  TryPck(input);
  // Signed, so that what it says is read: it may be as good as what it was made from.
  files = good;
  files["qe_identity"] = IntelPlatform::SignDocument("enclaveIdentity", AsText(input));
  Accepts(files);
  files = good;
  files["tcb_info"] = CopyBytes(input);
  AH_CHECK(!Accepts(files));
  return 0;
}
