// Runs the program as people and scripts do: arguments in; output, JSON and exit status out. Only
// what needs no server.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "client/core/files.h"
#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

constexpr char kSchema[] =
    "version = 1\n[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = 0.0\nmax = 1.0\n"
    "out_of_range = \"clamp\"\n[[column]]\nname = \"y\"\nrole = \"label\"\n"
    "classes = [\"B\", \"M\"]\n";

class CliTest : public testing::Test {
 protected:
  // Runs in the test's own folder, with a home of its own.
  Outcome Run(const std::string& arguments) {
    const std::string command = "cd '" + folder_.path() +
                                "' && ANCHORHOLD_HOME=home '" ANCHORHOLD_BINARY_DIR
                                "/bin/anchorhold' " +
                                arguments + " 2>stderr </dev/null";
    Outcome outcome;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
      outcome.out.append(buffer, n);
    }
    const int status = pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.err = CopyText(*ReadWholeFile(folder_ / "stderr", 1 << 20));
    return outcome;
  }
  nlohmann::json RunJson(const std::string& arguments) {
    const Outcome outcome = Run(arguments + " --json");
    EXPECT_EQ(outcome.status, 0) << arguments << ": " << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  // One line on standard error, the same under "error" on standard output, and the status.
  std::string ExpectError(const std::string& arguments, int status) {
    const Outcome outcome = Run(arguments + " --json");
    EXPECT_EQ(outcome.status, status) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.err.rfind("anchorhold: ", 0), 0u) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(json.is_object()) << arguments << ": " << outcome.out;
    if (!json.is_object() || !json.contains("error")) return "";
    const std::string message = json["error"]["message"];
    EXPECT_EQ(outcome.err, "anchorhold: " + message + "\n");
    const Outcome plain = Run(arguments);
    EXPECT_EQ(plain.status, status);
    return message;
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteWholeFile(folder_ / name, AsBytes(text), IfExists::kReplace).ok());
  }
  // A home with a key and a policy, and a schema beside it.
  void MakeParty() {
    Write("enclave", "the bytes of some enclave");
    Write("schema.toml", kSchema);
    ASSERT_EQ(Run("keygen").status, 0);
    ASSERT_EQ(Run("policy new --enclave enclave --accept insecure-simulated").status, 0);
  }

  TestFolder folder_;
};

TEST_F(CliTest, HelpForEveryCommand) {
  std::istringstream commands(
      ",up,down,status,version,keygen,key,measure,policy,policy new,attest,contract,contract new,"
      "contract sign,contract verify,contract show,data,data check,data put,data list,data show,"
      "model,model bench,model check,model evaluate,model fit,model fix,model grad,model plan,"
      "model run,model show,train,jobs,jobs list,jobs watch,receipt,receipt verify,receipt show,"
      "dp,dp epsilon,dp noise,endorsements,endorsements fetch,endorsements list,evidence verify,"
      "evidence show");
  for (std::string command; std::getline(commands, command, ',');) {
    const Outcome outcome = Run(command + " --help");
    EXPECT_EQ(outcome.status, 0) << command;
    EXPECT_EQ(outcome.err, "") << command;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 100u) << command << ": " << line;
    }
  }
  EXPECT_NE(Run("--help").out.find("Exit status"), std::string::npos);
}

TEST_F(CliTest, UsageErrors) {
  ExpectError("", 2);
  EXPECT_NE(ExpectError("frobnicate", 2).find("no command 'frobnicate'"), std::string::npos);
  EXPECT_NE(ExpectError("dp frobnicate", 2).find("see 'anchorhold dp --help'"), std::string::npos);
  ExpectError("dp", 2);
  ExpectError("dp epsilon", 2);
  ExpectError("keygen --frobnicate", 2);
  ExpectError("train --model m.onnx --data d --delta 1e-4 --loss mse --out o", 2);
  ExpectError("train --model m.onnx --data d --epsilon 1 --delta 1e-4 --out o", 2);
  ExpectError("up --state s", 2);
  ExpectError("up --state s --platform sgx-of-the-future", 2);
  EXPECT_FALSE(PathExists(folder_ / "s"));
}

TEST_F(CliTest, OutputThatCannotBeWritten) {
  const Outcome full = Run("version >/dev/full");
  EXPECT_EQ(full.status, 1);
  EXPECT_NE(full.err.find("disk full"), std::string::npos) << full.err;
  // A reader that has seen enough is told nothing.
  constexpr int kOut = 9;
  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  ASSERT_EQ(dup2(ends[1], kOut), kOut);
  close(ends[1]);
  for (const char* command : {"version", "version --json"}) {
    const Outcome gone = Run(std::string(command) + " >&9");
    EXPECT_EQ(gone.status, 141) << command;
    EXPECT_EQ(gone.err, "");
  }
  close(kOut);
}

TEST_F(CliTest, DpEpsilonAndNoiseAgree) {
  const std::string run = " --sampling-probability 0.25 --steps 40 --delta 1e-4";
  const double noise = RunJson("dp noise --epsilon 1" + run)["noise_multiplier"];
  EXPECT_GT(noise, 1);
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", noise);
  const double epsilon =
      RunJson("dp epsilon --noise-multiplier " + std::string(text) + run)["epsilon"];
  EXPECT_LE(epsilon, 1);
  EXPECT_GT(epsilon, 0.999);
}

TEST_F(CliTest, DpRefusesBadNumbers) {
  const std::string names[] = {"--sampling-probability", "--noise-multiplier", "--steps",
                               "--delta"};
  const std::string good[] = {"0.25", "5", "40", "1e-4"};
  const std::vector<std::string> bad[] = {{"0", "1.5", "-1", "nan", "x"},
                                          {"0", "-1", "inf", "nan", "1e999"},
                                          {"0", "-1", "1.5", "10000001", "1e3"},
                                          {"0", "1", "-1", "nan", "''"}};
  for (std::size_t i = 0; i < 4; ++i) {
    for (const std::string& value : bad[i]) {
      std::string arguments = "dp epsilon";
      for (std::size_t j = 0; j < 4; ++j) {
        arguments += " " + names[j] + " " + (i == j ? value : good[j]);
      }
      EXPECT_EQ(ExpectError(arguments, 2).rfind(names[i], 0), 0u) << arguments;
    }
  }
  for (const char* epsilon : {"0", "-1", "inf", "nan"}) {
    ExpectError("dp noise --sampling-probability 0.25 --steps 40 --delta 1e-4 --epsilon " +
                    std::string(epsilon),
                2);
    ExpectError("train --model m --data d --loss mse --delta 1e-4 --out o --epsilon " +
                    std::string(epsilon),
                2);
  }
}

TEST_F(CliTest, AnOptionThatIsGivenTwiceMeansTheLast) {
  const std::string run = "dp epsilon --sampling-probability 0.25 --steps 40 --delta 1e-4";
  EXPECT_EQ(RunJson(run + " --noise-multiplier 2 --noise-multiplier 5"),
            RunJson(run + " --noise-multiplier 5"));
}

TEST_F(CliTest, KeygenAndKey) {
  ExpectError("key", 2);
  const auto made = RunJson("keygen");
  EXPECT_EQ(made["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_EQ(made["path"], "home/key");
  EXPECT_EQ(RunJson("key"), made);
  ExpectError("keygen", 2);
  EXPECT_EQ(RunJson("key"), made);
  std::filesystem::permissions(folder_ / "home/key", std::filesystem::perms(0644));
  ExpectError("key", 3);
}

TEST_F(CliTest, MeasureAndPolicy) {
  Write("enclave", "abc");
  // SHA-384 of "abc", FIPS 180-4.
  const std::string measurement =
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca1"
      "34c825a7";
  EXPECT_EQ(RunJson("measure enclave")["measurement"], measurement);
  ExpectError("measure nothing", 2);
  const auto policy = RunJson("policy new --enclave enclave --accept insecure-simulated");
  EXPECT_EQ(policy["measurements"][0], measurement);
  const std::string text = CopyText(*ReadWholeFile(folder_ / "home/policy.toml", 10000));
  EXPECT_NE(text.find(measurement), std::string::npos);
  ExpectError("policy new --enclave enclave --accept insecure-simulated", 2);
  ExpectError("policy new --enclave enclave", 2);
  // Every platform's rules are such that the policy can be read again.
  const std::string image(96, 'a');
  for (const std::string platform :
       {"sev-snp", "tdx", "sgx-dcap", "tpm2", "nitro", "azure-vtpm", "nvidia-gpu"}) {
    const auto made = RunJson("policy new --measurement " + image + " --accept " + platform +
                              " --out " + platform + ".toml");
    EXPECT_EQ(made["measurements"][0], image) << platform;
  }
  ExpectError("policy new --accept sev-snp --enclave enclave --out none.toml", 2);
  ExpectError("policy new --accept sev-snp --measurement 1234 --out none.toml", 2);
  ExpectError("policy new --accept tpm2 --enclave enclave --tpm-key 12 --out none.toml", 2);
  EXPECT_FALSE(PathExists(folder_ / "none.toml"));
  ExpectError("policy new --enclave enclave --accept something --out p.toml", 2);
  EXPECT_FALSE(PathExists(folder_ / "p.toml"));
}

TEST_F(CliTest, ContractFromDraftToSignature) {
  MakeParty();
  const std::string base =
      "contract new --dataset d --schema schema.toml --rows 100 --epsilon 1 --delta 1e-3 "
      "--grant " +
      std::string(64, 'a') + ":0.5 ";
  ExpectError(base + "--expires 2020-01-01T00:00:00Z --out c.toml", 2);
  ExpectError(base + "--expires tomorrow --out c.toml", 2);
  ExpectError(base + "--expires 2099-01-01T00:00:00Z --delta 0.01 --out c.toml", 3);
  ExpectError(base + "--expires 2099-01-01T00:00:00Z --grant x:1 --out c.toml", 2);
  EXPECT_FALSE(PathExists(folder_ / "c.toml"));
  const auto made = RunJson(base + "--expires 2099-01-01T00:00:00Z --out c.toml");
  EXPECT_EQ(made["contract"]["dataset"], "d");
  EXPECT_EQ(made["contract"]["grants"][0]["epsilon"], 0.5);
  ExpectError(base + "--expires 2099-01-01T00:00:00Z --out c.toml", 2);
  ExpectError("contract verify c.toml", 2);
  EXPECT_EQ(RunJson("contract sign c.toml")["signer"], RunJson("key")["fingerprint"]);
  EXPECT_EQ(RunJson("contract verify c.toml")["valid"], true);
  EXPECT_EQ(RunJson("contract show c.toml")["contract"], made["contract"]);
  Write("c.toml", CopyText(*ReadWholeFile(folder_ / "c.toml", 65536)) + "\n");
  ExpectError("contract verify c.toml", 3);
  Write("c.toml", CopyText(*ReadWholeFile(folder_ / "c.toml", 65536)) + "surprise = 1\n");
  ExpectError("contract show c.toml", 2);
}

TEST_F(CliTest, DataCheck) {
  Write("schema.toml", kSchema);
  Write("t.csv", "a,y\n0.5,B\n2,M\n");
  const auto checked = RunJson("data check t.csv --schema schema.toml");
  EXPECT_EQ(checked["rows"], 2);
  EXPECT_EQ(checked["clamped"]["a"], 1);
  EXPECT_NE(Run("data check t.csv --schema schema.toml")
                .out.find("1 cell clamped to the public range in column 'a'"),
            std::string::npos);
  Write("t.csv", "a,y\n0.5,B\n731x,M\n");
  const std::string message = ExpectError("data check t.csv --schema schema.toml", 2);
  EXPECT_EQ(message.rfind("t.csv:3: column 'a': ", 0), 0u) << message;
  EXPECT_EQ(message.find("731"), std::string::npos);
  ExpectError("data check missing.csv --schema schema.toml", 2);
}

TEST_F(CliTest, CommandsThatNeedAServerSayWhatIsMissing) {
  ExpectError("data list", 2);  // no key
  MakeParty();
  EXPECT_NE(ExpectError("data list", 2).find("anchorhold attest"), std::string::npos);
  ExpectError("attest --server nonsense", 2);
  ExpectError("attest --server 127.0.0.1:1", 1);  // nobody listens there
  EXPECT_FALSE(PathExists(folder_ / "home/server"));
}

TEST_F(CliTest, ModelAndReceiptFilesThatAreNone) {
  Write("m.onnx", "not a model");
  ExpectError("model check m.onnx", 2);
  MakeParty();
  ExpectError("train --model m.onnx --data d --loss mse --epsilon 1 --delta 1e-4 --out o", 2);
  ExpectError("model fit m.onnx --csv t.csv --schema schema.toml --loss mse --out w", 2);
  ExpectError("receipt show m.onnx", 2);
  const Outcome verify = Run("receipt verify m.onnx");
  EXPECT_NE(verify.status, 0);
  EXPECT_FALSE(PathExists(folder_ / "o"));
}

TEST_F(CliTest, DownAndStatusWithoutAHost) {
  ExpectError("status --state state", 1);
  ExpectError("down --state state", 1);
}

TEST_F(CliTest, Version) { EXPECT_TRUE(RunJson("version")["version"].is_string()); }

}  // namespace
}  // namespace anchorhold::client
