#include "shared/attest/nvidia_gpu_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kHead = "version = 1\nplatforms = [\"nvidia-gpu\"]\nmeasurements = [\"" +
                          std::string(96, 'a') + "\"]\n";
const std::string kRules =
    "[nvidia-gpu]\ndriver_rim = \"required\"\nvbios_rim = \"if-given\"\n"
    "driver_versions = [\"590.12\", \"575.32\"]\nvbios_versions = \"not-checked\"\n"
    "roots = [\"vendor\"]\nrim_roots = [\"" +
    std::string(64, 'c') + "\"]\n";
const std::string kPolicy = kHead + kRules;

TEST(NvidiaGpuPolicy, ReadsWhatIsSetAndRoundTrips) {
  const auto policy = Parse(kPolicy);
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

TEST(NvidiaGpuPolicy, NothingMayBeLeftOut) { ExpectNothingMayBeLeftOut(kPolicy, "nvidia-gpu"); }

TEST(NvidiaGpuPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With(kPolicy, "\"required\"", "\"not-checked\""), "driver_rim");
  ExpectRefusal(With(kPolicy, "\"590.12\", ", "\"\", "), "driver_versions");
  ExpectRefusal(With(kPolicy, "\"590.12\"", "\"590\\n12\""), "driver_versions");
  ExpectRefusal(With(kPolicy, "[\"590.12\", \"575.32\"]", "[]"), "driver_versions");
  ExpectRefusal(With(kPolicy, "roots = [\"vendor\"]", "roots = [\"nvidia\"]"), "roots");
  ExpectRefusal(With(kPolicy, "[nvidia-gpu]\n", "[nvidia-gpu]\nocsp = \"required\"\n"), "ocsp");
}

}  // namespace
}  // namespace anchorhold::attest::testing
