// ByteReader and ByteWriter: bounded, big-endian binary fields. Every read checks its length first;
// a reader never points outside the bytes it was given.
#pragma once

#include <cstdint>

#include "shared/base/bytes.h"

namespace anchorhold {

class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  std::size_t remaining() const { return rest_.size(); }

  Result<std::uint8_t> ReadU8();
  Result<std::uint16_t> ReadU16();
  Result<std::uint32_t> ReadU32();
  Result<std::uint64_t> ReadU64();
  // The next `count` bytes; they live as long as the bytes that the reader was made from.
  Result<ByteSpan> ReadBytes(std::size_t count);
  // A byte string with a 32-bit length before it; longer than `max` is an error.
  Result<ByteSpan> ReadSized(std::size_t max);
  // An error unless everything was read: no format of ours allows trailing bytes.
  Status ExpectEnd() const;

 private:
  template <typename T>
  Result<T> ReadBigEndian();

  ByteSpan rest_;
};

class ByteWriter {
 public:
  void WriteU8(std::uint8_t v);
  void WriteU16(std::uint16_t v);
  void WriteU32(std::uint32_t v);
  void WriteU64(std::uint64_t v);
  void WriteBytes(ByteSpan bytes);
  // 32-bit length, then the bytes. Precondition: fewer than 2^32 of them.
  void WriteSized(ByteSpan bytes);

  const Bytes& bytes() const& { return out_; }
  Bytes&& Take() && { return std::move(out_); }

 private:
  template <typename T>
  void WriteBigEndian(T v);

  Bytes out_;
};

}  // namespace anchorhold
