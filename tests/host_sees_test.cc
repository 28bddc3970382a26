// What lies on the operator's disk after uploads and training: ciphertext. The test looks for the
// rows in every form in which they existed: CSV text, scaled floats, labels, weights.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "tests/support/deployment.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;

// Shannon entropy of the byte frequencies, in bits a byte.
double Entropy(const std::string& bytes) {
  std::array<double, 256> counts = {};
  for (const char c : bytes) counts[static_cast<unsigned char>(c)] += 1;
  double entropy = 0;
  for (const double count : counts) {
    if (count > 0) {
      const double p = count / static_cast<double>(bytes.size());
      entropy -= p * std::log2(p);
    }
  }
  return entropy;
}

TEST(HostSees, CiphertextOnly) {
  Deployment deployment;
  deployment.Up();
  for (const char* party : {"owner", "researcher"}) deployment.Introduce(party);
  const std::string csv = deployment.Path("ward.csv");
  WriteText(csv, SyntheticCsv(300, 5));
  const std::string contract = deployment.Contract("owner", "ward", csv, "researcher", 2);
  ASSERT_EQ(deployment.Put("owner", csv, contract).status, 0);
  const Outcome train =
      deployment.As("researcher", {"train", "--model", ExamplePath("models/logistic.onnx"),
                                   "--data", "ward", "--loss", "binary-cross-entropy", "--epsilon",
                                   "1", "--delta", "1e-4", "--out", deployment.Path("result")});
  ASSERT_EQ(train.status, 0) << train.err;
  deployment.Down();

  const std::string text = ReadText(csv);
  const std::string row = text.substr(text.find('\n') + 3, 40);  // inside the first row
  const std::string weights = ReadText(deployment.Path("result/weights.safetensors"));
  ASSERT_GT(weights.size(), 100u);
  const std::string tail = weights.substr(weights.size() - 16);  // four floats
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(deployment.state())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const std::string bytes = ReadText(entry.path().string());
    EXPECT_EQ(bytes.find(row), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(tail), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find("features"), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find("radius_mean"), std::string::npos) << entry.path();
    if (entry.path().string().find("/blobs/") != std::string::npos && bytes.size() > 8192) {
      EXPECT_GT(Entropy(bytes), 7.9) << entry.path();
    }
  }
  EXPECT_GE(files, 3u) << "state holds blobs, log and anchor";
}

TEST(HostSees, TamperedCiphertextIsRefused) {
  Deployment deployment;
  deployment.Up();
  for (const char* party : {"owner", "researcher"}) deployment.Introduce(party);
  const std::string csv = deployment.Path("ward.csv");
  WriteText(csv, SyntheticCsv(300, 6));
  const std::string contract = deployment.Contract("owner", "ward", csv, "researcher", 2);
  ASSERT_EQ(deployment.Put("owner", csv, contract).status, 0);
  for (const auto& entry : fs::recursive_directory_iterator(deployment.state() + "/blobs")) {
    if (!entry.is_regular_file()) continue;
    std::string bytes = ReadText(entry.path().string());
    bytes[bytes.size() / 2] ^= 1;
    WriteText(entry.path().string(), bytes);
  }
  const Outcome train =
      deployment.As("researcher", {"train", "--model", ExamplePath("models/logistic.onnx"),
                                   "--data", "ward", "--loss", "binary-cross-entropy", "--epsilon",
                                   "1", "--delta", "1e-4", "--out", deployment.Path("result")});
  EXPECT_EQ(train.status, 3) << train.err;
  EXPECT_FALSE(fs::exists(deployment.Path("result/weights.safetensors")));
}

TEST(HostSees, ARolledBackLedgerIsRefused) {
  Deployment deployment;
  deployment.Up();
  deployment.Introduce("owner");
  deployment.Introduce("researcher");
  deployment.Down();
  const std::string old = deployment.Path("old-state");
  fs::copy(deployment.state(), old, fs::copy_options::recursive);

  deployment.Restart();
  deployment.AttestAgain("owner");
  const std::string csv = deployment.Path("ward.csv");
  WriteText(csv, SyntheticCsv(200, 6));
  const std::string contract = deployment.Contract("owner", "ward", csv, "researcher", 2);
  ASSERT_EQ(deployment.Put("owner", csv, contract).status, 0);
  deployment.Down();

  // The old log under the new anchor: the enclave itself refuses to start.
  fs::copy_file(old + "/ledger.log", deployment.state() + "/ledger.log",
                fs::copy_options::overwrite_existing);
  const Outcome up = deployment.As("operator", {"up", "--state", deployment.state(), "--listen",
                                                "127.0.0.1:0", "--platform", "insecure-simulated"});
  EXPECT_NE(up.status, 0);

  // The whole old disk: the insecure anchor goes back too, but the owner's client remembers.
  fs::remove_all(deployment.state());
  fs::copy(old, deployment.state(), fs::copy_options::recursive);
  deployment.Restart();
  const Outcome attest = deployment.As("owner", {"attest", "--server", deployment.server()});
  EXPECT_EQ(attest.status, 3);
  EXPECT_NE(attest.err.find("rolled back"), std::string::npos) << attest.err;
}

}  // namespace
}  // namespace anchorhold::testing
