#include "shared/attest/snp_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/verifier.h"

namespace anchorhold::attest {
namespace {

const std::string kHead =
    "version = 1\nplatforms = [\"sev-snp\"]\nmeasurements = [\"" + std::string(96, 'a') + "\"]\n";

std::string Rules() {
  return "[sev-snp]\ndebug = \"forbidden\"\nmigration_agent = \"forbidden\"\nsmt = \"allowed\"\n"
         "crl = \"required\"\nvmpl = 0\nguest_svn_min = 2\nhost_data = \"not-checked\"\n"
         "id_key_digests = [\"" +
         std::string(96, 'b') +
         "\"]\nauthor_key_digests = \"not-checked\"\nroots = [\"vendor\", \"" +
         std::string(64, 'c') +
         "\"]\ntcb_floor = \"required\"\n"
         "[[sev-snp-floor]]\nproduct = \"Milan\"\nboot_loader = 4\ntee = 0\nsnp = 24\n"
         "microcode = 219\n"
         "[[sev-snp-floor]]\nproduct = \"Turin\"\nfmc = 1\nboot_loader = 1\ntee = 0\nsnp = 2\n"
         "microcode = 71\n";
}

Result<AppraisalPolicy> Parse(const std::string& text) { return ParsePolicy(AsBytes(text)); }

std::string With(const std::string& line, const std::string& other) {
  std::string text = kHead + Rules();
  const std::size_t at = text.find(line);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, line.size(), other);
}

std::string WithoutFloors() {
  const std::string text = With("tcb_floor = \"required\"", "tcb_floor = \"not-checked\"");
  return text.substr(0, text.find("[["));
}

void ExpectRefusal(const std::string& text, const std::string& part) {
  const auto policy = Parse(text);
  ASSERT_FALSE(policy.ok()) << text;
  EXPECT_NE(policy.error().message().find(part), std::string::npos) << policy.error().message();
}

TEST(SnpPolicy, ReadsWhatIsSet) {
  const auto policy = Parse(kHead + Rules());
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
  for (const std::string& text : {kHead + Rules(), With("vmpl = 0", "vmpl = \"not-checked\""),
                                  With("roots = [\"vendor\", ", "roots = ["), WithoutFloors()}) {
    const auto policy = Parse(text);
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    const auto again = Parse(FormatPolicy(*policy));
    ASSERT_TRUE(again.ok()) << again.error().message() << FormatPolicy(*policy);
    EXPECT_EQ(FormatPolicy(*again), FormatPolicy(*policy));
    EXPECT_EQ(again->sev_snp->tcb_floors, policy->sev_snp->tcb_floors);
    EXPECT_EQ(again->sev_snp->roots.others, policy->sev_snp->roots.others);
    EXPECT_EQ(again->sev_snp->vmpl, policy->sev_snp->vmpl);
  }
}

TEST(SnpPolicy, NothingMayBeLeftOut) {
  ExpectRefusal(kHead, "sev-snp is missing");
  const std::string rules = Rules();
  const std::size_t tables = rules.find("[[");
  for (std::size_t at = rules.find('\n') + 1; at < tables; at = rules.find('\n', at) + 1) {
    const std::size_t end = rules.find('\n', at) + 1;
    const std::string key = rules.substr(at, rules.find(' ', at) - at);
    ExpectRefusal(kHead + rules.substr(0, at) + rules.substr(end), "sev-snp." + key);
  }
  ExpectRefusal(kHead + rules.substr(0, tables), "sev-snp.tcb_floor");
  ExpectRefusal(With("tcb_floor = \"required\"", "tcb_floor = \"not-checked\""), "tcb_floor");
  for (const char* line : {"boot_loader = 4\n", "tee = 0\n", "snp = 24\n", "microcode = 219\n",
                           "fmc = 1\n", "product = \"Turin\"\n"}) {
    ExpectRefusal(With(line, ""), "is missing");
  }
}

TEST(SnpPolicy, RefusesWhatItDoesNotKnow) {
  ExpectRefusal(With("debug = \"forbidden\"", "debug = \"maybe\""), "debug");
  ExpectRefusal(With("debug = \"forbidden\"", "debug = \"not-checked\""), "debug");
  ExpectRefusal(With("vmpl = 0", "vmpl = -1"), "vmpl");
  ExpectRefusal(With("vmpl = 0", "vmpl = \"any\""), "vmpl");
  ExpectRefusal(With("vmpl = 0", "vmpl = 0\nvmlp = 1"), "vmlp");
  ExpectRefusal(With("guest_svn_min = 2", "guest_svn_min = 4294967296"), "guest_svn_min");
  ExpectRefusal(With("host_data = \"not-checked\"", "host_data = []"), "host_data");
  ExpectRefusal(With("host_data = \"not-checked\"", "host_data = [\"00\"]"), "32 bytes");
  ExpectRefusal(With("roots = [\"vendor\", ", "roots = [\"amd\", "), "roots");
  ExpectRefusal(With("product = \"Turin\"", "product = \"Naples\""), "product");
  ExpectRefusal(With("fmc = 1", "fmc = 256"), "fmc");
  ExpectRefusal(With("boot_loader = 4", "fmc = 1\nboot_loader = 4"), "fmc");
  ExpectRefusal(kHead + Rules() + Rules().substr(Rules().find("[[sev-snp-floor]]\nproduct = \"T")),
                "twice");
}

}  // namespace
}  // namespace anchorhold::attest
