// The TPM's attester against a TPM in software.
#include "untrusted/attesters/tpm2_device.h"

#include <gtest/gtest.h>

#include "shared/attest/kinds.h"
#include "shared/attest/tpm2_attest.h"
#include "shared/attest/verifier.h"
#include "tests/support/swtpm.h"

namespace anchorhold::host {
namespace {

constexpr UnixSeconds kNow{1'900'000'000};
const Bytes kEnclave = CopyBytes(AsBytes("the bytes of an enclave"));

attest::ReportData SomeReportData(std::uint8_t fill = 0x31) {
  attest::ReportData data;
  data.value.fill(std::byte{fill});
  return data;
}

class Tpm : public ::testing::Test {
 protected:
  std::unique_ptr<Tpm2Device> Open() {
    auto device = Tpm2Device::Open(swtpm_.tcti());
    AH_CHECK(device.ok());
    return std::move(device).value();
  }
  attest::UnverifiedEvidence Evidence(Tpm2Device& device) {
    auto files = device.Quote(SomeReportData());
    AH_CHECK(files.ok());
    for (const auto& file : *files) {
      if (file.role == "ak_public_tpmt") {
        key_ = attest::ParseTpm2Public(file.bytes).value().key.Fingerprint();
      }
    }
    return {attest::Platform::kTpm2, attest::SerializeCarried(*std::move(files)).value()};
  }
  attest::AppraisalPolicy Policy() const {
    attest::AppraisalPolicy policy{.platforms = {attest::Platform::kTpm2},
                                   .measurements = {attest::Tpm2Measurement(kEnclave)}};
    policy.tpm2.emplace();
    policy.tpm2->ak = attest::Tpm2AkRule::kPinned;
    policy.tpm2->ak_keys = {CopyBytes(key_.span())};
    policy.tpm2->require_ak_attributes = true;
    policy.tpm2->pcrs.measurement_pcr = attest::kTpm2EnclavePcr;
    return policy;
  }
  void ExpectRefused(const attest::UnverifiedEvidence& evidence,
                     const attest::AppraisalPolicy& policy, const attest::ReportData& data,
                     std::string_view check) {
    const auto result = attest::Appraise(kNow, evidence, policy, data);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(attest::RefusedCheck(result.error()), check) << result.error().message();
  }

  testing::Swtpm swtpm_;
  crypto::Sha256Digest key_;
};

TEST_F(Tpm, AQuotePassesTheVerifier) {
  const auto device = Open();
  ASSERT_TRUE(device->Launching(kEnclave).ok());
  const auto evidence = Evidence(*device);
  const auto result = attest::Appraise(kNow, evidence, Policy(), SomeReportData());
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->measurement(), attest::Tpm2Measurement(kEnclave));
  EXPECT_FALSE(result->warnings().empty());
  const auto statement = attest::ReadUnverifiedStatement(evidence);
  ASSERT_TRUE(statement.ok()) << statement.error().message();
  EXPECT_EQ(statement->measurement, result->measurement());
  EXPECT_EQ(statement->report_data, attest::BoundBytes(attest::Platform::kTpm2, SomeReportData()));
}

TEST_F(Tpm, OtherReportDataKeysAndEnclavesAreRefused) {
  const auto device = Open();
  ASSERT_TRUE(device->Launching(kEnclave).ok());
  const auto evidence = Evidence(*device);
  ExpectRefused(evidence, Policy(), SomeReportData(0x32), "report_data");
  auto policy = Policy();
  policy.tpm2->ak_keys[0][0] ^= std::byte{1};
  ExpectRefused(evidence, policy, SomeReportData(), "ak_is_trusted");
  policy = Policy();
  policy.measurements = {attest::Tpm2Measurement(AsBytes("another enclave"))};
  ExpectRefused(evidence, policy, SomeReportData(), "measurement");
  // A TPM of the same make is another TPM.
  testing::Swtpm other;
  const auto stranger = Tpm2Device::Open(other.tcti());
  ASSERT_TRUE(stranger.ok());
  ASSERT_TRUE((*stranger)->Launching(kEnclave).ok());
  const auto pinned = Policy();
  ExpectRefused(Evidence(**stranger), pinned, SomeReportData(), "ak_is_trusted");
}

TEST_F(Tpm, AnEnclaveThatWasNotMeasuredIsNotListed) {
  const auto device = Open();
  const auto evidence = Evidence(*device);
  ExpectRefused(evidence, Policy(), SomeReportData(), "measurement");
}

TEST_F(Tpm, NoFlippedBytePasses) {
  const auto device = Open();
  ASSERT_TRUE(device->Launching(kEnclave).ok());
  const auto evidence = Evidence(*device);
  const auto policy = Policy();
  ASSERT_TRUE(attest::Appraise(kNow, evidence, policy, SomeReportData()).ok());
  // Of the key's public part only the key itself is pinned. The registers are text in JSON, in
  // which a letter of hex has two cases.
  auto carried = attest::ParseCarried(evidence.body).value();
  for (auto& file : carried) {
    if (file.role == "ak_public_tpmt") continue;
    for (std::size_t i = 0; i < file.bytes.size(); ++i) {
      const std::byte flip{file.role == "pcrs" ? std::uint8_t{1} : std::uint8_t{0x20}};
      file.bytes[i] ^= flip;
      const attest::UnverifiedEvidence other{attest::Platform::kTpm2,
                                             attest::SerializeCarried(carried).value()};
      EXPECT_FALSE(attest::Appraise(kNow, other, policy, SomeReportData()).ok())
          << file.role << " " << i;
      file.bytes[i] ^= flip;
    }
  }
}

TEST_F(Tpm, TheRegisterIsExtendedOnce) {
  {
    const auto device = Open();
    ASSERT_TRUE(device->Launching(kEnclave).ok());
    ASSERT_TRUE(device->Launching(kEnclave).ok());
    Evidence(*device);
  }
  const auto key = key_;
  const auto again = Open();
  ASSERT_TRUE(again->Launching(kEnclave).ok());
  const auto evidence = Evidence(*again);
  EXPECT_EQ(key_, key);  // the same from the same TPM
  EXPECT_TRUE(attest::Appraise(kNow, evidence, Policy(), SomeReportData()).ok());
  const Status other = again->Launching(AsBytes("another enclave"));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message().find("restart the machine"), std::string::npos);
}

TEST(TpmMissing, SaysSo) {
  for (const char* tcti : {"swtpm:path=/nonexistent/tpm", "device:/nonexistent", "nonsense:x"}) {
    const auto device = Tpm2Device::Open(tcti);
    ASSERT_FALSE(device.ok()) << tcti;
    EXPECT_EQ(device.error().code(), ErrorCode::kUnavailable);
  }
}

}  // namespace
}  // namespace anchorhold::host
