// A party's key file: parsing ends with a key whose file is read back as the same key, or an error.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "client/core/home.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const auto key = client::ParseKeyFile(std::as_bytes(std::span(data, size)));
  if (!key.ok()) return 0;
  const auto again = client::ParseKeyFile(client::FormatKeyFile(*key).ExposeSecret());
  if (!again.ok() || again->public_key() != key->public_key()) std::abort();
  return 0;
}
