#include "shared/crypto/insecure_sha1.h"

#include <gtest/gtest.h>

#include "shared/crypto/test_certificates.h"

namespace anchorhold::crypto {
namespace {

// FIPS 180-4's examples.
TEST(InsecureSha1, HasTheStandardsValues) {
  EXPECT_EQ(InsecureSha1(AsBytes("abc")).hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(InsecureSha1({}).hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST(InsecureSha1, VerifiesRsaAlone) {
  const auto key = testing::TestKey::Generate(KeyType::kRsa);
  const auto other = testing::TestKey::Generate(KeyType::kRsa);
  const auto curve = testing::TestKey::Generate(KeyType::kEcP256);
  const Bytes message(100, std::byte{7});
  Bytes signature = key.SignRsaOverInsecureSha1(message);
  EXPECT_TRUE(VerifyRsaOverInsecureSha1(key.public_key(), message, signature).ok());
  EXPECT_FALSE(VerifyRsaOverInsecureSha1(other.public_key(), message, signature).ok());
  EXPECT_FALSE(VerifyRsaOverInsecureSha1(curve.public_key(), message, signature).ok());
  EXPECT_FALSE(VerifyRsaOverInsecureSha1(key.public_key(), Bytes(99), signature).ok());
  EXPECT_FALSE(VerifyRsaOverInsecureSha1(key.public_key(), message, {}).ok());
  // A signature over SHA-1 is none over SHA-2, and the other way round.
  EXPECT_FALSE(
      VerifyRsa(key.public_key(), RsaPadding::kPkcs1, HashName::kSha256, message, signature).ok());
  EXPECT_FALSE(
      VerifyRsaOverInsecureSha1(key.public_key(), message,
                                key.SignRsa(RsaPadding::kPkcs1, HashName::kSha256, message))
          .ok());
  signature[0] ^= std::byte{1};
  EXPECT_FALSE(VerifyRsaOverInsecureSha1(key.public_key(), message, signature).ok());
}

TEST(RsaPss, TakesTheLongestSaltOnlyWhereAnyIsAskedFor) {
  const auto key = testing::TestKey::Generate(KeyType::kRsa);
  const Bytes message(100, std::byte{7});
  for (const HashName hash : {HashName::kSha256, HashName::kSha384, HashName::kSha512}) {
    const Bytes longest = key.SignRsa(RsaPadding::kPssAnySalt, hash, message);
    const Bytes usual = key.SignRsa(RsaPadding::kPss, hash, message);
    const PublicKey public_key = key.public_key();
    EXPECT_TRUE(VerifyRsa(public_key, RsaPadding::kPssAnySalt, hash, message, longest).ok());
    EXPECT_TRUE(VerifyRsa(public_key, RsaPadding::kPssAnySalt, hash, message, usual).ok());
    EXPECT_TRUE(VerifyRsa(public_key, RsaPadding::kPss, hash, message, usual).ok());
    EXPECT_FALSE(VerifyRsa(public_key, RsaPadding::kPss, hash, message, longest).ok());
    EXPECT_FALSE(VerifyRsa(public_key, RsaPadding::kPkcs1, hash, message, longest).ok());
  }
}

}  // namespace
}  // namespace anchorhold::crypto
