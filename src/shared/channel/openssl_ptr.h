// Owners of libssl's objects, and the conversions that its C interface needs. Internal to channel/:
// no public header includes it.
#pragma once

#include <openssl/ssl.h>

#include "shared/crypto/openssl_ptr.h"

namespace anchorhold::channel {

using crypto::internal::KeyPtr;
using crypto::internal::OpensslPtr;
using crypto::internal::Raw;
using crypto::internal::RawMutable;

using ContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;

}  // namespace anchorhold::channel
