// The status of a TCB: which level a platform is at, in every component, and what a policy makes of
// it.
#include "shared/attest/intel_tcb.h"

#include "shared/attest/der.h"
#include "shared/attest/test_intel_fixture.h"

namespace anchorhold::attest::testing {
namespace {

std::string Merged(const AttestationResult& result) {
  return result.claims().Find("tcb_status")->Find("merged")->text();
}

// A machine one step older in one component, genuinely so: its certificate says the same.
TEST_P(EveryQuote, EachComponentCounts) {
  for (std::size_t i = 0; i < kTcbComponents; ++i) {
    IntelPlatform lower(GetParam());
    const auto collateral = lower.WithDocuments(files_);
    --lower.components[i];
    Files files = lower.Files();
    files["tcb_info"] = collateral.at("tcb_info");
    EXPECT_EQ(Refused(files), "tcb_status") << i;
    IntelPlatform higher(GetParam());
    ++higher.components[i];
    files = higher.Files();
    files["tcb_info"] = collateral.at("tcb_info");
    EXPECT_EQ(Refused(files), "") << i;
  }
  IntelPlatform lower(GetParam());
  --lower.pce_svn;
  Files files = lower.Files();
  files["tcb_info"] = files_["tcb_info"];
  EXPECT_EQ(Refused(files), "tcb_status");
}

TEST_P(EveryQuote, TheQuotingEnclaveHasAVersion) {
  const auto with_svn = [&](std::uint8_t svn) {
    IntelPlatform platform(GetParam());
    platform.qe_report[258] = std::byte{svn};
    return platform.WithQuote(files_);
  };
  EXPECT_EQ(Refused(with_svn(9)), "");
  EXPECT_EQ(Refused(with_svn(7)), "tcb_status");  // out of date
  EXPECT_EQ(Refused(with_svn(5)), "tcb_status");  // unknown
  strict_ = false;
  rules().tcb_statuses = {TcbStatus::kOutOfDate};
  EXPECT_EQ(Refused(with_svn(7)), "");
  EXPECT_EQ(Refused(with_svn(5)), "tcb_status");
  EXPECT_EQ(Refused(files_), "tcb_status");  // what is up to date is not what the policy lists
}

TEST_P(EveryQuote, TheQuotingEnclaveIsIntels) {
  const auto with = [&](std::size_t at, std::uint8_t value) {
    IntelPlatform platform(GetParam());
    platform.qe_report[at] = std::byte{value};
    return Refused(platform.WithQuote(files_));
  };
  constexpr const char* kName = "qe_identity_matches_qe_report";
  EXPECT_EQ(with(128, 0), kName);    // signer
  EXPECT_EQ(with(256, 9), kName);    // product
  EXPECT_EQ(with(48, 0x17), kName);  // debugging
  EXPECT_EQ(with(48, 0x11), "");     // a bit that does not count
  EXPECT_EQ(with(50, 1), kName);
  EXPECT_EQ(with(16, 1), kName);  // MISCSELECT
  EXPECT_EQ(with(60, 0xff), "");  // XFRM does not count
  EXPECT_EQ(with(64, 0), "");     // nor does the measurement
}

TEST_P(EveryQuote, CollateralIsOfThePlatform) {
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.fmspc[5] = std::byte{1}; }),
            "tcb_info_fmspc_matches_pck");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.pceid[0] = std::byte{1}; }),
            "tcb_info_fmspc_matches_pck");
  const bool td = platform_.IsTd();
  EXPECT_EQ(RefusedDocuments([&](IntelPlatform& p) { p.qe_identity_id = td ? "QE" : "TD_QE"; }),
            "qe_identity_is_of_platform");
  EXPECT_EQ(RefusedDocuments([&](IntelPlatform& p) { p.qe_identity_id = "QVE"; }),
            "qe_identity_is_well_formed");
  EXPECT_EQ(RefusedDocuments([&](IntelPlatform& p) { p.tcb_info_id = td ? "SGX" : "TDX"; }),
            "tcb_info_is_of_platform");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.tcb_info_id = "XYZ"; }),
            "tcb_info_is_well_formed");
  // Version 2 has no TDX.
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) {
              p.tcb_info_version = 2;
              p.tcb_info_id = "SGX";
            }),
            td ? "tcb_info_is_of_platform" : "");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.tcb_info_version = 4; }),
            "tcb_info_is_well_formed");
}

TEST_P(EveryQuote, EveryStatusHasItsName) {
  strict_ = false;
  for (const char* name :
       {"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
        "OutOfDate", "OutOfDateConfigurationNeeded"}) {
    IntelPlatform platform(GetParam());
    platform.levels[0].status = name;
    const Files files = platform.WithDocuments(files_);
    rules().tcb_statuses = {ParseTcbStatus(name).value()};
    const auto result = Judge(files);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(Merged(*result), name);
    strict_ = true;
    EXPECT_EQ(Refused(files), std::string(name) == "UpToDate" ? "" : "tcb_status");
    strict_ = false;
    rules().tcb_statuses = {std::string(name) == "OutOfDate" ? TcbStatus::kUpToDate
                                                             : TcbStatus::kOutOfDate};
    EXPECT_EQ(Refused(files), "tcb_status");
  }
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels[0].status = "Splendid"; }),
            "tcb_info_is_well_formed");
  // Not even all names together accept a key that is revoked.
  rules().tcb_statuses = {TcbStatus::kUpToDate, TcbStatus::kOutOfDate};
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels[0].status = "Revoked"; }),
            "tcb_status");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) {
              for (TestLevel& level : p.levels) level.pce_svn = 14;
            }),
            "tcb_status");
}

TEST_P(EveryQuote, AdvisoriesAreAccepted) {
  const auto bend = [](IntelPlatform& p) {
    p.levels[0].advisories = {"INTEL-SA-00615", "INTEL-SA-00828"};
    p.qe_levels[0].advisories = {"INTEL-SA-00615", "INTEL-SA-00999"};
  };
  EXPECT_EQ(RefusedDocuments(bend), "tcb_advisories");
  rules().tcb_advisories = {"INTEL-SA-00615", "INTEL-SA-00828"};
  EXPECT_EQ(RefusedDocuments(bend), "tcb_advisories");
  rules().tcb_advisories->push_back("INTEL-SA-00999");
  EXPECT_EQ(RefusedDocuments(bend), "");
  rules().tcb_advisories.reset();
  IntelPlatform platform(GetParam());
  bend(platform);
  const auto result = Judge(platform.WithDocuments(files_));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(Skipped(*result, "tcb_advisories"));
  const Claim& status = *result->claims().Find("tcb_status");
  EXPECT_EQ(status.Find("advisories")->items()[1].text(), "INTEL-SA-00828");
  EXPECT_EQ(status.Find("qe_advisories")->items()[1].text(), "INTEL-SA-00999");
}

TEST_P(EveryQuote, CollateralIsOfARecentEvaluation) {
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.evaluation_number = 16; }),
            "tcb_evaluation_data_number");
  // Of the two documents the older counts.
  IntelPlatform old(GetParam());
  old.evaluation_number = 16;
  Files files = old.WithDocuments(files_);
  files["tcb_info"] = files_["tcb_info"];
  EXPECT_EQ(Refused(files), "tcb_evaluation_data_number");
}

TEST_P(EveryQuote, DocumentsThatSayTooLittleOrTooMuchAreRefused) {
  const auto with_text = [&](const std::string& from, const std::string& to) {
    Files files = files_;
    for (const bool tcb : {true, false}) {
      std::string text = tcb ? platform_.TcbInfoText() : platform_.QeIdentityText();
      const std::size_t at = text.find(from);
      AH_CHECK(!tcb || at != std::string::npos);
      if (at != std::string::npos) text.replace(at, from.size(), to);
      files[tcb ? "tcb_info" : "qe_identity"] =
          IntelPlatform::SignDocument(tcb ? "tcbInfo" : "enclaveIdentity", text);
    }
    return Refused(files);
  };
  EXPECT_EQ(with_text("\"version\"", "\"version\""), "");
  constexpr const char* kName = "tcb_info_is_well_formed";
  for (const char* member : {"version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType",
                             "tcbEvaluationDataNumber", "tcbLevels", "tcb", "tcbStatus", "tcbDate",
                             "pcesvn", "sgxtcbcomponents", "svn", "id"}) {
    EXPECT_EQ(with_text("\"" + std::string(member) + "\"", "\"other\""), kName) << member;
  }
  EXPECT_EQ(with_text("\"tcbType\":0", "\"tcbType\":1"), kName);
  EXPECT_EQ(with_text("{\"svn\":3},", ""), kName);
  EXPECT_EQ(with_text("{\"svn\":3},", "{\"svn\":256},"), kName);
  EXPECT_EQ(with_text("{\"svn\":3},", "{\"svn\":-1},"), kName);
  EXPECT_EQ(with_text("\"pcesvn\":13", "\"pcesvn\":65536"), kName);
  EXPECT_EQ(with_text("2025-05-14T00:00:00Z", "2025-05-14"), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels.clear(); }), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels.resize(257, p.levels[0]); }), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels.resize(256, p.levels[0]); }), "");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels[0].advisories.resize(257, "x"); }),
            kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.levels[0].advisories = {""}; }), kName);
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.qe_levels.clear(); }),
            "qe_identity_is_well_formed");
  EXPECT_EQ(RefusedDocuments([](IntelPlatform& p) { p.qe_levels.resize(257); }),
            "qe_identity_is_well_formed");
}

TEST(TcbStatus, MergesTheWorst) {
  using enum TcbStatus;
  for (const TcbStatus any : {kUpToDate, kSwHardeningNeeded, kConfigurationNeeded, kOutOfDate,
                              kOutOfDateConfigurationNeeded, kRevoked, kNotFound}) {
    EXPECT_EQ(MergeTcbStatus(any, kUpToDate), any);
    EXPECT_EQ(MergeTcbStatus(any, kRevoked), kRevoked);
    EXPECT_EQ(MergeTcbStatus(kRevoked, any), kRevoked);
    if (any != kRevoked) {
      EXPECT_EQ(MergeTcbStatus(any, kNotFound), kNotFound);
    }
  }
  EXPECT_EQ(MergeTcbStatus(kUpToDate, kOutOfDate), kOutOfDate);
  EXPECT_EQ(MergeTcbStatus(kSwHardeningNeeded, kOutOfDate), kOutOfDate);
  EXPECT_EQ(MergeTcbStatus(kConfigurationNeeded, kOutOfDate), kOutOfDateConfigurationNeeded);
  EXPECT_EQ(MergeTcbStatus(kConfigurationAndSwHardeningNeeded, kOutOfDate),
            kOutOfDateConfigurationNeeded);
  // What Intel does not state of a part is not up to date.
  EXPECT_EQ(MergeTcbStatus(kUpToDate, kSwHardeningNeeded), kOutOfDate);
  EXPECT_EQ(MergeTcbStatus(kUpToDate, kConfigurationNeeded), kOutOfDateConfigurationNeeded);
  EXPECT_EQ(TcbStatusName(kNotFound), "NotFound");
  EXPECT_FALSE(ParseTcbStatus("NotFound").ok());
}

TEST(Pck, TheExtensionIsReadWhole) {
  const IntelPlatform platform;
  const auto chain = ReadPckChain(AsBytes(platform.PckChain())).value();
  const crypto::CertificateFields& leaf = chain[0].unverified();
  const auto fields = ReadPck(leaf);
  ASSERT_TRUE(fields.ok()) << fields.error().message();
  EXPECT_EQ(fields->components, platform.components);
  EXPECT_EQ(fields->smt, true);
  // Cut short, bent, or with something behind it, it is another extension or none.
  crypto::CertificateFields other = leaf;
  auto& value = other.extensions.back().value;
  const Bytes good = value;
  for (std::size_t size = 0; size < good.size(); ++size) {
    value = CopyBytes(ByteSpan(good).first(size));
    EXPECT_FALSE(ReadPck(other).ok()) << size;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    value = good;
    value[at] ^= std::byte{1};
    const auto bent = ReadPck(other);
    if (!bent.ok()) continue;
    EXPECT_NE(PckClaims(*bent, leaf).ToJson(), PckClaims(*fields, leaf).ToJson()) << at;
  }
  value = good;
  value.push_back(std::byte{0});
  EXPECT_FALSE(ReadPck(other).ok());
  other.extensions.pop_back();
  EXPECT_FALSE(ReadPck(other).ok());
  EXPECT_FALSE(ReadPck(chain[1].unverified()).ok());
}

TEST(Der, TakesTheShortestFormAlone) {
  const auto reads = [](const char* hex) {
    const Bytes bytes = FromHex(hex).value();
    return ReadDer(bytes, DerTag::kOctetString).ok();
  };
  EXPECT_TRUE(reads("0400"));
  EXPECT_TRUE(reads("0401ff"));
  EXPECT_FALSE(reads(""));
  EXPECT_FALSE(reads("04"));
  EXPECT_FALSE(reads("0401"));
  EXPECT_FALSE(reads("040100ff"));
  EXPECT_FALSE(reads("0201ff"));
  EXPECT_FALSE(reads("048101ff"));
  EXPECT_FALSE(reads("04820001ff"));
  EXPECT_FALSE(reads("0480ff0000"));
  EXPECT_FALSE(reads("0483000001ff"));
  EXPECT_FALSE(reads("1f0400"));
  Bytes large = FromHex("048180").value();
  large.resize(3 + 128);
  EXPECT_TRUE(ReadDer(large, DerTag::kOctetString).ok());
  large = FromHex("04820100").value();
  large.resize(4 + 256);
  EXPECT_TRUE(ReadDer(large, DerTag::kOctetString).ok());

  const auto number = [](const char* hex) {
    const auto value = DerUnsigned(FromHex(hex).value());
    return value.ok() ? static_cast<int>(*value) : -1;
  };
  EXPECT_EQ(number("00"), 0);
  EXPECT_EQ(number("7f"), 127);
  EXPECT_EQ(number("0080"), 128);
  EXPECT_EQ(number("00ffff"), 65535);
  EXPECT_EQ(number("1234"), 0x1234);
  for (const char* bad : {"", "80", "0001", "010000", "000080", "00010000"}) {
    EXPECT_EQ(number(bad), -1) << bad;
  }
  EXPECT_TRUE(DerBoolean(FromHex("ff").value()).value());
  EXPECT_FALSE(DerBoolean(FromHex("00").value()).value());
  EXPECT_FALSE(DerBoolean(FromHex("01").value()).ok());
  EXPECT_FALSE(DerBoolean({}).ok());
}

}  // namespace
}  // namespace anchorhold::attest::testing
