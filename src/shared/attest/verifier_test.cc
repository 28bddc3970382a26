#include "shared/attest/verifier.h"

#include <gtest/gtest.h>

#include "shared/attest/test_support.h"

namespace anchorhold::attest {
namespace {

using testing::kNow;
using testing::MakeAttester;
using testing::MakeKeys;
using testing::MakePolicy;
using testing::TestMeasurement;

class Verifier : public ::testing::Test {
 protected:
  void ExpectRefusal(const std::string& check) {
    const auto result = Appraise(kNow, evidence_, policy_, expected_);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kAttestationRefused);
    EXPECT_EQ(result.error().message().rfind(check, 0), 0u) << result.error().message();
  }

  AppraisalPolicy policy_ = MakePolicy();
  ReportData expected_ = BindKeys(MakeKeys());
  UnverifiedEvidence evidence_ = MakeAttester().Attest(expected_).value();
};

TEST_F(Verifier, AcceptsAndWarns) {
  const auto result = Appraise(kNow, evidence_, policy_, expected_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->platform(), Platform::kInsecureSimulated);
  EXPECT_EQ(result->measurement(), TestMeasurement());
  EXPECT_EQ(result->appraised_at(), kNow);
  ASSERT_EQ(result->warnings().size(), 1u);
  EXPECT_NE(result->warnings()[0].find("insecure-simulated"), std::string::npos);
}

TEST_F(Verifier, RefusesASimulationNobodyAskedFor) {
  policy_.platforms.clear();
  ExpectRefusal(
      "platform: the enclave presents insecure-simulated evidence, which protects against nobody "
      "who owns the machine; to accept it all the same, list \"insecure-simulated\" under "
      "platforms in the policy");
}

TEST_F(Verifier, RefusesAPlatformOutsideTheEnumeration) {
  evidence_.platform = static_cast<Platform>(9);
  ExpectRefusal("platform: ");
  policy_.platforms.push_back(static_cast<Platform>(9));
  ExpectRefusal("platform: ");
}

TEST_F(Verifier, RefusesABrokenSignature) {
  evidence_.body.back() ^= std::byte{1};
  ExpectRefusal("signature: ");
  evidence_.body.clear();
  ExpectRefusal("signature: ");
}

TEST_F(Verifier, RefusesOtherReportData) {
  expected_.value[63] ^= std::byte{1};
  ExpectRefusal("report data: ");
}

TEST_F(Verifier, RefusesAnotherMeasurement) {
  policy_.measurements = {TestMeasurement(0x5b), Bytes(32, std::byte{0x5a})};
  ExpectRefusal("measurement: ");
}

TEST_F(Verifier, AnAbsentMeasurementNeverMatches) {
  policy_.measurements.clear();
  ExpectRefusal("measurement: ");
  policy_.measurements = {Measurement{}};
  ExpectRefusal("measurement: ");
}

TEST_F(Verifier, OneOfSeveralMeasurementsIsEnough) {
  policy_.measurements.insert(policy_.measurements.begin(), TestMeasurement(0x11));
  EXPECT_TRUE(Appraise(kNow, evidence_, policy_, expected_).ok());
}

TEST_F(Verifier, ChecksInOrder) {
  expected_.value[0] ^= std::byte{1};
  policy_.measurements.clear();
  ExpectRefusal("report data: ");
  evidence_.body.back() ^= std::byte{1};
  ExpectRefusal("signature: ");
  policy_.platforms.clear();
  ExpectRefusal("platform: ");
}

TEST_F(Verifier, NoFlippedBitOfSerializedEvidenceIsAccepted) {
  const Bytes bytes = SerializeEvidence(evidence_);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes other = bytes;
    other[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    const auto parsed = ParseEvidence(other);
    EXPECT_FALSE(parsed.ok() && Appraise(kNow, *parsed, policy_, expected_).ok()) << bit;
  }
}

TEST_F(Verifier, NoTruncatedEvidenceIsAccepted) {
  const Bytes bytes = SerializeEvidence(evidence_);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseEvidence(ByteSpan(bytes).first(size)).ok()) << size;
  }
}

}  // namespace
}  // namespace anchorhold::attest
