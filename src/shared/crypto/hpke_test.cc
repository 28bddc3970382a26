#include "shared/crypto/hpke.h"

#include <openssl/err.h>

#include "shared/crypto/hpke_internal.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

struct KemCase {
  std::string_view ephemeral_ikm, ephemeral_private, encapsulation;
  std::string_view recipient_ikm, recipient_private, recipient_public, shared_secret;
};

// RFC 9180, appendix A.1.1 (its AEAD is AES-128-GCM; the KEM is ours).
constexpr KemCase kAppendixA1 = {
    "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
    "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
    "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
    "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
    "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
    "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
    "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"};

// The test-vectors.json that RFC 9180 refers to: mode 0, KEM 32, KDF 1, AEAD 2 (AES-256-GCM).
constexpr KemCase kAes256 = {"2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9",
                             "179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11",
                             "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
                             "dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee",
                             "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
                             "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
                             "3101c54c3a4f87439eaac080699ed9bbcc726ffe44e860c0424ccb7e3e2ead7b"};
constexpr std::string_view kInfo = "4f6465206f6e2061204772656369616e2055726e";
constexpr std::string_view kAes256Key =
    "f50b0609186798729ed0564b36ef2ef8044f1f9d05636874d1f46c819c7a669f";
constexpr std::string_view kAes256BaseNonce = "151d9929e2449747889bc923";
constexpr std::string_view kAssociatedData = "436f756e742d30";
constexpr std::string_view kPlaintext =
    "4265617574792069732074727574682c20747275746820626561757479";
constexpr std::string_view kCiphertext =
    "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a";

TEST(Hpke, KemVectors) {
  for (const KemCase& c : {kAppendixA1, kAes256}) {
    const HpkePrivateKey ephemeral = HpkePrivateKey::Derive(UnhexSecret(c.ephemeral_ikm)).value();
    EXPECT_EQ(Hex(ephemeral.raw()), c.ephemeral_private);
    const HpkePrivateKey recipient = HpkePrivateKey::Derive(UnhexSecret(c.recipient_ikm)).value();
    EXPECT_EQ(Hex(recipient.raw()), c.recipient_private);
    EXPECT_EQ(recipient.public_key().hex(), c.recipient_public);
    const HpkePrivateKey raw = HpkePrivateKey::FromRaw(recipient.raw().Clone()).value();
    EXPECT_EQ(raw.public_key(), recipient.public_key());

    const auto encapsulated = internal::HpkeEncap(ephemeral, recipient.public_key());
    ASSERT_TRUE(encapsulated.ok());
    EXPECT_EQ(encapsulated->encapsulation.hex(), c.encapsulation);
    EXPECT_EQ(Hex(encapsulated->shared_secret), c.shared_secret);
    const auto decapsulated = internal::HpkeDecap(recipient, encapsulated->encapsulation);
    EXPECT_EQ(Hex(decapsulated.value()), c.shared_secret);
  }
}

TEST(Hpke, KeyScheduleVector) {
  const internal::HpkeKeys keys =
      internal::HpkeKeySchedule(UnhexSecret(kAes256.shared_secret), Unhex(kInfo));
  EXPECT_EQ(Hex(keys.key), kAes256Key);
  EXPECT_EQ(keys.base_nonce.hex(), kAes256BaseNonce);
}

TEST(Hpke, SealVector) {
  const HpkePrivateKey ephemeral =
      HpkePrivateKey::FromRaw(UnhexSecret(kAes256.ephemeral_private)).value();
  const HpkePrivateKey recipient =
      HpkePrivateKey::FromRaw(UnhexSecret(kAes256.recipient_private)).value();
  const Result<HpkeSealed> sealed = HpkeSealWithEphemeralForTest(
      ephemeral, recipient.public_key(), Unhex(kInfo), Unhex(kAssociatedData), Unhex(kPlaintext));
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(sealed->encapsulation.hex(), kAes256.encapsulation);
  EXPECT_EQ(ToHex(sealed->ciphertext), kCiphertext);
  const Result<SecretBytes> opened = HpkeOpen(recipient, sealed->encapsulation, Unhex(kInfo),
                                              Unhex(kAssociatedData), sealed->ciphertext);
  EXPECT_EQ(Hex(opened.value()), kPlaintext);
}

TEST(Hpke, SealIsRandomisedAndOpens) {
  const HpkePrivateKey recipient = HpkePrivateKey::Generate();
  const HpkePublicKey& to = recipient.public_key();
  const HpkeSealed a = HpkeSeal(to, AsBytes("i"), AsBytes("a"), AsBytes("text")).value();
  const HpkeSealed b = HpkeSeal(to, AsBytes("i"), AsBytes("a"), AsBytes("text")).value();
  EXPECT_NE(a.encapsulation, b.encapsulation);
  EXPECT_NE(a.ciphertext, b.ciphertext);
  EXPECT_EQ(AsText(HpkeOpen(recipient, a.encapsulation, AsBytes("i"), AsBytes("a"), a.ciphertext)
                       .value()
                       .ExposeSecret()),
            "text");
  const HpkeSealed empty = HpkeSeal(to, {}, {}, {}).value();
  EXPECT_EQ(HpkeOpen(recipient, empty.encapsulation, {}, {}, empty.ciphertext).value().size(), 0u);
}

class HpkeTamper : public testing::Test {
 protected:
  void ExpectRefused(const HpkePrivateKey& recipient, const HpkeEncapsulation& encapsulation,
                     ByteSpan info, ByteSpan associated_data, ByteSpan ciphertext) {
    const auto opened = HpkeOpen(recipient, encapsulation, info, associated_data, ciphertext);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kIntegrity);
  }

  const HpkePrivateKey recipient_ =
      HpkePrivateKey::FromRaw(UnhexSecret(kAes256.recipient_private)).value();
  const HpkeEncapsulation encapsulation_ =
      HpkeEncapsulation::FromHexText(kAes256.encapsulation).value();
  const Bytes info_ = Unhex(kInfo);
  const Bytes associated_data_ = Unhex(kAssociatedData);
  const Bytes ciphertext_ = Unhex(kCiphertext);
};

TEST_F(HpkeTamper, EveryBitAndEveryLengthIsAuthenticated) {
  ASSERT_TRUE(HpkeOpen(recipient_, encapsulation_, info_, associated_data_, ciphertext_).ok());
  ForEachBitFlip(encapsulation_.span(), [&](const Bytes& altered) {
    ExpectRefused(recipient_, HpkeEncapsulation::From(altered).value(), info_, associated_data_,
                  ciphertext_);
  });
  const auto info = [&](const Bytes& altered) {
    ExpectRefused(recipient_, encapsulation_, altered, associated_data_, ciphertext_);
  };
  ForEachBitFlip(info_, info);
  ForEachTruncation(info_, info);
  const auto associated_data = [&](const Bytes& altered) {
    ExpectRefused(recipient_, encapsulation_, info_, altered, ciphertext_);
  };
  ForEachBitFlip(associated_data_, associated_data);
  ForEachTruncation(associated_data_, associated_data);
  const auto ciphertext = [&](const Bytes& altered) {
    ExpectRefused(recipient_, encapsulation_, info_, associated_data_, altered);
  };
  ForEachBitFlip(ciphertext_, ciphertext);
  ForEachTruncation(ciphertext_, ciphertext);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(HpkeTamper, AnotherRecipientCannotOpen) {
  ExpectRefused(HpkePrivateKey::Generate(), encapsulation_, info_, associated_data_, ciphertext_);
}

// The u-coordinates of Curve25519's points of small order, and their encodings above p = 2^255-19.
constexpr std::string_view kSmallOrder[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080"};

TEST_F(HpkeTamper, PointsOfSmallOrderAreRefused) {
  for (const std::string_view hex : kSmallOrder) {
    SCOPED_TRACE(hex);
    const auto sealed = HpkeSeal(HpkePublicKey::FromHexText(hex).value(), {}, {}, AsBytes("x"));
    ASSERT_FALSE(sealed.ok());
    EXPECT_EQ(sealed.error().code(), ErrorCode::kInvalidInput);
    ExpectRefused(recipient_, HpkeEncapsulation::FromHexText(hex).value(), info_, associated_data_,
                  ciphertext_);
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(HpkePrivateKey, OtherSizesAreRefused) {
  for (const std::size_t size : {0u, 31u, 33u}) {
    const Result<HpkePrivateKey> key = HpkePrivateKey::FromRaw(SecretBytes(size));
    ASSERT_FALSE(key.ok());
    EXPECT_EQ(key.error().code(), ErrorCode::kInvalidInput);
  }
  EXPECT_EQ(HpkePrivateKey::Derive(SecretBytes(31)).error().code(), ErrorCode::kInvalidInput);
  EXPECT_TRUE(HpkePrivateKey::Derive(SecretBytes(33)).ok());
}

}  // namespace
}  // namespace anchorhold::crypto
