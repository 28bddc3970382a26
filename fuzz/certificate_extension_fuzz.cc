// The Evidence extension of an enclave's certificate: whatever is read has one encoding.
#include "shared/channel/certificate_extension.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto content = channel::ParseEvidenceExtension(input);
  if (content.ok()) AH_CHECK(BytesEqual(channel::EncodeEvidenceExtension(*content), input));
  return 0;
}
