#include "shared/attest/nvidia_gpu_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/verifier.h"

namespace anchorhold::attest {
namespace {

const std::string kHead = "version = 1\nplatforms = [\"nvidia-gpu\"]\nmeasurements = [\"" +
                          std::string(96, 'a') + "\"]\n";
const std::string kRules =
    "[nvidia-gpu]\ndriver_rim = \"required\"\nvbios_rim = \"if-given\"\n"
    "driver_versions = [\"590.12\", \"575.32\"]\nvbios_versions = \"not-checked\"\n"
    "roots = [\"vendor\"]\nrim_roots = [\"" +
    std::string(64, 'c') + "\"]\n";

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

TEST(NvidiaGpuPolicy, ReadsWhatIsSetAndRoundTrips) {
  const auto policy = Parse(kHead + kRules);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  const NvidiaGpuPolicy& rules = policy->nvidia_gpu.value();
  EXPECT_TRUE(rules.require_driver_rim);
  EXPECT_FALSE(rules.require_vbios_rim);
  EXPECT_EQ(rules.driver_versions, (std::vector<std::string>{"590.12", "575.32"}));
  EXPECT_FALSE(rules.vbios_versions.has_value());
  EXPECT_TRUE(rules.roots.vendor);
  EXPECT_FALSE(rules.rim_roots.vendor);
  EXPECT_EQ(rules.rim_roots.others.size(), 1u);
  EXPECT_NE(FormatPolicy(*policy).find(kRules), std::string::npos) << FormatPolicy(*policy);
  EXPECT_TRUE(Parse(FormatPolicy(*policy)).ok());
}

TEST(NvidiaGpuPolicy, NothingMayBeLeftOut) {
  ExpectRefusal(kHead, "nvidia-gpu is missing");
  for (std::size_t at = kRules.find('\n') + 1; at < kRules.size(); at = kRules.find('\n', at) + 1) {
    const std::size_t end = kRules.find('\n', at) + 1;
    const std::string key = kRules.substr(at, kRules.find(' ', at) - at);
    ExpectRefusal(kHead + kRules.substr(0, at) + kRules.substr(end), "nvidia-gpu." + key);
  }
}

TEST(NvidiaGpuPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With("\"required\"", "\"not-checked\""), "driver_rim");
  ExpectRefusal(With("\"590.12\", ", "\"\", "), "driver_versions");
  ExpectRefusal(With("\"590.12\"", "\"590\\n12\""), "driver_versions");
  ExpectRefusal(With("[\"590.12\", \"575.32\"]", "[]"), "driver_versions");
  ExpectRefusal(With("roots = [\"vendor\"]", "roots = [\"nvidia\"]"), "roots");
  ExpectRefusal(With("[nvidia-gpu]\n", "[nvidia-gpu]\nocsp = \"required\"\n"), "ocsp");
}

}  // namespace
}  // namespace anchorhold::attest
