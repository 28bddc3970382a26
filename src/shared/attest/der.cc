#include "shared/attest/der.h"

namespace anchorhold::attest {
namespace {

std::uint8_t Number(std::byte b) { return std::to_integer<std::uint8_t>(b); }

}  // namespace

Result<DerElement> DerReader::Next() {
  const Error bad = InvalidInput("not DER");
  if (rest_.size() < 2) return bad;
  const std::uint8_t tag = Number(rest_[0]);
  if ((tag & 0x1f) == 0x1f) return bad;  // a tag of several bytes
  std::size_t size = Number(rest_[1]);
  std::size_t header = 2;
  if (size >= 0x80) {
    const std::size_t digits = size - 0x80;
    if (digits < 1 || digits > 2 || rest_.size() < 2 + digits) return bad;
    size = Number(rest_[2]);
    if (digits == 2) size = size << 8 | Number(rest_[3]);
    if (size < (digits == 1 ? 0x80u : 0x100u)) return bad;  // not the shortest
    header += digits;
  }
  if (size > rest_.size() - header) return bad;
  const DerElement out = {tag, rest_.subspan(header, size), rest_.first(header + size)};
  rest_ = rest_.subspan(header + size);
  return out;
}

Result<ByteSpan> DerReader::Next(DerTag tag) {
  AH_ASSIGN_OR_RETURN(const DerElement element, Next());
  if (element.tag != static_cast<std::uint8_t>(tag)) return InvalidInput("another type");
  return element.content;
}

Result<ByteSpan> ReadDer(ByteSpan bytes, DerTag tag) {
  DerReader reader(bytes);
  AH_ASSIGN_OR_RETURN(const ByteSpan content, reader.Next(tag));
  if (!reader.AtEnd()) return InvalidInput("bytes after the element");
  return content;
}

Result<std::uint16_t> DerUnsigned(ByteSpan content) {
  const Error bad = InvalidInput("not a number from 0 to 65535");
  if (content.empty() || content.size() > 3) return bad;
  if ((Number(content[0]) & 0x80) != 0) return bad;  // negative
  if (content.size() > 1 && Number(content[0]) == 0 && (Number(content[1]) & 0x80) == 0) {
    return bad;  // not the shortest
  }
  if (content.size() == 3 && Number(content[0]) != 0) return bad;
  std::uint32_t value = 0;
  for (const std::byte b : content) value = value << 8 | Number(b);
  return static_cast<std::uint16_t>(value);
}

Result<bool> DerBoolean(ByteSpan content) {
  if (content.size() != 1 || (Number(content[0]) != 0 && Number(content[0]) != 0xff)) {
    return InvalidInput("neither true nor false");
  }
  return Number(content[0]) != 0;
}

}  // namespace anchorhold::attest
