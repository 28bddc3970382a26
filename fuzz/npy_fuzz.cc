// NumPy's array files, which a user feeds to a model: whatever the bytes, the reader ends with as
// many numbers as the shape says, which survive being written and read again, or with an error of
// one line.
#include <cstdint>
#include <cstdlib>

#include "client/core/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const auto array = client::ParseNpy(std::as_bytes(std::span(data, size)));
  if (!array.ok()) {
    if (array.error().message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  std::size_t count = 1;
  for (const std::int64_t axis : array->shape) count *= static_cast<std::size_t>(axis);
  if (count != array->reals.size() + array->integers.size()) std::abort();
  const Bytes written = client::WriteNpy(*array);
  const auto again = client::ParseNpy(written);
  if (!again.ok() || again->shape != array->shape || again->integers != array->integers) {
    std::abort();
  }
  if (again->element != array->element || client::WriteNpy(*again) != written) std::abort();
  return 0;
}
