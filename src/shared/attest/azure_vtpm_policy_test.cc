#include "shared/attest/azure_vtpm_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/verifier.h"

namespace anchorhold::attest {
namespace {

const std::string kHead = "version = 1\nplatforms = [\"azure-vtpm\"]\nmeasurements = [\"" +
                          std::string(64, 'a') + "\"]\n";
const std::string kRules =
    "[azure-vtpm]\nlaunch_measurements = [\"" + std::string(96, 'b') +
    "\"]\nsecure_boot = \"required\"\nak_certificate = \"if-given\"\nroots = [\"vendor\"]\n"
    "crl = \"if-given\"\nbank = \"sha256\"\nmeasurement_pcr = 11\npcrs = \"required\"\n"
    "[[azure-vtpm-pcr]]\nindex = 7\nvalues = [\"" +
    std::string(64, 'e') + "\"]\n";

Result<AppraisalPolicy> Parse(const std::string& text) { return ParsePolicy(AsBytes(text)); }

std::string With(const std::string& line, const std::string& other) {
  std::string text = kHead + kRules;
  const std::size_t at = text.find(line);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, line.size(), other);
}

void ExpectRefusal(const std::string& text, const std::string& part) {
  const auto policy = Parse(text);
  ASSERT_FALSE(policy.ok()) << text;
  EXPECT_NE(policy.error().message().find(part), std::string::npos) << policy.error().message();
}

TEST(AzureVtpmPolicy, ReadsWhatIsSetAndRoundTrips) {
  for (const std::string& text :
       {kHead + kRules, With("[\"" + std::string(96, 'b') + "\"]", "\"not-checked\""),
        With("secure_boot = \"required\"", "secure_boot = \"not-checked\""),
        With("ak_certificate = \"if-given\"", "ak_certificate = \"required\"")}) {
    const auto policy = Parse(text);
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    const auto again = Parse(FormatPolicy(*policy));
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(FormatPolicy(*again), FormatPolicy(*policy));
    EXPECT_EQ(again->azure_vtpm->launch_measurements, policy->azure_vtpm->launch_measurements);
    EXPECT_EQ(again->azure_vtpm->pcrs.values, policy->azure_vtpm->pcrs.values);
    EXPECT_EQ(again->azure_vtpm->require_secure_boot, policy->azure_vtpm->require_secure_boot);
  }
  const AzureVtpmPolicy rules = Parse(kHead + kRules)->azure_vtpm.value();
  EXPECT_TRUE(rules.require_secure_boot && rules.roots.vendor);
  EXPECT_FALSE(rules.require_ak_certificate || rules.require_crl);
  EXPECT_EQ(rules.launch_measurements->front(), Bytes(48, std::byte{0xbb}));
  EXPECT_EQ(rules.pcrs.values->at(7), std::vector<Bytes>{Bytes(32, std::byte{0xee})});
}

TEST(AzureVtpmPolicy, NothingMayBeLeftOut) {
  ExpectRefusal(kHead, "azure-vtpm is missing");
  const std::size_t tables = kRules.find("[[");
  for (std::size_t at = kRules.find('\n') + 1; at < tables; at = kRules.find('\n', at) + 1) {
    const std::size_t end = kRules.find('\n', at) + 1;
    const std::string key = kRules.substr(at, kRules.find(' ', at) - at);
    ExpectRefusal(kHead + kRules.substr(0, at) + kRules.substr(end), "azure-vtpm." + key);
  }
  ExpectRefusal(kHead + kRules.substr(0, tables), "azure-vtpm.pcrs");
}

TEST(AzureVtpmPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With("launch_measurements = [\"bb", "launch_measurements = [\"b"), "48 bytes");
  ExpectRefusal(With("secure_boot = \"required\"", "secure_boot = \"if-given\""), "secure_boot");
  ExpectRefusal(With("crl = \"if-given\"", "crl = \"not-checked\""), "crl");
  ExpectRefusal(With("index = 7", "index = 7\nbank = \"sha1\""), "bank");
  ExpectRefusal(With("pcrs = \"required\"", "pcrs = \"required\"\nak = 1"), "ak");
}

}  // namespace
}  // namespace anchorhold::attest
