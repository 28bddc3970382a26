// Receipts: parse and verify, under a policy that accepts the corpus. Nothing but the receipt as it
// was made may verify.
#include <google/protobuf/stubs/logging.h>

#include "shared/base/check.h"
#include "shared/receipt/receipt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  google::protobuf::SetLogHandler(nullptr);
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const attest::AppraisalPolicy policy{{attest::Platform::kInsecureSimulated},
                                       {attest::Measurement(48, std::byte{0x5a})}};
  const auto verified = receipt::VerifyReceipt(input, policy, UnixSeconds(1'900'000'000));
  if (!verified.ok()) return 0;
  AH_CHECK(verified->entry.has_job_released());
  wire::proto::Receipt again;
  AH_CHECK(again.ParseFromArray(data, static_cast<int>(size)));
  AH_CHECK(again.entry() == verified->entry.SerializeAsString());
  AH_CHECK(again.SerializeAsString() == AsText(input));
  return 0;
}
