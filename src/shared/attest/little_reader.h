// Takes little-endian fields off the front, one after another; what is not there whole is an error.
// For layouts whose parts say how long the next one is; fixed ones are fields.h.
#pragma once

#include "shared/attest/fields.h"

namespace anchorhold::attest {

class LittleReader {
 public:
  // `when_short`, which outlives the reader: the message of the error for bytes that end too early.
  LittleReader(ByteSpan bytes, std::string_view when_short)
      : rest_(bytes), when_short_(when_short) {}

  ByteSpan rest() const { return rest_; }
  bool AtEnd() const { return rest_.empty(); }
  // They live as long as the bytes that the reader was made from.
  Result<ByteSpan> Take(std::size_t size) {
    if (size > rest_.size()) return InvalidInput(std::string(when_short_));
    const ByteSpan out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  Result<std::uint8_t> U8() {
    AH_ASSIGN_OR_RETURN(const ByteSpan bytes, Take(1));
    return Fields(bytes).U8(0);
  }
  Result<std::uint16_t> U16() {
    AH_ASSIGN_OR_RETURN(const ByteSpan bytes, Take(2));
    return Fields(bytes).U16(0);
  }
  Result<std::uint32_t> U32() {
    AH_ASSIGN_OR_RETURN(const ByteSpan bytes, Take(4));
    return Fields(bytes).U32(0);
  }

 private:
  ByteSpan rest_;
  std::string_view when_short_;
};

}  // namespace anchorhold::attest
