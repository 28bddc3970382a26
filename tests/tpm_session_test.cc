// A whole deployment on a TPM 2.0 (in software): the host extends the enclave's register, the
// client judges a real quote twice, and data, training and receipt go through as on every other
// platform.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/deployment.h"
#include "tests/support/swtpm.h"

namespace anchorhold::testing {
namespace {

class TpmSession : public ::testing::Test {
 protected:
  TpmSession() {
    const Outcome up = deployment_.As("operator", UpArguments());
    EXPECT_EQ(up.status, 0) << up.err << ReadText(deployment_.state() + "/enclave.log");
    if (up.status == 0) up_ = nlohmann::json::parse(up.out);
  }
  std::vector<std::string> UpArguments() const {
    return {"up",       "--state",     deployment_.state(), "--listen", "127.0.0.1:0",
            "--device", swtpm_.tcti(), "--platform",        "tpm2",     "--json"};
  }
  std::string server() const { return up_["address"]; }

  // A key, and a policy that accepts this enclave on a TPM whose key is `tpm_key`.
  void MakePolicy(const std::string& party, const std::vector<std::string>& tpm_key) {
    deployment_.As(party, {"keygen"});
    std::vector<std::string> arguments = {
        "policy", "new", "--force", "--enclave", Binary("anchorhold-enclave"), "--accept", "tpm2"};
    arguments.insert(arguments.end(), tpm_key.begin(), tpm_key.end());
    const Outcome made = deployment_.As(party, arguments);
    ASSERT_EQ(made.status, 0) << made.err;
  }
  Outcome Attest(const std::string& party, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"attest", "--server", server()});
    return deployment_.As(party, more);
  }
  // The refusal of an unlisted key names it; its owner confirms it by other means.
  std::string KeyOfTheTpm() {
    MakePolicy("stranger", {"--tpm-key", std::string(64, '0')});
    const Outcome refused = Attest("stranger");
    EXPECT_EQ(refused.status, 3);
    const std::size_t at = refused.err.find("the key ");
    EXPECT_NE(refused.err.find("ak_is_trusted"), std::string::npos) << refused.err;
    return at == std::string::npos ? "" : refused.err.substr(at + 8, 64);
  }
  void Introduce(const std::string& party) {
    MakePolicy(party, {"--tpm-key", KeyOfTheTpm()});
    const Outcome attest = Attest(party);
    ASSERT_EQ(attest.status, 0) << attest.err;
  }

  Swtpm swtpm_;
  Deployment deployment_;
  nlohmann::json up_;
};

TEST_F(TpmSession, AttestShowsTheQuote) {
  EXPECT_EQ(up_["platform"], "tpm2");
  Introduce("owner");
  const auto json = deployment_.JsonAs("owner", {"attest", "--server", server()});
  EXPECT_EQ(json["platform"], "tpm2");
  EXPECT_EQ(json["measurement"], up_["measurement"]);
  const auto& claims = json["ear_claims"]["submods"]["tpm2"]["anchorhold.claims"];
  EXPECT_EQ(claims["pcrs"]["sha256"]["15"], json["measurement"]);
  const Outcome text = Attest("owner");
  EXPECT_NE(text.out.find("whoever owns the machine can still read its memory"), std::string::npos)
      << text.out;
}

TEST_F(TpmSession, AKeyThatNobodyVouchesForIsRefused) {
  MakePolicy("owner", {});
  const Outcome refused = Attest("owner");
  EXPECT_EQ(refused.status, 3);
  EXPECT_NE(refused.err.find("ak_is_trusted"), std::string::npos) << refused.err;
}

TEST_F(TpmSession, TrainsAndItsReceiptVerifies) {
  Introduce("owner");
  Introduce("researcher");
  WriteText(deployment_.Path("data.csv"), SyntheticCsv(60, 1));
  const std::string contract =
      deployment_.Contract("owner", "clinic", deployment_.Path("data.csv"), "researcher", 4);
  const Outcome put = deployment_.Put("owner", deployment_.Path("data.csv"), contract);
  ASSERT_EQ(put.status, 0) << put.err;
  const std::string out = deployment_.Path("out");
  const Outcome train = deployment_.As(
      "researcher", {"train", "--model", ExamplePath("models/logistic.onnx"), "--data", "clinic",
                     "--epsilon", "2", "--delta", "1e-4", "--loss", "binary-cross-entropy",
                     "--sampling-probability", "0.3", "--steps", "10", "--out", out});
  ASSERT_EQ(train.status, 0) << train.err;
  const auto receipt = deployment_.JsonAs("owner", {"receipt", "verify", out + "/receipt"});
  EXPECT_EQ(receipt["valid"], true);
}

TEST_F(TpmSession, KeysDoNotOutliveTheEnclaveAndARestartSaysSo) {
  deployment_.Down();
  const Outcome again = deployment_.As("operator", UpArguments());
  EXPECT_NE(again.status, 0);
  EXPECT_NE(again.err.find("start with an empty folder"), std::string::npos) << again.err;
}

TEST(TpmMissing, AutoNamesWhatItLookedForAndHowToGoWithout) {
  const Deployment deployment;
  const Outcome up = deployment.As("operator", {"up", "--state", deployment.state(), "--listen",
                                                "127.0.0.1:0", "--platform", "auto"});
  if (up.status == 0) GTEST_SKIP() << "this machine has hardware that attests";
  EXPECT_NE(up.err.find("configfs-tsm"), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("insecure-simulated by name"), std::string::npos) << up.err;
}

}  // namespace
}  // namespace anchorhold::testing
