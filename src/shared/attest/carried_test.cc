#include "shared/attest/carried.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "shared/attest/kinds.h"
#include "shared/attest/snp.h"
#include "shared/attest/test_snp.h"
#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

Bytes Text(std::string_view text) { return CopyBytes(AsBytes(text)); }

ReportData SomeReportData() {
  ReportData data;
  for (std::size_t i = 0; i < data.value.size(); ++i) data.value[i] = static_cast<std::byte>(i);
  return data;
}

// A policy, evidence for SomeReportData, and what the client keeps beside it.
class CarriedSnp : public ::testing::Test {
 protected:
  CarriedSnp() : policy_(platform_.Policy()) {
    const ReportData data = SomeReportData();
    std::copy(data.value.begin(), data.value.end(), platform_.report.begin() + 0x50);
    files_ = platform_.Files();
  }
  UnverifiedEvidence Evidence(const std::vector<std::string>& roles) const {
    std::vector<CarriedFile> carried;
    for (const std::string& role : roles) carried.push_back({role, files_.at(role)});
    return {Platform::kSevSnp, SerializeCarried(std::move(carried)).value()};
  }
  Result<AttestationResult> Judge(const UnverifiedEvidence& evidence,
                                  const EndorsementSource* source = nullptr) const {
    return Appraise(testing::kSnpNow, evidence, policy_, SomeReportData(), source);
  }

  testing::SnpPlatform platform_;
  AppraisalPolicy policy_;
  std::map<std::string, Bytes> files_;
};

struct FixedSource final : EndorsementSource {
  Result<std::vector<CarriedFile>> Find(UnixSeconds, const Kind& kind,
                                        const UnverifiedFiles& evidence) const override {
    EXPECT_EQ(kind.platform, Platform::kSevSnp);
    EXPECT_NE(evidence.Find("report"), nullptr);
    if (failure.has_value()) return *failure;
    return files;
  }
  std::vector<CarriedFile> files;
  std::optional<Error> failure;
};

const std::vector<std::string> kAll = {"report", "vek", "intermediate", "ark", "crl"};

TEST(Carried, WritesFilesByRoleInOrder) {
  const Bytes body = SerializeCarried({{"b", Text("second")}, {"a", Text("first")}}).value();
  EXPECT_EQ(ToHex(body), ToHex(AsBytes("AHFILES1")) + "02" + "0000000161" + "00000005" +
                             ToHex(AsBytes("first")) + "0000000162" + "00000006" +
                             ToHex(AsBytes("second")));
  const auto files = ParseCarried(body);
  ASSERT_TRUE(files.ok()) << files.error().message();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[1].role, "b");
  EXPECT_EQ(AsText((*files)[1].bytes), "second");
}

TEST(Carried, RefusesWhatItWouldNotWrite) {
  EXPECT_FALSE(SerializeCarried({}).ok());
  EXPECT_FALSE(SerializeCarried(std::vector<CarriedFile>(17, {"a", {}})).ok());
  EXPECT_FALSE(SerializeCarried({{"a", {}}, {"a", {}}}).ok());
  for (const std::string& role : {std::string(), std::string("A"), std::string("a-b"),
                                  std::string(33, 'a'), std::string("a\0", 2)}) {
    EXPECT_FALSE(SerializeCarried({{role, {}}}).ok()) << role;
  }
  EXPECT_FALSE(SerializeCarried({{"a", Bytes(limits::kEvidenceBytesMax)}}).ok());
  EXPECT_TRUE(SerializeCarried({{"a", Bytes(limits::kEvidenceBytesMax - 18)}}).ok());
  EXPECT_FALSE(SerializeCarried({{"a", Bytes(limits::kEvidenceBytesMax - 17)}}).ok());
}

TEST(Carried, RefusesEveryTruncationAndOtherOrders) {
  Bytes body = SerializeCarried({{"a", Text("first")}, {"b", Text("second")}}).value();
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(ParseCarried(ByteSpan(body).first(size)).ok()) << size;
  }
  for (const std::uint8_t role : {'b', 'c', 'B'}) {
    Bytes other = body;
    other[13] = std::byte{role};  // of the first file
    EXPECT_FALSE(ParseCarried(other).ok()) << role;
  }
  body.push_back(std::byte{0});
  EXPECT_FALSE(ParseCarried(body).ok());
  ByteWriter writer;
  writer.WriteBytes(AsBytes("AHFILES1"));
  writer.WriteU8(1);
  writer.WriteU32(0xffffffff);
  EXPECT_FALSE(ParseCarried(writer.bytes()).ok());
}

TEST_F(CarriedSnp, EvidenceWithItsEndorsementsPasses) {
  const auto result = Judge(Evidence(kAll));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->platform(), Platform::kSevSnp);
  EXPECT_EQ(result->measurement(), policy_.measurements[0]);
}

TEST_F(CarriedSnp, TheStatementIsWhatTheVerifierFinds) {
  const UnverifiedEvidence evidence = Evidence(kAll);
  const auto result = Judge(evidence);
  const auto statement = ReadUnverifiedStatement(evidence);
  ASSERT_TRUE(result.ok() && statement.ok());
  EXPECT_EQ(statement->measurement, result->measurement());
  EXPECT_TRUE(BytesEqual(statement->report_data, SomeReportData().span()));
}

TEST_F(CarriedSnp, EndorsementsComeFromTheSourceToo) {
  FixedSource source;
  for (const char* role : {"vek", "intermediate", "ark", "crl"}) {
    source.files.push_back({role, files_.at(role)});
  }
  const auto result = Judge(Evidence({"report"}), &source);
  ASSERT_TRUE(result.ok()) << result.error().message();
  const auto without = Judge(Evidence({"report"}));
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(RefusedCheck(without.error()), "vek_is_given");
  EXPECT_NE(without.error().message().find("endorsements fetch"), std::string::npos);
}

TEST_F(CarriedSnp, TheSourceGoesAheadOfWhatCameAlong) {
  testing::SnpPlatform other;
  other.crl_spec.serials = {other.intermediate_spec.serial};
  FixedSource source;
  source.files.push_back({"crl", other.Files().at("crl")});
  const auto result = Judge(Evidence(kAll), &source);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(RefusedCheck(result.error()), "intermediate_not_revoked");
}

TEST_F(CarriedSnp, WhatTheSourceRefusesIsRefused) {
  FixedSource source;
  source.failure = Refuse("endorsements", "expired");
  const auto result = Judge(Evidence(kAll), &source);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(RefusedCheck(result.error()), "endorsements");
}

TEST_F(CarriedSnp, RefusesOtherReportDataAndOtherRoles) {
  ReportData other = SomeReportData();
  other.value[63] ^= std::byte{1};
  const auto result = Appraise(testing::kSnpNow, Evidence(kAll), policy_, other);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(RefusedCheck(result.error()), "report_data");
  for (const char* role : {"vcek", "quote", "x"}) {
    std::vector<CarriedFile> files = {{"report", files_.at("report")}, {role, files_.at("vek")}};
    const auto refused = Judge({Platform::kSevSnp, SerializeCarried(files).value()});
    ASSERT_FALSE(refused.ok()) << role;
    EXPECT_EQ(RefusedCheck(refused.error()), "evidence_is_well_formed") << role;
  }
}

TEST_F(CarriedSnp, NoFlippedByteOfTheBodyPasses) {
  const UnverifiedEvidence evidence = Evidence({"report"});
  FixedSource source;
  for (const char* role : {"vek", "intermediate", "ark", "crl"}) {
    source.files.push_back({role, files_.at(role)});
  }
  for (std::size_t i = 0; i < evidence.body.size(); ++i) {
    UnverifiedEvidence other = evidence;
    other.body[i] ^= std::byte{1};
    EXPECT_FALSE(Judge(other, &source).ok()) << i;
  }
}

TEST_F(CarriedSnp, OnePlatformsEvidenceIsNotAnothers) {
  UnverifiedEvidence evidence = Evidence(kAll);
  for (const Platform platform : {Platform::kInsecureSimulated, Platform::kNvidiaGpu}) {
    evidence.platform = platform;
    AppraisalPolicy policy = policy_;
    const auto unlisted = Appraise(testing::kSnpNow, evidence, policy, SomeReportData());
    ASSERT_FALSE(unlisted.ok());
    EXPECT_EQ(RefusedCheck(unlisted.error()), "platform");
    policy.platforms.push_back(platform);
    EXPECT_FALSE(Appraise(testing::kSnpNow, evidence, policy, SomeReportData()).ok());
  }
}

Bytes ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return CopyBytes(AsBytes(text.str()));
}

// Evidence of real machines, if it lies beside the repository: what is read from it unverified is
// what a verifier finds.
TEST(RealEvidence, StatesWhatTheVerifierFinds) {
  const auto shared =
      std::filesystem::path(ANCHORHOLD_SOURCE_DIR).parent_path() / "shared" / "evidence";
  if (!std::filesystem::exists(shared)) GTEST_SKIP() << "no shared evidence beside the repository";
  std::map<Platform, int> found;
  for (const Kind& kind : Kinds()) {
    const bool carried = kind.platform == Platform::kSevSnp || kind.platform == Platform::kTdx ||
                         kind.platform == Platform::kSgxDcap;
    if (!carried) continue;
    const auto folder = shared / kind.name();
    const auto json = wire::ParseJson(ReadFile(folder / "cases.json"), 8 << 20);
    ASSERT_TRUE(json.ok());
    const auto cases = json->Array("cases");
    ASSERT_TRUE(cases.ok());
    for (const wire::JsonValue& item : *cases) {
      UnverifiedFiles files;
      UnverifiedEvidence evidence{kind.platform, {}};
      const auto members = item.Find("files")->Object();
      ASSERT_TRUE(members.ok());
      for (const wire::JsonMember& member : *members) {
        const Bytes bytes = ReadFile(folder / *member.value.String());
        ASSERT_TRUE(files.Add(kind.roles, member.key, bytes).ok());
        if (member.key != "report" && member.key != "quote") continue;
        evidence.body = SerializeCarried({{member.key, bytes}}).value();
      }
      const auto time = item.String("verify_time");
      if (evidence.body.empty() || !time.ok()) continue;
      const auto result = Appraise(kind, {.now = ParseTime(*time).value(), .files = files});
      if (!result.ok()) continue;
      ++found[kind.platform];
      const auto statement = ReadUnverifiedStatement(evidence);
      ASSERT_TRUE(statement.ok()) << statement.error().message();
      EXPECT_EQ(statement->measurement, result->measurement());
      const AppraisalInput input{
          .now = ParseTime(*time).value(), .files = files, .report_data = statement->report_data};
      EXPECT_TRUE(Appraise(kind, input).ok());
    }
  }
  EXPECT_GT(found[Platform::kSevSnp], 5);
  EXPECT_GT(found[Platform::kTdx], 5);
  EXPECT_GT(found[Platform::kSgxDcap], 3);
}

TEST(BoundBytes, ATpmQuotesADigest) {
  const ReportData data = SomeReportData();
  EXPECT_EQ(BoundBytes(Platform::kSevSnp, data), CopyBytes(data.span()));
  EXPECT_EQ(BoundBytes(Platform::kTpm2, data).size(), 32u);
}

}  // namespace
}  // namespace anchorhold::attest
