// The key stream of AES-256 in counter mode, by libcrypto alone.
#pragma once

#include <openssl/evp.h>

#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {

// What `count` zeros are encrypted to, from counter 0 on.
inline Bytes LibraryKeyStream(const Bytes& key, std::size_t count) {
  const internal::CipherContextPtr context(EVP_CIPHER_CTX_new());
  const Bytes counter(16);
  Bytes out(count);
  int written = 0;
  EXPECT_EQ(EVP_EncryptInit_ex2(context.get(), EVP_aes_256_ctr(), internal::Raw(key),
                                internal::Raw(counter), nullptr),
            1);
  EXPECT_EQ(EVP_EncryptUpdate(context.get(), internal::RawMutable(out), &written,
                              internal::Raw(out), static_cast<int>(out.size())),
            1);
  return out;
}

}  // namespace anchorhold::crypto
