// Reports of the paravisor of Azure's confidential VMs, and the claims in them: parsed, shown, and
// judged in the place of a good one, which never accepts them.
#include "shared/attest/azure_vtpm.h"
#include "shared/attest/hcl_td_report.h"
#include "shared/attest/test_azure_vtpm.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;
using attest::HclReportType;
using attest::testing::AzureVm;

struct Good {
  explicit Good(HclReportType type) : vm(type), files(vm.Files()), policy(vm.Policy()) {}
  AzureVm vm;
  std::map<std::string, Bytes> files;
  attest::AppraisalPolicy policy;
};

void Judge(const Good& good, const Bytes& report) {
  std::map<std::string, Bytes> files = good.files;
  files["hcl_report"] = report;
  const attest::UnverifiedFiles added = attest::testing::AddAll(attest::kAzureVtpmKind, files);
  const auto result =
      attest::Appraise(attest::kAzureVtpmKind,
                       {.now = attest::testing::kAzureNow, .files = added, .policy = &good.policy});
  // The keys are made anew in every run, and none of them signed the input.
  AH_CHECK(!result.ok() && !attest::RefusedCheck(result.error()).empty());
  const auto shown = attest::ShowAzureVtpm(added);
  if (shown.ok()) AH_CHECK(wire::ParseJson(AsBytes(shown->unverified.ToJson()), 1 << 24).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  static const Good snp(HclReportType::kSnp);
  static const Good tdx(HclReportType::kTdx);
  Judge(snp, CopyBytes(input));
  Judge(tdx, CopyBytes(input));
  // The same bytes as claims that the hardware vouches for.
  AzureVm vm = snp.vm;
  vm.claims = CopyText(input);
  vm.BindClaims();
  Judge(snp, vm.HclReport());
  const auto td_report = attest::ParseHclTdReport(input);
  if (td_report.ok()) {
    AH_CHECK(
        wire::ParseJson(AsBytes(attest::HclTdReportClaims(*td_report).ToJson()), 1 << 20).ok());
  }
  return 0;
}
