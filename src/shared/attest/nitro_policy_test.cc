#include "shared/attest/nitro_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/verifier.h"

namespace anchorhold::attest {
namespace {

const std::string kHead =
    "version = 1\nplatforms = [\"nitro\"]\nmeasurements = [\"" + std::string(96, 'a') + "\"]\n";
const std::string kRules = "[nitro]\ndebug = \"forbidden\"\nage_max = 600\npcr1 = [\"" +
                           std::string(96, 'b') +
                           "\"]\npcr2 = \"not-checked\"\npcr3 = \"not-checked\"\n"
                           "pcr4 = \"not-checked\"\npcr8 = \"not-checked\"\nroots = [\"vendor\"]\n";

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

TEST(NitroPolicy, ReadsWhatIsSetAndRoundTrips) {
  for (const std::string& text : {kHead + kRules, With("age_max = 600", "age_max = 0"),
                                  With("age_max = 600", "age_max = \"not-checked\""),
                                  With("debug = \"forbidden\"", "debug = \"allowed\"")}) {
    const auto policy = Parse(text);
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    const auto again = Parse(FormatPolicy(*policy));
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(FormatPolicy(*again), FormatPolicy(*policy));
    EXPECT_EQ(again->nitro->pcrs, policy->nitro->pcrs);
    EXPECT_EQ(again->nitro->age_max, policy->nitro->age_max);
    EXPECT_EQ(again->nitro->allow_debug, policy->nitro->allow_debug);
  }
  const NitroPolicy rules = Parse(kHead + kRules)->nitro.value();
  EXPECT_FALSE(rules.allow_debug);
  EXPECT_EQ(rules.age_max, 600u);
  EXPECT_TRUE(rules.roots.vendor);
  const std::map<std::uint8_t, std::vector<Bytes>> pcrs = {{1, {Bytes(48, std::byte{0xbb})}}};
  EXPECT_EQ(rules.pcrs, pcrs);
}

TEST(NitroPolicy, NothingMayBeLeftOut) {
  ExpectRefusal(kHead, "nitro is missing");
  for (std::size_t at = kRules.find('\n') + 1; at < kRules.size(); at = kRules.find('\n', at) + 1) {
    const std::size_t end = kRules.find('\n', at) + 1;
    const std::string key = kRules.substr(at, kRules.find(' ', at) - at);
    ExpectRefusal(kHead + kRules.substr(0, at) + kRules.substr(end), "nitro." + key);
  }
}

TEST(NitroPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With("debug = \"forbidden\"", "debug = \"not-checked\""), "debug");
  ExpectRefusal(With("age_max = 600", "age_max = -1"), "age_max");
  ExpectRefusal(With("pcr2 = \"not-checked\"", "pcr2 = []"), "pcr2");
  ExpectRefusal(With("pcr2 = \"not-checked\"", "pcr2 = [\"00\"]"), "48 bytes");
  ExpectRefusal(With("pcr2 = \"not-checked\"", "pcr2 = \"not-checked\"\npcr5 = []"), "pcr5");
  ExpectRefusal(With("roots = [\"vendor\"]", "roots = [\"aws\"]"), "roots");
}

}  // namespace
}  // namespace anchorhold::attest
