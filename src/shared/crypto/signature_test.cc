#include "shared/crypto/signature.h"

#include <openssl/err.h>

#include "shared/crypto/signature_internal.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

struct Ed25519Case {
  std::string_view seed, public_key, message, signature;
};

// RFC 8032, section 7.1: tests 1 to 3.
constexpr Ed25519Case kCases[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

constexpr std::string_view kContext = "anchorhold test document v1";

TEST(Ed25519, Rfc8032Vectors) {
  for (const Ed25519Case& c : kCases) {
    const Ed25519PrivateKey key = Ed25519PrivateKey::FromSeed(UnhexSecret(c.seed)).value();
    EXPECT_EQ(key.public_key().hex(), c.public_key);
    EXPECT_EQ(Hex(key.seed()), c.seed);
    const Ed25519Signature signature = internal::SignRaw(key.seed(), Unhex(c.message));
    EXPECT_EQ(signature.hex(), c.signature);
    EXPECT_TRUE(internal::VerifyRaw(key.public_key(), Unhex(c.message), signature));
  }
}

TEST(Ed25519, SignsContextZeroByteAndMessage) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::FromSeed(UnhexSecret(kCases[0].seed)).value();
  const std::string all = std::string("context") + '\0' + "message";
  EXPECT_EQ(key.Sign("context", AsBytes("message")), internal::SignRaw(key.seed(), AsBytes(all)));
}

TEST(Ed25519, GeneratedKeysDifferAndClonesDoNot) {
  const Ed25519PrivateKey a = Ed25519PrivateKey::Generate();
  const Ed25519PrivateKey b = Ed25519PrivateKey::Generate();
  EXPECT_NE(a.public_key(), b.public_key());
  const Ed25519PrivateKey clone = a.Clone();
  EXPECT_EQ(clone.public_key(), a.public_key());
  EXPECT_EQ(clone.Sign(kContext, AsBytes("m")), a.Sign(kContext, AsBytes("m")));
}

TEST(Ed25519, SeedsOfAnotherSizeAreRefused) {
  for (const std::size_t size : {0u, 31u, 33u, 64u}) {
    const Result<Ed25519PrivateKey> key = Ed25519PrivateKey::FromSeed(SecretBytes(size));
    ASSERT_FALSE(key.ok());
    EXPECT_EQ(key.error().code(), ErrorCode::kInvalidInput);
  }
}

void ExpectRefused(const Ed25519PublicKey& key, std::string_view context, ByteSpan message,
                   const Ed25519Signature& signature) {
  const Status status = VerifySignature(key, context, message, signature);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kIntegrity);
  EXPECT_NE(status.error().message().find("signature"), std::string::npos);
}

TEST(VerifySignature, EveryBitCounts) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::FromSeed(UnhexSecret(kCases[1].seed)).value();
  const Bytes message = Unhex("00ff8055");
  const Ed25519Signature signature = key.Sign(kContext, message);
  ASSERT_TRUE(VerifySignature(key.public_key(), kContext, message, signature).ok());
  ForEachBitFlip(signature.span(), [&](const Bytes& altered) {
    ExpectRefused(key.public_key(), kContext, message, Ed25519Signature::From(altered).value());
  });
  ForEachBitFlip(message, [&](const Bytes& altered) {
    ExpectRefused(key.public_key(), kContext, altered, signature);
  });
  ForEachTruncation(message, [&](const Bytes& altered) {
    ExpectRefused(key.public_key(), kContext, altered, signature);
  });
  ForEachBitFlip(key.public_key().span(), [&](const Bytes& altered) {
    ExpectRefused(Ed25519PublicKey::From(altered).value(), kContext, message, signature);
  });
  EXPECT_EQ(ERR_peek_error(), 0u);  // nothing is left for libssl to stumble over
}

TEST(VerifySignature, AnotherContextOrABareSignatureIsRefused) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  const Bytes message = Unhex("01");
  const Ed25519Signature signature = key.Sign(kContext, message);
  ExpectRefused(key.public_key(), "anchorhold test document v2", message, signature);
  ExpectRefused(key.public_key(), kContext, message, internal::SignRaw(key.seed(), message));
}

// RFC 8032, section 5.1.7: S outside [0, L) is invalid, or S + L would be a second signature.
TEST(VerifySignature, TheSecondEncodingOfSIsRefused) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  Ed25519Signature signature = key.Sign(kContext, {});
  const Bytes group_order =
      Unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const unsigned sum = std::to_integer<unsigned>(signature.value[32 + i]) +
                         std::to_integer<unsigned>(group_order[i]) + carry;
    signature.value[32 + i] = static_cast<std::byte>(sum & 0xff);
    carry = sum >> 8;
  }
  ASSERT_EQ(carry, 0u);
  ExpectRefused(key.public_key(), kContext, {}, signature);
}

TEST(SignatureDeathTest, ContextsAreNonEmptyLiteralsWithoutZeros) {
  const Ed25519PrivateKey key = Ed25519PrivateKey::Generate();
  EXPECT_DEATH((void)key.Sign("", {}), "invariant broken");
  EXPECT_DEATH((void)key.Sign(std::string_view("a\0b", 3), {}), "invariant broken");
}

TEST(FingerprintOf, IsTheSha256OfThePublicKey) {
  const Ed25519PublicKey key = Ed25519PublicKey::FromHexText(kCases[0].public_key).value();
  EXPECT_EQ(FingerprintOf(key).hex(), Sha256(key.span()).hex());
}

}  // namespace
}  // namespace anchorhold::crypto
