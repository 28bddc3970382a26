// SEV-SNP evidence of a platform of our own: good evidence passes, and everything that is bent is
// refused by the check that is meant for it.
#include "shared/attest/snp.h"

#include <gtest/gtest.h>

#include <functional>

#include "shared/attest/test_appraisal.h"
#include "shared/attest/test_snp.h"

namespace anchorhold::attest {
namespace {

using testing::AddAll;
using testing::kSnpNow;
using testing::Skipped;
using testing::SnpPlatform;
using Files = std::map<std::string, Bytes>;

class Snp : public ::testing::Test {
 protected:
  Result<AttestationResult> Judge(const Files& files, UnixSeconds now = kSnpNow) const {
    const UnverifiedFiles added = AddAll(kSnpKind, files);
    return Appraise(kSnpKind, {.now = now,
                               .files = added,
                               .policy = &policy_,
                               .strict = strict_,
                               .report_data = report_data_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const Files& files, UnixSeconds now = kSnpNow) const {
    return testing::RefusedBy(Judge(files, now));
  }
  // The same for a platform that is bent first.
  std::string Refused(const std::function<void(SnpPlatform&)>& bend) const {
    SnpPlatform platform;
    bend(platform);
    return Refused(platform.Files());
  }
  // The same for a report with a number changed in it.
  std::string RefusedWith(std::size_t at, std::uint8_t value) const {
    SnpPlatform platform;
    platform.report[at] = std::byte{value};
    return Refused(platform.WithReport(files_));
  }

  SnpPlatform platform_;
  Files files_ = platform_.Files();
  AppraisalPolicy policy_ = platform_.Policy();
  bool strict_ = true;
  std::optional<Bytes> report_data_ = Bytes(64, std::byte{0xda});
};

TEST_F(Snp, AcceptsEveryProductAndKey) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    for (const bool vlek : {false, true}) {
      const SnpPlatform platform(product, vlek);
      policy_ = platform.Policy();
      const auto result = Judge(platform.Files());
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_EQ(result->platform(), Platform::kSevSnp);
      EXPECT_EQ(result->measurement(), Bytes(48, std::byte{0x5a}));
      EXPECT_EQ(result->appraised_at(), kSnpNow);
      EXPECT_TRUE(result->warnings().empty());
      EXPECT_EQ(result->trust().Status(), TrustTier::kAffirming);
      EXPECT_EQ(result->claims().Find("product_from_report")->text(), SnpProductName(product));
      EXPECT_EQ(result->claims().Find("signing_key")->text(), vlek ? "VLEK" : "VCEK");
      for (const CheckOutcome& check : result->checks()) {
        EXPECT_FALSE(check.skipped_because.has_value()) << check.name;
      }
    }
  }
}

TEST_F(Snp, AcceptsTheHostsTable) {
  const Files files = {{"report", files_["report"]}, {"cert_table", SnpPlatform::Table(files_)}};
  EXPECT_EQ(Refused(files), "");
  // A certificate of its own comes before the table's.
  Files other = files;
  other["ark"] = files_["intermediate"];
  EXPECT_EQ(Refused(other), "root_is_pinned");
}

TEST_F(Snp, NoChangedByteOfTheReportPasses) {
  for (std::size_t at = 0; at < files_["report"].size(); ++at) {
    Files other = files_;
    other["report"][at] ^= std::byte{1};
    const std::string name = Refused(other);
    EXPECT_TRUE(name == "report_signature" || name == "report_is_well_formed") << at << name;
    const bool read_first = at < 4 || (at >= 0x34 && at < 0x38) || at >= 0x2a0 + 144;
    EXPECT_TRUE(read_first || name == "report_signature") << at << name;
  }
}

TEST_F(Snp, NoChangedByteOfAnEndorsementPasses) {
  for (const char* role : {"vek", "intermediate", "ark", "crl"}) {
    for (std::size_t at = 0; at < files_[role].size(); ++at) {
      Files other = files_;
      other[role][at] ^= std::byte{1};
      EXPECT_NE(Refused(other), "") << role << at;
    }
  }
}

TEST_F(Snp, NoTruncationPasses) {
  for (const auto& [role, bytes] : files_) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Files other = files_;
      other[role].resize(size);
      const std::string name = Refused(other);
      const std::string expected = role == "crl" ? "crl_" : role + "_is_";
      EXPECT_EQ(name.rfind(expected, 0), 0u) << role << size << name;
    }
    Files other = files_;
    other[role].push_back(std::byte{0});
    EXPECT_NE(Refused(other), "") << role;
  }
}

TEST_F(Snp, NoTruncatedTablePasses) {
  const Bytes table = SnpPlatform::Table(files_);
  for (std::size_t size = 0; size < table.size(); ++size) {
    const Files files = {{"report", files_["report"]},
                         {"cert_table", CopyBytes(ByteSpan(table).first(size))}};
    EXPECT_EQ(Refused(files), "cert_table_is_well_formed") << size;
  }
}

TEST_F(Snp, NothingMayBeMissing) {
  for (const char* role : {"report", "vek", "intermediate", "ark", "crl"}) {
    Files other = files_;
    other.erase(role);
    EXPECT_EQ(Refused(other), std::string(role) + "_is_given");
  }
}

TEST_F(Snp, CertificatesStandWhereTheyBelong) {
  const std::vector<std::string> roles = {"vek", "intermediate", "ark"};
  for (const std::string& a : roles) {
    for (const std::string& b : roles) {
      Files other = files_;
      other[a] = files_[b];
      EXPECT_EQ(Refused(other).empty(), a == b) << a << b;
      other[b] = files_[a];
      EXPECT_EQ(Refused(other).empty(), a == b) << a << b;
    }
  }
  // Of other platforms, whose keys are the same here: names and extensions tell them apart.
  const Files vlek = SnpPlatform(SnpProduct::kMilan, true).Files();
  const Files genoa = SnpPlatform(SnpProduct::kGenoa).Files();
  for (const Files* from : {&vlek, &genoa}) {
    for (const char* role : {"vek", "intermediate", "report"}) {
      Files other = files_;
      other[role] = from->at(role);
      EXPECT_NE(Refused(other), "") << role;
    }
    Files other = files_;
    other["vek"] = from->at("vek");
    other["intermediate"] = from->at("intermediate");
    EXPECT_NE(Refused(other), "");
  }
  EXPECT_EQ(Refused([](SnpPlatform& p) {
              p.ark_spec.subject = p.ark_spec.issuer = p.intermediate_spec.issuer = "ARK-Genoa";
              p.crl_spec.issuer = "ARK-Genoa";
            }),
            "certificates_are_of_one_product");
  EXPECT_EQ(Refused([](SnpPlatform& p) { p.intermediate_spec.ca = false; }),
            "certificate_constraints");
}

TEST_F(Snp, TheRootIsTrustedForItsKey) {
  policy_.sev_snp->roots = {.vendor = true, .others = {}};
  EXPECT_EQ(Refused(files_), "root_is_pinned");
}

TEST_F(Snp, TimeEndsEveryPart) {
  const auto spans = {&SnpPlatform::vek_spec, &SnpPlatform::intermediate_spec,
                      &SnpPlatform::ark_spec};
  for (const auto spec : spans) {
    SnpPlatform platform;
    (platform.*spec).not_before = UnixSeconds(1'749'000'000);
    (platform.*spec).not_after = UnixSeconds(1'751'000'000);
    const Files files = platform.Files();
    EXPECT_EQ(Refused(files, UnixSeconds(1'749'000'000)), "");
    EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'000)), "");
    EXPECT_EQ(Refused(files, UnixSeconds(1'748'999'999)), "certificate_not_yet_valid");
    EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'001)), "certificate_expired");
  }
  SnpPlatform platform;
  platform.crl_spec.this_update = UnixSeconds(1'749'000'000);
  platform.crl_spec.next_update = UnixSeconds(1'751'000'000);
  const Files files = platform.Files();
  EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'000)), "");
  EXPECT_EQ(Refused(files, UnixSeconds(1'748'999'999)), "crl_current");
  EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'001)), "crl_current");
}

TEST_F(Snp, ARevokedIntermediateIsRefused) {
  EXPECT_EQ(Refused([](SnpPlatform& p) {
              p.crl_spec.serials = {99, 65537};
            }),
            "intermediate_not_revoked");
  EXPECT_EQ(Refused([](SnpPlatform& p) { p.crl_spec.issuer = "ARK-Genoa"; }), "crl_signature");
}

// A platform with firmware one step older, genuinely so: its certificate says the same.
TEST_F(Snp, EachTcbComponentHasAFloor) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kTurin}) {
    const SnpPlatform good(product);
    policy_ = good.Policy();
    std::vector<SnpTcb> lower(5, good.tcb);
    --lower[0].boot_loader;
    --lower[1].tee;
    --lower[2].snp;
    --lower[3].microcode;
    if (product == SnpProduct::kTurin) --*lower[4].fmc;
    if (product != SnpProduct::kTurin) lower.pop_back();
    const std::pair<std::size_t, const char*> others[] = {
        {0x1e0, "committed_tcb_floor"}, {0x1f0, "launch_tcb_floor"}, {0x038, "current_tcb_floor"}};
    for (const SnpTcb& tcb : lower) {
      SnpPlatform platform(product);
      platform.SetAllTcbs(tcb);
      EXPECT_EQ(Refused(platform.Files()), "reported_tcb_floor");
      for (const auto& [offset, name] : others) {
        SnpPlatform one(product);
        one.SetTcb(offset, tcb);
        EXPECT_EQ(Refused(one.Files()), name);
      }
      SnpPlatform claims_more(product);
      claims_more.tcb = tcb;  // of the certificate alone
      EXPECT_EQ(Refused(claims_more.Files()), "reported_tcb_equals_vek_tcb");
    }
  }
  policy_.sev_snp->tcb_floors = {{SnpProduct::kGenoa, platform_.tcb}};
  EXPECT_EQ(Refused(files_), "product_has_tcb_floor");
}

TEST_F(Snp, EachRuleRefuses) {
  EXPECT_EQ(RefusedWith(0x00a, 0x0a), "no_debug");
  EXPECT_EQ(RefusedWith(0x00a, 0x06), "no_migration_agent");
  EXPECT_EQ(RefusedWith(0x00a, 0x03), "no_smt");
  EXPECT_EQ(RefusedWith(0x030, 0), "vmpl");
  EXPECT_EQ(RefusedWith(0x030, 3), "vmpl");
  EXPECT_EQ(RefusedWith(0x004, 6), "guest_svn");
  EXPECT_EQ(RefusedWith(0x0c0, 0), "host_data");
  EXPECT_EQ(RefusedWith(0x0e0, 0), "id_key_digest");
  EXPECT_EQ(RefusedWith(0x110, 0), "author_key_digest");
  EXPECT_EQ(RefusedWith(0x050, 0), "report_data");
  EXPECT_EQ(RefusedWith(0x090, 0), "measurement");
}

TEST_F(Snp, EachBindingRefuses) {
  EXPECT_EQ(RefusedWith(0x1a0, 0), "chip_id_equals_vek_hwid");
  EXPECT_EQ(RefusedWith(0x048, 1u << 2), "signing_key_is_vek");
  EXPECT_EQ(RefusedWith(0x048, 7u << 2), "signing_key_is_vek");
  EXPECT_EQ(RefusedWith(0x189, 0x11), "product_equals_vek_product");
  EXPECT_EQ(RefusedWith(0x188, 0x20), "product_equals_vek_product");
  SnpPlatform vlek(SnpProduct::kMilan, true);
  policy_ = vlek.Policy();
  vlek.report[0x1a0] = std::byte{1};
  EXPECT_EQ(Refused(vlek.Files()), "chip_id_is_absent");
  // Turin's hardware id is short; what follows it in the report has to be zero.
  SnpPlatform turin(SnpProduct::kTurin);
  policy_ = turin.Policy();
  turin.report[0x1a8] = std::byte{1};
  EXPECT_EQ(Refused(turin.Files()), "chip_id_equals_vek_hwid");
}

TEST_F(Snp, AHiddenChipIdIsNoMatch) {
  SnpPlatform platform;
  platform.report[0x048] = std::byte{2};
  for (std::size_t i = 0; i < 64; ++i) platform.report[0x1a0 + i] = std::byte{0};
  const Files files = platform.WithReport(files_);
  EXPECT_EQ(Refused(files), "chip_id_equals_vek_hwid");
  strict_ = false;
  const auto result = Judge(files);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_TRUE(Skipped(*result, "chip_id_equals_vek_hwid"));
}

TEST_F(Snp, KnowsVersionsTwoToFive) {
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{6}}) {
    EXPECT_EQ(RefusedWith(0, version), "report_is_well_formed");
  }
  // Version 2 says nothing of the CPU, and version 5 more of it.
  EXPECT_EQ(RefusedWith(0, 2), "");
  EXPECT_EQ(RefusedWith(0, 5), "");
  EXPECT_EQ(RefusedWith(0x034, 2), "report_is_well_formed");
}

TEST_F(Snp, RulesThatAreWaivedAreShown) {
  SnpPolicy waived;
  waived.roots = policy_.sev_snp->roots;
  policy_.sev_snp = waived;
  files_.erase("crl");
  report_data_.reset();
  strict_ = false;
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name :
       {"intermediate_not_revoked", "no_smt", "vmpl", "guest_svn", "host_data", "id_key_digest",
        "author_key_digest", "reported_tcb_floor", "committed_tcb_floor", "launch_tcb_floor",
        "current_tcb_floor", "report_data"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  EXPECT_FALSE(Skipped(*result, "no_debug"));
}

TEST_F(Snp, StrictForbidsWhatAPolicyAllows) {
  policy_.sev_snp->allow_debug = policy_.sev_snp->allow_migration_agent = true;
  EXPECT_EQ(RefusedWith(0x00a, 0x0a), "no_debug");
  EXPECT_EQ(RefusedWith(0x00a, 0x06), "no_migration_agent");
  strict_ = false;
  EXPECT_EQ(RefusedWith(0x00a, 0x0a), "");
  EXPECT_EQ(RefusedWith(0x00a, 0x06), "");
}

TEST_F(Snp, APolicyThatSaysNothingOfItRefuses) {
  policy_.sev_snp.reset();
  EXPECT_EQ(Refused(files_), "policy");
  policy_ = platform_.Policy();
  policy_.platforms = {Platform::kTdx};
  EXPECT_EQ(Refused(files_), "platform");
  policy_ = platform_.Policy();
  policy_.measurements.clear();
  EXPECT_EQ(Refused(files_), "measurement");
}

TEST_F(Snp, AFileHasOneRole) {
  UnverifiedFiles files;
  EXPECT_TRUE(files.Add(kSnpRoles, "vcek", {}).ok());
  EXPECT_FALSE(files.Add(kSnpRoles, "vek", {}).ok());
  EXPECT_FALSE(files.Add(kSnpRoles, "quote", {}).ok());
  EXPECT_FALSE(files.Add(kSnpRoles, "", {}).ok());
  EXPECT_NE(files.Find("vek"), nullptr);
  EXPECT_EQ(files.Find("vcek"), nullptr);
}

TEST_F(Snp, ShowsWithoutJudging) {
  Files files = files_;
  files["report"][0x2a0] ^= std::byte{1};
  const auto shown = ShowSnp(AddAll(kSnpKind, files));
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(shown->unverified.Find("version")->text(), "3");
  EXPECT_EQ(shown->unverified.Find("vek_extensions")->Find("ucodeSPL")->text(), "219");
}

}  // namespace
}  // namespace anchorhold::attest
