#include "shared/crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

#include "shared/crypto/openssl_der.h"

namespace anchorhold::crypto {
namespace {

using internal::KeyContextPtr;
using internal::KeyPtr;
using internal::OpensslPtr;
using BignumPtr = OpensslPtr<BIGNUM, BN_free>;
using ParamBuilderPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamsPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using EcdsaPtr = OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>;

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr std::size_t kSpkiBytesMax = 2048;
constexpr std::size_t kScalarBytesMax = 48;
// What stands before the coordinates: the algorithm, the curve, "uncompressed point follows".
constexpr std::string_view kP256Prefix = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
constexpr std::string_view kP384Prefix = "3076301006072a8648ce3d020106052b8104002203620004";

// An odd exponent over 1: under others, anybody's bytes are signatures.
bool HasSoundExponent(const EVP_PKEY* key) {
  BIGNUM* exponent = nullptr;
  const bool there = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1;
  const BignumPtr owned(exponent);
  return there && BN_is_odd(exponent) == 1 && BN_is_one(exponent) == 0;
}

Result<KeyType> TypeOf(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    if (!HasSoundExponent(key)) return Unsupported("an RSA key with an unsound exponent");
    const int bits = EVP_PKEY_get_bits(key);
    if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return KeyType::kRsa;
    return Unsupported("an RSA key of " + std::to_string(bits) + " bits");
  }
  std::array<char, 32> group = {};
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1) {
    const std::string_view name(group.data());
    if (name == "prime256v1") return KeyType::kEcP256;
    if (name == "secp384r1") return KeyType::kEcP384;
  }
  return Unsupported("a public key that is neither P-256, P-384 nor RSA");
}

const EVP_MD* Digest(HashName hash) {
  switch (hash) {
    case HashName::kSha256:
      return EVP_sha256();
    case HashName::kSha384:
      return EVP_sha384();
    case HashName::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

// `padding` counts for RSA alone; kPkcs1 is libcrypto's own choice.
Status VerifyWith(const PublicKey& key, HashName hash, RsaPadding padding, ByteSpan message,
                  ByteSpan signature) {
  const internal::ErrorQueueMark mark;
  const KeyPtr parsed = internal::Decode<KeyPtr, d2i_PUBKEY>(key.spki());
  AH_CHECK(parsed != nullptr);
  const internal::DigestContextPtr context(EVP_MD_CTX_new());
  AH_CHECK(context != nullptr);
  EVP_PKEY_CTX* options = nullptr;  // owned by `context`
  AH_CHECK(EVP_DigestVerifyInit(context.get(), &options, Digest(hash), nullptr, parsed.get()) == 1);
  if (padding != RsaPadding::kPkcs1) {
    const int salt = padding == RsaPadding::kPss ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_AUTO;
    AH_CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
    AH_CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt) == 1);
  }
  if (EVP_DigestVerify(context.get(), internal::Raw(signature), signature.size(),
                       internal::Raw(message), message.size()) == 1) {
    return Ok();
  }
  return IntegrityError("the signature does not hold: other bytes were signed, or by another key");
}

// The value of `bytes` without padding, big-endian.
Bytes Magnitude(ByteSpan bytes, ByteOrder order) {
  Bytes out = CopyBytes(bytes);
  if (order == ByteOrder::kLittleEndian) std::reverse(out.begin(), out.end());
  out.erase(out.begin(),
            std::find_if(out.begin(), out.end(), [](std::byte b) { return b != std::byte{0}; }));
  return out;
}

}  // namespace

Result<PublicKey> PublicKey::FromSpki(ByteSpan der) {
  const internal::ErrorQueueMark mark;
  if (der.size() > kSpkiBytesMax) return LimitExceeded("a public key of too many bytes");
  const KeyPtr key = internal::Decode<KeyPtr, d2i_PUBKEY>(der);
  if (key == nullptr) return InvalidInput("not a public key (SubjectPublicKeyInfo in DER)");
  AH_ASSIGN_OR_RETURN(const KeyType type, TypeOf(key.get()));
  if (!BytesEqual(internal::Encode<i2d_PUBKEY>(key.get()), der)) {
    return InvalidInput("a public key that is not encoded in the one way that DER allows");
  }
  return PublicKey(type, CopyBytes(der));
}

Result<PublicKey> PublicKey::FromPoint(KeyType type, ByteSpan x, ByteSpan y) {
  AH_CHECK(type != KeyType::kRsa);
  const bool p256 = type == KeyType::kEcP256;
  const std::size_t size = p256 ? 32 : 48;
  if (x.size() != size || y.size() != size) return InvalidInput("a point of another curve");
  Bytes spki = FromHex(p256 ? kP256Prefix : kP384Prefix).value();
  AppendBytes(spki, x);
  AppendBytes(spki, y);
  return FromSpki(spki);
}

Result<PublicKey> PublicKey::FromRsa(ByteSpan modulus, ByteSpan exponent) {
  const internal::ErrorQueueMark mark;
  if (modulus.size() > kRsaBitsMax / 8 || exponent.size() > 8) {
    return Unsupported("an RSA key that is too large");
  }
  const BignumPtr n(BN_bin2bn(internal::Raw(modulus), static_cast<int>(modulus.size()), nullptr));
  const BignumPtr e(BN_bin2bn(internal::Raw(exponent), static_cast<int>(exponent.size()), nullptr));
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  AH_CHECK(n != nullptr && e != nullptr && builder != nullptr);
  AH_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
  AH_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
  AH_CHECK(params != nullptr && context != nullptr);
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return InvalidInput("not an RSA key");
  }
  const KeyPtr key(made);
  return FromSpki(internal::Encode<i2d_PUBKEY>(key.get()));
}

Result<EcdsaSignature> EcdsaSignature::FromRaw(ByteSpan r, ByteSpan s, ByteOrder order) {
  const Bytes r_bytes = Magnitude(r, order);
  const Bytes s_bytes = Magnitude(s, order);
  for (const Bytes& scalar : {r_bytes, s_bytes}) {
    if (scalar.empty() || scalar.size() > kScalarBytesMax) {
      return InvalidInput("not an ECDSA signature: one of its numbers is out of range");
    }
  }
  const EcdsaPtr signature(ECDSA_SIG_new());
  AH_CHECK(signature != nullptr);
  BignumPtr big_r(BN_bin2bn(internal::Raw(r_bytes), static_cast<int>(r_bytes.size()), nullptr));
  BignumPtr big_s(BN_bin2bn(internal::Raw(s_bytes), static_cast<int>(s_bytes.size()), nullptr));
  AH_CHECK(ECDSA_SIG_set0(signature.get(), big_r.release(), big_s.release()) == 1);
  return EcdsaSignature(internal::Encode<i2d_ECDSA_SIG>(signature.get()));
}

Result<EcdsaSignature> EcdsaSignature::FromRaw(ByteSpan both) {
  if (both.size() % 2 != 0) return InvalidInput("not an ECDSA signature: an odd number of bytes");
  const std::size_t half = both.size() / 2;
  return FromRaw(both.first(half), both.subspan(half), ByteOrder::kBigEndian);
}

Result<EcdsaSignature> EcdsaSignature::FromDer(ByteSpan der) {
  const internal::ErrorQueueMark mark;
  const EcdsaPtr signature = internal::Decode<EcdsaPtr, d2i_ECDSA_SIG>(der);
  if (signature == nullptr || !BytesEqual(internal::Encode<i2d_ECDSA_SIG>(signature.get()), der)) {
    return InvalidInput("not an ECDSA signature in DER");
  }
  return EcdsaSignature(CopyBytes(der));
}

Status VerifyEcdsa(const PublicKey& key, HashName hash, ByteSpan message,
                   const EcdsaSignature& signature) {
  if (key.type() == KeyType::kRsa) return IntegrityError("an ECDSA signature under an RSA key");
  return VerifyWith(key, hash, RsaPadding::kPkcs1, message, signature.der());
}

Status VerifyRsa(const PublicKey& key, RsaPadding padding, HashName hash, ByteSpan message,
                 ByteSpan signature) {
  if (key.type() != KeyType::kRsa) return IntegrityError("an RSA signature under another key");
  return VerifyWith(key, hash, padding, message, signature);
}

}  // namespace anchorhold::crypto
