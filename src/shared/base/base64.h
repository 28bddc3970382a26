// Base64 (RFC 4648, section 4) and base64url without padding (section 5): what PEM files and JSON
// tokens hold. Strict: one text for each byte string.
#pragma once

#include "shared/base/bytes.h"

namespace anchorhold {

enum class Base64 { kStandard, kUrl };

std::string EncodeBase64(ByteSpan bytes, Base64 alphabet);
// kInvalidInput for another character, padding that is wrong (kStandard) or there at all (kUrl),
// and bits left over at the end that are not zero.
Result<Bytes> DecodeBase64(std::string_view text, Base64 alphabet);

}  // namespace anchorhold
