// `anchorhold evidence`, run as people and scripts run it, on evidence of a platform of our own.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "shared/attest/snp.h"
#include "shared/attest/test_snp.h"
#include "tests/support/command.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;
using attest::testing::SnpPlatform;
using Json = nlohmann::json;

class EvidenceCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("anchorhold-evidence-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    for (const auto& [role, bytes] : platform_.Files()) {
      Write(role, CopyText(bytes));
      files_.push_back("--file");
      files_.push_back(role + "=" + Path(role));
    }
    Write("policy", attest::FormatPolicy(platform_.Policy()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  void Write(const std::string& name, const std::string& text) { WriteText(Path(name), text); }
  Outcome Run(const std::string& command, std::vector<std::string> more) {
    std::vector<std::string> arguments = {ANCHORHOLD_BINARY_DIR "/bin/anchorhold", "evidence",
                                          command, "--kind", "sev-snp"};
    arguments.insert(arguments.end(), files_.begin(), files_.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCommand(arguments);
  }
  Outcome Verify(std::vector<std::string> more) {
    more.insert(more.end(), {"--time", "2025-06-15T15:06:40Z"});
    return Run("verify", more);
  }

  SnpPlatform platform_;
  fs::path folder_;
  std::vector<std::string> files_;
};

TEST_F(EvidenceCommand, VerifiesByAPolicy) {
  const Outcome outcome = Verify({"--policy", Path("policy"), "--strict", "--json", "--report-data",
                                  ToHex(Bytes(64, std::byte{0xda}))});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["accepted"], true);
  EXPECT_EQ(json["appraised_by"], "policy and strict");
  EXPECT_EQ(json["claims"]["measurement"], ToHex(Bytes(48, std::byte{0x5a})));
  EXPECT_EQ(json["claims"]["policy_bits"]["debug"], 0);
  EXPECT_EQ(json["checks"]["report_signature"], true);
  EXPECT_TRUE(json["skipped"].empty()) << json["skipped"];
  EXPECT_EQ(json["status"], "affirming");
  EXPECT_EQ(json["trustworthiness_vector"]["hardware"], 2);
  EXPECT_TRUE(json["warnings"].empty());
}

TEST_F(EvidenceCommand, WithoutAPolicyItSaysHowLittleWasJudged) {
  // Our root is no vendor's, so that without a policy it is refused.
  const Outcome outcome = Verify({"--json"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.err.find("root_is_pinned: "), std::string::npos) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out)["error"]["code"], "attestation-refused");

  const fs::path shared = ANCHORHOLD_SOURCE_DIR "/../shared/evidence/sev-snp";
  if (!fs::exists(shared)) GTEST_SKIP() << "there is no " << shared;
  const std::string folder = (shared / "milan-v2-vcek-debug").string();
  files_ = {"--file", "report=" + folder + "/report.bin",
            "--file", "vcek=" + folder + "/vcek.der",
            "--file", "ask=" + (shared / "roots/milan_ask.der").string(),
            "--file", "ark=" + (shared / "roots/milan_ark.der").string()};
  const Outcome signatures = Verify({"--json"});
  ASSERT_EQ(signatures.status, 0) << signatures.err;
  const Json json = Json::parse(signatures.out);
  EXPECT_EQ(json["appraised_by"], "signatures-only");
  EXPECT_TRUE(json["skipped"].contains("no_debug"));
  EXPECT_EQ(json["claims"]["policy_bits"]["debug"], 1);
  EXPECT_NE(json["warnings"].dump().find("signatures, chains and bindings only"),
            std::string::npos);
  const Outcome text = Verify({});
  EXPECT_NE(text.out.find("signatures, chains and bindings only"), std::string::npos) << text.out;
  const Outcome strict = Verify({"--strict"});
  EXPECT_EQ(strict.status, 3);
  EXPECT_NE(strict.err.find("no_debug: "), std::string::npos) << strict.err;
}

TEST_F(EvidenceCommand, RefusalsHaveTheirStatus) {
  const std::vector<std::string> policy = {"--policy", Path("policy")};
  EXPECT_EQ(Verify(policy).status, 0);
  EXPECT_EQ(Verify({"--policy", Path("policy"), "--report-data", "00"}).status, 3);
  Write("report", "short");
  const Outcome damaged = Verify(policy);
  EXPECT_EQ(damaged.status, 3);
  EXPECT_NE(damaged.err.find("report_is_well_formed: "), std::string::npos) << damaged.err;
}

TEST_F(EvidenceCommand, ABadCommandLineIsNoRefusal) {
  EXPECT_EQ(Verify({"--policy", Path("none")}).status, 2);
  EXPECT_EQ(Verify({"--file", "report"}).status, 2);
  EXPECT_EQ(Verify({"--file", "quote=" + Path("report")}).status, 2);
  EXPECT_EQ(Verify({"--file", "report=" + Path("report")}).status, 2);
  EXPECT_EQ(Verify({"--report-data", "xy"}).status, 2);
  EXPECT_EQ(Run("verify", {}).status, 2);
  EXPECT_EQ(Run("verify", {"--time", "yesterday"}).status, 2);
  EXPECT_EQ(Verify({"--kind", "sgx"}).status, 2);
  const Outcome unknown = Verify({"--kind", "insecure-simulated"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_NE(unknown.err.find("no verifier"), std::string::npos) << unknown.err;
}

TEST_F(EvidenceCommand, ShowSaysUnverifiedOnEveryLine) {
  const Outcome text = Run("show", {});
  ASSERT_EQ(text.status, 0) << text.err;
  std::istringstream lines(text.out);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(line.rfind("UNVERIFIED ", 0), 0u) << line;
  }
  EXPECT_GT(count, 30u);
  const Json json = Json::parse(Run("show", {"--json"}).out);
  EXPECT_EQ(json["UNVERIFIED"]["version"], 3);
}

}  // namespace
}  // namespace anchorhold::testing
