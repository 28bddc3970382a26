// Owners of libcrypto's objects, and the few conversions that its C interface needs. Internal to
// crypto/ and channel/: no public header includes it, so that nothing else learns of OpenSSL.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

#include "shared/base/bytes.h"

namespace anchorhold::crypto::internal {

template <auto Free>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<Free>>;

using CipherContextPtr = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using DigestContextPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using KeyContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// Takes back the entries that a refused input leaves in the thread's error queue: libssl would
// mistake them for errors of its own.
class ErrorQueueMark {
 public:
  ErrorQueueMark() { ERR_set_mark(); }
  ~ErrorQueueMark() { ERR_pop_to_mark(); }
  ErrorQueueMark(const ErrorQueueMark&) = delete;
  ErrorQueueMark& operator=(const ErrorQueueMark&) = delete;
};

inline const unsigned char* Raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* RawMutable(MutableByteSpan bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace anchorhold::crypto::internal
