// Protobuf's lite runtime keeps fields that it does not know and says nothing about them. Where
// bytes are evidence, everything in them must be understood: this walks the encoding and accepts
// only known fields of the declared types.
//
//   message = (key value)*       key = varint(number << 3 | wire type)
//   wire types: 0 varint, 1 eight bytes, 2 sized bytes; others occur in no message of ours
#pragma once

#include <array>
#include <string_view>

#include "shared/base/bytes.h"

namespace anchorhold::wire {

// The fields of a message, numbered from 1, a letter each: 'v' varint (integers, bool, enum), 'd'
// double, 'b' bytes or string, 'm' message, whose shapes stand in `messages` in the same order.
struct ProtoShape {
  std::string_view fields;
  std::array<const ProtoShape*, 4> messages{};
};

// kInvalidInput unless `bytes` holds known fields only. It recurses as deep as shapes do.
Status ExpectKnownFields(ByteSpan bytes, const ProtoShape& shape);

}  // namespace anchorhold::wire
