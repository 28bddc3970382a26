#include "shared/crypto/insecure_sha1.h"

#include <openssl/x509.h>

#include "shared/crypto/openssl_der.h"

namespace anchorhold::crypto {

InsecureSha1Digest InsecureSha1(ByteSpan data) {
  InsecureSha1Digest out;
  unsigned int size = 0;
  AH_CHECK(EVP_Digest(data.data(), data.size(), internal::RawMutable(out.value), &size, EVP_sha1(),
                      nullptr) == 1);
  AH_CHECK(size == InsecureSha1Digest::kSize);
  return out;
}

Status VerifyRsaOverInsecureSha1(const PublicKey& key, ByteSpan message, ByteSpan signature) {
  if (key.type() != KeyType::kRsa) return IntegrityError("an RSA signature under another key");
  const internal::ErrorQueueMark mark;
  const internal::KeyPtr parsed = internal::Decode<internal::KeyPtr, d2i_PUBKEY>(key.spki());
  AH_CHECK(parsed != nullptr);
  const internal::DigestContextPtr context(EVP_MD_CTX_new());
  AH_CHECK(context != nullptr);
  if (EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha1(), nullptr, parsed.get()) == 1 &&
      EVP_DigestVerify(context.get(), internal::Raw(signature), signature.size(),
                       internal::Raw(message), message.size()) == 1) {
    return Ok();
  }
  return IntegrityError("the signature does not hold: other bytes were signed, or by another key");
}

}  // namespace anchorhold::crypto
