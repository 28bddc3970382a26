// The endorsements that a party keeps, on disk and in an appraisal.
#include "client/core/endorsement_cache.h"

#include <gtest/gtest.h>

#include "client/core/endorsement_set.h"
#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "shared/attest/kinds.h"
#include "shared/attest/snp.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"

namespace anchorhold::client {
namespace {

using attest::testing::kSnpNow;
using attest::testing::SnpPlatform;
using Files = std::map<std::string, Bytes>;

class EndorsementCacheTest : public testing::Test {
 protected:
  EndorsementCacheTest() : files_(platform_.Files()), evidence_(EvidenceOf(files_)) {
    for (const auto& [role, bytes] : files_) {
      if (role != "report") Write("from/" + role + ".der", bytes);
    }
  }
  static attest::UnverifiedFiles EvidenceOf(const Files& files) {
    return attest::testing::AddAll(attest::kSnpKind, {{"report", files.at("report")}});
  }
  void Write(const std::string& name, ByteSpan bytes) {
    const std::string path = folder_ / name;
    ASSERT_TRUE(MakeFolder(FolderOf(path)).ok());
    ASSERT_TRUE(WriteWholeFile(path, bytes, IfExists::kReplace).ok());
  }
  Result<std::vector<EndorsementCache::Entry>> Take(const std::string& from,
                                                    UnixSeconds now = kSnpNow) {
    return cache_.TakeFrom(folder_ / from, now, attest::kSnpKind, evidence_);
  }
  Result<std::vector<attest::CarriedFile>> Find(UnixSeconds now = kSnpNow) {
    return cache_.Find(now, attest::kSnpKind, evidence_);
  }

  TestFolder folder_;
  EndorsementCache cache_{folder_ / "home/endorsements"};
  SnpPlatform platform_;
  Files files_;
  attest::UnverifiedFiles evidence_;
};

TEST_F(EndorsementCacheTest, WhatIsTakenIsFoundAndPasses) {
  EXPECT_TRUE(Find().value().empty());
  const auto taken = Take("from");
  ASSERT_TRUE(taken.ok()) << taken.error().message();
  EXPECT_EQ(taken->size(), 4u);
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.error().message();
  ASSERT_EQ(found->size(), 4u);
  for (const auto& file : *found) EXPECT_EQ(file.bytes, files_.at(file.role)) << file.role;
  const attest::UnverifiedEvidence evidence{
      attest::Platform::kSevSnp,
      attest::SerializeCarried({{"report", files_.at("report")}}).value()};
  attest::ReportData data;
  data.value.fill(std::byte{0xda});
  const auto policy = platform_.Policy();
  EXPECT_TRUE(attest::Appraise(kSnpNow, evidence, policy, data, &cache_).ok());
  const auto without = attest::Appraise(kSnpNow, evidence, policy, data);
  ASSERT_FALSE(without.ok());
  EXPECT_NE(without.error().message().find("endorsements fetch"), std::string::npos);
}

TEST_F(EndorsementCacheTest, EachMachineHasItsOwn) {
  ASSERT_TRUE(Take("from").ok());
  SnpPlatform chip = platform_;
  chip.report[0x1a0] ^= std::byte{1};
  SnpPlatform tcb = platform_;
  tcb.report[0x180] ^= std::byte{1};
  for (const SnpPlatform& other : {chip, tcb}) {
    const auto evidence = EvidenceOf(other.WithReport(files_));
    const auto found = cache_.Find(kSnpNow, attest::kSnpKind, evidence);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->empty());
  }
}

TEST_F(EndorsementCacheTest, ACopyOfAnotherPartysFolderWillDo) {
  ASSERT_TRUE(Take("from").ok());
  const EndorsementCache other(folder_ / "other");
  const auto taken =
      other.TakeFrom(folder_ / "home/endorsements", kSnpNow, attest::kSnpKind, evidence_);
  ASSERT_TRUE(taken.ok()) << taken.error().message();
  EXPECT_EQ(taken->size(), 4u);
  EXPECT_EQ(other.List().value().size(), 4u);
}

TEST_F(EndorsementCacheTest, WhatIsOverIsAnErrorThatSaysHowToRefresh) {
  SnpPlatform short_lived = platform_;
  short_lived.crl_spec.next_update = UnixSeconds(kSnpNow.value() + 60);
  Write("from/crl.der", short_lived.Files().at("crl"));
  ASSERT_TRUE(Take("from").ok());
  EXPECT_TRUE(Find(UnixSeconds(kSnpNow.value() + 60)).ok());
  const auto late = Find(UnixSeconds(kSnpNow.value() + 61));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kAttestationRefused);
  EXPECT_EQ(attest::RefusedCheck(late.error()), "endorsements_current");
  EXPECT_NE(late.error().message().find("endorsements fetch"), std::string::npos);
  const auto entries = cache_.List();
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries->at(1).role, "crl");
  EXPECT_EQ(entries->at(1).good_until, UnixSeconds(kSnpNow.value() + 60));
  // Nor is it taken again, and nothing beside it.
  const EndorsementCache other(folder_ / "other");
  const auto taken = other.TakeFrom(folder_ / "from", UnixSeconds(kSnpNow.value() + 61),
                                    attest::kSnpKind, evidence_);
  ASSERT_FALSE(taken.ok());
  EXPECT_TRUE(other.List().value().empty());
}

TEST_F(EndorsementCacheTest, DamagedFilesAreErrorsAndUnknownOnesAreLeftAlone) {
  Write("from/readme.txt", AsBytes("hello"));
  ASSERT_TRUE(Take("from").ok());
  EXPECT_EQ(cache_.List().value().size(), 4u);
  Write("broken/vek.der", AsBytes("hello"));
  EXPECT_FALSE(Take("broken").ok());
  EXPECT_EQ(Take("nothing").error().code(), ErrorCode::kNotFound);
  const std::string path = cache_.List().value().front().path;
  ASSERT_TRUE(WriteWholeFile(path, AsBytes("damaged"), IfExists::kReplace).ok());
  EXPECT_FALSE(Find().ok());
  EXPECT_FALSE(cache_.List().value().front().good_until.has_value());
}

// Intel's collateral, of a TD's platform: found by the quote, refused when it is over.
TEST_F(EndorsementCacheTest, IntelsCollateralIsKeptByPlatform) {
  attest::testing::IntelPlatform td;
  auto files = td.Files();
  const attest::ReportData data = [] {
    attest::ReportData out;
    out.value.fill(std::byte{0x77});
    return out;
  }();
  std::copy(data.value.begin(), data.value.end(), td.body.begin() + 520);
  files = td.WithQuote(files);
  const attest::Kind kind = td.kind();
  const auto evidence = attest::testing::AddAll(kind, {{"quote", files.at("quote")}});
  for (const auto& [role, bytes] : files) {
    if (role != "quote") Write("intel/" + role + ".json", bytes);
  }
  const auto now = attest::testing::kIntelNow;
  const auto taken = cache_.TakeFrom(folder_ / "intel", now, kind, evidence);
  ASSERT_TRUE(taken.ok()) << taken.error().message();
  EXPECT_EQ(taken->size(), 6u);
  const attest::UnverifiedEvidence carried{
      kind.platform, attest::SerializeCarried({{"quote", files.at("quote")}}).value()};
  const auto policy = td.Policy();
  const auto result = attest::Appraise(now, carried, policy, data, &cache_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_FALSE(attest::Appraise(now, carried, policy, data).ok());
  UnixSeconds last = *taken->front().good_until;
  for (const auto& entry : *taken) last = std::min(last, *entry.good_until);
  const auto late = attest::Appraise(UnixSeconds(last.value() + 1), carried, policy, data, &cache_);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(attest::RefusedCheck(late.error()), "endorsements_current");
}

TEST(GoodUntil, ReadsIntelsCollateral) {
  const auto until = [](std::string_view role, std::string_view text) {
    return UnverifiedGoodUntil(role, AsBytes(text));
  };
  EXPECT_EQ(
      until("tcb_info", R"({"tcbInfo":{"nextUpdate":"2025-07-19T10:00:35Z"},"signature":"00"})")
          .value(),
      ParseTime("2025-07-19T10:00:35Z").value());
  EXPECT_TRUE(
      until("qe_identity", R"( {"enclaveIdentity":{"nextUpdate":"2025-07-19T10:00:35Z"}})").ok());
  for (const char* text : {"", "{}", "{", R"({"tcbInfo":{}})", R"({"tcbInfo":1})",
                           R"({"tcbInfo":{"nextUpdate":"soon"}})", "text"}) {
    for (const char* role : {"tcb_info", "qe_identity", "root_ca_crl", "pck_chain"}) {
      EXPECT_FALSE(until(role, text).ok()) << role << text;
    }
  }
}

// Real quotes, if they lie beside the repository: each names its machine, and where Intel speaks of
// it.
TEST(Origins, NameIntelsServiceForRealQuotes) {
  namespace fs = std::filesystem;
  const fs::path shared = fs::path(ANCHORHOLD_SOURCE_DIR).parent_path() / "shared/evidence";
  if (!fs::exists(shared)) GTEST_SKIP() << "no shared evidence beside the repository";
  int found = 0;
  for (const attest::Kind& kind : attest::Kinds()) {
    if (kind.platform != attest::Platform::kTdx && kind.platform != attest::Platform::kSgxDcap) {
      continue;
    }
    for (const auto& entry : fs::directory_iterator(shared / kind.name())) {
      const auto quote = ReadWholeFile(entry.path() / "quote.bin", 1 << 20);
      if (!quote.ok()) continue;
      const auto evidence = attest::testing::AddAll(kind, {{"quote", *quote}});
      const auto set = EndorsementSet(kind, evidence);
      if (!set.ok()) continue;  // some have no certificate, or a broken one
      ++found;
      EXPECT_EQ(set->find_first_not_of("0123456789abcdef-platformprocessor"), std::string::npos);
      EXPECT_EQ(EndorsementChoices(kind, evidence).value().at(0).size(), 6u);
    }
  }
  EXPECT_GT(found, 10);
}

TEST(Origins, NameAmdsServiceForEachProduct) {
  for (const auto product :
       {attest::SnpProduct::kMilan, attest::SnpProduct::kGenoa, attest::SnpProduct::kTurin}) {
    const SnpPlatform platform(product);
    const auto evidence =
        attest::testing::AddAll(attest::kSnpKind, {{"report", platform.SignedReport()}});
    const auto choices = EndorsementChoices(attest::kSnpKind, evidence);
    ASSERT_TRUE(choices.ok()) << choices.error().message();
    ASSERT_EQ(choices->size(), 1u);
    const EndorsementOrigins& origins = choices->front();
    ASSERT_EQ(origins.size(), 4u);
    const bool turin = product == attest::SnpProduct::kTurin;
    EXPECT_EQ(origins.at(0).url,
              "https://kdsintf.amd.com/vcek/v1/" + std::string(attest::SnpProductName(product)) +
                  "/" + ToHex(Bytes(turin ? 8 : 64, std::byte{0xc4})) +
                  "?blSPL=4&teeSPL=3&snpSPL=24&ucodeSPL=219" + (turin ? "&fmcSPL=5" : ""));
  }
}

}  // namespace
}  // namespace anchorhold::client
