// Sized byte strings of a TPM, for those who parse its structures.
#pragma once

#include "shared/base/reader.h"

namespace anchorhold::attest {

// A TPM2B: a size of two bytes, big-endian, and as many bytes; more than `max` is an error. They
// live as long as the bytes that the reader was made from.
inline Result<ByteSpan> ReadTpm2b(ByteReader& reader, std::size_t max) {
  AH_ASSIGN_OR_RETURN(const std::uint16_t size, reader.ReadU16());
  if (size > max) {
    return InvalidInput(std::to_string(size) + " bytes where there may be " + std::to_string(max));
  }
  return reader.ReadBytes(size);
}

}  // namespace anchorhold::attest
