// Bad input, as a person meets it: one clear line on standard error that says what, where and what
// to do; an exit status other than 0; no side effect; and never the private value itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/support/deployment.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    deployment_.Up();
    for (const char* party : {"owner", "researcher"}) deployment_.Introduce(party);
    good_csv_ = SyntheticCsv(60, 3);
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = deployment_.Path(name);
    WriteText(path, text);
    return path;
  }

  // good_csv_ with cell `column` of data row `row` (both from 0) replaced.
  std::string WithCell(int row, int column, const std::string& cell) const {
    std::istringstream lines(good_csv_);
    std::ostringstream out;
    std::string line;
    for (int i = -1; std::getline(lines, line); ++i) {
      if (i == row) {
        std::vector<std::string> cells;
        std::istringstream fields(line);
        for (std::string field; std::getline(fields, field, ',');) cells.push_back(field);
        cells[static_cast<std::size_t>(column)] = cell;
        line.clear();
        for (const std::string& field : cells) line += (line.empty() ? "" : ",") + field;
      }
      out << line << "\n";
    }
    return out.str();
  }

  std::string ModelPath(const std::string& name) const {
    return std::string(ANCHORHOLD_SOURCE_DIR) + "/tests/refused/" + name;
  }

  std::vector<std::string> Train(const std::string& model, const std::string& dataset,
                                 const std::string& epsilon, const std::string& delta) {
    return {"train",
            "--model",
            model,
            "--data",
            dataset,
            "--loss",
            "binary-cross-entropy",
            "--epsilon",
            epsilon,
            "--delta",
            delta,
            "--out",
            deployment_.Path("result")};
  }

  // One line, of the form "anchorhold: ...", that mentions all of `words`.
  static void ExpectOneLine(const Outcome& outcome, int status,
                            const std::vector<std::string>& words) {
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.err.rfind("anchorhold: ", 0), 0u) << outcome.err;
    for (const std::string& word : words) {
      EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " not in " << outcome.err;
    }
  }

  std::size_t DatasetCount() {
    return deployment_.JsonAs("owner", {"data", "list"})["datasets"].size();
  }

  // A dataset in the enclave that "researcher" may train on.
  void PutWard() {
    const std::string csv = Write("ward.csv", good_csv_);
    const std::string contract = deployment_.Contract("owner", "ward", csv, "researcher", 2);
    const Outcome put = deployment_.Put("owner", csv, contract);
    ASSERT_EQ(put.status, 0) << put.err;
  }

  Deployment deployment_;
  std::string good_csv_;
};

TEST_F(BadInput, Csv) {
  const std::string good = Write("good.csv", good_csv_);
  const std::string contract = deployment_.Contract("owner", "ward", good, "researcher", 2);
  struct Case {
    std::string name, text;
    std::vector<std::string> words;
    std::string never;
  };
  std::string short_row = good_csv_;
  short_row.erase(short_row.rfind(','));
  const std::vector<Case> cases = {
      {"missing.csv", WithCell(4, 3, ""), {"missing.csv:6", "perimeter_mean"}, ",,"},
      {"text.csv", WithCell(4, 2, "secret-word"), {"text.csv:6", "texture_mean"}, "secret-word"},
      {"nan.csv", WithCell(0, 1, "nan"), {"nan.csv:2", "radius_mean"}, "\"nan\""},
      {"inf.csv", WithCell(0, 1, "inf"), {"inf.csv:2", "radius_mean"}, "\"inf\""},
      {"short.csv", short_row + "\n", {"short.csv:61"}, "0."},
      {"label.csv", WithCell(7, 0, "Xyzzy"), {"label.csv:9", "diagnosis"}, "Xyzzy"},
      {"empty.csv", "", {"empty.csv"}, "0."},
  };
  for (const Case& c : cases) {
    const std::string csv = Write(c.name, c.text);
    const Outcome check =
        deployment_.As("owner", {"data", "check", csv, "--schema", ExamplePath("schema.toml")});
    ExpectOneLine(check, 2, c.words);
    const Outcome put = deployment_.As(
        "owner",
        {"data", "put", csv, "--schema", ExamplePath("schema.toml"), "--contract", contract});
    ExpectOneLine(put, 2, c.words);
    EXPECT_EQ(put.err.find(c.never), std::string::npos) << put.err;
  }
  EXPECT_EQ(DatasetCount(), 0u);
}

TEST_F(BadInput, Models) {
  const std::string logistic = ReadText(ExamplePath("models/logistic.onnx"));
  const std::string truncated = Write("truncated.onnx", logistic.substr(0, logistic.size() / 2));
  const std::string text = Write("text.onnx", "this is no model\n");
  ExpectOneLine(deployment_.As("researcher", {"model", "check", truncated}), 2, {"truncated.onnx"});
  ExpectOneLine(deployment_.As("researcher", {"model", "check", text}), 2, {"text.onnx"});
  ExpectOneLine(deployment_.As("researcher", {"model", "check", deployment_.Path("absent.onnx")}),
                2, {"absent.onnx"});
  struct Case {
    std::string name, word;
    int status;
  };
  for (const Case& c : {Case{"unsupported-operator.onnx", "opset", 2},
                        Case{"batch-norm-training.onnx", "BatchNormalization", 3},
                        Case{"reduce-mean-over-batch.onnx", "ReduceMean", 3},
                        Case{"reshape-batch-into-features.onnx", "Reshape", 3}}) {
    const Outcome check = deployment_.As("researcher", {"model", "check", ModelPath(c.name)});
    ExpectOneLine(check, c.status, {c.word});
  }
}

TEST_F(BadInput, JobsThatMustNotRun) {
  PutWard();
  const std::string logistic = ExamplePath("models/logistic.onnx");
  const auto run = [&](const std::vector<std::string>& command) {
    return deployment_.As("researcher", command);
  };
  for (const char* epsilon : {"0", "-1", "inf", "nan", "1e400", "one"}) {
    ExpectOneLine(run(Train(logistic, "ward", epsilon, "1e-4")), 2, {"epsilon"});
  }
  for (const char* delta : {"0", "-1e-5", "1", "nan"}) {
    ExpectOneLine(run(Train(logistic, "ward", "1", delta)), 2, {"delta"});
  }
  ExpectOneLine(run(Train(logistic, "ward", "1", "0.02")), 3, {"delta"});  // 1/60 is 0.0167
  ExpectOneLine(run(Train(logistic, "ward", "5", "1e-4")), 3, {"epsilon", "ward"});
  ExpectOneLine(run(Train(logistic, "no-such-data", "1", "1e-4")), 2, {"no-such-data"});
  ExpectOneLine(run(Train(ModelPath("batch-norm-training.onnx"), "ward", "1", "1e-4")), 3,
                {"BatchNormalization"});
  ExpectOneLine(run(Train(ModelPath("narrow-input.onnx"), "ward", "1", "1e-4")), 2, {"30"});
  EXPECT_EQ(deployment_.JsonAs("owner", {"data", "show", "ward"})["epsilon_spent"], 0.0);
  EXPECT_FALSE(fs::exists(deployment_.Path("result/weights.safetensors")));
}

TEST_F(BadInput, Contracts) {
  const std::string csv = Write("ward.csv", good_csv_);
  const std::string contract = deployment_.Contract("owner", "ward", csv, "researcher", 2);
  const std::string text = ReadText(contract);
  const auto put = [&](const std::string& name, const std::string& changed, bool sign) {
    const std::string path = Write(name, changed);
    if (sign) {
      const Outcome signing = deployment_.As("owner", {"contract", "sign", path});
      if (signing.status != 0) return signing;
    } else {
      WriteText(path + ".sig", ReadText(contract + ".sig"));
    }
    return deployment_.Put("owner", csv, path);
  };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string out = text;
    const std::size_t at = out.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return out.replace(at, from.size(), to);
  };
  const std::string expired = replaced("2035-01-01", "2020-01-01");
  EXPECT_EQ(put("changed.toml", text + "# one more line\n", false).status, 3);
  EXPECT_EQ(put("unknown.toml", "surprise = 1\n" + text, true).status, 2);
  EXPECT_EQ(put("expired.toml", expired, true).status, 3);
  EXPECT_EQ(put("expired-unsigned.toml", expired, false).status, 3);
  EXPECT_EQ(put("loose.toml", replaced("\ndelta = ", "\ndelta = 0.5 # "), true).status, 3);
  EXPECT_EQ(DatasetCount(), 0u);

  // A second upload under a taken name.
  ASSERT_EQ(deployment_.Put("owner", csv, contract).status, 0);
  const Outcome again = deployment_.As(
      "owner",
      {"data", "put", csv, "--schema", ExamplePath("schema.toml"), "--contract", contract});
  ExpectOneLine(again, 2, {"ward"});
  EXPECT_EQ(DatasetCount(), 1u);
}

TEST_F(BadInput, SimulatedEvidenceNeedsConsent) {
  ASSERT_EQ(deployment_.As("careful", {"keygen"}).status, 0);
  ExpectOneLine(deployment_.As("careful", {"attest", "--server", deployment_.server()}), 2,
                {"policy"});
  std::string policy = ReadText(deployment_.Path("owner/policy.toml"));
  const std::string name = "insecure-simulated";
  const std::size_t at = policy.find('"' + name + '"');
  ASSERT_NE(at, std::string::npos) << policy;
  const std::string nothing = policy.substr(0, at) + policy.substr(at + name.size() + 2);
  WriteText(deployment_.Path("careful/policy.toml"), nothing);
  const Outcome attest = deployment_.As("careful", {"attest", "--server", deployment_.server()});
  EXPECT_NE(attest.status, 0);
  EXPECT_FALSE(fs::exists(deployment_.Path("careful/server")));
}

TEST_F(BadInput, AnotherEnclaveIsRefused) {
  ASSERT_EQ(deployment_.As("careful", {"keygen"}).status, 0);
  // The reference value of some other program.
  const Outcome policy = deployment_.As(
      "careful",
      {"policy", "new", "--enclave", Binary("anchorhold-host"), "--accept", "insecure-simulated"});
  ASSERT_EQ(policy.status, 0) << policy.err;
  ExpectOneLine(deployment_.As("careful", {"attest", "--server", deployment_.server()}), 3,
                {"measurement"});
}

}  // namespace
}  // namespace anchorhold::testing
