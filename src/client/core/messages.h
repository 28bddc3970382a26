// Between protobuf's strings and the product's bytes.
#pragma once

#include <google/protobuf/message_lite.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/crypto/hash.h"

namespace anchorhold::client {

bool ParseMessage(ByteSpan bytes, google::protobuf::MessageLite& out);
Bytes SerializeMessage(const google::protobuf::MessageLite& message);

// kIntegrity unless each is 32 bytes long.
Result<std::vector<crypto::Sha256Digest>> DigestsOf(
    const google::protobuf::RepeatedPtrField<std::string>& digests);

// Text of the other side, fit for a terminal: control characters become '?', and no more than 1000
// bytes are kept.
std::string OneLine(std::string_view text);

}  // namespace anchorhold::client
