// model fit and model evaluate as people run them: optimizers, schedules, losses, frozen parameters
// and the figures that come out, on a table that a line divides.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::client {
namespace {

using graph::testing::OnnxBuilder;

constexpr char kSchema[] =
    "version = 1\n[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = -1.0\nmax = 1.0\n"
    "out_of_range = \"clamp\"\n[[column]]\nname = \"b\"\nrole = \"feature\"\nmin = -1.0\n"
    "max = 1.0\nout_of_range = \"clamp\"\n[[column]]\nname = \"y\"\nrole = \"label\"\n";

class TrainingTest : public testing::Test {
 protected:
  void SetUp() override {
    Write("classes.toml", std::string(kSchema) + "classes = [\"low\", \"high\"]\n");
    Write("range.toml", std::string(kSchema) + "min = -1.0\nmax = 1.0\nout_of_range = \"clamp\"\n");
    std::string classes = "a,b,y\n";
    std::string range = "a,b,y\n";
    for (int i = -4; i <= 4; ++i) {
      for (int j = -4; j <= 4; ++j) {
        const std::string row = std::to_string(i / 5.0) + "," + std::to_string(j / 5.0) + ",";
        if (i != j) classes += row + (i > j ? "high" : "low") + "\n";
        range += row + std::to_string((i - 2 * j) / 20.0) + "\n";
      }
    }
    Write("classes.csv", classes);
    Write("range.csv", range);
    OnnxBuilder net({2});
    net.Weight("body.w", {2, 2}, {1, 0, 0, 1}).Weight("head.w", {2, 1}, {0, 0});
    net.Weight("head.b", {1}, {0}).Node("MatMul", {"x", "body.w"}, {"h"});
    net.Node("Gemm", {"h", "head.w", "head.b"}, {"y"});
    WriteModel("net.onnx", net.Output("y"));
    OnnxBuilder drawn({2});
    drawn.Input("w", {1}, 2).Node("MatMul", {"x", "w"}, {"y"});
    WriteModel("drawn.onnx", drawn.Output("y"));
  }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteWholeFile(folder_ / name, AsBytes(text), IfExists::kReplace).ok());
  }
  void WriteModel(const std::string& name, const OnnxBuilder& builder) {
    ASSERT_TRUE(WriteWholeFile(folder_ / name, builder.Write(), IfExists::kReplace).ok());
  }

  // Standard output, and the exit status.
  std::pair<std::string, int> Run(const std::string& arguments) {
    const std::string command = "cd '" + folder_.path() + "' && ANCHORHOLD_HOME=home '" +
                                ANCHORHOLD_BINARY_DIR "/bin/anchorhold' " + arguments +
                                " 2>/dev/null </dev/null";
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
    const int status = pclose(pipe);
    return {out, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }
  nlohmann::json RunJson(const std::string& arguments, int status = 0) {
    const auto [out, exit_status] = Run(arguments + " --json");
    EXPECT_EQ(exit_status, status) << arguments << ": " << out;
    return nlohmann::json::parse(out, nullptr, false);
  }

  // The error of model fit with these options.
  std::string FitError(const std::string& options) {
    const auto json = RunJson(
        "model fit net.onnx --csv classes.csv --schema classes.toml "
        "--insecure-no-privacy --out never " +
            options,
        2);
    return json["error"]["message"];
  }
  static std::string Classes(const std::string& model) {
    return model + " --csv classes.csv --schema classes.toml ";
  }
  static std::string Range(const std::string& model) {
    return model + " --csv range.csv --schema range.toml ";
  }

  TestFolder folder_;
};

TEST_F(TrainingTest, EveryOptimizerFits) {
  for (const std::string optimizer :
       {"sgd --momentum 0.9 --nesterov --learning-rate 0.5", "adam --beta1 0.8", "adamw",
        "rmsprop --centered --alpha 0.9", "adagrad --learning-rate 0.5 --lr-decay 0.001"}) {
    const std::string name = optimizer.substr(0, optimizer.find(' '));
    RunJson("model fit " + Classes("net.onnx") + "--loss binary-cross-entropy --steps 150 " +
            "--insecure-no-privacy --lr-schedule cosine:min=0.01,warmup=5 --optimizer " +
            optimizer + " --out " + name);
    const auto result = RunJson("model evaluate " + Classes("net.onnx") + "--weights " + name +
                                " --loss binary-cross-entropy");
    EXPECT_GE(result["accuracy"], 0.97) << optimizer;
    EXPECT_GE(result["auc"], 0.99) << optimizer;
  }
}

TEST_F(TrainingTest, FrozenParametersAreNotAmongTheWeights) {
  RunJson("model fit " + Classes("net.onnx") + "--loss binary-cross-entropy --freeze 'body.*' " +
          "--freeze 'h???.b' --insecure-no-privacy --out head");
  const Bytes file = *ReadWholeFile(folder_ / "head", 1 << 20);
  const std::string text = CopyText(file);
  EXPECT_NE(text.find("head.w"), std::string::npos);
  EXPECT_EQ(text.find("body.w"), std::string::npos);
  EXPECT_EQ(text.find("head.b"), std::string::npos);
  const auto result = RunJson("model evaluate " + Classes("net.onnx") +
                              "--weights head --loss binary-cross-entropy");
  EXPECT_EQ(result["from_model"], (std::vector<std::string>{"body.w", "head.b"}));
  EXPECT_GE(result["accuracy"], 0.97);
}

TEST_F(TrainingTest, EvaluationPrintsClasses) {
  RunJson("model fit " + Classes("net.onnx") +
          "--loss binary-cross-entropy --insecure-no-privacy --out w");
  const std::string evaluate = "model evaluate " + Classes("net.onnx") +
                               "--weights w --loss binary-cross-entropy --pos-weight 2";
  const auto result = RunJson(evaluate);
  EXPECT_EQ(result["rows"], 72);
  EXPECT_EQ(result["classes"][0]["class"], "low");
  EXPECT_EQ(result["classes"][1]["class"], "high");
  EXPECT_EQ(result["classes"][1]["rows"], 36);
  EXPECT_EQ(result["confusion"].size(), 2u);
  int counted = 0;
  for (const auto& row : result["confusion"]) {
    for (const int count : row) counted += count;
  }
  EXPECT_EQ(counted, 72);
  const auto [text, status] = Run(evaluate);
  EXPECT_EQ(status, 0);
  for (const char* word : {"macro F1", "AUC", "PRECISION", "high", "low"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
  }
}

// Threads share the work, and change no bit of what comes out.
TEST_F(TrainingTest, ThreadsChangeNoResult) {
  const std::string fit = "model fit " + Classes("net.onnx") +
                          "--loss binary-cross-entropy --optimizer adam --steps 25 " +
                          "--batch-size 40 --insecure-no-privacy --out ";
  const std::string evaluate =
      "model evaluate " + Classes("net.onnx") + "--loss binary-cross-entropy --weights w1";
  const auto fitted = RunJson(fit + "w1 --threads 1");
  const auto evaluated = RunJson(evaluate + " --threads 1");
  for (const std::string threads : {"--threads 2", "--threads 3", ""}) {
    const auto again = RunJson(fit + "other --force " + threads);
    EXPECT_EQ(again["mean_loss"], fitted["mean_loss"]) << threads;
    EXPECT_EQ(*ReadWholeFile(folder_ / "other", 1 << 20), *ReadWholeFile(folder_ / "w1", 1 << 20))
        << threads;
    EXPECT_EQ(RunJson(evaluate + " " + threads), evaluated) << threads;
  }
}

TEST_F(TrainingTest, RegressionLosses) {
  for (const std::string loss : {"mse", "l1", "huber --huber-delta 0.1"}) {
    RunJson("model fit " + Range("net.onnx") + "--optimizer adam --steps 300 " +
            "--lr-schedule linear --insecure-no-privacy --force --out r --loss " + loss);
    const auto result =
        RunJson("model evaluate " + Range("net.onnx") + "--weights r --loss " + loss);
    EXPECT_GE(result["r_squared"], 0.95) << loss;
    EXPECT_LE(result["mean_absolute_error"], 0.1) << loss;
    EXPECT_TRUE(result["accuracy"].is_null());
  }
}

TEST_F(TrainingTest, ModelsWithoutNumbersAreDrawnFromASeed) {
  const std::string fit = "model fit " + Range("drawn.onnx") +
                          "--loss mse --steps 1 --learning-rate 1e-9 --insecure-no-privacy ";
  RunJson(fit + "--out a");
  RunJson(fit + "--init-seed 1 --out b");
  RunJson(fit + "--init-seed 2 --out c");
  const auto read = [&](const char* name) { return *ReadWholeFile(folder_ / name, 1 << 20); };
  EXPECT_EQ(read("a"), read("b"));
  EXPECT_NE(read("a"), read("c"));
  EXPECT_NE(FitError("--loss mse --init-seed 2").find("--init-seed"), std::string::npos);
}

TEST_F(TrainingTest, ErrorsNameTheOption) {
  const std::string loss = "--loss binary-cross-entropy ";
  const std::pair<std::string, const char*> cases[] = {
      {"--loss hinge", "--loss"},
      {loss + "--class-weights 1,2", "--class-weights"},
      {loss + "--pos-weight 1,x", "--pos-weight"},
      {loss + "--label-smoothing 0.1", "--label-smoothing"},
      {"--loss cross-entropy --ignore-index 1.5", "--ignore-index"},
      {loss + "--optimizer lamb", "--optimizer"},
      {loss + "--beta1 0.5", "--beta1"},
      {loss + "--nesterov", "nesterov"},
      {loss + "--optimizer adam --momentum 0.5", "--momentum"},
      {loss + "--optimizer rmsprop --alpha 1", "alpha"},
      {loss + "--weight-decay -1", "--weight-decay"},
      {loss + "--lr-schedule cosine:floor=1", "--lr-schedule"},
      {loss + "--lr-schedule step:every=5", "--lr-schedule"},
      {loss + "--lr-schedule constant:warmup=500", "--lr-schedule"},
      {loss + "--freeze 'tail.*'", "--freeze"},
      {loss + "--freeze '*'", "--freeze"},
      {loss + "--threads 0", "--threads"},
      {loss + "--threads two", "--threads"},
      {loss + "--threads 1025", "--threads"}};
  for (const auto& [options, word] : cases) {
    const std::string error = FitError(options);
    EXPECT_NE(error.find(word), std::string::npos) << options << ": " << error;
  }
}

}  // namespace
}  // namespace anchorhold::client
