// DER in and out of libcrypto's objects, whole and bounded. Internal to crypto/.
#pragma once

#include "shared/crypto/openssl_ptr.h"

namespace anchorhold::crypto::internal {

// The object that exactly these bytes encode, or null. `kDecode` is one of libcrypto's d2i
// functions that make a new object; `Ptr` owns its result.
template <typename Ptr, auto kDecode>
Ptr Decode(ByteSpan der) {
  const unsigned char* at = Raw(der);
  Ptr object(kDecode(nullptr, &at, static_cast<long>(der.size())));
  if (object != nullptr && at != Raw(der) + der.size()) return nullptr;
  return object;
}

// The object's DER; empty if it has none.
template <auto kEncode, typename T>
Bytes Encode(T* object) {
  const int size = kEncode(object, nullptr);
  if (size <= 0) return {};
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = RawMutable(out);
  AH_CHECK(kEncode(object, &at) == size);
  return out;
}

}  // namespace anchorhold::crypto::internal
