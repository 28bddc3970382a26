// model bench and model plan as a data scientist uses them. No figure's size is looked at: it is
// the machine's.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "tests/support/command.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {
namespace {

class ModelBench : public ::testing::Test {
 protected:
  void SetUp() override {
    graph::testing::OnnxBuilder b({3});
    b.Weight("v", {3, 4}, std::vector<float>(12, 0.5F))
        .Weight("w", {4, 2}, {1, -1, 1, 0, 2, 1, 0, 3});
    b.Node("MatMul", {"x", "v"}, {"h"}).Node("Relu", {"h"}, {"r"});
    b.Node("MatMul", {"r", "w"}, {"y"});
    const Bytes bytes = b.Output("y").Write();
    ASSERT_TRUE(client::WriteWholeFile(model_, bytes, client::IfExists::kReplace).ok());
  }
  Outcome Model(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ANCHORHOLD_BINARY_DIR "/bin/anchorhold", "model"});
    return RunCommand(arguments);
  }
  nlohmann::json ModelJson(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Outcome outcome = Model(std::move(arguments));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  void ExpectError(const std::vector<std::string>& arguments, const std::string& says) {
    const Outcome outcome = Model(arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.out << outcome.err;
    EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
  }

  client::TestFolder folder_;
  const std::string model_ = folder_ / "mlp.onnx";
};

TEST_F(ModelBench, TimesEveryMode) {
  for (const std::string mode : {"infer", "train", "dp-train"}) {
    std::vector<std::string> arguments = {"bench", model_,      "--mode", mode,        "--batch",
                                          "8",     "--threads", "2",      "--seconds", "0.02"};
    if (mode != "infer") arguments.insert(arguments.end(), {"--loss", "cross-entropy"});
    const auto json = ModelJson(arguments);
    const double step_ms = json["step_ms"];
    const double per_second = json["examples_per_second"];
    EXPECT_GT(step_ms, 0) << mode;
    EXPECT_NEAR(per_second * step_ms, 8000, 1e-6) << mode;
    // Two operations a multiply-add; the first layer's input has no gradient.
    const double work = mode == "infer" ? 2 * 20 : 2 * (2 * 12 + 3 * 8);
    const double gflops = json["gflops"];
    const double peak = json["fma_peak_gflops"];
    EXPECT_NEAR(gflops / (work * per_second / 1e9), 1, 1e-9) << mode;
    EXPECT_NEAR(json["fma_peak_share"].get<double>(), gflops / peak, 1e-9) << mode;
    EXPECT_GT(json["peak_bytes"], 0) << mode;
    EXPECT_EQ(json["batch"], 8);
    EXPECT_EQ(json["threads"], 2);
    EXPECT_EQ(json["mode"], mode);
  }
}

TEST_F(ModelBench, SaysItForPeople) {
  const Outcome outcome = Model({"bench", model_, "--mode", "infer", "--seconds", "0.01"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* word : {"examples/s", "ms a step", "FMA peak", "MiB", "batch 64"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << ": " << outcome.out;
  }
}

TEST_F(ModelBench, PlansEveryParameter) {
  const auto json = ModelJson({"plan", model_, "--mode", "dp-train", "--batch", "8", "--threads",
                               "2", "--loss", "cross-entropy"});
  EXPECT_EQ(json["mode"], "dp-train");
  EXPECT_EQ(json["threads"], 2);
  EXPECT_GE(json["group"], 1);
  EXPECT_GT(json["peak_bytes"], json["arena_bytes"]);
  EXPECT_EQ(json["multiply_adds"], 2 * 12 + 3 * 8);
  ASSERT_EQ(json["parameters"].size(), 2u);
  EXPECT_EQ(json["parameters"][0]["name"], "v");
  EXPECT_EQ(json["parameters"][0]["numbers"], 12);
  EXPECT_EQ(json["parameters"][1]["name"], "w");
  for (const auto& parameter : json["parameters"]) {
    const std::string method = parameter["method"];
    EXPECT_TRUE(method == "instantiate" || method == "ghost") << method;
  }
  const Outcome text =
      Model({"plan", model_, "--mode", "dp-train", "--loss", "cross-entropy", "--threads", "1"});
  EXPECT_NE(text.out.find("METHOD"), std::string::npos) << text.out << text.err;
  EXPECT_TRUE(ModelJson({"plan", model_, "--mode", "infer"})["parameters"].is_array());
}

TEST_F(ModelBench, RefusesWhatItCannotRead) {
  ExpectError({"bench", model_}, "--mode");
  ExpectError({"bench", model_, "--mode", "sleep"}, "--mode");
  ExpectError({"bench", model_, "--mode", "train"}, "--loss");
  ExpectError({"plan", model_, "--mode", "train", "--loss", "cross-entropy", "--batch", "0"},
              "--batch");
  ExpectError({"plan", model_, "--mode", "infer", "--threads", "9999"}, "--threads");
  ExpectError({"bench", model_, "--mode", "infer", "--seconds", "-1"}, "--seconds");
  ExpectError({"bench", folder_ / "none.onnx", "--mode", "infer"}, "none.onnx");
}

}  // namespace
}  // namespace anchorhold::testing
