// Endorsements that a party keeps: until when they are good.
#include "client/core/endorsement_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const ByteSpan input = std::as_bytes(std::span(data, size));
  for (const char* role : {"vek", "crl", "tcb_info", "qe_identity"}) {
    (void)client::UnverifiedGoodUntil(role, input);
  }
  return 0;
}
