// Confidential VMs of Azure of our own making: good ones pass, and everything that is bent is
// refused by the check that is meant for it.
#include "shared/attest/azure_vtpm.h"

#include <gtest/gtest.h>

#include <functional>

#include "shared/attest/test_appraisal.h"
#include "shared/attest/test_azure_vtpm.h"

namespace anchorhold::attest {
namespace {

using testing::AddAll;
using testing::AzureVm;
using testing::kAzureNow;
using testing::Skipped;
using testing::Tpm;
using Files = std::map<std::string, Bytes>;

class AzureVtpm : public ::testing::TestWithParam<HclReportType> {
 protected:
  Result<AttestationResult> Judge(const Files& files, UnixSeconds now = kAzureNow) const {
    const UnverifiedFiles added = AddAll(kAzureVtpmKind, files);
    return Appraise(kAzureVtpmKind, {.now = now,
                                     .files = added,
                                     .policy = &policy_,
                                     .strict = strict_,
                                     .report_data = report_data_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const Files& files, UnixSeconds now = kAzureNow) const {
    return testing::RefusedBy(Judge(files, now));
  }
  // The same for a VM that is bent first, with the same certificates.
  std::string Refused(const std::function<void(AzureVm&)>& bend) const {
    AzureVm vm(GetParam());
    bend(vm);
    return Refused(vm.WithEvidence(files_));
  }
  // The same for other runtime claims, which the hardware vouches for.
  std::string RefusedClaims(const std::string& claims) const {
    return Refused([&](AzureVm& vm) {
      vm.claims = claims;
      vm.BindClaims();
    });
  }
  std::string RefusedClaims(const std::string& part, const std::string& other) const {
    std::string claims = vm_.claims;
    const std::size_t at = claims.find(part);
    AH_CHECK(at != std::string::npos);
    return RefusedClaims(claims.replace(at, part.size(), other));
  }
  // Leaves signatures and bindings, which have to do without rules, lists and collateral.
  void WaiveAll() {
    strict_ = false;
    report_data_.reset();
    policy_.azure_vtpm = AzureVtpmPolicy();
    policy_.azure_vtpm->pcrs.measurement_pcr = 11;
    if (IsTdx()) {
      TdxPolicy waived;
      waived.intel.roots = policy_.tdx->intel.roots;
      policy_.tdx = waived;
    } else {
      SnpPolicy waived;
      waived.roots = policy_.sev_snp->roots;
      policy_.sev_snp = waived;
    }
    const Files all = std::move(files_);
    for (const char* role : {"hcl_report", "quote_attest", "quote_signature", "pcrs", "td_quote",
                             "vek", "intermediate", "ark"}) {
      if (all.contains(role)) files_[role] = all.at(role);
    }
  }
  bool IsTdx() const { return GetParam() == HclReportType::kTdx; }

  AzureVm vm_{GetParam()};
  Files files_ = vm_.Files();
  AppraisalPolicy policy_ = vm_.Policy();
  bool strict_ = true;
  std::optional<Bytes> report_data_ = Bytes(64, std::byte{0xda});
};

TEST_P(AzureVtpm, AcceptsWhatIsGood) {
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->platform(), Platform::kAzureVtpm);
  EXPECT_EQ(result->measurement(), Bytes(32, std::byte{0x5a}));
  EXPECT_EQ(result->trust().Status(), TrustTier::kAffirming);
  EXPECT_TRUE(result->warnings().empty());
  for (const CheckOutcome& check : result->checks()) {
    EXPECT_FALSE(check.skipped_because.has_value() && check.name != "ak_cert_not_revoked" &&
                 !IsTdx())
        << check.name;
  }
  const Claim& claims = result->claims();
  EXPECT_EQ(claims.Find("runtime_data")->Find("report_type_name")->text(), IsTdx() ? "TDX" : "SNP");
  EXPECT_NE(claims.Find(IsTdx() ? "td_quote" : "snp_report"), nullptr);
  EXPECT_EQ(claims.Find("ak_cert_chain_subjects")->items().size(), 3u);
  EXPECT_EQ(claims.Find("runtime_claims")->Find("vm_configuration")->Find("started")->ToJson(),
            "[1,-2,\"1.5\",null,\"x\"]");
}

// Of a TDREPORT its MAC and CPU SVN say nothing that counts, and 0 and 1 are both its versions.
TEST_P(AzureVtpm, NoChangedByteOfTheReportPasses) {
  WaiveAll();
  ASSERT_EQ(Refused(files_), "");
  for (std::size_t at = 0; at < files_["hcl_report"].size(); ++at) {
    const bool unread = IsTdx() && (at == 32 + 2 || (at >= 32 + 16 && at < 32 + 32) ||
                                    (at >= 32 + 224 && at < 32 + 256));
    Files other = files_;
    other["hcl_report"][at] ^= std::byte{1};
    EXPECT_EQ(Refused(other).empty(), unread) << at;
  }
}

TEST_P(AzureVtpm, NoChangedByteOfTheQuotePasses) {
  WaiveAll();
  for (const char* role : {"quote_attest", "quote_signature", "pcrs"}) {
    for (std::size_t at = 0; at < files_[role].size(); ++at) {
      Files other = files_;
      other[role][at] ^= std::byte{1};
      const std::string name = Refused(other);
      EXPECT_NE(name, "") << role << at;
      if (std::string_view(role) != "pcrs") {
        EXPECT_TRUE(name == "tpm_quote_signature_by_HCLAkPub" ||
                    name == "quote_attest_is_well_formed")
            << at << name;
      }
    }
  }
}

TEST_P(AzureVtpm, NoTruncationPasses) {
  const std::size_t used = files_["hcl_report"].size() - vm_.trailing.size();
  for (std::size_t size = 0; size < used; ++size) {
    Files other = files_;
    other["hcl_report"].resize(size);
    EXPECT_EQ(Refused(other), "hcl_report_is_well_formed") << size;
  }
  for (const char* role : {"quote_attest", "quote_signature", "pcrs"}) {
    for (std::size_t size = 0; size < files_[role].size(); ++size) {
      Files other = files_;
      other[role].resize(size);
      EXPECT_EQ(Refused(other), std::string(role) + "_is_well_formed") << size;
    }
  }
}

TEST_P(AzureVtpm, NothingMayBeMissing) {
  for (const char* role : {"hcl_report", "quote_attest", "quote_signature", "pcrs", "ak_cert",
                           "ak_cert_root", "ak_crl"}) {
    Files other = files_;
    other.erase(role);
    EXPECT_EQ(Refused(other), std::string(role) + "_is_given");
  }
  Files other = files_;
  other.erase(IsTdx() ? "td_quote" : "vek");
  EXPECT_EQ(Refused(other), IsTdx() ? "td_quote_is_given" : "vek_is_given");
}

TEST_P(AzureVtpm, EachPartIsBoundToTheNext) {
  // Claims that the hardware's report was not made over.
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.claims += " "; }),
            "report_data_is_sha256_of_runtime_claims");
  EXPECT_EQ(Refused([this](AzureVm& vm) {
              if (IsTdx()) {
                vm.intel.body[520 + 32] = std::byte{1};
              } else {
                vm.snp.report[0x050 + 32] = std::byte{1};
              }
            }),
            "report_data_is_sha256_of_runtime_claims");
  // Another TPM's key in the claims, another's quote, another's certificate.
  const Tpm other(Tpm2Scheme::kRsassa, 1);
  EXPECT_EQ(RefusedClaims(testing::RuntimeClaims(other)), "tpm_quote_signature_by_HCLAkPub");
  EXPECT_EQ(Refused([&](AzureVm& vm) { vm.tpm = other; }), "tpm_quote_signature_by_HCLAkPub");
  Files files = files_;
  files["ak_cert"] = other.Files().at("ak_cert");
  EXPECT_EQ(Refused(files), "ak_cert_key_is_HCLAkPub");
  files = files_;
  files["ak_cert_intermediates"] = other.Files().at("ak_cert_intermediate");
  EXPECT_EQ(Refused(files), "ak_cert_chain");
  files = files_;
  files["ak_cert_root"] = other.Files().at("ak_cert_root");
  EXPECT_EQ(Refused(files), "root_is_pinned");
}

TEST_P(AzureVtpm, TheHardwareIsJudged) {
  if (IsTdx()) {
    EXPECT_EQ(Refused([](AzureVm& vm) { vm.intel.body[120] = std::byte{1}; }), "no_debug");
    EXPECT_EQ(Refused([](AzureVm& vm) { vm.intel.body[136] ^= std::byte{1}; }),
              "launch_measurement");
    // The quote of another TD, genuine and over the same claims, and of this one later.
    AzureVm other(GetParam());
    other.intel.body[136] ^= std::byte{1};
    Files files = files_;
    files["td_quote"] = other.WithEvidence(files_).at("td_quote");
    EXPECT_EQ(Refused(files), "td_quote_mrtd_equals_tdreport_mrtd");
    AzureVm later(GetParam());
    later.intel.body[232] ^= std::byte{1};  // the owner
    policy_.tdx->mr_owner.reset();
    files["td_quote"] = later.WithEvidence(files_).at("td_quote");
    EXPECT_EQ(Refused(files), "td_quote_equals_tdreport");
    policy_.tdx.reset();
  } else {
    EXPECT_EQ(Refused([](AzureVm& vm) { vm.snp.report[0x00a] = std::byte{0x0a}; }), "no_debug");
    EXPECT_EQ(Refused([](AzureVm& vm) { vm.snp.report[0x090] ^= std::byte{1}; }),
              "launch_measurement");
    policy_.sev_snp->vmpl.reset();
    EXPECT_EQ(Refused([](AzureVm& vm) { vm.snp.report[0x030] = std::byte{2}; }), "vmpl_is_zero");
    Files files = files_;
    files["vek"][100] ^= std::byte{1};
    EXPECT_NE(Refused(files), "");
    files = files_;
    files["intermediate"] = files_["ark"];
    EXPECT_EQ(Refused(files), "vek_signed_by_intermediate");
    policy_.sev_snp.reset();
  }
  EXPECT_EQ(Refused(files_), "policy");
}

TEST_P(AzureVtpm, RefusesReportsThatAreNone) {
  const std::string none = "hcl_report_is_well_formed";
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.version = 1; }), "");
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.version = 3; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.request_type = 1; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.status = 1; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.runtime_version = 2; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.hash_type = 2; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.report_type = 3; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.trailing.clear(); }), "");
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.trailing.back() = std::byte{1}; }), none);
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.trailing.resize(64 * 1024); }), none);
  // As the other hardware's, of which this policy says nothing.
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.report_type = 6 - vm.report_type; }),
            IsTdx() ? "policy" : "td_quote_is_given");
}

TEST_P(AzureVtpm, RefusesClaimsThatAreNone) {
  const std::string none = "runtime_claims_is_well_formed";
  for (const char* text : {"", "{}", "[]", "{\"keys\":[]}", "{\"keys\":[{\"kid\":\"HCLAkPub\"}]}",
                           "{\"keys\":[{}]}", "{\"keys\":{}}"}) {
    EXPECT_EQ(RefusedClaims(text), none) << text;
  }
  EXPECT_EQ(RefusedClaims("HCLEkPub", "HCLAkPub"), none);  // two of the name
  EXPECT_EQ(RefusedClaims("HCLAkPub", "hclakpub"), none);
  EXPECT_EQ(RefusedClaims("\"RSA\"", "\"EC\""), none);
  EXPECT_EQ(RefusedClaims("AQAB", "AQAB="), none);
  EXPECT_EQ(RefusedClaims("AQAB", ""), none);
  EXPECT_EQ(RefusedClaims("\"user-data\":\"00\"", "\"user-data\":7"), none);
  EXPECT_EQ(RefusedClaims(",\"user-data\":\"00\"", ""), "");
  EXPECT_EQ(RefusedClaims("\"secure-boot\":true", "\"secure-boot\":false"), "secure_boot");
  EXPECT_EQ(RefusedClaims("\"secure-boot\":true", "\"secure-boot\":1"), "secure_boot");
  EXPECT_EQ(RefusedClaims("\"secure-boot\":true,", ""), "secure_boot");
  EXPECT_EQ(RefusedClaims("vm-configuration", "vm-configurations"), "secure_boot");
}

TEST_P(AzureVtpm, TheQuoteIsJudged) {
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.tpm.magic = 1; }), "magic_is_tpm_generated");
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.tpm.type = Tpm2AttestType::kCertify; }), "type_is_quote");
  EXPECT_EQ(Refused([](AzureVm& vm) { vm.tpm.extra_data.pop_back(); }), "report_data");
  const auto with = [](std::uint8_t pcr) {
    return [pcr](AzureVm& vm) { vm.tpm.values[Tpm2Hash::kSha256][pcr] = Bytes(32); };
  };
  EXPECT_EQ(Refused(with(0)), "pcr0");
  EXPECT_EQ(Refused(with(7)), "pcr7");
  EXPECT_EQ(Refused(with(11)), "measurement");
  EXPECT_EQ(Refused([](AzureVm& vm) {
              vm.tpm.selections = {{Tpm2Hash::kSha256, {0, 7}}};
              vm.tpm.values[Tpm2Hash::kSha256].erase(11);
            }),
            "measurement_pcr_is_quoted");
}

TEST_P(AzureVtpm, TimeAndRevocationEndTheKey) {
  AzureVm vm(GetParam());
  vm.tpm.ak_spec.not_before = UnixSeconds(1'749'999'000);
  vm.tpm.ak_spec.not_after = UnixSeconds(1'750'001'000);
  const Files files = vm.Files();
  EXPECT_EQ(Refused(files, UnixSeconds(1'749'999'000)), "");
  EXPECT_EQ(Refused(files, UnixSeconds(1'750'001'000)), "");
  EXPECT_EQ(Refused(files, UnixSeconds(1'749'998'999)), "certificate_not_yet_valid");
  EXPECT_EQ(Refused(files, UnixSeconds(1'750'001'001)), "certificate_expired");
  vm.tpm.crl_spec.serials = {7};
  EXPECT_EQ(Refused(vm.Files()), "ak_cert_not_revoked");
}

TEST_P(AzureVtpm, RulesThatAreWaivedAreShown) {
  const RootRule roots = policy_.azure_vtpm->roots;
  policy_.azure_vtpm = AzureVtpmPolicy();
  policy_.azure_vtpm->roots = roots;
  policy_.azure_vtpm->pcrs.measurement_pcr = 11;
  for (const char* role : {"ak_cert", "ak_cert_intermediates", "ak_cert_root", "ak_crl"}) {
    files_.erase(role);
  }
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name : {"launch_measurement", "secure_boot", "ak_cert_chain", "pcrs"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  policy_.azure_vtpm.reset();
  EXPECT_EQ(Refused(files_), "policy");
}

TEST_P(AzureVtpm, ShowsWithoutJudging) {
  files_["quote_signature"][0] ^= std::byte{1};
  const auto shown = ShowAzureVtpm(AddAll(kAzureVtpmKind, files_));
  ASSERT_TRUE(shown.ok()) << shown.error().message();
  EXPECT_EQ(shown->unverified.Find("tpm_quote")->Find("clock")->text(), "123456");
}

INSTANTIATE_TEST_SUITE_P(Hardware, AzureVtpm,
                         ::testing::Values(HclReportType::kSnp, HclReportType::kTdx),
                         [](const auto& type) {
                           return type.param == HclReportType::kSnp ? "snp" : "tdx";
                         });

}  // namespace
}  // namespace anchorhold::attest
