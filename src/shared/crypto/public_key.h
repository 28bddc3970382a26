// Other people's public keys and their signatures: what hardware vendors sign evidence,
// certificates and collateral with. ECDSA on P-256 and P-384 (FIPS 186-4) and RSA (RFC 8017); our
// own documents are signed with Ed25519 (signature.h).
#pragma once

#include "shared/crypto/hash.h"

namespace anchorhold::crypto {

enum class KeyType { kEcP256, kEcP384, kRsa };
enum class ByteOrder { kBigEndian, kLittleEndian };

// A key that can be used; of one encoding only, so that equal keys have equal bytes.
class PublicKey {
 public:
  // SubjectPublicKeyInfo in DER: an uncompressed point on P-256 or P-384, or RSA of 2048 to 8192
  // bits with an odd exponent over 1. kUnsupported for other keys, kInvalidInput for bytes that are
  // none.
  static Result<PublicKey> FromSpki(ByteSpan der);
  // Coordinates, big-endian, of the curve's length each. Precondition: `type` is a curve.
  static Result<PublicKey> FromPoint(KeyType type, ByteSpan x, ByteSpan y);
  // Modulus and public exponent, big-endian.
  static Result<PublicKey> FromRsa(ByteSpan modulus, ByteSpan exponent);

  KeyType type() const { return type_; }
  const Bytes& spki() const { return spki_; }
  // SHA-256 of the SubjectPublicKeyInfo: the name under which keys are pinned.
  Sha256Digest Fingerprint() const { return Sha256(spki_); }
  friend bool operator==(const PublicKey&, const PublicKey&) = default;

 private:
  PublicKey(KeyType type, Bytes spki) : type_(type), spki_(std::move(spki)) {}
  KeyType type_;
  Bytes spki_;
};

// r and s, whichever way they travelled.
class EcdsaSignature {
 public:
  // Two unsigned integers of any one length; zero bytes at the most significant end are padding.
  // kInvalidInput if one of them is longer than P-384 has use for, or zero.
  static Result<EcdsaSignature> FromRaw(ByteSpan r, ByteSpan s, ByteOrder order);
  // r || s, big-endian, halves of equal length.
  static Result<EcdsaSignature> FromRaw(ByteSpan both);
  // SEQUENCE { r INTEGER, s INTEGER }, in DER and not merely BER.
  static Result<EcdsaSignature> FromDer(ByteSpan der);
  const Bytes& der() const { return der_; }

 private:
  explicit EcdsaSignature(Bytes der) : der_(std::move(der)) {}
  Bytes der_;
};

enum class HashName { kSha256, kSha384, kSha512 };
// MGF1 of the same hash. kPss: the salt is as long as the hash; kPssAnySalt: of any length, as TPMs
// make it.
enum class RsaPadding { kPkcs1, kPss, kPssAnySalt };

// kIntegrity unless the signature over the message is this key's; also if the key is of another
// type than the signature.
Status VerifyEcdsa(const PublicKey& key, HashName hash, ByteSpan message,
                   const EcdsaSignature& signature);
Status VerifyRsa(const PublicKey& key, RsaPadding padding, HashName hash, ByteSpan message,
                 ByteSpan signature);

}  // namespace anchorhold::crypto
