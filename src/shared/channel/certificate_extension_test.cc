#include "shared/channel/certificate_extension.h"

#include <gtest/gtest.h>

#include "shared/attest/test_support.h"
#include "shared/channel/cbor.h"
#include "shared/channel/certificate.h"

namespace anchorhold::channel {
namespace {

std::string HeadOf(CborType type, std::size_t length) {
  ByteWriter writer;
  WriteCborHead(writer, type, length);
  return ToHex(writer.bytes());
}

Result<std::size_t> ReadHead(CborType type, std::string_view hex) {
  const Bytes bytes = FromHex(hex).value();
  ByteReader reader(bytes);
  return ReadCborHead(reader, type);
}

CertifiedEvidence Sample() {
  const attest::EnclaveKeys keys = attest::testing::MakeKeys();
  return {attest::testing::MakeAttester().Attest(attest::BindKeys(keys)).value(), keys};
}

TEST(Cbor, WritesTheShortestHead) {
  EXPECT_EQ(HeadOf(CborType::kArray, 3), "83");
  EXPECT_EQ(HeadOf(CborType::kBytes, 23), "57");
  EXPECT_EQ(HeadOf(CborType::kBytes, 24), "5818");
  EXPECT_EQ(HeadOf(CborType::kText, 255), "78ff");
  EXPECT_EQ(HeadOf(CborType::kText, 256), "790100");
  EXPECT_EQ(HeadOf(CborType::kBytes, 65535), "59ffff");
  EXPECT_EQ(HeadOf(CborType::kBytes, 65536), "5a00010000");
}

TEST(Cbor, ReadsWhatItWrites) {
  for (const std::size_t length : {0u, 1u, 23u, 24u, 255u, 256u, 65535u, 65536u, 0xffffffffu}) {
    const std::string hex = HeadOf(CborType::kBytes, length);
    EXPECT_EQ(ReadHead(CborType::kBytes, hex).value(), length);
    EXPECT_FALSE(ReadHead(CborType::kText, hex).ok());
    EXPECT_FALSE(ReadHead(CborType::kBytes, hex.substr(0, hex.size() - 2)).ok());
  }
}

TEST(Cbor, RefusesLongForms) {
  for (const char* hex :
       {"5817", "5900ff", "5a0000ffff", "5b0000000000010000", "5c", "5d", "5e", "5f", "5800"}) {
    EXPECT_FALSE(ReadHead(CborType::kBytes, hex).ok()) << hex;
  }
}

TEST(Extension, RoundTrips) {
  const CertifiedEvidence content = Sample();
  const Bytes value = EncodeEvidenceExtension(content);
  EXPECT_EQ(ToHex(ByteSpan(value).first(3)), "837823");
  const auto parsed = ParseEvidenceExtension(value);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(parsed->evidence.body, content.evidence.body);
  EXPECT_EQ(attest::SerializeKeys(parsed->keys), attest::SerializeKeys(content.keys));
}

TEST(Extension, RefusesEveryTruncationAndTrailingBytes) {
  Bytes value = EncodeEvidenceExtension(Sample());
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(ParseEvidenceExtension(ByteSpan(value).first(size)).ok()) << size;
  }
  value.push_back(std::byte{0});
  EXPECT_FALSE(ParseEvidenceExtension(value).ok());
}

TEST(Extension, NoFlippedBitIsReadAsTheSame) {
  const CertifiedEvidence content = Sample();
  const Bytes value = EncodeEvidenceExtension(content);
  for (std::size_t bit = 0; bit < 8 * value.size(); ++bit) {
    Bytes other = value;
    other[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    const auto parsed = ParseEvidenceExtension(other);
    if (!parsed.ok()) continue;
    EXPECT_EQ(EncodeEvidenceExtension(*parsed), other) << bit;
    EXPECT_FALSE(attest::Appraise(attest::testing::kNow, parsed->evidence,
                                  attest::testing::MakePolicy(), attest::BindKeys(parsed->keys))
                     .ok())
        << bit;
  }
}

TEST(Extension, HoldsTheLargestEvidence) {
  CertifiedEvidence content = Sample();
  content.evidence.body = Bytes(limits::kEvidenceBytesMax);
  const Bytes value = EncodeEvidenceExtension(content);
  EXPECT_TRUE(ParseEvidenceExtension(value).ok());
}

TEST(Certificate, CarriesKeyAndEvidence) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const CertifiedEvidence content = Sample();
  const auto certificate = MakeCertificate(key, "anchorhold enclave", content);
  ASSERT_TRUE(certificate.ok());
  const auto read = ReadSelfSigned(certificate->get(), kServerCertificateBytesMax);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(*read, key.public_key());
  const auto evidence = ReadCertifiedEvidence(certificate->get());
  ASSERT_TRUE(evidence.ok()) << evidence.error().message();
  EXPECT_EQ(evidence->evidence.body, content.evidence.body);
}

TEST(Certificate, IsTheSameAtEveryTime) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const auto der = [&] {
    const auto certificate = MakeCertificate(key, "anchorhold client", std::nullopt).value();
    unsigned char* out = nullptr;
    const int size = i2d_X509(certificate.get(), &out);
    const Bytes bytes = CopyBytes(std::as_bytes(std::span(out, static_cast<std::size_t>(size))));
    OPENSSL_free(out);
    return bytes;
  };
  EXPECT_EQ(der(), der());
}

TEST(Certificate, LargestEvidenceKeepsToTheBound) {
  CertifiedEvidence content = Sample();
  content.evidence.body = Bytes(limits::kEvidenceBytesMax);
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const auto certificate = MakeCertificate(key, "anchorhold enclave", content).value();
  EXPECT_TRUE(ReadSelfSigned(certificate.get(), kServerCertificateBytesMax).ok());
  EXPECT_FALSE(ReadSelfSigned(certificate.get(), kClientCertificateBytesMax).ok());
}

TEST(Certificate, WithoutEvidenceOrWithTwoIsRefused) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const auto plain = MakeCertificate(key, "anchorhold client", std::nullopt).value();
  EXPECT_FALSE(ReadCertifiedEvidence(plain.get()).ok());
  const auto twice = MakeCertificate(key, "anchorhold enclave", Sample()).value();
  X509_add_ext(twice.get(), X509_get_ext(twice.get(), 0), -1);
  const auto read = ReadCertifiedEvidence(twice.get());
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message().find("twice"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::channel
