// Safetensors: whatever parses is written and read again as the same tensors.
#include "shared/base/check.h"
#include "shared/wire/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const auto parsed = wire::ParseSafetensors(std::as_bytes(std::span(data, size)));
  if (!parsed.ok()) return 0;
  std::size_t covered = 0;
  for (const wire::TensorView& tensor : parsed->tensors) covered += tensor.data.size();
  AH_CHECK(covered < size);
  const Bytes written = wire::WriteSafetensors(*parsed);
  const auto again = wire::ParseSafetensors(written);
  AH_CHECK(again.ok());
  AH_CHECK(again->tensors.size() == parsed->tensors.size());
  AH_CHECK(again->metadata == parsed->metadata);
  return 0;
}
