// Evidence of NVIDIA GPUs: reports, RIMs in XML and lists of devices are parsed, shown, and judged,
// which never accepts them; reports also with a genuine signature.
#include "client/gpu/nvidia_gpu.h"
#include "client/gpu/rim.h"
#include "client/gpu/test_gpu.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;

Result<attest::AttestationResult> Judge(const std::map<std::string, Bytes>& files,
                                        const attest::AppraisalPolicy& policy) {
  attest::UnverifiedFiles added;
  for (const auto& [role, bytes] : files) {
    AH_CHECK(added.Add(client::kNvidiaGpuKind.roles, role, bytes).ok());
  }
  auto result = attest::Appraise(
      client::kNvidiaGpuKind, {.now = client::testing::kGpuNow, .files = added, .policy = &policy});
  AH_CHECK(result.ok() || !attest::RefusedCheck(result.error()).empty());
  const auto shown = client::ShowNvidiaGpu(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 22).ok());
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  const Bytes input = CopyBytes(std::as_bytes(std::span(data, size)));
  static const client::testing::TestGpu gpu;
  static const attest::AppraisalPolicy policy = gpu.Policy();
  static const std::map<std::string, Bytes> files = gpu.Files();
  const Bytes& chain = files.at("cert_chain");
  // The keys are made anew in every run, so no input is signed with them.
  AH_CHECK(!Judge({{"report", input}, {"cert_chain", chain}}, policy).ok());
  AH_CHECK(
      !Judge({{"report", files.at("report")}, {"cert_chain", chain}, {"driver_rim", input}}, policy)
           .ok());
  AH_CHECK(!Judge({{"evidence_json", input}}, policy).ok());
  if (client::UnverifiedSpdmReport::Parse(gpu.Sign(input)).ok()) {
    // Without RIMs, which the policy asks for.
    AH_CHECK(!Judge({{"report", gpu.Sign(input)}, {"cert_chain", chain}}, policy).ok());
  }
  return 0;
}
