// The JSON reader: every string that it accepts is UTF-8 and survives quoting.
#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "shared/wire/json.h"
#include "shared/wire/utf8.h"

namespace {

using anchorhold::wire::JsonValue;

void Visit(const JsonValue& value) {
  const auto text = value.String();
  if (text.ok()) {
    AH_CHECK(anchorhold::wire::IsUtf8(*text));
    const std::string quoted = anchorhold::wire::QuoteJson(*text);
    const auto again = anchorhold::wire::ParseJson(anchorhold::AsBytes(quoted), quoted.size());
    AH_CHECK(again.ok() && *again->String() == *text);
  }
  (void)value.Int64();
  const auto items = value.Array();
  if (items.ok()) {
    for (const JsonValue& item : *items) Visit(item);
  }
  const auto members = value.Object();
  if (members.ok()) {
    for (const auto& member : *members) Visit(member.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json =
      anchorhold::wire::ParseJson(std::as_bytes(std::span(data, size)), anchorhold::limits::kMiB);
  if (json.ok()) Visit(*json);
  return 0;
}
