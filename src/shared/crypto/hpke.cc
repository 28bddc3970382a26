#include "shared/crypto/hpke.h"

#include <array>

#include "shared/crypto/concat.h"
#include "shared/crypto/hpke_internal.h"
#include "shared/crypto/kdf.h"
#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/random.h"
#include "shared/crypto/raw_key.h"

namespace anchorhold::crypto {
namespace internal {
namespace {

using std::string_view_literals::operator""sv;

// Section 4.1: "KEM" || I2OSP(kem_id, 2), and section 5.1: "HPKE" || I2OSP(kem_id, 2) ||
// I2OSP(kdf_id, 2) || I2OSP(aead_id, 2), with the numbers of section 7: DHKEM(X25519, HKDF-SHA256)
// is 0x0020, HKDF-SHA256 is 0x0001, AES-256-GCM is 0x0002.
constexpr std::string_view kKemSuite = "KEM\x00\x20"sv;
constexpr std::string_view kHpkeSuite = "HPKE\x00\x20\x00\x01\x00\x02"sv;
constexpr std::string_view kVersion = "HPKE-v1"sv;
constexpr std::byte kModeBase{0x00};

// Section 4: Extract(salt, "HPKE-v1" || suite_id || label || ikm).
SecretBytes LabeledExtract(std::string_view suite, ByteSpan salt, std::string_view label,
                           ByteSpan input_key_material) {
  return HkdfExtract(
      salt, Concat({AsBytes(kVersion), AsBytes(suite), AsBytes(label), input_key_material}));
}

// Section 4: Expand(prk, I2OSP(L, 2) || "HPKE-v1" || suite_id || label || info, L).
SecretBytes LabeledExpand(std::string_view suite, const SecretBytes& pseudo_random_key,
                          std::string_view label, ByteSpan info, std::size_t size) {
  AH_CHECK(size <= 0xffff);
  const std::array<std::byte, 2> size_bytes{static_cast<std::byte>(size >> 8),
                                            static_cast<std::byte>(size & 0xff)};
  const SecretBytes labeled_info =
      Concat({size_bytes, AsBytes(kVersion), AsBytes(suite), AsBytes(label), info});
  return HkdfExpand(pseudo_random_key, labeled_info.ExposeSecret(), size);
}

// X25519. libcrypto refuses an all-zero result, the check of section 7.1.4; nothing else in the
// peer's bytes can make it fail (RFC 7748 accepts every 32 bytes).
Result<SecretBytes> DiffieHellman(const HpkePrivateKey& own, ByteSpan peer_public) {
  const ErrorQueueMark mark;
  const KeyPtr key = PrivateKeyFromRaw(EVP_PKEY_X25519, own.raw());
  const KeyPtr peer = PublicKeyFromRaw(EVP_PKEY_X25519, peer_public);
  const KeyContextPtr context(EVP_PKEY_CTX_new(key.get(), nullptr));
  AH_CHECK(context != nullptr);
  AH_CHECK(EVP_PKEY_derive_init(context.get()) == 1);
  AH_CHECK(EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1);
  SecretBytes out(kRawKeyBytes);
  std::size_t size = out.size();
  if (EVP_PKEY_derive(context.get(), RawMutable(out.mutable_span()), &size) != 1) {
    return InvalidInput("the HPKE public key is a point of small order: ask for a genuine key");
  }
  AH_CHECK(size == out.size());
  return out;
}

// Section 4.1: ExtractAndExpand(dh, enc || pkRm).
SecretBytes ExtractAndExpand(const SecretBytes& diffie_hellman,
                             const HpkeEncapsulation& encapsulation,
                             const HpkePublicKey& recipient) {
  const SecretBytes kem_context = Concat({encapsulation.span(), recipient.span()});
  const SecretBytes prk = LabeledExtract(kKemSuite, {}, "eae_prk", diffie_hellman.ExposeSecret());
  return LabeledExpand(kKemSuite, prk, "shared_secret", kem_context.ExposeSecret(), 32);
}

// Section 7.1.3.
SecretBytes DeriveRawPrivateKey(const SecretBytes& input_key_material) {
  const SecretBytes prk =
      LabeledExtract(kKemSuite, {}, "dkp_prk", input_key_material.ExposeSecret());
  return LabeledExpand(kKemSuite, prk, "sk", {}, kRawKeyBytes);
}

}  // namespace

Result<HpkeEncapsulated> HpkeEncap(const HpkePrivateKey& ephemeral,
                                   const HpkePublicKey& recipient) {
  AH_ASSIGN_OR_RETURN(const SecretBytes dh, DiffieHellman(ephemeral, recipient.span()));
  const HpkeEncapsulation encapsulation{ephemeral.public_key().value};
  return HpkeEncapsulated{encapsulation, ExtractAndExpand(dh, encapsulation, recipient)};
}

Result<SecretBytes> HpkeDecap(const HpkePrivateKey& recipient,
                              const HpkeEncapsulation& encapsulation) {
  AH_ASSIGN_OR_RETURN(const SecretBytes dh, DiffieHellman(recipient, encapsulation.span()));
  return ExtractAndExpand(dh, encapsulation, recipient.public_key());
}

HpkeKeys HpkeKeySchedule(const SecretBytes& shared_secret, ByteSpan info) {
  const SecretBytes psk_id_hash = LabeledExtract(kHpkeSuite, {}, "psk_id_hash", {});
  const SecretBytes info_hash = LabeledExtract(kHpkeSuite, {}, "info_hash", info);
  const SecretBytes context =
      Concat({ByteSpan(&kModeBase, 1), psk_id_hash.ExposeSecret(), info_hash.ExposeSecret()});
  const SecretBytes secret = LabeledExtract(kHpkeSuite, shared_secret.ExposeSecret(), "secret", {});
  const SecretBytes nonce =
      LabeledExpand(kHpkeSuite, secret, "base_nonce", context.ExposeSecret(), kAeadNonceBytes);
  return {LabeledExpand(kHpkeSuite, secret, "key", context.ExposeSecret(), kAeadKeyBytes),
          AeadNonce::From(nonce.ExposeSecret()).value()};
}

}  // namespace internal

HpkePrivateKey::HpkePrivateKey(SecretBytes raw, const HpkePublicKey& public_key)
    : raw_(std::move(raw)), public_key_(public_key) {}

HpkePrivateKey HpkePrivateKey::Generate() {
  return FromRaw(RandomSecret(internal::kRawKeyBytes)).value();
}

Result<HpkePrivateKey> HpkePrivateKey::Derive(const SecretBytes& input_key_material) {
  if (input_key_material.size() < internal::kRawKeyBytes) {
    return InvalidInput("an HPKE key is derived from at least 32 bytes, not " +
                        std::to_string(input_key_material.size()));
  }
  return FromRaw(internal::DeriveRawPrivateKey(input_key_material));
}

Result<HpkePrivateKey> HpkePrivateKey::FromRaw(SecretBytes raw) {
  if (raw.size() != internal::kRawKeyBytes) {
    return InvalidInput("an HPKE private key has 32 bytes, not " + std::to_string(raw.size()));
  }
  const HpkePublicKey public_key{internal::PublicKeyOf(EVP_PKEY_X25519, raw)};
  return HpkePrivateKey(std::move(raw), public_key);
}

Result<HpkeSealed> HpkeSeal(const HpkePublicKey& recipient, ByteSpan info, ByteSpan associated_data,
                            ByteSpan plaintext) {
  return HpkeSealWithEphemeralForTest(HpkePrivateKey::Generate(), recipient, info, associated_data,
                                      plaintext);
}

Result<HpkeSealed> HpkeSealWithEphemeralForTest(const HpkePrivateKey& ephemeral,
                                                const HpkePublicKey& recipient, ByteSpan info,
                                                ByteSpan associated_data, ByteSpan plaintext) {
  AH_ASSIGN_OR_RETURN(const internal::HpkeEncapsulated encapsulated,
                      internal::HpkeEncap(ephemeral, recipient));
  const internal::HpkeKeys keys = internal::HpkeKeySchedule(encapsulated.shared_secret, info);
  return HpkeSealed{encapsulated.encapsulation,
                    AeadSeal(keys.key, keys.base_nonce, associated_data, plaintext)};
}

Result<SecretBytes> HpkeOpen(const HpkePrivateKey& recipient,
                             const HpkeEncapsulation& encapsulation, ByteSpan info,
                             ByteSpan associated_data, ByteSpan ciphertext) {
  const Result<SecretBytes> shared_secret = internal::HpkeDecap(recipient, encapsulation);
  // Nobody honest sends such an encapsulation: what arrived is not what was sealed.
  if (!shared_secret.ok()) return IntegrityError(shared_secret.error().message());
  const internal::HpkeKeys keys = internal::HpkeKeySchedule(*shared_secret, info);
  AH_ASSIGN_OR_RETURN(Bytes plaintext,
                      AeadOpen(keys.key, keys.base_nonce, associated_data, ciphertext));
  SecretBytes out = SecretBytes::CopyOf(plaintext);
  Wipe(plaintext);
  return out;
}

}  // namespace anchorhold::crypto
