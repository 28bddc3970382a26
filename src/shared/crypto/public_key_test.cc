#include "shared/crypto/public_key.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "shared/base/base64.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::crypto {
namespace {

using testing::TestKey;

const TestKey& Key(KeyType type) {
  static const TestKey p256 = TestKey::Generate(KeyType::kEcP256);
  static const TestKey p384 = TestKey::Generate(KeyType::kEcP384);
  static const TestKey rsa = TestKey::Generate(KeyType::kRsa);
  return type == KeyType::kRsa ? rsa : type == KeyType::kEcP256 ? p256 : p384;
}

const ByteSpan kMessage = AsBytes("message");

Bytes Reversed(ByteSpan bytes, std::size_t padding) {
  Bytes out(bytes.rbegin(), bytes.rend());
  out.resize(out.size() + padding);
  return out;
}

TEST(PublicKey, KeepsItsEncoding) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa}) {
    const PublicKey key = Key(type).public_key();
    EXPECT_EQ(key.type(), type);
    EXPECT_EQ(key.Fingerprint(), Sha256(key.spki()));
    Bytes spki = key.spki();
    for (std::size_t size = 0; size < spki.size(); ++size) {
      EXPECT_FALSE(PublicKey::FromSpki(ByteSpan(spki).first(size)).ok()) << size;
    }
    spki.push_back(std::byte{0});
    EXPECT_FALSE(PublicKey::FromSpki(spki).ok());
  }
}

TEST(PublicKey, IsMadeOfItsParts) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384}) {
    const PublicKey key = Key(type).public_key();
    const std::size_t size = type == KeyType::kEcP256 ? 32 : 48;
    const ByteSpan point = ByteSpan(key.spki()).last(2 * size);
    const auto made = PublicKey::FromPoint(type, point.first(size), point.last(size));
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(*made, key);
    EXPECT_FALSE(PublicKey::FromPoint(type, point.last(size), point.first(size)).ok());
    EXPECT_FALSE(PublicKey::FromPoint(type, point.first(31), point.last(size)).ok());
  }
  const Bytes modulus =
      CopyBytes(ByteSpan(Key(KeyType::kRsa).public_key().spki()).last(261).first(256));
  const Bytes exponent = {std::byte{1}, std::byte{0}, std::byte{1}};
  const auto made = PublicKey::FromRsa(modulus, exponent);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(*made, Key(KeyType::kRsa).public_key());
  EXPECT_FALSE(PublicKey::FromRsa(ByteSpan(modulus).first(128), exponent).ok());
  EXPECT_FALSE(PublicKey::FromRsa(Bytes(2000, std::byte{1}), exponent).ok());
  for (const char* unsound : {"", "00", "01", "02", "010000"}) {
    EXPECT_FALSE(PublicKey::FromRsa(modulus, FromHex(unsound).value()).ok()) << unsound;
  }
}

TEST(Ecdsa, HoldsInEitherByteOrderAndInDer) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384}) {
    const PublicKey key = Key(type).public_key();
    const Bytes raw = Key(type).SignEcdsa(HashName::kSha384, kMessage);
    const ByteSpan r = ByteSpan(raw).first(raw.size() / 2);
    const ByteSpan s = ByteSpan(raw).last(raw.size() / 2);
    const auto big = EcdsaSignature::FromRaw(raw);
    const auto little =
        EcdsaSignature::FromRaw(Reversed(r, 24), Reversed(s, 24), ByteOrder::kLittleEndian);
    ASSERT_TRUE(big.ok() && little.ok());
    EXPECT_EQ(big->der(), little->der());
    EXPECT_TRUE(VerifyEcdsa(key, HashName::kSha384, kMessage, *big).ok());
    EXPECT_TRUE(
        VerifyEcdsa(key, HashName::kSha384, kMessage, *EcdsaSignature::FromDer(big->der())).ok());
    EXPECT_FALSE(VerifyEcdsa(key, HashName::kSha256, kMessage, *big).ok());
    EXPECT_FALSE(VerifyEcdsa(key, HashName::kSha384, AsBytes("other"), *big).ok());
    EXPECT_FALSE(
        VerifyEcdsa(Key(KeyType::kRsa).public_key(), HashName::kSha384, kMessage, *big).ok());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      Bytes other = raw;
      other[i] ^= std::byte{1};
      const auto changed = EcdsaSignature::FromRaw(other);
      EXPECT_FALSE(changed.ok() && VerifyEcdsa(key, HashName::kSha384, kMessage, *changed).ok());
    }
  }
}

TEST(Ecdsa, RefusesWhatIsNoSignature) {
  EXPECT_FALSE(EcdsaSignature::FromRaw({}).ok());
  EXPECT_FALSE(EcdsaSignature::FromRaw(Bytes(63, std::byte{1})).ok());
  EXPECT_FALSE(EcdsaSignature::FromRaw(Bytes(64)).ok());
  EXPECT_FALSE(EcdsaSignature::FromRaw(Bytes(98, std::byte{1})).ok());
  EXPECT_FALSE(EcdsaSignature::FromDer(FromHex("3006020101020101ff").value()).ok());
  EXPECT_FALSE(EcdsaSignature::FromDer(FromHex("308106020101020101").value()).ok());  // BER
  EXPECT_TRUE(EcdsaSignature::FromDer(FromHex("3006020101020101").value()).ok());
}

TEST(Rsa, HoldsUnderItsOwnPaddingAlone) {
  const TestKey& key = Key(KeyType::kRsa);
  for (const RsaPadding padding : {RsaPadding::kPkcs1, RsaPadding::kPss}) {
    const RsaPadding other = padding == RsaPadding::kPss ? RsaPadding::kPkcs1 : RsaPadding::kPss;
    const PublicKey verifier = key.public_key();
    Bytes signature = key.SignRsa(padding, HashName::kSha256, kMessage);
    EXPECT_TRUE(VerifyRsa(verifier, padding, HashName::kSha256, kMessage, signature).ok());
    EXPECT_FALSE(VerifyRsa(verifier, other, HashName::kSha256, kMessage, signature).ok());
    EXPECT_FALSE(VerifyRsa(verifier, padding, HashName::kSha384, kMessage, signature).ok());
    EXPECT_FALSE(VerifyRsa(verifier, padding, HashName::kSha256, AsBytes("m"), signature).ok());
    EXPECT_FALSE(VerifyRsa(Key(KeyType::kEcP256).public_key(), padding, HashName::kSha256, kMessage,
                           signature)
                     .ok());
    signature.pop_back();
    EXPECT_FALSE(VerifyRsa(verifier, padding, HashName::kSha256, kMessage, signature).ok());
    EXPECT_FALSE(VerifyRsa(verifier, padding, HashName::kSha256, kMessage, {}).ok());
  }
}

TEST(Base64, FollowsTheVectorsAndHasOneTextForEachValue) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(EncodeBase64(AsBytes(plain), Base64::kStandard), text);
    EXPECT_EQ(AsText(DecodeBase64(text, Base64::kStandard).value()), plain);
    const std::string url(text.substr(0, text.find('=')));
    EXPECT_EQ(EncodeBase64(AsBytes(plain), Base64::kUrl), url);
    EXPECT_EQ(AsText(DecodeBase64(url, Base64::kUrl).value()), plain);
  }
  for (const char* bad : {"Zg=", "Zg", "Zh==", "Z===", "====", "Zm9v\n", "Zm-v", "=Zm9", "Zm9v="}) {
    EXPECT_FALSE(DecodeBase64(bad, Base64::kStandard).ok()) << bad;
  }
  for (const char* bad : {"Zg==", "Z", "Zh", "Zm+v"}) {
    EXPECT_FALSE(DecodeBase64(bad, Base64::kUrl).ok()) << bad;
  }
  EXPECT_EQ(EncodeBase64(FromHex("fbff").value(), Base64::kUrl), "-_8");
  EXPECT_EQ(EncodeBase64(FromHex("fbff").value(), Base64::kStandard), "+/8=");
}

}  // namespace
}  // namespace anchorhold::crypto
