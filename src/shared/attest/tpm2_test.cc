// Quotes of a TPM of our own: good ones pass, and everything that is bent is refused by the check
// that is meant for it.
#include "shared/attest/tpm2.h"

#include <gtest/gtest.h>

#include <functional>

#include "shared/attest/test_appraisal.h"
#include "shared/attest/test_snp.h"
#include "shared/attest/test_tpm2.h"

namespace anchorhold::attest {
namespace {

using testing::AddAll;
using testing::kTpmNow;
using testing::Skipped;
using testing::Tpm;
using Files = std::map<std::string, Bytes>;

class Tpm2 : public ::testing::Test {
 protected:
  Result<AttestationResult> Judge(const Files& files, UnixSeconds now = kTpmNow) const {
    const UnverifiedFiles added = AddAll(kTpm2Kind, files);
    return Appraise(kTpm2Kind, {.now = now,
                                .files = added,
                                .policy = has_policy_ ? &policy_ : nullptr,
                                .strict = strict_,
                                .report_data = report_data_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const Files& files, UnixSeconds now = kTpmNow) const {
    return testing::RefusedBy(Judge(files, now));
  }
  // The same for a TPM that is bent before it quotes, with the same certificates.
  std::string Refused(const std::function<void(Tpm&)>& bend) const {
    Tpm tpm;
    bend(tpm);
    return Refused(tpm.WithQuote(files_));
  }
  // The same, with certificates of its own.
  std::string RefusedAnew(const std::function<void(Tpm&)>& bend) const {
    Tpm tpm;
    bend(tpm);
    return Refused(tpm.Files());
  }

  Tpm tpm_;
  Files files_ = tpm_.Files();
  AppraisalPolicy policy_ = tpm_.Policy();
  bool has_policy_ = true;
  bool strict_ = true;
  std::optional<Bytes> report_data_ = Bytes(64, std::byte{0xda});
};

TEST_F(Tpm2, AcceptsEverySchemeAndHash) {
  for (const Tpm2Scheme scheme : {Tpm2Scheme::kRsassa, Tpm2Scheme::kRsapss, Tpm2Scheme::kEcdsa}) {
    for (const Tpm2Hash hash : {Tpm2Hash::kSha256, Tpm2Hash::kSha384, Tpm2Hash::kSha512}) {
      for (const bool other_form : {false, true}) {
        Tpm tpm(scheme);
        tpm.hash = hash;
        tpm.longest_salt = tpm.any_scheme = other_form;
        policy_ = tpm.Policy();
        const auto result = Judge(tpm.Files());
        ASSERT_TRUE(result.ok()) << result.error().message();
        EXPECT_EQ(result->platform(), Platform::kTpm2);
        EXPECT_EQ(result->measurement(), Bytes(32, std::byte{0x5a}));
        EXPECT_EQ(result->trust().Status(), TrustTier::kAffirming);
        EXPECT_EQ(result->warnings().size(), 1u);  // what a TPM is not
        EXPECT_EQ(result->claims().Find("event_log")->Find("events")->text(), "5");
        EXPECT_EQ(result->claims().Find("ak_public")->Find("restricted")->text(), "1");
        for (const CheckOutcome& check : result->checks()) {
          EXPECT_FALSE(check.skipped_because.has_value()) << check.name;
        }
      }
    }
  }
}

TEST_F(Tpm2, NoChangedBytePasses) {
  for (const auto& [role, bytes] : files_) {
    if (role == "event_log") continue;  // below
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      Files other = files_;
      other[role][at] ^= std::byte{1};
      const std::string name = Refused(other);
      EXPECT_NE(name, "") << role << at;
      if (role == "attest" || role == "signature") {
        EXPECT_TRUE(name == "attest_signature" || name == role + "_is_well_formed") << at << name;
      }
      if (role == "pcrs") {
        EXPECT_TRUE(name == "pcrs_is_well_formed" || name == "pcrs_are_selected" ||
                    name == "pcr_digest_matches_values")
            << at << name;
      }
    }
  }
}

// What an event is about is its digest; its type and its data are nobody's evidence.
TEST_F(Tpm2, NoChangedDigestOfTheLogPasses) {
  const Bytes& log = files_["event_log"];
  std::size_t unread = 0;
  for (std::size_t at = 0; at < log.size(); ++at) {
    Files other = files_;
    other["event_log"][at] ^= std::byte{1};
    if (Refused(other).empty()) ++unread;
  }
  // Of the header its register, digest and versions; of each event its type, the digest of the bank
  // that is not quoted, and its data.
  std::size_t unread_bytes = 4 + 20 + 8;
  for (const auto& event : tpm_.events) unread_bytes += 4 + 20 + event.data.size();
  EXPECT_EQ(unread, unread_bytes);
  // Another register, another value, one event more or less: all refused.
  for (std::size_t i = 0; i < tpm_.events.size(); ++i) {
    for (const int change : {0, 1, 2, 3}) {
      auto events = tpm_.events;
      if (change == 0) events.erase(events.begin() + static_cast<std::ptrdiff_t>(i));
      if (change == 1) events.push_back(events[i]);
      if (change == 2) events[i].data.push_back(std::byte{9});
      if (change == 3) events[i].pcr = 7 - events[i].pcr;
      Files other = files_;
      other["event_log"] = testing::AgileLog(events);
      EXPECT_EQ(Refused(other), "event_log_replays_to_pcrs") << i << change;
    }
  }
}

TEST_F(Tpm2, NoTruncationPasses) {
  for (const auto& [role, bytes] : files_) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Files other = files_;
      other[role].resize(size);
      EXPECT_NE(Refused(other), "") << role << size;
    }
    Files other = files_;
    other[role].push_back(std::byte{0});
    EXPECT_NE(Refused(other), "") << role;
  }
}

TEST_F(Tpm2, NothingMayBeMissing) {
  for (const char* role :
       {"attest", "signature", "ak_public_tpmt", "pcrs", "event_log", "ak_cert_root", "ak_crl"}) {
    Files other = files_;
    other.erase(role);
    EXPECT_EQ(Refused(other), std::string(role) + "_is_given");
  }
  Files other = files_;
  other.erase("ak_cert_intermediate");
  EXPECT_EQ(Refused(other), "ak_cert_chain");
  other = files_;
  other.erase("ak_cert");
  EXPECT_EQ(Refused(other), "ak_is_trusted");
  for (const char* role : {"ak_public_spki", "ak_public_tpmt", "ak_cert"}) other.erase(role);
  EXPECT_EQ(Refused(other), "ak_is_given");
  other = files_;
  other.erase("ak_public_spki");
  EXPECT_EQ(Refused(other), "");
}

TEST_F(Tpm2, KeysAndCertificatesStandWhereTheyBelong) {
  const Files others = Tpm(Tpm2Scheme::kRsassa, 1).Files();
  const std::pair<const char*, const char*> swaps[] = {
      {"attest", ""},
      {"signature", "attest_signature"},
      {"ak_public_spki", "tpmt_public_is_same_key"},
      {"ak_public_tpmt", "tpmt_public_is_same_key"},
      {"ak_cert", "ak_cert_key_is_ak"},
      {"ak_cert_intermediate", "ak_cert_chain"},
      {"ak_cert_root", "root_is_pinned"},
      {"ak_crl", "ak_crl_signature"}};
  for (const auto& [role, name] : swaps) {
    Files other = files_;
    other[role] = others.at(role);
    EXPECT_EQ(Refused(other), name) << role;
  }
  for (const char* a : {"ak_cert", "ak_cert_intermediate", "ak_cert_root"}) {
    for (const char* b : {"ak_cert", "ak_cert_intermediate", "ak_cert_root"}) {
      Files other = files_;
      other[a] = files_[b];
      EXPECT_EQ(Refused(other).empty(), std::string_view(a) == b) << a << b;
    }
  }
  // A whole other TPM: genuine, and certified by somebody else.
  EXPECT_EQ(Refused(others), "root_is_pinned");
  Files theirs = files_;
  for (const char* role : {"attest", "signature", "ak_public_spki", "ak_public_tpmt"}) {
    theirs[role] = others.at(role);
  }
  EXPECT_EQ(Refused(theirs), "ak_cert_key_is_ak");
  EXPECT_EQ(RefusedAnew([](Tpm& t) { t.intermediate_spec.ca = false; }), "certificate_constraints");
  EXPECT_EQ(RefusedAnew([](Tpm& t) { t.ak_spec.sha1 = true; }), "certificate_algorithm");
}

TEST_F(Tpm2, TimeEndsEveryPart) {
  for (const auto spec : {&Tpm::ak_spec, &Tpm::intermediate_spec, &Tpm::root_spec}) {
    Tpm tpm;
    (tpm.*spec).not_before = UnixSeconds(1'749'000'000);
    (tpm.*spec).not_after = UnixSeconds(1'751'000'000);
    const Files files = tpm.Files();
    EXPECT_EQ(Refused(files, UnixSeconds(1'749'000'000)), "");
    EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'000)), "");
    EXPECT_EQ(Refused(files, UnixSeconds(1'748'999'999)), "certificate_not_yet_valid");
    EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'001)), "certificate_expired");
  }
  Tpm tpm;
  tpm.crl_spec.this_update = UnixSeconds(1'749'000'000);
  tpm.crl_spec.next_update = UnixSeconds(1'751'000'000);
  const Files files = tpm.Files();
  EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'000)), "");
  EXPECT_EQ(Refused(files, UnixSeconds(1'748'999'999)), "ak_crl_current");
  EXPECT_EQ(Refused(files, UnixSeconds(1'751'000'001)), "ak_crl_current");
}

TEST_F(Tpm2, ARevokedKeyIsRefused) {
  EXPECT_EQ(RefusedAnew([](Tpm& t) { t.crl_spec.serials = {7, 99}; }), "ak_cert_not_revoked");
  EXPECT_EQ(RefusedAnew([](Tpm& t) { t.crl_spec.issuer = "another"; }), "ak_crl_signature");
}

TEST_F(Tpm2, OnlyAQuoteIsAQuote) {
  EXPECT_EQ(Refused([](Tpm& t) { t.type = Tpm2AttestType::kCertify; }), "type_is_quote");
  EXPECT_EQ(Refused([](Tpm& t) { t.type = Tpm2AttestType::kCreation; }), "type_is_quote");
  EXPECT_EQ(Refused([](Tpm& t) { t.magic = 0; }), "magic_is_tpm_generated");
  EXPECT_EQ(Refused([](Tpm& t) { t.extra_data[0] = std::byte{0}; }), "report_data");
  EXPECT_EQ(Refused([](Tpm& t) { t.extra_data.clear(); }), "report_data");
  report_data_ = Bytes();
  EXPECT_EQ(Refused([](Tpm& t) { t.extra_data.clear(); }), "report_data");  // none is none
}

TEST_F(Tpm2, TheKeyMustBeAnAttestationKey) {
  // Not fixed to its TPM; of origin elsewhere; unrestricted; decrypting; not signing.
  for (const std::uint32_t attributes :
       {0x00050070u, 0x00050052u, 0x00040072u, 0x00070072u, 0x00010072u}) {
    EXPECT_EQ(Refused([&](Tpm& t) { t.attributes = attributes; }), "ak_is_restricted");
  }
  EXPECT_EQ(Refused([](Tpm& t) {
              t.any_scheme = true;
              t.attributes = 0x00050472;
            }),
            "");
  Files other = files_;
  Tpm sha384;
  sha384.hash = Tpm2Hash::kSha384;
  other["attest"] = sha384.Attest();
  other["signature"] = sha384.Sign(other["attest"]);
  EXPECT_EQ(Refused(other), "signature_scheme_is_aks");
  Tpm pss(Tpm2Scheme::kRsapss);
  other = files_;
  other["signature"] = pss.Sign(other["attest"]);
  EXPECT_EQ(Refused(other), "signature_scheme_is_aks");
}

TEST_F(Tpm2, Sha1SignaturesAreRefusedUnlessAllowed) {
  const auto sha1 = [](Tpm& t) { t.hash = Tpm2Hash::kSha1; };
  EXPECT_EQ(Refused(sha1), "no_sha1_signature");
  policy_.tpm2->allow_sha1_signatures = true;
  EXPECT_EQ(Refused(sha1), "no_sha1_signature");  // strict
  strict_ = false;
  EXPECT_EQ(Refused(sha1), "");
  policy_.tpm2->allow_sha1_signatures = false;
  EXPECT_EQ(Refused(sha1), "no_sha1_signature");
}

TEST_F(Tpm2, KeysArePinnedOrWaived) {
  for (const char* role : {"ak_cert", "ak_cert_intermediate", "ak_cert_root", "ak_crl"}) {
    files_.erase(role);
  }
  policy_.tpm2->ak = Tpm2AkRule::kPinned;
  policy_.tpm2->ak_keys = {CopyBytes(tpm_.ak().public_key().Fingerprint().span())};
  EXPECT_EQ(Refused(files_), "");
  policy_.tpm2->ak_keys = {Bytes(32)};
  EXPECT_EQ(Refused(files_), "ak_is_trusted");
  policy_.tpm2->ak = Tpm2AkRule::kWaived;
  EXPECT_EQ(Refused(files_), "ak_is_trusted");  // strict
  strict_ = false;
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_TRUE(Skipped(*result, "ak_is_trusted"));
  EXPECT_EQ(result->warnings().size(), 2u);
}

TEST_F(Tpm2, EachRuleRefuses) {
  EXPECT_EQ(Refused([](Tpm& t) { t.values[Tpm2Hash::kSha256][11] = Bytes(32); }), "measurement");
  policy_.tpm2->require_event_log = false;
  files_.erase("event_log");
  const auto refused = [&](const std::function<void(Tpm&)>& bend) {
    Tpm tpm;
    bend(tpm);
    Files files = tpm.WithQuote(files_);
    files.erase("event_log");
    return Refused(files);
  };
  EXPECT_EQ(refused([](Tpm&) {}), "");
  EXPECT_EQ(refused([](Tpm& t) { t.values[Tpm2Hash::kSha256][0] = Bytes(32); }), "pcr0");
  EXPECT_EQ(refused([](Tpm& t) { t.values[Tpm2Hash::kSha256][7] = Bytes(32); }), "pcr7");
  // Registers that the quote says nothing of, or of another bank.
  const auto select = [](Tpm& t, Tpm2Hash bank, const std::vector<std::uint8_t>& pcrs) {
    t.selections = {{bank, pcrs}};
    const Bytes value(Tpm2HashBytes(bank), std::byte{1});
    auto old = t.values[Tpm2Hash::kSha256];
    t.values.clear();
    for (const std::uint8_t pcr : pcrs) {
      t.values[bank][pcr] = bank == Tpm2Hash::kSha256 ? old[pcr] : value;
    }
  };
  EXPECT_EQ(refused([&](Tpm& t) {
              select(t, Tpm2Hash::kSha256, {0, 7});
            }),
            "measurement_pcr_is_quoted");
  EXPECT_EQ(refused([&](Tpm& t) { select(t, Tpm2Hash::kSha256, {0, 11}); }), "pcr7");
  EXPECT_EQ(refused([&](Tpm& t) { select(t, Tpm2Hash::kSha384, {0, 7, 11}); }), "pcr0");
  EXPECT_EQ(refused([&](Tpm& t) { select(t, Tpm2Hash::kSha1, {0, 7, 11}); }), "pcr0");
}

TEST_F(Tpm2, ValuesAreThoseOfTheQuote) {
  const auto with = [&](const std::string& json) {
    Files other = files_;
    other["pcrs"] = CopyBytes(AsBytes(json));
    return Refused(other);
  };
  EXPECT_EQ(with("{}"), "pcr_digest_matches_values");
  EXPECT_EQ(with("{\"sha256\":{}}"), "pcr_digest_matches_values");
  EXPECT_EQ(with("{\"sha256\":{\"1\":\"" + std::string(64, '0') + "\"}}"), "pcrs_are_selected");
  EXPECT_EQ(with("{\"sha1\":{\"0\":\"" + std::string(40, '0') + "\"}}"), "pcrs_are_selected");
  for (const char* json : {"[]", "{\"md5\":{}}", "{\"sha256\":[]}", "{\"sha256\":{\"24\":\"\"}}",
                           "{\"sha256\":{\"00\":\"\"}}", "{\"sha256\":{\"0\":\"00\"}}",
                           "{\"sha256\":{\"0\":0}}", "{\"sha256\":{},\"sha256\":{}}"}) {
    EXPECT_EQ(with(json), "pcrs_is_well_formed") << json;
  }
}

TEST_F(Tpm2, OtherStatementsAreJudgedIfGiven) {
  Tpm creation;
  creation.type = Tpm2AttestType::kCreation;
  Tpm certify;
  certify.type = Tpm2AttestType::kCertify;
  const Bytes other_key = Tpm(Tpm2Scheme::kEcdsa).Public();
  certify.object_name = ParseTpm2Public(other_key)->name;
  Files all = files_;
  all["creation_attest"] = creation.Attest();
  all["creation_signature"] = creation.Sign(all["creation_attest"]);
  all["certify_attest"] = certify.Attest();
  all["certify_signature"] = certify.Sign(all["certify_attest"]);
  all["certified_public_tpmt"] = other_key;
  EXPECT_EQ(Refused(all), "");
  for (const char* name : {"creation", "certify"}) {
    const std::string attest = std::string(name) + "_attest";
    const std::string signature = std::string(name) + "_signature";
    Files other = all;
    other[attest].back() ^= std::byte{1};
    EXPECT_EQ(Refused(other), signature);
    other[attest] = files_["attest"];
    other[signature] = files_["signature"];
    EXPECT_EQ(Refused(other), "type_is_" + std::string(name));
    other.erase(attest);
    EXPECT_EQ(Refused(other), attest + "_is_given");
    other = all;
    other.erase(signature);
    EXPECT_EQ(Refused(other), signature + "_is_given");
  }
  Tpm sha1;
  sha1.type = Tpm2AttestType::kCreation;
  sha1.hash = Tpm2Hash::kSha1;
  Files other = all;
  other["creation_signature"] = sha1.Sign(other["creation_attest"]);
  EXPECT_EQ(Refused(other), "no_sha1_signature");
  other = all;
  other["certified_public_tpmt"] = files_["ak_public_tpmt"];
  EXPECT_EQ(Refused(other), "certified_name");
  other.erase("certified_public_tpmt");
  EXPECT_EQ(Refused(other), "certified_name");
}

TEST_F(Tpm2, RulesThatAreWaivedAreShown) {
  policy_.tpm2 = Tpm2Policy();
  policy_.tpm2->ak = Tpm2AkRule::kWaived;
  policy_.tpm2->pcrs.measurement_pcr = 11;
  policy_.tpm2->allow_sha1_signatures = true;
  strict_ = false;
  report_data_.reset();
  for (const char* role : {"ak_cert", "ak_cert_intermediate", "ak_cert_root", "ak_crl", "event_log",
                           "ak_public_tpmt"}) {
    files_.erase(role);
  }
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name : {"ak_is_trusted", "ak_is_restricted", "no_sha1_signature", "pcrs",
                           "event_log_replays_to_pcrs", "report_data"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  has_policy_ = false;
  files_.erase("pcrs");
  EXPECT_EQ(Refused(files_), "");
  has_policy_ = true;
  policy_.tpm2.reset();
  EXPECT_EQ(Refused(files_), "policy");
}

TEST_F(Tpm2, ShowsWithoutJudging) {
  files_["signature"].back() ^= std::byte{1};
  const auto shown = ShowTpm2(AddAll(kTpm2Kind, files_));
  ASSERT_TRUE(shown.ok()) << shown.error().message();
  EXPECT_EQ(shown->unverified.Find("attest")->Find("clock")->text(), "123456");
  EXPECT_EQ(shown->unverified.Find("signature")->Find("length")->text(), "262");
}

}  // namespace
}  // namespace anchorhold::attest
