// Bytes: the one way binary data is passed around. Input is a ByteSpan, an owned buffer is Bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace anchorhold {

using Bytes = std::vector<std::byte>;
using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

// The bytes of a string, not copied: the string must outlive the span.
inline ByteSpan AsBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes CopyBytes(ByteSpan bytes) { return Bytes(bytes.begin(), bytes.end()); }
inline std::string CopyText(ByteSpan bytes) { return std::string(AsText(bytes)); }
inline void AppendBytes(Bytes& to, ByteSpan from) { to.insert(to.end(), from.begin(), from.end()); }

// Public data only: the time taken depends on where the first difference is.
bool BytesEqual(ByteSpan a, ByteSpan b);

// The value of a hexadecimal digit of either case; -1 for another character.
int HexDigit(char c);
// Lower-case hexadecimal, two digits a byte.
std::string ToHex(ByteSpan bytes);
// Accepts upper and lower case; an odd count or another character is an error.
Result<Bytes> FromHex(std::string_view text);

// A fixed-size value of public bytes: hashes, public keys, identifiers.
template <typename Tag, std::size_t kSizeValue>
struct FixedBytes {
  static constexpr std::size_t kSize = kSizeValue;
  std::array<std::byte, kSize> value{};

  static Result<FixedBytes> From(ByteSpan bytes) {
    if (bytes.size() != kSize) {
      return InvalidInput("expected " + std::to_string(kSize) + " bytes, got " +
                          std::to_string(bytes.size()));
    }
    FixedBytes out;
    for (std::size_t i = 0; i < kSize; ++i) out.value[i] = bytes[i];
    return out;
  }
  static Result<FixedBytes> FromHexText(std::string_view text) {
    AH_ASSIGN_OR_RETURN(const Bytes bytes, FromHex(text));
    return From(bytes);
  }
  ByteSpan span() const { return value; }
  std::string hex() const { return ToHex(value); }
  friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

}  // namespace anchorhold
