// Owners of OpenSSL's objects. Internal to channel/: no public header includes it.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "shared/base/bytes.h"

namespace anchorhold::channel {

template <auto Free>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<Free>>;

using ContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;

inline const unsigned char* Raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* Raw(MutableByteSpan bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace anchorhold::channel
