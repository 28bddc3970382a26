#include "shared/crypto/signature.h"

#include "shared/crypto/concat.h"
#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/random.h"
#include "shared/crypto/raw_key.h"
#include "shared/crypto/signature_internal.h"

namespace anchorhold::crypto {
namespace internal {

Ed25519Signature SignRaw(const SecretBytes& seed, ByteSpan message) {
  const KeyPtr key = PrivateKeyFromRaw(EVP_PKEY_ED25519, seed);
  const DigestContextPtr context(EVP_MD_CTX_new());
  AH_CHECK(context != nullptr);
  AH_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  Ed25519Signature out;
  std::size_t size = out.value.size();
  AH_CHECK(EVP_DigestSign(context.get(), RawMutable(out.value), &size, Raw(message),
                          message.size()) == 1);
  AH_CHECK(size == out.value.size());
  return out;
}

bool VerifyRaw(const Ed25519PublicKey& key, ByteSpan message, const Ed25519Signature& signature) {
  const ErrorQueueMark mark;
  const KeyPtr public_key = PublicKeyFromRaw(EVP_PKEY_ED25519, key.span());
  const DigestContextPtr context(EVP_MD_CTX_new());
  AH_CHECK(context != nullptr);
  AH_CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1);
  return EVP_DigestVerify(context.get(), Raw(signature.span()), signature.value.size(),
                          Raw(message), message.size()) == 1;
}

}  // namespace internal

namespace {

// A context with a zero byte could pass for another context and the start of its message.
SecretBytes WithContext(std::string_view context, ByteSpan message) {
  AH_CHECK(!context.empty());
  AH_CHECK(context.find('\0') == std::string_view::npos);
  const std::byte zero{0};
  return internal::Concat({AsBytes(context), ByteSpan(&zero, 1), message});
}

}  // namespace

KeyFingerprint FingerprintOf(const Ed25519PublicKey& key) {
  return KeyFingerprint{Sha256(key.span()).value};
}

Ed25519PrivateKey::Ed25519PrivateKey(SecretBytes seed, const Ed25519PublicKey& public_key)
    : seed_(std::move(seed)), public_key_(public_key) {}

Ed25519PrivateKey Ed25519PrivateKey::Generate() {
  return FromSeed(RandomSecret(internal::kRawKeyBytes)).value();
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::FromSeed(SecretBytes seed) {
  if (seed.size() != internal::kRawKeyBytes) {
    return InvalidInput("an Ed25519 private key is a seed of 32 bytes, not " +
                        std::to_string(seed.size()));
  }
  const Ed25519PublicKey public_key{internal::PublicKeyOf(EVP_PKEY_ED25519, seed)};
  return Ed25519PrivateKey(std::move(seed), public_key);
}

Ed25519PrivateKey Ed25519PrivateKey::Clone() const {
  return Ed25519PrivateKey(seed_.Clone(), public_key_);
}

Ed25519Signature Ed25519PrivateKey::Sign(std::string_view context, ByteSpan message) const {
  return internal::SignRaw(seed_, WithContext(context, message).ExposeSecret());
}

Status VerifySignature(const Ed25519PublicKey& key, std::string_view context, ByteSpan message,
                       const Ed25519Signature& signature) {
  const SecretBytes signed_bytes = WithContext(context, message);
  if (internal::VerifyRaw(key, signed_bytes.ExposeSecret(), signature)) return Ok();
  return IntegrityError("the signature over this " + std::string(context) +
                        " is not valid: it was changed after signing, or another key signed it");
}

}  // namespace anchorhold::crypto
