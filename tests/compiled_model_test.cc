// Models as static libraries: compiled by `anchorhold model compile`, linked into a plain C program
// by the system's compiler, and run beside the engine.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <sstream>

#include "client/core/bench_inputs.h"
#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "shared/base/limits.h"
#include "tests/support/command.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/optimizer.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::testing {
namespace {

using engine::Mode;
using graph::testing::OnnxBuilder;
using train::Loss;

constexpr std::size_t kExamples = 37;  // no multiple of a group
constexpr double kClipNorm = 0.05;     // the driver's

std::string ModeName(Mode mode) {
  return mode == Mode::kInference ? "infer" : mode == Mode::kTraining ? "train" : "dp-train";
}

// What one mode gives, of the library or of the engine.
struct Numbers {
  std::vector<float> results;
  std::vector<float> losses;
  std::vector<float> norms;
  std::vector<float> gradient;
  std::vector<float> sgd_weights;
  std::vector<float> weights;
};

class CompiledModel : public ::testing::Test {
 protected:
  void Write(const std::string& name, ByteSpan bytes) {
    ASSERT_TRUE(client::WriteWholeFile(folder_ / name, bytes, client::IfExists::kReplace).ok());
  }
  template <typename T>
  void WriteNumbers(const std::string& name, const std::vector<T>& numbers) {
    Write(name, std::as_bytes(std::span(numbers)));
  }
  std::vector<float> ReadNumbers(const std::string& name) {
    const Result<Bytes> bytes = client::ReadWholeFile(folder_ / name, std::size_t{1} << 30);
    EXPECT_TRUE(bytes.ok()) << name;
    std::vector<float> numbers(bytes.ok() ? bytes->size() / sizeof(float) : 0);
    if (bytes.ok()) std::memcpy(numbers.data(), bytes->data(), numbers.size() * sizeof(float));
    return numbers;
  }

  Outcome Compile(const std::string& model, Mode mode, Loss loss) {
    std::vector<std::string> command = {ANCHORHOLD_BINARY_DIR "/bin/anchorhold",
                                        "model",
                                        "compile",
                                        model,
                                        "--mode",
                                        ModeName(mode),
                                        "--emit",
                                        "static-lib",
                                        "-o",
                                        folder_.path()};
    if (mode != Mode::kInference) {
      command.insert(command.end(), {"--loss", std::string(train::LossName(loss))});
    }
    return RunCommand(command);
  }
  void ExpectFewSymbolsAreMissing();
  Numbers RunLibrary(Mode mode, const train::ExampleSet& examples);
  void Check(const std::string& model, Loss loss, bool same_bits);
  void CheckMode(const graph::Model& model, const std::string& path, Mode mode, Loss loss,
                 bool same_bits);

  client::TestFolder folder_;
};

void CompiledModel::ExpectFewSymbolsAreMissing() {
  const Outcome nm = RunCommand({ANCHORHOLD_NM, "-P", "-u", folder_ / "libmodel.a"});
  ASSERT_EQ(nm.status, 0) << nm.err;
  const std::set<std::string> allowed = {"memcpy", "memset", "memmove"};
  std::istringstream lines(nm.out);
  for (std::string line; std::getline(lines, line);) {
    const std::string symbol = line.substr(0, line.find(' '));
    if (symbol.empty() || symbol.back() == ':') continue;  // the member's name
    EXPECT_EQ(allowed.count(symbol), 1u) << symbol;
  }
}

Numbers CompiledModel::RunLibrary(Mode mode, const train::ExampleSet& examples) {
  const Outcome built =
      RunCommand({ANCHORHOLD_C_COMPILER, "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-I",
                  folder_.path(), ANCHORHOLD_SOURCE_DIR "/tests/compiled_model_driver.c",
                  folder_ / "libmodel.a", "-o", folder_ / "driver"});
  EXPECT_EQ(built.status, 0) << built.err;
  WriteNumbers("inputs", examples.features);
  if (examples.classes.empty()) {
    WriteNumbers("labels", examples.targets);
  } else {
    WriteNumbers("labels", examples.classes);
  }
  const Outcome ran =
      RunCommand({folder_ / "driver", folder_.path(), std::to_string(examples.rows)});
  EXPECT_EQ(ran.status, 0) << ran.err;
  Numbers numbers;
  numbers.results = ReadNumbers("results");
  if (mode == Mode::kInference) return numbers;
  numbers.losses = ReadNumbers("losses");
  if (mode == Mode::kPrivateTraining) numbers.norms = ReadNumbers("norms");
  numbers.gradient = ReadNumbers("gradient");
  numbers.sgd_weights = ReadNumbers("sgd_weights");
  numbers.weights = ReadNumbers("weights");
  return numbers;
}

// The same by the engine, on one thread, in groups that it chooses for the same batch.
Numbers RunEngine(const graph::Model& model, Mode mode, Loss loss,
                  const train::ExampleSet& examples) {
  engine::EngineOptions options;
  options.mode = mode;
  options.batch = 64;  // the command's default
  auto created = mode == Mode::kInference
                     ? train::TrainingEngine::ForInference(model, options, nullptr)
                     : train::TrainingEngine::Create(model, loss, options, nullptr);
  EXPECT_TRUE(created.ok());
  train::TrainingEngine engine = *std::move(created);
  const std::vector<train::BatchRow> rows = train::AllRows(examples);
  std::vector<float> weights = train::FlatParameters(model);
  Numbers numbers;
  numbers.results.resize(rows.size() * engine.output_width());
  engine.Predict(weights, rows, numbers.results);
  if (mode == Mode::kInference) return numbers;
  train::OptimizerConfig sgd;
  sgd.momentum = 0.9;
  sgd.weight_decay = 0.01;
  train::Optimizer first = *train::Optimizer::Create(sgd, weights.size());
  train::Optimizer second =
      *train::Optimizer::Create(train::DefaultsOf(train::OptimizerKind::kAdamW), weights.size());
  numbers.losses.resize(rows.size());
  std::vector<double> squares(rows.size());
  std::vector<float> sum(weights.size());
  for (int step = 0; step < 5; ++step) {
    const engine::SumTarget target{.reals = sum.data()};
    if (mode == Mode::kTraining) {
      std::vector<float> losses(rows.size());
      engine.SumGradients(weights, rows, target, {.losses = losses});
      if (step == 0) numbers.losses = losses;
    } else {
      std::vector<float> losses(rows.size());
      engine.SumClipped(weights, rows, {.bound = kClipNorm}, target,
                        {.losses = losses, .squared_norms = squares});
      if (step == 0) numbers.losses = losses;
    }
    if (step == 0) {
      numbers.gradient = sum;
      if (mode == Mode::kPrivateTraining) {
        for (const double each : squares) {
          numbers.norms.push_back(static_cast<float>(std::sqrt(each)));
        }
      }
    }
    for (float& g : sum) g *= static_cast<float>(1.0 / static_cast<double>(rows.size()));
    if (step < 3) {
      first.Step(weights, sum, 0.05);
      if (step == 2) numbers.sgd_weights = weights;
    } else {
      second.Step(weights, sum, 0.01);
    }
  }
  numbers.weights = weights;
  return numbers;
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& expected, double bound,
                const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double size = 0;
  double difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::isfinite(got[i]), std::isfinite(expected[i])) << what << " " << i;
    size = std::max(size, std::fabs(double{expected[i]}));
    difference = std::max(difference, std::fabs(double{got[i]} - double{expected[i]}));
  }
  EXPECT_GT(size, 0) << what;
  EXPECT_LE(difference, bound * size) << what;
}

void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& expected,
                    const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0) << what;
}

void CompiledModel::CheckMode(const graph::Model& model, const std::string& path, Mode mode,
                              Loss loss, bool same_bits) {
  SCOPED_TRACE(path + ", " + ModeName(mode));
  const Outcome compiled = Compile(path, mode, loss);
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  ExpectFewSymbolsAreMissing();
  const Result<train::ExampleSet> examples = client::RandomExamples(model, loss, kExamples, 3);
  ASSERT_TRUE(examples.ok());
  const Numbers got = RunLibrary(mode, *examples);
  const Numbers expected = RunEngine(model, mode, loss, *examples);
  ExpectSameBits(got.results, expected.results, "results");
  if (mode == Mode::kInference) return;
  if (same_bits) {
    ExpectSameBits(got.losses, expected.losses, "losses");
    ExpectSameBits(got.norms, expected.norms, "norms");
    ExpectSameBits(got.gradient, expected.gradient, "gradient");
    ExpectSameBits(got.sgd_weights, expected.sgd_weights, "weights after SGD");
  } else {
    // Their exp and log differ from libm's by less than an ulp.
    ExpectNear(got.losses, expected.losses, 1e-6, "losses");
    if (mode == Mode::kPrivateTraining) ExpectNear(got.norms, expected.norms, 1e-5, "norms");
    ExpectNear(got.gradient, expected.gradient, 1e-5, "gradient");
    ExpectNear(got.sgd_weights, expected.sgd_weights, 1e-5, "weights after SGD");
  }
  // AdamW divides by the root of a gradient's square, however small: its rounding is made large.
  ExpectNear(got.weights, expected.weights, same_bits ? 1e-6 : 1e-3, "weights after AdamW");
}

void CompiledModel::Check(const std::string& path, Loss loss, bool same_bits) {
  const Result<Bytes> onnx = client::ReadWholeFile(path, limits::kModelBytesMax);
  ASSERT_TRUE(onnx.ok());
  const Result<graph::Model> model = graph::ImportOnnx(*onnx);
  ASSERT_TRUE(model.ok()) << model.error().message();
  for (const Mode mode : {Mode::kInference, Mode::kTraining, Mode::kPrivateTraining}) {
    CheckMode(*model, path, mode, loss, same_bits);
  }
}

std::string Exported(const char* name) {
  return std::string(ANCHORHOLD_SOURCE_DIR "/tests/exported/") + name + ".onnx";
}

TEST_F(CompiledModel, Perceptron) { Check(Exported("mlp-ts17"), Loss::kMeanSquaredError, true); }

TEST_F(CompiledModel, ConvolutionalNetwork) {
  Check(Exported("lenet-ts13"), Loss::kCrossEntropy, false);
}

TEST_F(CompiledModel, TransformerBlock) {
  Check(Exported("keras-attention"), Loss::kMeanSquaredError, true);
}

TEST_F(CompiledModel, MeanOfEmbeddings) {
  Check(Exported("mean-of-words-ex18"), Loss::kCrossEntropy, false);
}

// A weight that the exporter left to be transposed; two-class labels.
TEST_F(CompiledModel, TransposedWeight) {
  OnnxBuilder b({6});
  b.Weight("w", {4, 6}, std::vector<float>(24, 0.25F)).Node("Transpose", {"w"}, {"wt"});
  b.Node("MatMul", {"x", "wt"}, {"h"}).Node("Tanh", {"h"}, {"t"});
  b.Weight("v", {4, 1}, {0.5F, -0.25F, 1, 2}).Node("MatMul", {"t", "v"}, {"y"});
  Write("transposed.onnx", b.Output("y").Write());
  Check(folder_ / "transposed.onnx", Loss::kHuber, true);
}

TEST_F(CompiledModel, RefusesByNameWhatOnlyReferenceKernelsRun) {
  OnnxBuilder b({6});
  b.Weight("w", {6, 2}, std::vector<float>(12, 0.5F)).Node("MatMul", {"x", "w"}, {"h"});
  b.Node("Sin", {"h"}, {"y"});
  Write("sine.onnx", b.Output("y").Write());
  const Outcome outcome = Compile(folder_ / "sine.onnx", Mode::kInference, Loss::kMeanSquaredError);
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.err.find("reference kernels"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("Sin"), std::string::npos) << outcome.err;
}

TEST_F(CompiledModel, TheSameModelGivesTheSameLibrary) {
  ASSERT_EQ(Compile(Exported("mlp-ts17"), Mode::kTraining, Loss::kMeanSquaredError).status, 0);
  const std::string first = ReadText(folder_ / "libmodel.a");
  ASSERT_EQ(Compile(Exported("mlp-ts17"), Mode::kTraining, Loss::kMeanSquaredError).status, 0);
  EXPECT_TRUE(first == ReadText(folder_ / "libmodel.a"));
}

// Labels that do not fit are refused before anything is computed; so are calls of another mode's.
TEST_F(CompiledModel, RefusesWhatDoesNotFit) {
  ASSERT_EQ(Compile(Exported("lenet-ts13"), Mode::kTraining, Loss::kCrossEntropy).status, 0);
  WriteText(folder_ / "misuse.c",
            "#include <stdlib.h>\n"
            "#include \"model.h\"\n"
            "int model_clipped_gradient_sum();\n"
            "int main(void) {\n"
            "  static float w[MODEL_PARAMETERS], g[MODEL_PARAMETERS], x[MODEL_INPUTS];\n"
            "  void *m = malloc(model_workspace_bytes());\n"
            "  int64_t label = MODEL_RESULTS;\n"
            "  if (m == 0 || model_open(m) != MODEL_OK) return 9;\n"
            "  if (model_loss_and_gradient_sum(m, w, 1, x, &label, 0, g) != MODEL_BAD_LABEL)\n"
            "    return 1;\n"
            "  label = 0;\n"
            "  if (model_clipped_gradient_sum(m, w, (size_t)1, x, &label, 1.0, (float *)0,\n"
            "                                 (float *)0, g) != MODEL_WRONG_MODE)\n"
            "    return 2;\n"
            "  if (model_loss_and_gradient_sum(m, w, 1, x, &label, 0, g) != MODEL_OK) return 3;\n"
            "  free(m);\n"
            "  return 0;\n"
            "}\n");
  const Outcome built =
      RunCommand({ANCHORHOLD_C_COMPILER, "-std=c99", "-I", folder_.path(), folder_ / "misuse.c",
                  folder_ / "libmodel.a", "-o", folder_ / "misuse"});
  ASSERT_EQ(built.status, 0) << built.err;
  EXPECT_EQ(RunCommand({folder_ / "misuse"}).status, 0);
}

}  // namespace
}  // namespace anchorhold::testing
