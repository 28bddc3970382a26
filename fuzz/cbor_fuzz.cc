// CBOR of others: what is accepted can be walked, and is inside its limits.
#include "shared/wire/cbor.h"

namespace {

using namespace anchorhold;

// The number of values.
std::size_t Walk(const wire::CborValue& value, ByteSpan input, std::size_t depth) {
  AH_CHECK(depth <= wire::kCborDepthMax);
  std::size_t count = 1;
  if (const auto bytes = value.ByteString(); bytes.ok() && !bytes->empty()) {
    AH_CHECK(bytes->data() >= input.data());
    AH_CHECK(bytes->data() + bytes->size() <= input.data() + input.size());
  }
  if (value.type() == wire::CborType::kTag) count += Walk(value.tagged(), input, depth + 1);
  if (const auto items = value.Array(); items.ok()) {
    for (const auto& item : *items) count += Walk(item, input, depth + 1);
  }
  if (const auto members = value.Map(); members.ok()) {
    for (const auto& [key, item] : *members) {
      count += Walk(key, input, depth + 1) + Walk(item, input, depth + 1);
      if (const auto name = key.Text(); name.ok()) AH_CHECK(value.Find(*name) == &item);
    }
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto value = wire::ParseCbor(input, 1 << 16);
  if (value.ok()) AH_CHECK(Walk(*value, input, 0) <= wire::kCborItemsMax);
  return 0;
}
