// Evidence of hardware as it travels: what parses is written again as the same bytes, and what it
// says of itself can be read whatever it is.
#include "shared/attest/carried.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto files = attest::ParseCarried(input);
  if (!files.ok()) return 0;
  const auto again = attest::SerializeCarried(*files);
  AH_CHECK(again.ok() && BytesEqual(*again, input));
  for (const attest::Platform platform :
       {attest::Platform::kSevSnp, attest::Platform::kTdx, attest::Platform::kSgxDcap,
        attest::Platform::kTpm2, attest::Platform::kNitro}) {
    const auto statement = attest::ReadUnverifiedStatement({platform, CopyBytes(input)});
    if (statement.ok()) AH_CHECK(statement->measurement.size() >= 32);
  }
  return 0;
}
