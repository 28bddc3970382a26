#include "shared/attest/tpm2_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kHead =
    "version = 1\nplatforms = [\"tpm2\"]\nmeasurements = [\"" + std::string(64, 'a') + "\"]\n";
const std::string kRules =
    "[tpm2]\nak = \"pinned\"\nak_keys = [\"" + std::string(64, 'b') +
    "\"]\nroots = [\"vendor\"]\ncrl = \"if-given\"\nak_attributes = \"required\"\n"
    "sha1_signatures = \"forbidden\"\nevent_log = \"if-given\"\nbank = \"sha256\"\n"
    "measurement_pcr = 11\npcrs = \"required\"\n"
    "[[tpm2-pcr]]\nindex = 0\nvalues = [\"" +
    std::string(64, 'c') + "\", \"" + std::string(64, 'd') +
    "\"]\n"
    "[[tpm2-pcr]]\nindex = 7\nvalues = [\"" +
    std::string(64, 'e') + "\"]\n";
const std::string kPolicy = kHead + kRules;

std::string WithoutTables() {
  const std::string text = With(kPolicy, "pcrs = \"required\"", "pcrs = \"not-checked\"");
  return text.substr(0, text.find("[["));
}

std::string Certified() {
  std::string text = WithoutTables();
  const std::size_t at = text.find("ak = \"pinned\"");
  const std::size_t end = text.find("roots = ");
  return text.replace(at, end - at, "ak = \"certified\"\nak_keys = \"not-checked\"\n");
}

TEST(Tpm2Policy, ReadsWhatIsSet) {
  const auto policy = Parse(kPolicy);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  const Tpm2Policy& rules = policy->tpm2.value();
  EXPECT_EQ(rules.ak, Tpm2AkRule::kPinned);
  EXPECT_EQ(rules.ak_keys, std::vector<Bytes>{Bytes(32, std::byte{0xbb})});
  EXPECT_TRUE(rules.roots.vendor && rules.require_ak_attributes);
  EXPECT_FALSE(rules.require_crl || rules.allow_sha1_signatures || rules.require_event_log);
  EXPECT_EQ(rules.pcrs.bank, Tpm2Hash::kSha256);
  EXPECT_EQ(rules.pcrs.measurement_pcr, 11);
  EXPECT_EQ(rules.pcrs.values->at(0).size(), 2u);
  EXPECT_EQ(rules.pcrs.values->at(7), std::vector<Bytes>{Bytes(32, std::byte{0xee})});
}

TEST(Tpm2Policy, RoundTripsThroughText) {
  for (const std::string& text :
       {kPolicy, WithoutTables(), Certified(),
        With(kPolicy, "sha1_signatures = \"forbidden\"", "sha1_signatures = \"allowed\""),
        With(kPolicy, "crl = \"if-given\"", "crl = \"required\"")}) {
    ExpectRoundTrip(text, [](const AppraisalPolicy& policy, const AppraisalPolicy& again) {
      EXPECT_EQ(again.tpm2->ak, policy.tpm2->ak);
      EXPECT_EQ(again.tpm2->pcrs.values, policy.tpm2->pcrs.values);
      EXPECT_EQ(again.tpm2->allow_sha1_signatures, policy.tpm2->allow_sha1_signatures);
      EXPECT_EQ(again.tpm2->require_crl, policy.tpm2->require_crl);
    });
  }
}

TEST(Tpm2Policy, NothingMayBeLeftOut) {
  ExpectNothingMayBeLeftOut(kPolicy, "tpm2");
  ExpectRefusal(kPolicy.substr(0, kPolicy.find("[[")), "tpm2.pcrs");
  ExpectRefusal(With(kPolicy, "pcrs = \"required\"", "pcrs = \"not-checked\""), "tpm2.pcrs");
  ExpectRefusal(With(kPolicy, "index = 7\n", ""), "index");
  ExpectRefusal(
      With(kPolicy, "index = 7\nvalues = [\"" + std::string(64, 'e') + "\"]\n", "index = 7\n"),
      "values");
}

TEST(Tpm2Policy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With(kPolicy, "ak = \"pinned\"", "ak = \"any\""), "tpm2.ak");
  ExpectRefusal(With(kPolicy, "ak = \"pinned\"", "ak = \"certified\""), "ak_keys");
  ExpectRefusal(With(kPolicy, "[\"" + std::string(64, 'b') + "\"]", "\"not-checked\""), "ak_keys");
  ExpectRefusal(With(kPolicy, "bank = \"sha256\"", "bank = \"sha1\""), "bank");
  ExpectRefusal(With(kPolicy, "bank = \"sha256\"", "bank = \"sha384\""), "48 bytes");
  ExpectRefusal(With(kPolicy, "measurement_pcr = 11", "measurement_pcr = 24"), "measurement_pcr");
  ExpectRefusal(With(kPolicy, "measurement_pcr = 11", "measurement_pcr = \"not-checked\""),
                "measurement_pcr");
  ExpectRefusal(With(kPolicy, "index = 7", "index = 0"), "twice");
  ExpectRefusal(With(kPolicy, "index = 7", "index = -1"), "index");
  ExpectRefusal(With(kPolicy, "[\"" + std::string(64, 'e') + "\"]", "\"not-checked\""), "values");
  ExpectRefusal(With(kPolicy, "crl = \"if-given\"", "crl = \"if-given\"\nclr = 1"), "clr");
}

}  // namespace
}  // namespace anchorhold::attest::testing
