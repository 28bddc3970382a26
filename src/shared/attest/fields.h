// Fixed layouts with little-endian integers, as CPU vendors write them. Every access is checked
// against the bytes that are there; asking outside of them is a bug of ours, because a parser
// checks the whole length first.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold::attest {

class Fields {
 public:
  explicit Fields(ByteSpan bytes) : bytes_(bytes) {}

  // Precondition: at + size <= the number of bytes.
  ByteSpan Span(std::size_t at, std::size_t size) const {
    AH_CHECK(at <= bytes_.size() && size <= bytes_.size() - at);
    return bytes_.subspan(at, size);
  }
  Bytes Copy(std::size_t at, std::size_t size) const { return CopyBytes(Span(at, size)); }
  std::uint8_t U8(std::size_t at) const { return static_cast<std::uint8_t>(Little(at, 1)); }
  std::uint16_t U16(std::size_t at) const { return static_cast<std::uint16_t>(Little(at, 2)); }
  std::uint32_t U32(std::size_t at) const { return static_cast<std::uint32_t>(Little(at, 4)); }
  std::uint64_t U64(std::size_t at) const { return Little(at, 8); }

 private:
  std::uint64_t Little(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    const ByteSpan bytes = Span(at, size);
    for (std::size_t i = size; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint8_t>(bytes[i]);
    }
    return value;
  }
  ByteSpan bytes_;
};

// Whether every byte is zero; also if there is none.
inline bool AllZero(ByteSpan bytes) {
  for (const std::byte b : bytes) {
    if (b != std::byte{0}) return false;
  }
  return true;
}

}  // namespace anchorhold::attest
