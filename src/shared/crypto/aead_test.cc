#include "shared/crypto/aead.h"

#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

struct AeadCase {
  std::string_view key, nonce, associated_data, plaintext, ciphertext, tag;
};

constexpr std::string_view kZeroKey =
    "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::string_view kKey =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr std::string_view kPlaintext =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
constexpr std::string_view kCiphertext =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16.
const AeadCase kCases[] = {
    {kZeroKey, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, "cafebabefacedbaddecaf888", "", kPlaintext, kCiphertext,
     "b094dac5d93471bdec1a502270e3cc6c"},
    {kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     kPlaintext.substr(0, 120), kCiphertext.substr(0, 120), "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(Aead, McGrewViegaVectors) {
  for (const AeadCase& c : kCases) {
    const SecretBytes key = UnhexSecret(c.key);
    const AeadNonce nonce = AeadNonce::FromHexText(c.nonce).value();
    const Bytes sealed = AeadSeal(key, nonce, Unhex(c.associated_data), Unhex(c.plaintext));
    EXPECT_EQ(ToHex(sealed), std::string(c.ciphertext) + std::string(c.tag));
    EXPECT_EQ(AeadOpen(key, nonce, Unhex(c.associated_data), sealed).value(), Unhex(c.plaintext));
  }
}

class AeadTamper : public testing::Test {
 protected:
  void ExpectRefused(const SecretBytes& key, const AeadNonce& nonce, ByteSpan associated_data,
                     ByteSpan sealed) {
    const Result<Bytes> opened = AeadOpen(key, nonce, associated_data, sealed);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kIntegrity);
  }

  const SecretBytes key_ = UnhexSecret(kKey);
  const AeadNonce nonce_ = AeadNonce::FromHexText("cafebabefacedbaddecaf888").value();
  const Bytes associated_data_ = Unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes sealed_ = AeadSeal(key_, nonce_, associated_data_, Unhex(kPlaintext));
};

TEST_F(AeadTamper, EveryBitAndEveryLengthIsAuthenticated) {
  ASSERT_TRUE(AeadOpen(key_, nonce_, associated_data_, sealed_).ok());
  ForEachBitFlip(sealed_, [&](const Bytes& altered) {
    ExpectRefused(key_, nonce_, associated_data_, altered);
  });
  ForEachTruncation(sealed_, [&](const Bytes& altered) {
    ExpectRefused(key_, nonce_, associated_data_, altered);
  });
  Bytes longer = sealed_;
  longer.push_back(std::byte{0});
  ExpectRefused(key_, nonce_, associated_data_, longer);
}

TEST_F(AeadTamper, AssociatedDataNonceAndKeyAreBound) {
  ForEachBitFlip(associated_data_,
                 [&](const Bytes& altered) { ExpectRefused(key_, nonce_, altered, sealed_); });
  ForEachTruncation(associated_data_,
                    [&](const Bytes& altered) { ExpectRefused(key_, nonce_, altered, sealed_); });
  ForEachBitFlip(nonce_.span(), [&](const Bytes& altered) {
    ExpectRefused(key_, AeadNonce::From(altered).value(), associated_data_, sealed_);
  });
  ForEachBitFlip(key_.ExposeSecret(), [&](const Bytes& altered) {
    ExpectRefused(SecretBytes::CopyOf(altered), nonce_, associated_data_, sealed_);
  });
}

TEST_F(AeadTamper, EmptyPlaintextIsAuthenticatedToo) {
  const Bytes tag = AeadSeal(key_, nonce_, associated_data_, {});
  EXPECT_EQ(tag.size(), kAeadTagBytes);
  EXPECT_EQ(AeadOpen(key_, nonce_, associated_data_, tag).value(), Bytes());
  ForEachBitFlip(
      tag, [&](const Bytes& altered) { ExpectRefused(key_, nonce_, associated_data_, altered); });
}

TEST(AeadDeathTest, KeySizeIsThePreconditionOfBoth) {
  EXPECT_DEATH((void)AeadSeal(SecretBytes(16), AeadNonce{}, {}, {}), "invariant broken");
  EXPECT_DEATH((void)AeadOpen(SecretBytes(33), AeadNonce{}, {}, Bytes(16)), "invariant broken");
}

}  // namespace
}  // namespace anchorhold::crypto
