// Documents of a Nitro hypervisor of our own: good ones pass, and everything that is bent is
// refused by the check that is meant for it.
#include "shared/attest/nitro.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "shared/attest/test_appraisal.h"
#include "shared/attest/test_nitro.h"
#include "shared/attest/test_snp.h"
#include "shared/wire/cbor.h"

namespace anchorhold::attest {
namespace {

using testing::AddAll;
using testing::CborOf;
using testing::kNitroNow;
using testing::NitroPlatform;
using testing::Skipped;
using Members = std::map<std::string, Bytes>;

class Nitro : public ::testing::Test {
 protected:
  Result<AttestationResult> Judge(const std::map<std::string, Bytes>& files,
                                  UnixSeconds now = kNitroNow) const {
    const UnverifiedFiles added = AddAll(kNitroKind, files);
    return Appraise(kNitroKind, {.now = now,
                                 .files = added,
                                 .policy = &policy_,
                                 .strict = strict_,
                                 .report_data = report_data_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const std::map<std::string, Bytes>& files,
                      UnixSeconds now = kNitroNow) const {
    return testing::RefusedBy(Judge(files, now));
  }
  std::string Refused(const Bytes& document, UnixSeconds now = kNitroNow) const {
    return Refused(std::map<std::string, Bytes>{{"document", document}}, now);
  }
  // The same for a platform that is bent first.
  std::string Refused(const std::function<void(NitroPlatform&)>& bend) const {
    NitroPlatform platform;
    bend(platform);
    return Refused(platform.Document());
  }
  // The same for a payload with a member changed.
  std::string RefusedWith(const std::string& name, const Bytes& value) const {
    Members members = members_;
    members[name] = value;
    return Refused(platform_.Sign(NitroPlatform::Payload(members)));
  }

  NitroPlatform platform_;
  std::vector<Bytes> certificates_ = platform_.Certificates();
  Members members_ = platform_.Members(certificates_);
  Bytes document_ = platform_.Sign(NitroPlatform::Payload(members_));
  AppraisalPolicy policy_ = platform_.Policy();
  bool strict_ = true;
  std::optional<Bytes> report_data_ = Bytes(64, std::byte{0xda});
};

TEST_F(Nitro, AcceptsDocumentsInEveryForm) {
  for (const bool tagged : {false, true}) {
    for (const bool indefinite : {false, true}) {
      platform_.tagged = tagged;
      const auto result =
          Judge({{"document", platform_.Sign(NitroPlatform::Payload(members_, indefinite))},
                 {"root", certificates_.back()}});
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_EQ(result->platform(), Platform::kNitro);
      EXPECT_EQ(result->measurement(), Bytes(48, std::byte{0x5a}));
      EXPECT_TRUE(result->warnings().empty());
      EXPECT_EQ(result->trust().Status(), TrustTier::kAffirming);
      EXPECT_EQ(result->claims().Find("cose")->Find("tag")->text(), tagged ? "18" : "");
      EXPECT_EQ(result->claims().Find("timestamp_iso")->text(), "2025-06-15T15:05:40.345Z");
      for (const CheckOutcome& check : result->checks()) {
        EXPECT_EQ(check.skipped_because.has_value(), check.name == "chain_not_revoked")
            << check.name;
      }
    }
  }
}

TEST_F(Nitro, NoChangedBytePasses) {
  const std::set<std::string> names = {"document_is_well_formed", "root_is_aws_nitro_root_g1",
                                       "chain_signatures",        "cose_signature",
                                       "certificate_constraints", "certificate_key_usage",
                                       "certificate_algorithm",   "certificate_critical_extension"};
  for (std::size_t at = 0; at < document_.size(); ++at) {
    Bytes other = document_;
    other[at] ^= std::byte{1};
    EXPECT_TRUE(names.contains(Refused(other))) << at << Refused(other);
  }
  // The signature covers what the enclave and the hypervisor say.
  for (const Bytes& part : {*platform_.user_data, *platform_.nonce, platform_.pcrs[0],
                            platform_.pcrs[15], *platform_.public_key}) {
    const auto found = std::search(document_.begin(), document_.end(), part.begin(), part.end());
    ASSERT_NE(found, document_.end());
    for (std::size_t i = 0; i < part.size(); ++i) {
      Bytes other = document_;
      other[static_cast<std::size_t>(found - document_.begin()) + i] ^= std::byte{0x80};
      EXPECT_EQ(Refused(other), "cose_signature");
    }
  }
  for (std::size_t at = document_.size() - 96; at < document_.size(); ++at) {
    Bytes other = document_;
    other[at] ^= std::byte{1};
    EXPECT_EQ(Refused(other), "cose_signature") << at;
  }
}

TEST_F(Nitro, NoTruncationPasses) {
  for (std::size_t size = 0; size < document_.size(); ++size) {
    EXPECT_EQ(Refused(CopyBytes(ByteSpan(document_).first(size))), "document_is_well_formed");
  }
  document_.push_back(std::byte{0});
  EXPECT_EQ(Refused(document_), "document_is_well_formed");
  EXPECT_EQ(Refused(std::map<std::string, Bytes>()), "document_is_given");
}

TEST_F(Nitro, CertificatesStandWhereTheyBelong) {
  const std::vector<Bytes> others = NitroPlatform(1).Certificates();
  const auto refused = [&](const std::vector<Bytes>& chain) {
    return Refused(platform_.Sign(NitroPlatform::Payload(platform_.Members(chain))));
  };
  const Bytes &leaf = certificates_[0], &middle = certificates_[1], &root = certificates_[2];
  EXPECT_EQ(refused({leaf, middle, root}), "");
  EXPECT_EQ(refused({others[0], middle, root}), "chain_signatures");
  EXPECT_EQ(refused({leaf, others[1], root}), "chain_signatures");
  EXPECT_EQ(refused({leaf, middle, others[2]}), "root_is_aws_nitro_root_g1");
  EXPECT_EQ(refused(others), "root_is_aws_nitro_root_g1");
  EXPECT_EQ(refused({leaf, root, middle}), "root_is_aws_nitro_root_g1");
  EXPECT_EQ(refused({middle, leaf, root}), "chain_signatures");
  EXPECT_EQ(refused({leaf, root}), "chain_signatures");
  EXPECT_EQ(refused({leaf, middle, middle, root}), "chain_signatures");
  EXPECT_EQ(refused({middle, root}), "cose_signature");
  EXPECT_EQ(refused({root, root}), "cose_signature");
  // The other platform's key, under this one's certificates.
  EXPECT_EQ(Refused(NitroPlatform(1).Sign(NitroPlatform::Payload(members_))), "cose_signature");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.intermediate_spec.ca = false; }),
            "certificate_constraints");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.intermediate_spec.key_usage = "digitalSignature"; }),
            "certificate_key_usage");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.root_spec.path_length = 0; }),
            "certificate_path_length");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.leaf_spec.sha1 = true; }), "certificate_algorithm");
}

TEST_F(Nitro, TheRootIsTrustedForItsKey) {
  EXPECT_EQ(Refused({{"document", document_}, {"root", certificates_[2]}}), "");
  EXPECT_EQ(Refused({{"document", document_}, {"root", certificates_[1]}}),
            "root_is_the_documents");
  EXPECT_EQ(Refused({{"document", document_}, {"root", {}}}), "root_is_well_formed");
  policy_.nitro->roots = {.vendor = true, .others = {}};
  EXPECT_EQ(Refused({{"document", document_}, {"root", certificates_[2]}}),
            "root_is_aws_nitro_root_g1");
}

TEST_F(Nitro, TimeEndsEveryPart) {
  const auto spans = {&NitroPlatform::leaf_spec, &NitroPlatform::intermediate_spec,
                      &NitroPlatform::root_spec};
  policy_.nitro->age_max.reset();
  for (const auto spec : spans) {
    NitroPlatform platform;
    (platform.*spec).not_before = UnixSeconds(1'749'990'000);
    (platform.*spec).not_after = UnixSeconds(1'750'010'000);
    const Bytes document = platform.Document();
    EXPECT_EQ(Refused(document, UnixSeconds(1'749'990'000)), "");
    EXPECT_EQ(Refused(document, UnixSeconds(1'750'010'000)), "");
    EXPECT_EQ(Refused(document, UnixSeconds(1'749'989'999)), "certificate_not_yet_valid");
    EXPECT_EQ(Refused(document, UnixSeconds(1'750'010'001)), "certificate_expired");
    // Made when the certificate was not valid, says the document itself.
    platform.timestamp_ms = 1'749'989'999'999;
    EXPECT_EQ(Refused(platform.Document()), "timestamp_inside_chain_validity");
    platform.timestamp_ms = 1'750'010'001'000;
    EXPECT_EQ(Refused(platform.Document()), "timestamp_inside_chain_validity");
  }
}

TEST_F(Nitro, OldDocumentsAreRefused) {
  const auto made = static_cast<std::int64_t>(platform_.timestamp_ms / 1000);
  EXPECT_EQ(Refused(document_, UnixSeconds(made + 60)), "");
  EXPECT_EQ(Refused(document_, UnixSeconds(made + 61)), "age");
}

TEST_F(Nitro, DebugModeIsRefused) {
  for (const std::uint8_t i : kNitroPcrRules) policy_.nitro->pcrs.erase(i);
  for (std::uint8_t i = 0; i < 3; ++i) platform_.pcrs[i] = Bytes(48);
  const Bytes document = platform_.Document();
  EXPECT_EQ(Refused(document), "no_debug");
  policy_.nitro->allow_debug = true;
  EXPECT_EQ(Refused(document), "no_debug");  // strict
  strict_ = false;
  EXPECT_EQ(Refused(document), "measurement");  // zeros are none
  policy_.measurements = {Bytes(48)};
  const auto result = Judge({{"document", document}});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_TRUE(Skipped(*result, "no_debug"));
  EXPECT_FALSE(result->warnings().empty());
  EXPECT_EQ(result->trust().Status(), TrustTier::kContraindicated);
  // One of the three alone is no debug mode, but no measurement of ours either.
  platform_.pcrs[2] = Bytes(48, std::byte{1});
  policy_ = platform_.Policy();
  policy_.nitro->allow_debug = false;
  policy_.measurements = {Bytes(48, std::byte{0x5a})};
  EXPECT_EQ(Refused(platform_.Document()), "measurement");
}

TEST_F(Nitro, EachRuleRefuses) {
  for (const std::uint8_t index : kNitroPcrRules) {
    const std::string name = "pcr" + std::to_string(index);
    NitroPlatform platform;
    platform.pcrs[index][47] ^= std::byte{1};
    EXPECT_EQ(Refused(platform.Document()), name);
    platform.pcrs.erase(index);
    EXPECT_EQ(Refused(platform.Document()), index < 3 ? "document_is_well_formed" : name);
  }
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.pcrs[0][0] ^= std::byte{1}; }), "measurement");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.user_data = Bytes(64); }), "report_data");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.user_data.reset(); }), "report_data");
  EXPECT_EQ(Refused([](NitroPlatform& p) { p.nonce.reset(); }), "");
}

TEST_F(Nitro, RefusesHeadersThatItDoesNotHeed) {
  // ES256, an empty header, more than the algorithm, another order of things.
  for (const char* hex : {"a10126", "a0", "a2013822045820", "a201382202810a", "a10126ff", "",
                          "3822", "a1023822", "a1613138220", "81013822"}) {
    const auto bytes = FromHex(hex);
    if (!bytes.ok()) continue;
    EXPECT_EQ(Refused([&](NitroPlatform& p) { p.protected_header = *bytes; }),
              "document_is_well_formed")
        << hex;
  }
  for (const char* hex : {"a1044101", "80", "f6", "40", "a1013822"}) {
    EXPECT_EQ(Refused([&](NitroPlatform& p) { p.unprotected_header = FromHex(hex).value(); }),
              "document_is_well_formed")
        << hex;
  }
  Bytes other = document_;
  other.insert(other.begin(), std::byte{0xd1});  // COSE_Mac0
  EXPECT_EQ(Refused(other), "document_is_well_formed");
  other[0] = std::byte{0xd2};
  EXPECT_EQ(Refused(other), "");
  other.insert(other.begin(), std::byte{0xd2});
  EXPECT_EQ(Refused(other), "document_is_well_formed");
}

TEST_F(Nitro, RefusesPayloadsThatAreNone) {
  for (const auto& [name, value] : members_) {
    Members others = members_;
    others.erase(name);
    const bool optional = name == "public_key" || name == "nonce";
    EXPECT_EQ(Refused(platform_.Sign(NitroPlatform::Payload(others))),
              optional              ? ""
              : name == "user_data" ? "report_data"
                                    : "document_is_well_formed")
        << name;
    EXPECT_EQ(RefusedWith(name, CborOf(7)),
              name == "timestamp" ? "timestamp_inside_chain_validity" : "document_is_well_formed");
  }
  const std::string none = "document_is_well_formed";
  EXPECT_EQ(RefusedWith("other", CborOf(7)), none);
  EXPECT_EQ(RefusedWith("module_id", CborOf("")), none);
  EXPECT_EQ(RefusedWith("module_id", CborOf(std::string(257, 'i'))), none);
  EXPECT_EQ(RefusedWith("digest", CborOf("SHA256")), none);
  EXPECT_EQ(RefusedWith("timestamp", CborOf(0)), none);
  EXPECT_EQ(RefusedWith("timestamp", CborOf(253'402'300'800'000)), none);
  EXPECT_EQ(RefusedWith("certificate", CborOf(std::optional(Bytes()))), none);
  EXPECT_EQ(RefusedWith("certificate", CborOf(std::optional(Bytes(1025)))), none);
  EXPECT_EQ(RefusedWith("cabundle", FromHex("80").value()), none);
  Bytes many = {std::byte{0x88}};
  for (int i = 0; i < 8; ++i) wire::AppendCborBytes(many, certificates_[2]);
  EXPECT_EQ(RefusedWith("cabundle", many), none);
  auto pcrs = platform_.pcrs;
  pcrs[32] = Bytes(48);
  EXPECT_EQ(RefusedWith("pcrs", CborOf(pcrs)), none);
  for (const std::size_t size : {0u, 47u, 49u}) {
    pcrs = platform_.pcrs;
    pcrs[5] = Bytes(size);
    EXPECT_EQ(RefusedWith("pcrs", CborOf(pcrs)), none);
  }
  EXPECT_EQ(RefusedWith("nonce", CborOf(std::optional(Bytes(1024)))), "");
  EXPECT_EQ(RefusedWith("nonce", CborOf(std::optional(Bytes(1025)))), none);
  Bytes twice = NitroPlatform::Payload(members_, true);
  twice.pop_back();
  AppendBytes(twice, CborOf("nonce"));
  AppendBytes(twice, CborOf(std::optional(Bytes(32))));
  twice.push_back(std::byte{0xff});
  EXPECT_EQ(Refused(platform_.Sign(twice)), none);
}

TEST_F(Nitro, RulesThatAreWaivedAreShown) {
  policy_.nitro =
      NitroPolicy{.allow_debug = false, .age_max = {}, .pcrs = {}, .roots = policy_.nitro->roots};
  report_data_.reset();
  const auto result = Judge({{"document", document_}});
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name : {"age", "pcr1", "pcr2", "pcr3", "pcr4", "pcr8", "report_data"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  EXPECT_FALSE(Skipped(*result, "no_debug"));
  policy_.nitro.reset();
  EXPECT_EQ(Refused(document_), "policy");
}

TEST_F(Nitro, ShowsWithoutJudging) {
  document_.back() ^= std::byte{1};
  const auto shown = ShowNitro(AddAll(kNitroKind, {{"document", document_}}));
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(shown->unverified.Find("module_id")->text(), "i-0a-enc01");
  EXPECT_EQ(shown->unverified.Find("pcrs")->Find("4")->text(), ToHex(platform_.pcrs[4]));
  EXPECT_FALSE(ShowNitro(AddAll(kNitroKind, {{"document", {}}})).ok());
}

}  // namespace
}  // namespace anchorhold::attest
