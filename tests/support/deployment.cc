#include "tests/support/deployment.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <random>
#include <sstream>

namespace anchorhold::testing {

namespace fs = std::filesystem;

std::string Binary(const std::string& name) {
  return std::string(ANCHORHOLD_BINARY_DIR) + "/bin/" + name;
}

std::string ExamplePath(const std::string& name) {
  return std::string(ANCHORHOLD_SOURCE_DIR) + "/examples/two-hospitals/" + name;
}

Deployment::Deployment() {
  std::string pattern = (fs::temp_directory_path() / "anchorhold-test-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
}

Deployment::~Deployment() {
  if (IsUp()) Down();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Deployment::Up() {
  const Outcome up = As("operator", {"up", "--state", state(), "--listen", "127.0.0.1:0",
                                     "--platform", "insecure-simulated", "--json"});
  ASSERT_EQ(up.status, 0) << up.err << ReadText(state() + "/enclave.log");
  server_ = nlohmann::json::parse(up.out)["address"];
}

void Deployment::Down() { As("operator", {"down", "--state", state()}); }

bool Deployment::IsUp() const { return fs::exists(state() + "/host.json") && host_pid() > 0; }

pid_t Deployment::host_pid() const {
  return nlohmann::json::parse(ReadText(state() + "/host.json"))["pid"];
}

pid_t Deployment::enclave_pid() const {
  return nlohmann::json::parse(ReadText(state() + "/host.json"))["enclave_pid"];
}

Outcome Deployment::As(const std::string& party, const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {Binary("anchorhold")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunCommand(command, {{"ANCHORHOLD_HOME", Path(party)}});
}

nlohmann::json Deployment::JsonAs(const std::string& party,
                                  std::vector<std::string> arguments) const {
  arguments.push_back("--json");
  const Outcome outcome = As(party, arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  nlohmann::json json = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << outcome.out;
  return json;
}

pid_t Deployment::StartAs(const std::string& party,
                          const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {Binary("anchorhold")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return StartCommand(command, {{"ANCHORHOLD_HOME", Path(party)}}, Path(party + ".log"));
}

void Deployment::Introduce(const std::string& party) {
  const Outcome key = As(party, {"keygen"});
  ASSERT_EQ(key.status, 0) << key.err;
  const Outcome policy = As(party, {"policy", "new", "--enclave", Binary("anchorhold-enclave"),
                                    "--accept", "insecure-simulated"});
  ASSERT_EQ(policy.status, 0) << policy.err;
  AttestAgain(party);
}

void Deployment::AttestAgain(const std::string& party) {
  const Outcome attest = As(party, {"attest", "--server", server_});
  ASSERT_EQ(attest.status, 0) << attest.err << ReadText(state() + "/enclave.log");
}

std::string Deployment::FingerprintOf(const std::string& party) const {
  return JsonAs(party, {"key"})["fingerprint"];
}

std::string Deployment::Contract(const std::string& owner, const std::string& dataset,
                                 const std::string& csv, const std::string& researcher,
                                 double epsilon) {
  const std::string text = ReadText(csv);
  const auto rows = std::count(text.begin(), text.end(), '\n') - 1;
  std::ostringstream budget;
  budget << epsilon;
  const std::string path = Path(dataset + ".toml");
  const Outcome made =
      As(owner, {"contract", "new", "--dataset", dataset, "--schema", ExamplePath("schema.toml"),
                 "--rows", std::to_string(rows), "--epsilon", budget.str(), "--delta", "1e-4",
                 "--expires", "2035-01-01T00:00:00Z", "--grant",
                 FingerprintOf(researcher) + ":" + budget.str(), "--out", path});
  EXPECT_EQ(made.status, 0) << made.err;
  const Outcome sign = As(owner, {"contract", "sign", path});
  EXPECT_EQ(sign.status, 0) << sign.err;
  return path;
}

Outcome Deployment::Put(const std::string& owner, const std::string& csv,
                        const std::string& contract) const {
  return As(owner, {"data", "put", csv, "--schema", ExamplePath("schema.toml"), "--contract",
                    contract, "--json"});
}

std::string SyntheticCsv(int rows, unsigned seed) {
  std::ostringstream csv;
  csv << "diagnosis";
  const std::array<const char*, 10> measures = {
      "radius",      "texture",   "perimeter",      "area",     "smoothness",
      "compactness", "concavity", "concave_points", "symmetry", "fractal_dimension"};
  for (const char* part : {"mean", "se", "worst"}) {
    for (const char* measure : measures) csv << "," << measure << "_" << part;
  }
  csv << "\n";
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> value(0.0, 1.0);
  for (int row = 0; row < rows; ++row) {
    csv << (row % 2 == 0 ? "B" : "M");
    for (int i = 0; i < 30; ++i) csv << "," << value(random) + (row % 2);
    csv << "\n";
  }
  return csv.str();
}

}  // namespace anchorhold::testing
