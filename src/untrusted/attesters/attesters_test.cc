// The attesters against a kernel that a test plays.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>

#include "shared/attest/snp.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"
#include "shared/attest/verifier.h"
#include "untrusted/attesters/choose.h"
#include "untrusted/attesters/configfs_tsm.h"
#include "untrusted/attesters/gramine.h"
#include "untrusted/attesters/test_tsm.h"

namespace anchorhold::host {
namespace {

namespace fs = std::filesystem;
using attest::testing::SnpPlatform;
using testing::FakeTsm;
using testing::TsmBehaviour;

attest::ReportData SomeReportData() {
  attest::ReportData data;
  for (std::size_t i = 0; i < data.value.size(); ++i) data.value[i] = static_cast<std::byte>(7 * i);
  return data;
}

class Folder : public ::testing::Test {
 protected:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "anchorhold-tsm-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Folder() override { fs::remove_all(folder_); }
  void Put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  fs::path folder_;
};

class Tsm : public Folder {
 protected:
  Tsm() {
    behaviour_.outblob = [this](ByteSpan inblob) {
      std::copy(inblob.begin(), inblob.end(), platform_.report.begin() + 0x50);
      return platform_.SignedReport();
    };
  }
  Result<std::unique_ptr<ConfigfsTsm>> Open(std::optional<unsigned> privlevel = std::nullopt) {
    return ConfigfsTsm::Open(
        {.root = folder_, .privlevel = privlevel, .first_pause = std::chrono::milliseconds(0)},
        std::make_unique<FakeTsm>(behaviour_));
  }
  Result<std::vector<attest::CarriedFile>> Quote() {
    AH_ASSIGN_OR_RETURN(const auto tsm, Open());
    behaviour_.calls.clear();
    return tsm->Quote(SomeReportData());
  }

  SnpPlatform platform_;
  TsmBehaviour behaviour_;
};

TEST_F(Tsm, AReportPassesTheVerifier) {
  const auto endorsements = platform_.Files();
  behaviour_.auxblob = SnpPlatform::Table(endorsements);
  const auto files = Quote();
  ASSERT_TRUE(files.ok()) << files.error().message();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[1].role, "cert_table");
  const attest::UnverifiedEvidence evidence{attest::Platform::kSevSnp,
                                            attest::SerializeCarried(*files).value()};
  attest::AppraisalPolicy policy = platform_.Policy();
  policy.sev_snp->require_crl = false;
  const auto result =
      attest::Appraise(attest::testing::kSnpNow, evidence, policy, SomeReportData());
  EXPECT_TRUE(result.ok()) << result.error().message();
}

TEST_F(Tsm, ATdsQuotePassesTheVerifier) {
  behaviour_.provider = "tdx_guest";
  for (const auto form : {attest::testing::QuoteForm::kTdx4, attest::testing::QuoteForm::kTdx5}) {
    attest::testing::IntelPlatform td(form);
    auto files = td.Files();
    behaviour_.outblob = [&](ByteSpan inblob) {
      std::copy(inblob.begin(), inblob.end(), td.body.begin() + 520);
      files = td.WithQuote(files);
      return files.at("quote");
    };
    auto carried = Quote();
    ASSERT_TRUE(carried.ok()) << carried.error().message();
    files.erase("quote");
    for (const auto& [role, bytes] : files) carried->push_back({role, bytes});
    const attest::UnverifiedEvidence evidence{attest::Platform::kTdx,
                                              attest::SerializeCarried(*carried).value()};
    const auto result =
        attest::Appraise(attest::testing::kIntelNow, evidence, td.Policy(), SomeReportData());
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(attest::ReadUnverifiedStatement(evidence)->measurement, result->measurement());
  }
}

TEST_F(Tsm, FollowsTheProtocolToTheLetter) {
  behaviour_.auxblob = Bytes();
  const auto files = Quote();
  ASSERT_TRUE(files.ok()) << files.error().message();
  ASSERT_EQ(files->size(), 1u);  // an empty table is none
  const std::vector<std::string> expected = {"mkdir",           "read generation", "write inblob",
                                             "read generation", "read outblob",    "read auxblob",
                                             "read generation", "read provider",   "rmdir"};
  EXPECT_EQ(behaviour_.calls, expected);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Tsm, WritesThePrivilegeLevelThatIsAskedFor) {
  const auto tsm = Open(2);
  ASSERT_TRUE(tsm.ok());
  ASSERT_TRUE((*tsm)->Quote(SomeReportData()).ok());
  EXPECT_EQ(behaviour_.privlevel, "2");
  behaviour_.provider = "tdx_guest";
  EXPECT_FALSE(Open(2).ok());
}

TEST_F(Tsm, ABusyPlatformIsAskedAgainAndNotForEver) {
  for (const int error : {EBUSY, EWOULDBLOCK, EINTR}) {
    behaviour_.busy_error = error;
    behaviour_.busy = kTsmAttempts - 1;
    EXPECT_TRUE(Quote().ok()) << error;
    behaviour_.busy = kTsmAttempts;
    const auto files = Quote();
    ASSERT_FALSE(files.ok()) << error;
    EXPECT_EQ(files.error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(behaviour_.busy, 0);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Tsm, OtherErrorsAreNotTriedAgain) {
  behaviour_.busy_error = EIO;
  behaviour_.busy = 1;
  const auto files = Quote();
  ASSERT_FALSE(files.ok());
  EXPECT_NE(files.error().message().find("outblob: Input/output error"), std::string::npos)
      << files.error().message();
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Tsm, AnAnswerThatSomebodyDisturbedDoesNotCount) {
  behaviour_.disturbed = 2;
  const auto files = Quote();
  ASSERT_TRUE(files.ok()) << files.error().message();
  EXPECT_EQ(std::count(behaviour_.calls.begin(), behaviour_.calls.end(), "write inblob"), 3);
  behaviour_.disturbed = kTsmAttempts;
  EXPECT_FALSE(Quote().ok());
}

TEST_F(Tsm, KnowsItsPlatformByTheProvider) {
  EXPECT_EQ(Open().value()->platform(), attest::Platform::kSevSnp);
  behaviour_.provider = "tdx_guest";
  const auto tdx = Open();
  ASSERT_TRUE(tdx.ok());
  EXPECT_EQ((*tdx)->platform(), attest::Platform::kTdx);
  EXPECT_EQ((*tdx)->Quote(SomeReportData()).value()[0].role, "quote");
  for (const char* other : {"arm_cca_guest", "", "sev_guest2"}) {
    behaviour_.provider = other;
    const auto unknown = Open();
    ASSERT_FALSE(unknown.ok()) << other;
    EXPECT_EQ(unknown.error().code(), ErrorCode::kUnsupported);
  }
}

TEST_F(Tsm, AProviderThatChangesIsRefused) {
  const auto tsm = Open();
  ASSERT_TRUE(tsm.ok());
  behaviour_.provider = "tdx_guest";
  EXPECT_FALSE((*tsm)->Quote(SomeReportData()).ok());
}

TEST_F(Tsm, RealReportsAreHandedOnUnchanged) {
  const fs::path shared =
      fs::path(ANCHORHOLD_SOURCE_DIR).parent_path() / "shared" / "evidence" / "sev-snp";
  if (!fs::exists(shared)) GTEST_SKIP() << "no shared evidence beside the repository";
  int found = 0;
  for (const auto& entry : fs::directory_iterator(shared)) {
    const fs::path report = entry.path() / "report.bin";
    if (!fs::exists(report)) continue;
    ++found;
    Bytes bytes;
    ASSERT_EQ(DeviceFiles().Read(report, 4096, bytes), 0);
    behaviour_.outblob = [&](ByteSpan) { return bytes; };
    const auto files = Quote();
    ASSERT_TRUE(files.ok()) << files.error().message();
    EXPECT_EQ((*files)[0].bytes, bytes);
  }
  EXPECT_GT(found, 5);
}

class GramineTest : public Folder {
 protected:
  // A kernel whose quote holds what was written.
  struct Files final : DeviceFiles {
    int Write(const fs::path& path, ByteSpan bytes) override {
      const int error = DeviceFiles::Write(path, bytes);
      std::ofstream(path.parent_path() / "quote", std::ios::binary) << "quote:" << AsText(bytes);
      return error;
    }
  };
  Result<std::unique_ptr<Gramine>> Open() {
    return Gramine::Open(folder_, std::make_unique<Files>());
  }
};

TEST_F(GramineTest, QuotesWhatWasWritten) {
  Put("attestation_type", "dcap");
  Put("user_report_data", std::string(64, '\0'));
  const auto gramine = Open();
  ASSERT_TRUE(gramine.ok()) << gramine.error().message();
  EXPECT_EQ((*gramine)->platform(), attest::Platform::kSgxDcap);
  const auto files = (*gramine)->Quote(SomeReportData());
  ASSERT_TRUE(files.ok()) << files.error().message();
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].role, "quote");
  EXPECT_EQ(CopyText((*files)[0].bytes), "quote:" + CopyText(SomeReportData().span()));
}

TEST_F(GramineTest, AnEnclavesQuotePassesTheVerifier) {
  attest::testing::IntelPlatform sgx(attest::testing::QuoteForm::kSgx3);
  auto files = sgx.Files();
  struct Kernel final : DeviceFiles {
    explicit Kernel(std::function<Bytes(ByteSpan)> value) : quote(std::move(value)) {}
    int Write(const fs::path& path, ByteSpan bytes) override {
      const int error = DeviceFiles::Write(path, bytes);
      std::ofstream(path.parent_path() / "quote", std::ios::binary) << AsText(quote(bytes));
      return error;
    }
    std::function<Bytes(ByteSpan)> quote;
  };
  Put("attestation_type", "dcap");
  Put("user_report_data", std::string(64, '\0'));
  const auto gramine =
      Gramine::Open(folder_, std::make_unique<Kernel>([&](ByteSpan report_data) {
                      std::copy(report_data.begin(), report_data.end(), sgx.body.begin() + 320);
                      files = sgx.WithQuote(files);
                      return files.at("quote");
                    }));
  ASSERT_TRUE(gramine.ok());
  auto carried = (*gramine)->Quote(SomeReportData());
  ASSERT_TRUE(carried.ok()) << carried.error().message();
  files.erase("quote");
  for (const auto& [role, bytes] : files) carried->push_back({role, bytes});
  const attest::UnverifiedEvidence evidence{attest::Platform::kSgxDcap,
                                            attest::SerializeCarried(*carried).value()};
  const auto result =
      attest::Appraise(attest::testing::kIntelNow, evidence, sgx.Policy(), SomeReportData());
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(attest::ReadUnverifiedStatement(evidence)->measurement, result->measurement());
}

TEST_F(GramineTest, OtherAttestationIsRefusedByName) {
  EXPECT_EQ(Open().error().code(), ErrorCode::kNotFound);
  for (const char* type : {"none", "epid", "", "DCAP"}) {
    Put("attestation_type", type);
    const auto gramine = Open();
    ASSERT_FALSE(gramine.ok()) << type;
    EXPECT_EQ(gramine.error().code(), ErrorCode::kUnsupported);
  }
}

TEST_F(GramineTest, FilesThatAreMissingAreErrors) {
  Put("attestation_type", "dcap\n");
  const auto gramine = Open();
  ASSERT_TRUE(gramine.ok());
  EXPECT_FALSE((*gramine)->Quote(SomeReportData()).ok());
}

class Choice : public Folder {
 protected:
  Result<std::unique_ptr<EvidenceDevice>> Choose(const std::string& platform) {
    return OpenDevice({.platform = platform, .root = folder_});
  }
};

TEST_F(Choice, AutomaticFindsWhatIsThere) {
  fs::create_directories(folder_ / "dev/attestation");
  Put("dev/attestation/attestation_type", "dcap\n");
  const auto device = Choose(kAutomatic);
  ASSERT_TRUE(device.ok()) << device.error().message();
  EXPECT_EQ((*device)->platform(), attest::Platform::kSgxDcap);
}

TEST_F(Choice, AutomaticNeverMeansTheSimulatedPlatform) {
  const auto device = Choose(kAutomatic);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code(), ErrorCode::kNotFound);
  for (const char* part : {"configfs-tsm", "/dev/attestation", "TPM", "insecure-simulated"}) {
    EXPECT_NE(device.error().message().find(part), std::string::npos) << part;
  }
}

TEST_F(Choice, AutomaticStopsAtWhatCannotBeUsed) {
  fs::create_directories(folder_ / "dev/attestation");
  Put("dev/attestation/attestation_type", "none\n");
  const auto device = Choose(kAutomatic);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code(), ErrorCode::kUnsupported);
}

TEST_F(Choice, ANamedPlatformMustBeThatOne) {
  for (const char* platform : {"sev-snp", "tdx", "sgx-dcap", "tpm2"}) {
    const auto device = Choose(platform);
    ASSERT_FALSE(device.ok()) << platform;
    EXPECT_EQ(device.error().code(), ErrorCode::kNotFound);
  }
  for (const char* platform : {"nitro", "insecure-simulated", "nvidia-gpu"}) {
    EXPECT_EQ(Choose(platform).error().code(), ErrorCode::kUnsupported) << platform;
  }
  EXPECT_EQ(Choose("").error().code(), ErrorCode::kInvalidInput);
}

TEST_F(Choice, APlaceIsForANamedPlatform) {
  fs::create_directories(folder_ / "elsewhere");
  Put("elsewhere/attestation_type", "dcap");
  const std::string place = folder_ / "elsewhere";
  const auto device = OpenDevice({.platform = "sgx-dcap", .device = place, .root = folder_});
  EXPECT_TRUE(device.ok()) << device.error().message();
  const auto automatic = OpenDevice({.platform = kAutomatic, .device = place, .root = folder_});
  ASSERT_FALSE(automatic.ok());
  EXPECT_EQ(automatic.error().code(), ErrorCode::kInvalidInput);
  const auto level =
      OpenDevice({.platform = "sgx-dcap", .device = place, .vmpl = 1, .root = folder_});
  ASSERT_FALSE(level.ok());
  EXPECT_EQ(level.error().code(), ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace anchorhold::host
