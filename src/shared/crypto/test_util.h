// What the tests of crypto/ share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

inline Bytes Unhex(std::string_view hex) { return FromHex(hex).value(); }
inline SecretBytes UnhexSecret(std::string_view hex) { return SecretBytes::CopyOf(Unhex(hex)); }
inline std::string Hex(const SecretBytes& secret) { return ToHex(secret.ExposeSecret()); }

// Calls check(altered) for each way to flip one bit of `bytes`.
template <typename Check>
void ForEachBitFlip(ByteSpan bytes, Check check) {
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    SCOPED_TRACE("bit " + std::to_string(bit));
    Bytes altered = CopyBytes(bytes);
    altered[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    check(altered);
  }
}

// Calls check(prefix) for each proper prefix of `bytes`.
template <typename Check>
void ForEachTruncation(ByteSpan bytes, Check check) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE("cut to " + std::to_string(size));
    check(CopyBytes(bytes.first(size)));
  }
}

}  // namespace anchorhold::crypto
