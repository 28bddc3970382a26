#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"
#include "shared/attest/test_support.h"
#include "shared/base/limits.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kMeasurementHex(96, 'a');

std::string Complete() {
  return "version = 1\nplatforms = [\"insecure-simulated\"]\nmeasurements = [\"" + kMeasurementHex +
         "\"]\n";
}

TEST(Policy, ReadsWhatIsNamed) {
  const auto policy = Parse(Complete());
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(policy->platforms, std::vector<Platform>{Platform::kInsecureSimulated});
  EXPECT_EQ(policy->measurements, std::vector<Measurement>{Bytes(48, std::byte{0xaa})});
}

TEST(Policy, RoundTripsThroughText) {
  AppraisalPolicy policy = MakePolicy();
  policy.measurements.push_back(Bytes(32, std::byte{7}));
  const auto parsed = Parse(FormatPolicy(policy));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(parsed->platforms, policy.platforms);
  EXPECT_EQ(parsed->measurements, policy.measurements);
}

TEST(Policy, RefusesWhatIsMissingOrEmpty) {
  const std::string platforms = "platforms = [\"insecure-simulated\"]\n";
  const std::string measurements = "measurements = [\"" + kMeasurementHex + "\"]\n";
  ExpectRefusal("", "version");
  ExpectRefusal(platforms + measurements, "version");
  ExpectRefusal("version = 1\n" + measurements,
                "platforms is missing: nothing is accepted; name at least one");
  ExpectRefusal("version = 1\n" + platforms,
                "measurements is missing: nothing is accepted; name at least one");
  ExpectRefusal("version = 1\nplatforms = []\n" + measurements,
                "platforms names nothing: nothing is accepted; name at least one");
  ExpectRefusal("version = 1\nmeasurements = []\n" + platforms,
                "measurements names nothing: nothing is accepted; name at least one");
}

TEST(Policy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(Complete() + "measurement = [\"00\"]\n", "measurement");
  ExpectRefusal(Complete() + "[extra]\na = 1\n", "extra");
  ExpectRefusal("version = 2\n" + Complete().substr(12), "version");
  ExpectRefusal("version = 1\nplatforms = [\"insecure-simulated\", \"sgx\"]\n", "platforms[2]");
}

TEST(Policy, RefusesBadMeasurements) {
  const std::string head = "version = 1\nplatforms = [\"insecure-simulated\"]\nmeasurements = ";
  ExpectRefusal(head + "[\"\"]\n", "measurements[1]: 0 bytes");
  ExpectRefusal(head + "[\"" + std::string(62, 'a') + "\"]\n", "measurements[1]: 31 bytes");
  ExpectRefusal(head + "[\"" + std::string(130, 'a') + "\"]\n", "measurements[1]: 65 bytes");
  ExpectRefusal(head + "[\"" + kMeasurementHex + "\", \"xy\"]\n", "measurements[2]");
  ExpectRefusal(head + "\"" + kMeasurementHex + "\"\n", "measurements");
  ExpectRefusal(head + "[1]\n", "measurements");
}

TEST(Policy, RefusesTooMuch) {
  std::string many = "version = 1\nplatforms = [\"insecure-simulated\"]\nmeasurements = [";
  for (int i = 0; i < 257; ++i) many += "\"" + kMeasurementHex + "\", ";
  ExpectRefusal(many + "]\n", "more than 256 entries");
  const auto large = Parse(Complete() + "#" + std::string(limits::kPolicyBytesMax, 'x'));
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code(), ErrorCode::kLimitExceeded);
}

TEST(Policy, EveryTruncationIsRefused) {
  const std::string text = Complete();
  // Without its last newline the document is still whole.
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_FALSE(Parse(text.substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace anchorhold::attest::testing
