#include "shared/wire/strict_proto.h"

#include <algorithm>

#include "shared/base/reader.h"

namespace anchorhold::wire {
namespace {

constexpr std::size_t kVarintBytesMax = 10;

Result<std::uint64_t> ReadVarint(ByteReader& r) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kVarintBytesMax; ++i) {
    AH_ASSIGN_OR_RETURN(const std::uint8_t byte, r.ReadU8());
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if ((byte & 0x80) == 0) return value;
  }
  return InvalidInput("a varint of more than 10 bytes");
}

unsigned WireTypeOf(char field) { return field == 'v' ? 0 : field == 'd' ? 1 : 2; }

const ProtoShape* ChildOf(const ProtoShape& shape, std::size_t at) {
  const auto begin = shape.fields.begin();
  const auto child = std::count(begin, begin + static_cast<std::ptrdiff_t>(at), 'm');
  return shape.messages[static_cast<std::size_t>(child)];
}

}  // namespace

Status ExpectKnownFields(ByteSpan bytes, const ProtoShape& shape) {
  ByteReader r(bytes);
  while (r.remaining() > 0) {
    AH_ASSIGN_OR_RETURN(const std::uint64_t key, ReadVarint(r));
    const std::uint64_t number = key >> 3;
    if (number < 1 || number > shape.fields.size()) {
      return InvalidInput("unknown field " + std::to_string(number));
    }
    const std::size_t at = static_cast<std::size_t>(number) - 1;
    const char field = shape.fields[at];
    if ((key & 7) != WireTypeOf(field)) {
      return InvalidInput("field " + std::to_string(number) + " is of another type");
    }
    if (field == 'v') {
      AH_RETURN_IF_ERROR(ReadVarint(r));
    } else if (field == 'd') {
      AH_RETURN_IF_ERROR(r.ReadU64());
    } else {
      AH_ASSIGN_OR_RETURN(const std::uint64_t size, ReadVarint(r));
      AH_ASSIGN_OR_RETURN(const ByteSpan content, r.ReadBytes(size));
      if (field == 'm') AH_RETURN_IF_ERROR(ExpectKnownFields(content, *ChildOf(shape, at)));
    }
  }
  return Ok();
}

}  // namespace anchorhold::wire
