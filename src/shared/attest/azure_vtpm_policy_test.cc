#include "shared/attest/azure_vtpm_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kHead = "version = 1\nplatforms = [\"azure-vtpm\"]\nmeasurements = [\"" +
                          std::string(64, 'a') + "\"]\n";
const std::string kRules =
    "[azure-vtpm]\nlaunch_measurements = [\"" + std::string(96, 'b') +
    "\"]\nsecure_boot = \"required\"\nak_certificate = \"if-given\"\nroots = [\"vendor\"]\n"
    "crl = \"if-given\"\nbank = \"sha256\"\nmeasurement_pcr = 11\npcrs = \"required\"\n"
    "[[azure-vtpm-pcr]]\nindex = 7\nvalues = [\"" +
    std::string(64, 'e') + "\"]\n";
const std::string kPolicy = kHead + kRules;

TEST(AzureVtpmPolicy, ReadsWhatIsSetAndRoundTrips) {
  for (const std::string& text :
       {kPolicy, With(kPolicy, "[\"" + std::string(96, 'b') + "\"]", "\"not-checked\""),
        With(kPolicy, "secure_boot = \"required\"", "secure_boot = \"not-checked\""),
        With(kPolicy, "ak_certificate = \"if-given\"", "ak_certificate = \"required\"")}) {
    ExpectRoundTrip(text, [](const AppraisalPolicy& policy, const AppraisalPolicy& again) {
      EXPECT_EQ(again.azure_vtpm->launch_measurements, policy.azure_vtpm->launch_measurements);
      EXPECT_EQ(again.azure_vtpm->pcrs.values, policy.azure_vtpm->pcrs.values);
      EXPECT_EQ(again.azure_vtpm->require_secure_boot, policy.azure_vtpm->require_secure_boot);
    });
  }
  const AzureVtpmPolicy rules = Parse(kPolicy)->azure_vtpm.value();
  EXPECT_TRUE(rules.require_secure_boot && rules.roots.vendor);
  EXPECT_FALSE(rules.require_ak_certificate || rules.require_crl);
  EXPECT_EQ(rules.launch_measurements->front(), Bytes(48, std::byte{0xbb}));
  EXPECT_EQ(rules.pcrs.values->at(7), std::vector<Bytes>{Bytes(32, std::byte{0xee})});
}

TEST(AzureVtpmPolicy, NothingMayBeLeftOut) {
  ExpectNothingMayBeLeftOut(kPolicy, "azure-vtpm");
  ExpectRefusal(kPolicy.substr(0, kPolicy.find("[[")), "azure-vtpm.pcrs");
}

TEST(AzureVtpmPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With(kPolicy, "launch_measurements = [\"bb", "launch_measurements = [\"b"),
                "48 bytes");
  ExpectRefusal(With(kPolicy, "secure_boot = \"required\"", "secure_boot = \"if-given\""),
                "secure_boot");
  ExpectRefusal(With(kPolicy, "crl = \"if-given\"", "crl = \"not-checked\""), "crl");
  ExpectRefusal(With(kPolicy, "index = 7", "index = 7\nbank = \"sha1\""), "bank");
  ExpectRefusal(With(kPolicy, "pcrs = \"required\"", "pcrs = \"required\"\nak = 1"), "ak");
}

}  // namespace
}  // namespace anchorhold::attest::testing
