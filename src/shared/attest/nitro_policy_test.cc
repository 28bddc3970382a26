#include "shared/attest/nitro_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kHead =
    "version = 1\nplatforms = [\"nitro\"]\nmeasurements = [\"" + std::string(96, 'a') + "\"]\n";
const std::string kRules = "[nitro]\ndebug = \"forbidden\"\nage_max = 600\npcr1 = [\"" +
                           std::string(96, 'b') +
                           "\"]\npcr2 = \"not-checked\"\npcr3 = \"not-checked\"\n"
                           "pcr4 = \"not-checked\"\npcr8 = \"not-checked\"\nroots = [\"vendor\"]\n";
const std::string kPolicy = kHead + kRules;

TEST(NitroPolicy, ReadsWhatIsSetAndRoundTrips) {
  for (const std::string& text : {kPolicy, With(kPolicy, "age_max = 600", "age_max = 0"),
                                  With(kPolicy, "age_max = 600", "age_max = \"not-checked\""),
                                  With(kPolicy, "debug = \"forbidden\"", "debug = \"allowed\"")}) {
    ExpectRoundTrip(text, [](const AppraisalPolicy& policy, const AppraisalPolicy& again) {
      EXPECT_EQ(again.nitro->pcrs, policy.nitro->pcrs);
      EXPECT_EQ(again.nitro->age_max, policy.nitro->age_max);
      EXPECT_EQ(again.nitro->allow_debug, policy.nitro->allow_debug);
    });
  }
  const NitroPolicy rules = Parse(kPolicy)->nitro.value();
  EXPECT_FALSE(rules.allow_debug);
  EXPECT_EQ(rules.age_max, 600u);
  EXPECT_TRUE(rules.roots.vendor);
  const std::map<std::uint8_t, std::vector<Bytes>> pcrs = {{1, {Bytes(48, std::byte{0xbb})}}};
  EXPECT_EQ(rules.pcrs, pcrs);
}

TEST(NitroPolicy, NothingMayBeLeftOut) { ExpectNothingMayBeLeftOut(kPolicy, "nitro"); }

TEST(NitroPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With(kPolicy, "debug = \"forbidden\"", "debug = \"not-checked\""), "debug");
  ExpectRefusal(With(kPolicy, "age_max = 600", "age_max = -1"), "age_max");
  ExpectRefusal(With(kPolicy, "pcr2 = \"not-checked\"", "pcr2 = []"), "pcr2");
  ExpectRefusal(With(kPolicy, "pcr2 = \"not-checked\"", "pcr2 = [\"00\"]"), "48 bytes");
  ExpectRefusal(With(kPolicy, "pcr2 = \"not-checked\"", "pcr2 = \"not-checked\"\npcr5 = []"),
                "pcr5");
  ExpectRefusal(With(kPolicy, "roots = [\"vendor\"]", "roots = [\"aws\"]"), "roots");
}

}  // namespace
}  // namespace anchorhold::attest::testing
