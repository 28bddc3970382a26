#include "shared/crypto/init.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

#include "shared/crypto/hpke.h"
#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/random.h"
#include "shared/crypto/signature.h"

namespace anchorhold::crypto {
namespace {

// A fetched algorithm stays in libcrypto's store after it is freed here; later look-ups find it.
template <auto Fetch, auto Free>
bool CanFetch(const char* name) {
  auto* const algorithm = Fetch(nullptr, name, nullptr);
  Free(algorithm);
  return algorithm != nullptr;
}

bool CanFetchAll() {
  return CanFetch<EVP_MD_fetch, EVP_MD_free>("SHA2-256") &&
         CanFetch<EVP_MD_fetch, EVP_MD_free>("SHA2-384") &&
         CanFetch<EVP_MD_fetch, EVP_MD_free>("SHA2-512") &&
         CanFetch<EVP_MAC_fetch, EVP_MAC_free>("HMAC") &&
         CanFetch<EVP_CIPHER_fetch, EVP_CIPHER_free>("AES-256-CTR") &&
         CanFetch<EVP_CIPHER_fetch, EVP_CIPHER_free>("AES-256-GCM") &&
         CanFetch<EVP_KEYMGMT_fetch, EVP_KEYMGMT_free>("ED25519") &&
         CanFetch<EVP_KEYMGMT_fetch, EVP_KEYMGMT_free>("X25519") &&
         CanFetch<EVP_SIGNATURE_fetch, EVP_SIGNATURE_free>("ED25519") &&
         CanFetch<EVP_KEYEXCH_fetch, EVP_KEYEXCH_free>("X25519");
}

bool CanDraw() {
  std::array<unsigned char, 32> scratch;
  const bool drawn = RAND_bytes(scratch.data(), static_cast<int>(scratch.size())) == 1 &&
                     RAND_priv_bytes(scratch.data(), static_cast<int>(scratch.size())) == 1;
  OPENSSL_cleanse(scratch.data(), scratch.size());
  SystemRandom random;
  // Two equal draws of 64 bits in a row: a generator that does not generate.
  return drawn && random.NextU64() != random.NextU64();
}

// Uses each operation once, refusals too: errors have tables of their own.
Status RoundTrips() {
  const ByteSpan message = AsBytes("anchorhold");
  const Ed25519PrivateKey signer = Ed25519PrivateKey::Generate();
  const Ed25519Signature signature = signer.Sign("anchorhold self-test v1", message);
  AH_RETURN_IF_ERROR(
      VerifySignature(signer.public_key(), "anchorhold self-test v1", message, signature));
  if (VerifySignature(signer.public_key(), "anchorhold self-test v2", message, signature).ok()) {
    return IntegrityError("a signature is valid for another context");
  }
  const HpkePrivateKey recipient = HpkePrivateKey::Generate();
  AH_ASSIGN_OR_RETURN(HpkeSealed sealed, HpkeSeal(recipient.public_key(), {}, {}, message));
  AH_ASSIGN_OR_RETURN(const SecretBytes opened,
                      HpkeOpen(recipient, sealed.encapsulation, {}, {}, sealed.ciphertext));
  if (!ConstantTimeEqual(opened.ExposeSecret(), message)) {
    return IntegrityError("HPKE does not open what it sealed");
  }
  sealed.ciphertext.back() ^= std::byte{1};
  if (HpkeOpen(recipient, sealed.encapsulation, {}, {}, sealed.ciphertext).ok() ||
      HpkeSeal(HpkePublicKey{}, {}, {}, message).ok()) {
    return IntegrityError("HPKE accepts what it must refuse");
  }
  return Ok();
}

}  // namespace

Status InitCrypto() {
  constexpr std::uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS |
                                     OPENSSL_INIT_ADD_ALL_DIGESTS |
                                     OPENSSL_INIT_LOAD_CRYPTO_STRINGS;
  if (OPENSSL_init_crypto(kOptions, nullptr) != 1) {
    return InternalError("libcrypto cannot be initialised");
  }
  if (!CanFetchAll()) return InternalError("libcrypto lacks an algorithm that is needed");
  if (!CanDraw()) return InternalError("libcrypto's random generator does not work");
  const Status self_test = RoundTrips();
  if (!self_test.ok()) {
    return InternalError("self-test of libcrypto: " + self_test.error().message());
  }
  return Ok();
}

}  // namespace anchorhold::crypto
