#include "shared/attest/snp_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kHead =
    "version = 1\nplatforms = [\"sev-snp\"]\nmeasurements = [\"" + std::string(96, 'a') + "\"]\n";

const std::string kRules =
    "[sev-snp]\ndebug = \"forbidden\"\nmigration_agent = \"forbidden\"\nsmt = \"allowed\"\n"
    "crl = \"required\"\nvmpl = 0\nguest_svn_min = 2\nhost_data = \"not-checked\"\n"
    "id_key_digests = [\"" +
    std::string(96, 'b') + "\"]\nauthor_key_digests = \"not-checked\"\nroots = [\"vendor\", \"" +
    std::string(64, 'c') +
    "\"]\ntcb_floor = \"required\"\n"
    "[[sev-snp-floor]]\nproduct = \"Milan\"\nboot_loader = 4\ntee = 0\nsnp = 24\n"
    "microcode = 219\n"
    "[[sev-snp-floor]]\nproduct = \"Turin\"\nfmc = 1\nboot_loader = 1\ntee = 0\nsnp = 2\n"
    "microcode = 71\n";
const std::string kPolicy = kHead + kRules;

std::string WithoutFloors() {
  const std::string text = With(kPolicy, "tcb_floor = \"required\"", "tcb_floor = \"not-checked\"");
  return text.substr(0, text.find("[["));
}

TEST(SnpPolicy, ReadsWhatIsSet) {
  const auto policy = Parse(kPolicy);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  const SnpPolicy& rules = policy->sev_snp.value();
  EXPECT_FALSE(rules.allow_debug || rules.allow_migration_agent);
  EXPECT_TRUE(rules.allow_smt && rules.require_crl && rules.roots.vendor);
  EXPECT_EQ(rules.vmpl, 0u);
  EXPECT_EQ(rules.guest_svn_min, 2u);
  EXPECT_FALSE(rules.host_data.has_value() || rules.author_key_digests.has_value());
  EXPECT_EQ(rules.id_key_digests, std::vector<Bytes>{Bytes(48, std::byte{0xbb})});
  EXPECT_EQ(rules.roots.others.size(), 1u);
  EXPECT_EQ(rules.tcb_floors->at(SnpProduct::kMilan).microcode, 219);
  EXPECT_EQ(rules.tcb_floors->at(SnpProduct::kTurin).fmc, 1);
}

TEST(SnpPolicy, RoundTripsThroughText) {
  for (const std::string& text :
       {kPolicy, With(kPolicy, "vmpl = 0", "vmpl = \"not-checked\""),
        With(kPolicy, "roots = [\"vendor\", ", "roots = ["), WithoutFloors()}) {
    ExpectRoundTrip(text, [](const AppraisalPolicy& policy, const AppraisalPolicy& again) {
      EXPECT_EQ(again.sev_snp->tcb_floors, policy.sev_snp->tcb_floors);
      EXPECT_EQ(again.sev_snp->roots.others, policy.sev_snp->roots.others);
      EXPECT_EQ(again.sev_snp->vmpl, policy.sev_snp->vmpl);
    });
  }
}

TEST(SnpPolicy, NothingMayBeLeftOut) {
  ExpectNothingMayBeLeftOut(kPolicy, "sev-snp");
  ExpectRefusal(kPolicy.substr(0, kPolicy.find("[[")), "sev-snp.tcb_floor");
  ExpectRefusal(With(kPolicy, "tcb_floor = \"required\"", "tcb_floor = \"not-checked\""),
                "tcb_floor");
  for (const char* line : {"boot_loader = 4\n", "tee = 0\n", "snp = 24\n", "microcode = 219\n",
                           "fmc = 1\n", "product = \"Turin\"\n"}) {
    ExpectRefusal(With(kPolicy, line, ""), "is missing");
  }
}

TEST(SnpPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With(kPolicy, "debug = \"forbidden\"", "debug = \"maybe\""), "debug");
  ExpectRefusal(With(kPolicy, "debug = \"forbidden\"", "debug = \"not-checked\""), "debug");
  ExpectRefusal(With(kPolicy, "vmpl = 0", "vmpl = -1"), "vmpl");
  ExpectRefusal(With(kPolicy, "vmpl = 0", "vmpl = \"any\""), "vmpl");
  ExpectRefusal(With(kPolicy, "vmpl = 0", "vmpl = 0\nvmlp = 1"), "vmlp");
  ExpectRefusal(With(kPolicy, "guest_svn_min = 2", "guest_svn_min = 4294967296"), "guest_svn_min");
  ExpectRefusal(With(kPolicy, "host_data = \"not-checked\"", "host_data = []"), "host_data");
  ExpectRefusal(With(kPolicy, "host_data = \"not-checked\"", "host_data = [\"00\"]"), "32 bytes");
  ExpectRefusal(With(kPolicy, "roots = [\"vendor\", ", "roots = [\"amd\", "), "roots");
  ExpectRefusal(With(kPolicy, "product = \"Turin\"", "product = \"Naples\""), "product");
  ExpectRefusal(With(kPolicy, "fmc = 1", "fmc = 256"), "fmc");
  ExpectRefusal(With(kPolicy, "boot_loader = 4", "fmc = 1\nboot_loader = 4"), "fmc");
  ExpectRefusal(kPolicy + kRules.substr(kRules.find("[[sev-snp-floor]]\nproduct = \"T")), "twice");
}

}  // namespace
}  // namespace anchorhold::attest::testing
