// kill -9 of host or enclave at any moment: no acknowledged upload is lost and no budget refunded.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <random>

#include "tests/support/deployment.h"

namespace anchorhold::testing {
namespace {

enum class Victim { kHost, kEnclave };

// A process that has ended counts as gone even where nobody has collected its exit status yet.
bool IsAlive(pid_t pid) {
  const std::string stat = ReadText("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z";
}

void KillAndWait(const Deployment& deployment, Victim victim) {
  const pid_t host = deployment.host_pid();
  const pid_t enclave = deployment.enclave_pid();
  kill(victim == Victim::kHost ? host : enclave, SIGKILL);
  // One does not outlive the other: the state's lock and the port are free again.
  for (int i = 0; i < 500 && (IsAlive(host) || IsAlive(enclave)); ++i) usleep(10'000);
  EXPECT_FALSE(IsAlive(host)) << "the host outlived its enclave";
  EXPECT_FALSE(IsAlive(enclave)) << "the enclave outlived its host";
}

double Spent(const Deployment& deployment, const std::string& dataset) {
  return deployment.JsonAs("researcher", {"data", "show", dataset})["epsilon_spent"];
}

std::vector<std::string> TrainCommand(const std::string& dataset, const std::string& steps,
                                      const std::string& out) {
  return {"train",
          "--model",
          ExamplePath("models/mlp.onnx"),
          "--data",
          dataset,
          "--loss",
          "binary-cross-entropy",
          "--epsilon",
          "1",
          "--delta",
          "1e-4",
          "--steps",
          steps,
          "--sampling-probability",
          "0.25",
          "--out",
          out};
}

class Crash : public ::testing::TestWithParam<Victim> {
 protected:
  void SetUp() override {
    deployment_.Up();
    for (const char* party : {"owner", "researcher"}) deployment_.Introduce(party);
  }

  void Revive() {
    deployment_.Restart();
    for (const char* party : {"owner", "researcher"}) deployment_.AttestAgain(party);
  }

  std::string NewDataset(const std::string& name, unsigned seed) {
    const std::string csv = deployment_.Path(name + ".csv");
    WriteText(csv, SyntheticCsv(200, seed));
    return csv;
  }

  Deployment deployment_;
};

TEST_P(Crash, AcknowledgedUploadsSurvive) {
  std::mt19937 random(7);
  std::vector<std::string> acknowledged;
  for (int round = 0; round < 4; ++round) {
    const std::string name = "data-" + std::to_string(round);
    const std::string csv = NewDataset(name, static_cast<unsigned>(round));
    const std::string contract = deployment_.Contract("owner", name, csv, "researcher", 2);
    const pid_t put = deployment_.StartAs(
        "owner",
        {"data", "put", csv, "--schema", ExamplePath("schema.toml"), "--contract", contract});
    usleep(static_cast<useconds_t>(random() % 60'000));
    KillAndWait(deployment_, GetParam());
    if (WaitFor(put) == 0) acknowledged.push_back(name);
    Revive();
    for (const std::string& known : acknowledged) {
      EXPECT_EQ(deployment_.JsonAs("owner", {"data", "show", known})["name"], known);
    }
  }
  // An upload that was cut off can be repeated, unless it had been stored after all.
  const std::string csv = deployment_.Path("data-3.csv");
  const Outcome again = deployment_.Put("owner", csv, deployment_.Path("data-3.toml"));
  const Outcome show = deployment_.As("owner", {"data", "show", "data-3"});
  EXPECT_EQ(show.status, 0) << again.err;
}

TEST_P(Crash, BudgetIsNeverRefunded) {
  const std::string csv = NewDataset("ward", 1);
  const std::string contract = deployment_.Contract("owner", "ward", csv, "researcher", 8);
  ASSERT_EQ(deployment_.Put("owner", csv, contract).status, 0);
  const Outcome first =
      deployment_.As("researcher", TrainCommand("ward", "40", deployment_.Path("first")));
  ASSERT_EQ(first.status, 0) << first.err;
  double before = Spent(deployment_, "ward");
  EXPECT_GT(before, 0.9);

  std::mt19937 random(11);
  for (int round = 0; round < 3; ++round) {
    const pid_t train =
        deployment_.StartAs("researcher", TrainCommand("ward", "200000", deployment_.Path("long")));
    // Long enough for the job to have been charged: its progress shows it.
    for (int i = 0; i < 1000; ++i) {
      const auto jobs = deployment_.JsonAs("researcher", {"jobs", "list"})["jobs"];
      if (!jobs.empty() && jobs.back()["state"] == "running") break;
      usleep(20'000);
    }
    const double charged = Spent(deployment_, "ward");
    EXPECT_GT(charged, before);
    usleep(static_cast<useconds_t>(random() % 100'000));
    KillAndWait(deployment_, GetParam());
    EXPECT_NE(WaitFor(train), 0);
    Revive();
    EXPECT_GE(Spent(deployment_, "ward"), charged);
    before = charged;
  }
}

INSTANTIATE_TEST_SUITE_P(Either, Crash, ::testing::Values(Victim::kHost, Victim::kEnclave),
                         [](const auto& victim) {
                           return victim.param == Victim::kHost ? "Host" : "Enclave";
                         });

}  // namespace
}  // namespace anchorhold::testing
