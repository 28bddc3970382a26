#include "shared/base/reader.h"

#include <limits>

namespace anchorhold {

template <typename T>
Result<T> ByteReader::ReadBigEndian() {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, ReadBytes(sizeof(T)));
  std::uint64_t v = 0;
  for (const std::byte b : bytes) v = (v << 8) | std::to_integer<std::uint64_t>(b);
  return static_cast<T>(v);
}

Result<std::uint8_t> ByteReader::ReadU8() { return ReadBigEndian<std::uint8_t>(); }
Result<std::uint16_t> ByteReader::ReadU16() { return ReadBigEndian<std::uint16_t>(); }
Result<std::uint32_t> ByteReader::ReadU32() { return ReadBigEndian<std::uint32_t>(); }
Result<std::uint64_t> ByteReader::ReadU64() { return ReadBigEndian<std::uint64_t>(); }

Result<ByteSpan> ByteReader::ReadBytes(std::size_t count) {
  if (count > rest_.size()) {
    return InvalidInput("truncated: " + std::to_string(count) + " more bytes expected, " +
                        std::to_string(rest_.size()) + " left");
  }
  const ByteSpan out = rest_.first(count);
  rest_ = rest_.subspan(count);
  return out;
}

Result<ByteSpan> ByteReader::ReadSized(std::size_t max) {
  AH_ASSIGN_OR_RETURN(const std::uint32_t size, ReadU32());
  if (size > max) {
    return LimitExceeded("a field of " + std::to_string(size) + " bytes; the limit is " +
                         std::to_string(max));
  }
  return ReadBytes(size);
}

Status ByteReader::ExpectEnd() const {
  if (!rest_.empty()) {
    return InvalidInput(std::to_string(rest_.size()) + " unexpected bytes at the end");
  }
  return Ok();
}

template <typename T>
void ByteWriter::WriteBigEndian(T v) {
  for (std::size_t i = sizeof(T); i-- > 0;) {
    out_.push_back(static_cast<std::byte>((static_cast<std::uint64_t>(v) >> (8 * i)) & 0xff));
  }
}

void ByteWriter::WriteU8(std::uint8_t v) { WriteBigEndian(v); }
void ByteWriter::WriteU16(std::uint16_t v) { WriteBigEndian(v); }
void ByteWriter::WriteU32(std::uint32_t v) { WriteBigEndian(v); }
void ByteWriter::WriteU64(std::uint64_t v) { WriteBigEndian(v); }
void ByteWriter::WriteBytes(ByteSpan bytes) { AppendBytes(out_, bytes); }

void ByteWriter::WriteSized(ByteSpan bytes) {
  AH_CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  WriteU32(static_cast<std::uint32_t>(bytes.size()));
  WriteBytes(bytes);
}

}  // namespace anchorhold
