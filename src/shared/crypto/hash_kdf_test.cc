#include "shared/crypto/hash.h"
#include "shared/crypto/kdf.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

constexpr std::string_view kTwoBlocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

// The examples of FIPS 180-4 (NIST's "SHA_All").
TEST(Sha2, FipsExamples) {
  EXPECT_EQ(Sha256({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256(AsBytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(AsBytes(kTwoBlocks)).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha384(AsBytes("abc")).hex(),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(Sha512(AsBytes("abc")).hex(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(Sha256Hasher, EqualsTheOneShotForEverySplit) {
  const ByteSpan text = AsBytes(kTwoBlocks);
  for (std::size_t split = 0; split <= text.size(); ++split) {
    Sha256Hasher hasher;
    hasher.Update(text.first(split));
    hasher.Update({});
    hasher.Update(text.subspan(split));
    EXPECT_EQ(hasher.Finish(), Sha256(text)) << split;
  }
  // FIPS 180-4: a million times "a".
  Sha256Hasher million;
  const std::string thousand(1000, 'a');
  for (int i = 0; i < 1000; ++i) million.Update(AsBytes(thousand));
  EXPECT_EQ(million.Finish().hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256HasherDeathTest, IsSpentAfterFinish) {
  Sha256Hasher hasher;
  EXPECT_EQ(hasher.Finish(), Sha256({}));
  EXPECT_DEATH(hasher.Update(AsBytes("a")), "invariant broken");
  EXPECT_DEATH((void)hasher.Finish(), "invariant broken");
}

std::string HmacHex(std::string_view key_hex, ByteSpan data) {
  return Hex(HmacSha256(UnhexSecret(key_hex), data));
}

std::string Repeat(std::string_view hex, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += hex;
  return out;
}

// RFC 4231, section 4; case 5 is truncated there to 128 bits.
TEST(HmacSha256, Rfc4231) {
  EXPECT_EQ(HmacHex(Repeat("0b", 20), AsBytes("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HmacHex(ToHex(AsBytes("Jefe")), AsBytes("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HmacHex(Repeat("aa", 20), Unhex(Repeat("dd", 50))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(HmacHex("0102030405060708090a0b0c0d0e0f10111213141516171819", Unhex(Repeat("cd", 50))),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  EXPECT_EQ(HmacHex(Repeat("0c", 20), AsBytes("Test With Truncation")).substr(0, 32),
            "a3b6167473100ee06e0c796c2955552b");
  EXPECT_EQ(
      HmacHex(Repeat("aa", 131), AsBytes("Test Using Larger Than Block-Size Key - Hash Key First")),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(HmacHex(Repeat("aa", 131),
                    AsBytes("This is a test using a larger than block-size key and a larger than "
                            "block-size data. The key needs to be hashed before being used by the "
                            "HMAC algorithm.")),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

struct HkdfCase {
  std::string_view input, salt, info;
  std::size_t size;
  std::string_view prk, output;
};

// RFC 5869, appendix A.1 to A.3.
constexpr HkdfCase kHkdfCases[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9", 42, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d"
     "2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d"
     "8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdd"
     "dedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     82, "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
     "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 42,
     "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

TEST(Hkdf, Rfc5869) {
  for (const HkdfCase& c : kHkdfCases) {
    const SecretBytes prk = HkdfExtract(Unhex(c.salt), UnhexSecret(c.input));
    EXPECT_EQ(Hex(prk), c.prk);
    EXPECT_EQ(Hex(HkdfExpand(prk, Unhex(c.info), c.size)), c.output);
    // Shorter outputs are prefixes.
    EXPECT_EQ(Hex(HkdfExpand(prk, Unhex(c.info), 33)), c.output.substr(0, 66));
    EXPECT_EQ(HkdfExpand(prk, Unhex(c.info), 0).size(), 0u);
  }
  EXPECT_TRUE(HkdfExtract({}, UnhexSecret("0b")) == HkdfExtract(Bytes(32), UnhexSecret("0b")));
}

TEST(HkdfDeathTest, RefusesMoreThan255Blocks) {
  const SecretBytes prk(32);
  EXPECT_EQ(HkdfExpand(prk, {}, 255 * 32).size(), 255u * 32);
  EXPECT_DEATH((void)HkdfExpand(prk, {}, 255 * 32 + 1), "invariant broken");
}

TEST(DeriveKey, IsExtractThenExpandAndSeparatesLabels) {
  const SecretBytes root = UnhexSecret(kHkdfCases[2].input);
  EXPECT_EQ(Hex(DeriveKey(root, "", 42)), kHkdfCases[2].output);
  EXPECT_FALSE(DeriveKey(root, "a", 32) == DeriveKey(root, "b", 32));
  EXPECT_FALSE(DeriveKey(root, "a", 32) == DeriveKey(UnhexSecret("0b"), "a", 32));
}

}  // namespace
}  // namespace anchorhold::crypto
