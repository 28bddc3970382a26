#include "shared/channel/cbor.h"

#include <limits>

namespace anchorhold::channel {
namespace {

constexpr std::uint8_t kLength8 = 24;
constexpr std::uint8_t kLength16 = 25;
constexpr std::uint8_t kLength32 = 26;

struct Length {
  std::size_t value;
  std::size_t min;  // below it, a shorter form exists
};

Result<Length> ReadLength(ByteReader& reader, std::uint8_t information) {
  if (information < kLength8) return Length{information, 0};
  if (information == kLength8) {
    AH_ASSIGN_OR_RETURN(const std::size_t value, reader.ReadU8());
    return Length{value, kLength8};
  }
  if (information == kLength16) {
    AH_ASSIGN_OR_RETURN(const std::size_t value, reader.ReadU16());
    return Length{value, 0x100};
  }
  if (information == kLength32) {
    AH_ASSIGN_OR_RETURN(const std::size_t value, reader.ReadU32());
    return Length{value, 0x10000};
  }
  return InvalidInput("CBOR: a length that is indefinite, reserved or of 64 bits");
}

}  // namespace

void WriteCborHead(ByteWriter& writer, CborType type, std::size_t length) {
  AH_CHECK(length <= std::numeric_limits<std::uint32_t>::max());
  const auto initial = [&](std::size_t information) {
    const std::size_t major = static_cast<std::size_t>(type) << 5;
    writer.WriteU8(static_cast<std::uint8_t>(major | information));
  };
  if (length < kLength8) {
    initial(length);
  } else if (length < 0x100) {
    initial(kLength8);
    writer.WriteU8(static_cast<std::uint8_t>(length));
  } else if (length < 0x10000) {
    initial(kLength16);
    writer.WriteU16(static_cast<std::uint16_t>(length));
  } else {
    initial(kLength32);
    writer.WriteU32(static_cast<std::uint32_t>(length));
  }
}

Result<std::size_t> ReadCborHead(ByteReader& reader, CborType type) {
  AH_ASSIGN_OR_RETURN(const std::uint8_t initial, reader.ReadU8());
  if (initial >> 5 != static_cast<std::uint8_t>(type)) {
    return InvalidInput("CBOR: an item of major type " + std::to_string(initial >> 5) +
                        " where type " + std::to_string(static_cast<int>(type)) + " belongs");
  }
  AH_ASSIGN_OR_RETURN(const Length length, ReadLength(reader, initial & 0x1f));
  if (length.value < length.min) return InvalidInput("CBOR: a length not in its shortest form");
  return length.value;
}

Result<ByteSpan> ReadCborString(ByteReader& reader, CborType type, std::size_t max) {
  AH_ASSIGN_OR_RETURN(const std::size_t size, ReadCborHead(reader, type));
  if (size > max) {
    return LimitExceeded("CBOR: a string of " + std::to_string(size) + " bytes; the limit is " +
                         std::to_string(max));
  }
  return reader.ReadBytes(size);
}

}  // namespace anchorhold::channel
