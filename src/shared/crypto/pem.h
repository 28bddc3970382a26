// PEM (RFC 7468), strictly: blocks of one label, no headers, white space between them and nothing
// else.
#pragma once

#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::crypto {

bool LooksLikePem(ByteSpan bytes);
// The blocks' contents, at least one and at most `max_count`.
Result<std::vector<Bytes>> ReadPem(ByteSpan text, std::string_view label, std::size_t max_count);

}  // namespace anchorhold::crypto
