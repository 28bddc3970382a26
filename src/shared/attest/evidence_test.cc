#include "shared/attest/evidence.h"

#include <gtest/gtest.h>

#include "shared/attest/answer.h"
#include "shared/attest/test_support.h"
#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/crypto/random.h"

namespace anchorhold::attest {
namespace {

using namespace std::string_view_literals;
using testing::MakeAttester;
using testing::MakeKeys;

TEST(Evidence, RoundTrips) {
  const UnverifiedEvidence evidence{Platform::kInsecureSimulated, CopyBytes(AsBytes("body"))};
  const Bytes bytes = SerializeEvidence(evidence);
  EXPECT_EQ(AsText(bytes),
            "AHEVID1\0\x01\0\0\0\x04"
            "body"sv);
  const auto parsed = ParseEvidence(bytes);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->platform, evidence.platform);
  EXPECT_EQ(parsed->body, evidence.body);
}

TEST(Evidence, RefusesEveryTruncationAndTrailingBytes) {
  Bytes bytes = SerializeEvidence({Platform::kInsecureSimulated, CopyBytes(AsBytes("body"))});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseEvidence(ByteSpan(bytes).first(size)).ok()) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(ParseEvidence(bytes).ok());
}

TEST(Evidence, RefusesAnUnknownPlatform) {
  Bytes bytes = SerializeEvidence({Platform::kInsecureSimulated, {}});
  for (unsigned platform = 0; platform < 256; ++platform) {
    bytes[8] = static_cast<std::byte>(platform);
    const auto parsed = ParseEvidence(bytes);
    EXPECT_EQ(parsed.ok(), platform >= 1 && platform <= 8) << platform;
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.error().code(), ErrorCode::kUnsupported);
    }
  }
}

TEST(Evidence, RefusesOneByteOverTheLimit) {
  const Bytes body(limits::kEvidenceBytesMax);
  EXPECT_TRUE(ParseEvidence(SerializeEvidence({Platform::kInsecureSimulated, body})).ok());
  ByteWriter writer;
  writer.WriteBytes(AsBytes("AHEVID1\0\x01"sv));
  writer.WriteSized(Bytes(limits::kEvidenceBytesMax + 1));
  const auto parsed = ParseEvidence(writer.bytes());
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code(), ErrorCode::kLimitExceeded);
}

TEST(Platform, NamesRoundTrip) {
  EXPECT_EQ(ParsePlatform("insecure-simulated").value(), Platform::kInsecureSimulated);
  for (const Platform platform : {Platform::kSevSnp, Platform::kTdx, Platform::kNvidiaGpu}) {
    EXPECT_EQ(ParsePlatform(PlatformName(platform)).value(), platform);
  }
  EXPECT_TRUE(IsSupported(Platform::kSevSnp));
  EXPECT_FALSE(IsSupported(Platform::kNvidiaGpu));
  EXPECT_FALSE(ParsePlatform("").ok());
  EXPECT_FALSE(ParsePlatform("Insecure-Simulated").ok());
  EXPECT_FALSE(ParsePlatform("unknown").ok());
}

TEST(Keys, RoundTripAndRefuseOtherSizes) {
  const EnclaveKeys keys = MakeKeys();
  Bytes bytes = SerializeKeys(keys);
  ASSERT_EQ(bytes.size(), 8u + 3 * 32);
  const auto parsed = ParseKeys(bytes);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->tls_key, keys.tls_key);
  EXPECT_EQ(parsed->sealing_key, keys.sealing_key);
  EXPECT_EQ(parsed->ledger_key, keys.ledger_key);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseKeys(ByteSpan(bytes).first(size)).ok()) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(ParseKeys(bytes).ok());
}

TEST(Binding, EveryByteOfTheKeysCounts) {
  const Bytes bytes = SerializeKeys(MakeKeys());
  const ReportData bound = BindKeys(ParseKeys(bytes).value());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes other = bytes;
    other[i] ^= std::byte{1};
    const auto keys = ParseKeys(other);
    if (keys.ok()) {
      EXPECT_NE(BindKeys(*keys), bound) << i;
    }
  }
}

TEST(Binding, FollowsItsFormula) {
  const EnclaveKeys keys = MakeKeys();
  ByteWriter writer;
  writer.WriteBytes(AsBytes("anchorhold session v1\0"sv));
  writer.WriteBytes(SerializeKeys(keys));
  writer.WriteSized(AsBytes("nonce"));
  writer.WriteSized(AsBytes("exporter"));
  EXPECT_EQ(BindSession(keys, AsBytes("nonce"), AsBytes("exporter")).value,
            crypto::Sha512(writer.bytes()).value);
}

TEST(Binding, SessionFieldsCannotSlide) {
  const EnclaveKeys keys = MakeKeys();
  const ReportData bound = BindSession(keys, AsBytes("ab"), AsBytes("c"));
  EXPECT_NE(bound, BindSession(keys, AsBytes("a"), AsBytes("bc")));
  EXPECT_NE(bound, BindSession(MakeKeys(), AsBytes("ab"), AsBytes("c")));
  EXPECT_NE(bound, BindKeys(keys));
}

TEST(AnswerAttest, BindsNonceAndExporter) {
  SimulatedAttester attester = MakeAttester();
  const EnclaveKeys keys = MakeKeys();
  const Bytes nonce = crypto::RandomBytes(kNonceBytes);
  const Bytes exporter = crypto::RandomBytes(kExporterBytes);
  const auto answer = AnswerAttest(attester, keys, nonce, exporter);
  ASSERT_TRUE(answer.ok());
  const auto claims = VerifySimulated(ParseEvidence(*answer).value().body);
  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(claims->report_data, BindSession(keys, nonce, exporter));
}

TEST(AnswerAttest, RefusesEveryOtherNonceSize) {
  SimulatedAttester attester = MakeAttester();
  const EnclaveKeys keys = MakeKeys();
  const Bytes exporter(kExporterBytes);
  for (const std::size_t size : {0u, 1u, 31u, 33u, 64u}) {
    const auto answer = AnswerAttest(attester, keys, Bytes(size), exporter);
    ASSERT_FALSE(answer.ok()) << size;
    EXPECT_EQ(answer.error().code(), ErrorCode::kInvalidInput);
  }
}

}  // namespace
}  // namespace anchorhold::attest
