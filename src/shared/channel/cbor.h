// The three kinds of CBOR item (RFC 8949) that the certificate's extension is made of: byte
// strings, text strings, arrays. Deterministic encoding only (section 4.2.1): definite lengths,
// each in its shortest form. Everything else is refused, so that a value has one encoding.
//
//   head = initial byte: major type (3 bits), additional information (5 bits); then
//     information  0..23  the length itself
//                  24     length in 1 byte, at least 24
//                  25     length in 2 bytes, at least 256
//                  26     length in 4 bytes, at least 65536
//                  others refused (27: over our limits; 28 to 31: reserved, indefinite)
#pragma once

#include "shared/base/reader.h"

namespace anchorhold::channel {

enum class CborType : std::uint8_t { kBytes = 2, kText = 3, kArray = 4 };

// The head of an item of `length` bytes (strings) or items (arrays). Precondition: below 2^32.
void WriteCborHead(ByteWriter& writer, CborType type, std::size_t length);

// kInvalidInput for another type, or a length that is not in its shortest form.
Result<std::size_t> ReadCborHead(ByteReader& reader, CborType type);

// A byte or text string; kLimitExceeded if longer than `max`. The text is not checked to be UTF-8:
// the caller compares it with a literal.
Result<ByteSpan> ReadCborString(ByteReader& reader, CborType type, std::size_t max);

}  // namespace anchorhold::channel
