// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing over U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace anchorhold::wire {

bool IsUtf8(std::string_view text);

// Bytes of the well-formed sequence at the start of `text`; 0 if there is none.
std::size_t Utf8SequenceBytes(std::string_view text);

// Whether the number is a character at all: at most U+10FFFF and no half of a surrogate pair.
bool IsUnicodeScalar(std::uint32_t code);

// Precondition: IsUnicodeScalar(code).
void AppendUtf8(std::string& out, std::uint32_t code);

}  // namespace anchorhold::wire
