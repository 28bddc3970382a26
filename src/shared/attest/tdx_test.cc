// What is of TDX alone: a TD's own rules, the TDX module, event logs and the nonce.
#include "shared/attest/tdx.h"

#include "shared/attest/test_intel_fixture.h"

namespace anchorhold::attest::testing {
namespace {

class Tdx : public IntelTest {
 protected:
  Tdx() : IntelTest(QuoteForm::kTdx5) {}
  std::string RefusedSvn(std::size_t at, std::uint8_t value) const {
    return RefusedWith(at, value);
  }
};

TEST_F(Tdx, EachRuleRefuses) {
  for (int bit = 0; bit < 8; ++bit) {
    EXPECT_EQ(RefusedWith(120, static_cast<std::uint8_t>(1 << bit)), "no_debug") << bit;
  }
  EXPECT_EQ(RefusedWith(123, 0x30), "no_migration");
  EXPECT_EQ(RefusedWith(123, 0), "sept_ve_disable");
  EXPECT_EQ(RefusedWith(127, 0x80), "td_attributes");
  const std::pair<std::size_t, const char*> fields[] = {
      {128, "xfam"},     {16, "mr_seam"},          {184, "mr_config_id"},
      {232, "mr_owner"}, {280, "mr_owner_config"}, {600, "mr_service_td"},
      {328, "rtmr0"},    {376, "rtmr1"},           {424, "rtmr2"},
      {472, "rtmr3"},    {136, "measurement"},     {520, "report_data"}};
  for (const auto& [at, name] : fields) EXPECT_EQ(RefusedWith(at, 0x77), name);
}

TEST_F(Tdx, WhatAReportLacksNeverMatches) {
  const IntelPlatform older(QuoteForm::kTdx4);
  EXPECT_EQ(Refused(older.Files()), "mr_service_td");
  policy_.tdx->mr_service_td.reset();
  EXPECT_EQ(Refused(older.Files()), "");
}

TEST_F(Tdx, StrictForbidsWhatAPolicyAllows) {
  policy_.tdx->allow_debug = policy_.tdx->allow_migration = true;
  policy_.tdx->td_attributes.reset();
  EXPECT_EQ(RefusedWith(120, 1), "no_debug");
  EXPECT_EQ(RefusedWith(123, 0x30), "no_migration");
  strict_ = false;
  EXPECT_EQ(RefusedWith(120, 1), "");
  IntelPlatform movable(QuoteForm::kTdx5);
  movable.body[123] = std::byte{0x30};
  const auto result = Judge(movable.WithQuote(files_));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->trust().configuration, TrustTier::kWarning);
  movable.body[120] = std::byte{1};
  const auto debug = Judge(movable.WithQuote(files_));
  ASSERT_TRUE(debug.ok());
  EXPECT_EQ(debug->warnings().size(), 1u);
  EXPECT_EQ(debug->trust().runtime_opaque, TrustTier::kContraindicated);
}

TEST_F(Tdx, RulesThatAreWaivedAreShown) {
  const IntelRules intel = policy_.tdx->intel;
  policy_.tdx = TdxPolicy();
  policy_.tdx->intel = intel;
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const TdxListRule& rule : ListRules(*policy_.tdx)) {
    EXPECT_TRUE(Skipped(*result, rule.key)) << rule.key;
  }
  EXPECT_TRUE(Skipped(*result, "sept_ve_disable"));
  EXPECT_TRUE(Skipped(*result, "event_log"));
  EXPECT_FALSE(Skipped(*result, "no_migration"));
}

TEST_F(Tdx, EachTdxComponentCounts) {
  // The first two name the module, which has an identity of its own.
  for (std::size_t i = 2; i < kTcbComponents; ++i) {
    const auto good = std::to_integer<std::uint8_t>(platform_.body[i]);
    EXPECT_EQ(RefusedSvn(i, static_cast<std::uint8_t>(good - 1)), "tcb_status") << i;
    EXPECT_EQ(RefusedSvn(i, static_cast<std::uint8_t>(good + 1)), "") << i;
  }
  EXPECT_EQ(RefusedSvn(0, 19), "tcb_status");  // out of date
  EXPECT_EQ(RefusedSvn(0, 1), "tcb_status");   // unknown
  EXPECT_EQ(RefusedSvn(0, 21), "");
  EXPECT_EQ(RefusedSvn(1, 3), "");
  EXPECT_EQ(RefusedSvn(1, 2), "tdx_module_identity");
  // A module of version 1.0 is one more component.
  IntelPlatform first(QuoteForm::kTdx5);
  first.body[1] = std::byte{0};
  EXPECT_EQ(Refused(first.WithQuote(files_)), "tcb_status");  // the level asks for 1
  first.levels[0].tdx[1] = 0;
  files_ = first.WithDocuments(files_);
  EXPECT_EQ(Refused(first.WithQuote(files_)), "");
  first.body[0] = std::byte{19};
  EXPECT_EQ(Refused(first.WithQuote(files_)), "tcb_status");
}

TEST_F(Tdx, TheModuleIsIntels) {
  constexpr const char* kName = "tdx_module_identity";
  EXPECT_EQ(RefusedWith(64, 1), kName);
  EXPECT_EQ(RefusedWith(112, 1), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules.pop_back(); }), kName);
  EXPECT_EQ(
      RefusedDocuments([](IntelPlatform& p) { p.modules[1].attributes = "0100000000000000"; }),
      kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules[1].id = "TDX_02"; }), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules[1].id = "TDX_03"; }),
            "tcb_info_is_well_formed");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules[1].id = ""; }),
            "tcb_info_is_well_formed");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules[1].levels.clear(); }),
            "tcb_info_is_well_formed");
  EXPECT_EQ(
      RefusedDocuments([](IntelPlatform& p) { p.modules[1].attributes_mask = "FEFFFFFFFFFFFFFF"; }),
      "");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.modules.resize(65, {.id = "TDX_77"}); }),
            "tcb_info_is_well_formed");
}

TEST_F(Tdx, AModuleUpdatedUnderTheTdIsToldOf) {
  IntelPlatform updated(QuoteForm::kTdx5);
  updated.body[584] = std::byte{25};
  const auto result = Judge(updated.WithQuote(files_));
  ASSERT_TRUE(result.ok()) << result.error().message();
  ASSERT_EQ(result->warnings().size(), 1u);
  EXPECT_NE(result->warnings()[0].find("started anew"), std::string::npos);
}

TEST_F(Tdx, EventLogsAreReplayed) {
  policy_.tdx->require_event_log = true;
  EXPECT_EQ(Refused(files_), "event_log_is_given");
  for (const char* role : {"ccel_data", "event_log"}) {
    const bool ccel = std::string(role) == "ccel_data";
    Files files = files_;
    files[role] = ccel ? platform_.CcelLog() : platform_.DstackLog();
    const auto result = Judge(files);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->claims().Find(role)->Find("events")->text(), "4");
    for (const char* name : {"rtmr0_replay", "rtmr1_replay", "rtmr2_replay", "rtmr3_replay"}) {
      EXPECT_FALSE(Skipped(*result, name)) << name;
      EXPECT_NE(FindCheck(*result, name), nullptr) << name;
    }
    // A log with an event more, less, or in another order is another one's.
    for (std::size_t rtmr = 0; rtmr < 4; ++rtmr) {
      IntelPlatform more(QuoteForm::kTdx5);
      more.events.push_back({.rtmr = rtmr, .name = "", .payload = "more"});
      files[role] = ccel ? more.CcelLog() : more.DstackLog();
      EXPECT_EQ(Refused(files), "rtmr" + std::to_string(rtmr) + "_replay");
    }
    IntelPlatform other(QuoteForm::kTdx5);
    std::swap(other.events[0], other.events[1]);
    files[role] = ccel ? other.CcelLog() : other.DstackLog();
    EXPECT_EQ(Refused(files), "rtmr0_replay");
    other.events.clear();
    files[role] = ccel ? other.CcelLog() : other.DstackLog();
    EXPECT_EQ(Refused(files), "rtmr0_replay");
    files[role] = CopyBytes(AsBytes("{}"));
    EXPECT_EQ(Refused(files), "event_log_is_well_formed");
  }
}

TEST_F(Tdx, TheNonceIsReportData) {
  files_["nonce"] = Bytes(64, std::byte{0xda});
  EXPECT_EQ(Refused(files_), "");
  files_["nonce"].pop_back();
  EXPECT_EQ(Refused(files_), "nonce");
  files_["nonce"].push_back(std::byte{0});
  EXPECT_EQ(Refused(files_), "nonce");
}

TEST_F(Tdx, AQuoteOfAnEnclaveIsNone) {
  files_["quote"] = IntelPlatform(QuoteForm::kSgx3).Files()["quote"];
  EXPECT_EQ(Refused(files_), "quote_is_of_platform");
}

// What another kind does whose evidence holds a quote.
TEST_F(Tdx, AQuoteCanBeVerifiedForAnotherKind) {
  const UnverifiedFiles added = AddAll(kTdxKind, files_);
  IntelFiles files = CollectIntelFiles(added);
  Appraiser appraiser(kIntelNow);
  const UnverifiedFiles none;
  AppraisalInput input{.now = kIntelNow, .files = none, .policy = &policy_, .strict = true};
  const auto td = VerifyTdQuote(input, appraiser, files);
  ASSERT_TRUE(td.ok()) << td.error().message();
  EXPECT_EQ(td->report.mr_td, Bytes(48, std::byte{0x5a}));
  EXPECT_EQ(td->tcb.status, TcbStatus::kUpToDate);

  // Without collateral, if its own strict verdict does not ask for it and nor does the policy.
  const IntelFiles alone{.quote = files.quote};
  EXPECT_FALSE(VerifyTdQuote(input, appraiser, alone).ok());
  IntelFiles may_lack = alone;
  may_lack.may_lack_collateral = true;
  EXPECT_FALSE(VerifyTdQuote(input, appraiser, may_lack).ok());
  policy_.tdx->intel = {.require_crls = false, .roots = policy_.tdx->intel.roots};
  Appraiser second(kIntelNow);
  const auto accepted = VerifyTdQuote(input, second, may_lack);
  ASSERT_TRUE(accepted.ok()) << accepted.error().message();
  EXPECT_FALSE(accepted->tcb.status.has_value());
  EXPECT_FALSE(VerifyTdQuote(input, second, alone).ok());
}

}  // namespace
}  // namespace anchorhold::attest::testing
