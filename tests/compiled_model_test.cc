// Models as static libraries, compiled by `anchorhold model compile`, linked into a plain C program
// by the system's compiler, and run beside the engine: every number that they give has the engine's
// bits, with any of the machine's vector instructions.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "client/core/bench_inputs.h"
#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "shared/base/limits.h"
#include "tests/compiled_model_support.h"
#include "trusted/dp/clip.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/optimizer.h"
#include "trusted/train/step.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::testing {
namespace {

using engine::Mode;
using graph::testing::OnnxBuilder;
using train::Clipping;
using train::Loss;

constexpr std::size_t kExamples = 37;  // no multiple of a group

// What is compiled, and how it is trained.
struct Setting {
  Mode mode = Mode::kInference;
  train::LossOptions loss = Loss::kMeanSquaredError;
  std::vector<std::string> loss_flags{};
  Clipping clipping = Clipping::kFlat;
  double clip_norm = 0.05;
  double noise_multiplier = 0.75;
  simd::Target target = simd::BestTarget();
};

std::string ModeName(Mode mode) {
  return mode == Mode::kInference ? "infer" : mode == Mode::kTraining ? "train" : "dp-train";
}

// What a setting gives, by the library or by the engine.
struct Numbers {
  std::vector<float> results;
  std::vector<float> losses;
  std::vector<float> norms;
  std::vector<std::int64_t> sum;
  std::vector<float> gradient;
  std::vector<float> sgd_weights;
  std::vector<float> weights;
};

// Whole numbers of about the noise's size; not noise.
std::vector<std::int64_t> MadeUpNoise(std::size_t count) {
  std::vector<std::int64_t> noise(count);
  std::uint64_t state = 1;
  for (std::int64_t& each : noise) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    each = static_cast<std::int64_t>(state >> 38) - (1 << 25);
  }
  return noise;
}

std::vector<float> MadeUpWeights(std::size_t count) {
  std::vector<float> weights(count);
  for (std::size_t i = 0; i < count; ++i) weights[i] = std::sin(static_cast<float>(7 * i + 1));
  return weights;
}

class CompiledModel : public ::testing::Test {
 protected:
  template <typename T>
  void WriteNumbers(const std::string& name, const std::vector<T>& numbers) {
    ASSERT_TRUE(client::WriteWholeFile(folder_ / name, std::as_bytes(std::span(numbers)),
                                       client::IfExists::kReplace)
                    .ok());
  }
  template <typename T>
  void ReadNumbers(const std::string& name, std::vector<T>& numbers) {
    const Result<Bytes> bytes = client::ReadWholeFile(folder_ / name, std::size_t{1} << 30);
    ASSERT_TRUE(bytes.ok()) << name;
    numbers.resize(bytes->size() / sizeof(T));
    std::memcpy(numbers.data(), bytes->data(), numbers.size() * sizeof(T));
  }

  void BuildLibrary(const std::string& model, const Setting& setting);
  Numbers RunLibrary(const Setting& setting, const train::ExampleSet& examples,
                     std::size_t parameters);
  void CheckSetting(const graph::Model& model, const std::string& path, const Setting& setting);
  // In all modes and on all targets.
  void Check(const std::string& path, const Setting& setting);

  client::TestFolder folder_;
};

void CompiledModel::BuildLibrary(const std::string& model, const Setting& setting) {
  std::vector<std::string> options = {"--mode", ModeName(setting.mode)};
  if (setting.mode != Mode::kInference) {
    options.insert(options.end(), {"--loss", std::string(train::LossName(setting.loss.kind))});
    options.insert(options.end(), setting.loss_flags.begin(), setting.loss_flags.end());
  }
  if (setting.mode == Mode::kPrivateTraining) {
    options.insert(options.end(),
                   {"--clipping", std::string(train::ClippingName(setting.clipping))});
  }
  const Outcome compiled = CompileModel(model, folder_.path(), options);
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  ExpectFewSymbolsAreMissing(folder_ / "libmodel.a");
  const Outcome built = BuildCProgram(ANCHORHOLD_SOURCE_DIR "/tests/compiled_model_driver.c",
                                      folder_.path(), folder_ / "driver");
  ASSERT_EQ(built.status, 0) << built.err;
}

Numbers CompiledModel::RunLibrary(const Setting& setting, const train::ExampleSet& examples,
                                  std::size_t parameters) {
  WriteNumbers("inputs", examples.features);
  if (examples.classes.empty()) {
    WriteNumbers("labels", examples.targets);
  } else {
    WriteNumbers("labels", examples.classes);
  }
  WriteNumbers("noise", MadeUpNoise(parameters));
  const bool best = setting.target == simd::BestTarget();
  const Outcome ran =
      RunCommand({folder_ / "driver", folder_.path(), std::to_string(examples.rows),
                  best ? "0" : std::to_string(static_cast<int>(setting.target)),
                  std::to_string(setting.clip_norm), std::to_string(setting.noise_multiplier)});
  EXPECT_EQ(ran.status, 0) << ran.err;
  Numbers numbers;
  ReadNumbers("results", numbers.results);
  if (setting.mode == Mode::kInference) return numbers;
  ReadNumbers("losses", numbers.losses);
  if (setting.mode == Mode::kPrivateTraining) {
    ReadNumbers("norms", numbers.norms);
    ReadNumbers("sum", numbers.sum);
  }
  ReadNumbers("gradient", numbers.gradient);
  ReadNumbers("sgd_weights", numbers.sgd_weights);
  ReadNumbers("weights", numbers.weights);
  return numbers;
}

// A step of the engine's: the mean gradient, or the noised one.
class EngineStep {
 public:
  EngineStep(const Setting& setting, train::TrainingEngine& engine,
             const std::vector<train::BatchRow>& rows)
      : setting_(setting), engine_(engine), rows_(rows) {}

  std::vector<float> Run(const std::vector<float>& weights, Numbers& first) {
    std::vector<float> losses(rows_.size());
    std::vector<float> gradient(weights.size());
    if (setting_.mode == Mode::kTraining) {
      engine_.SumGradients(weights, rows_, {.reals = gradient.data()}, {.losses = losses});
      for (float& g : gradient) g *= static_cast<float>(1.0 / static_cast<double>(rows_.size()));
    } else {
      RunPrivate(weights, losses, gradient, first);
    }
    if (first.losses.empty()) first.losses = losses;
    if (first.gradient.empty()) first.gradient = gradient;
    return gradient;
  }

 private:
  void RunPrivate(const std::vector<float>& weights, std::vector<float>& losses,
                  std::vector<float>& gradient, Numbers& first) {
    const dp::ClipGrid grid =
        *dp::ClipGrid::Create(NoiseMultiplier(setting_.noise_multiplier),
                              MaxGradNorm(setting_.clip_norm), weights.size());
    engine::Clipping clipping;
    clipping.kind = train::KindOf(setting_.clipping);
    clipping.bound = grid.aim();
    clipping.unit = 1 / grid.granularity();
    std::vector<std::int32_t> low(weights.size());
    std::vector<std::int64_t> sum(weights.size());
    engine::SumTarget target;
    target.grid = low.data();
    target.total = sum.data();
    target.capacity = grid.capacity();
    target.squares_max = grid.squares_max();
    std::vector<double> squares(rows_.size());
    engine_.SumClipped(weights, rows_, clipping, target,
                       {.losses = losses, .squared_norms = squares});
    if (first.sum.empty()) {
      first.sum = sum;
      for (const double each : squares) {
        first.norms.push_back(static_cast<float>(std::sqrt(each)));
      }
    }
    const std::vector<std::int64_t> noise = MadeUpNoise(sum.size());
    const double unit = grid.granularity() / static_cast<double>(rows_.size());
    for (std::size_t i = 0; i < sum.size(); ++i) {
      gradient[i] = static_cast<float>(static_cast<double>(sum[i] + noise[i]) * unit);
    }
  }

  const Setting& setting_;
  train::TrainingEngine& engine_;
  const std::vector<train::BatchRow>& rows_;
};

// What the driver does, by the engine, on two threads and so in other groups than the library's.
Numbers RunEngine(const graph::Model& model, const Setting& setting,
                  const train::ExampleSet& examples) {
  engine::EngineOptions options;
  options.mode = setting.mode;
  options.batch = kExamples;
  options.target = setting.target;
  const auto pool = std::make_shared<engine::ThreadPool>(2);
  auto created = setting.mode == Mode::kInference
                     ? train::TrainingEngine::ForInference(model, options, pool)
                     : train::TrainingEngine::Create(model, setting.loss, options, pool);
  EXPECT_TRUE(created.ok());
  train::TrainingEngine engine = *std::move(created);
  const std::vector<train::BatchRow> rows = train::AllRows(examples);
  std::vector<float> weights = train::FlatParameters(model);
  Numbers numbers;
  numbers.results.resize(rows.size() * engine.output_width());
  engine.Predict(weights, rows, numbers.results);
  if (setting.mode == Mode::kInference) return numbers;
  train::OptimizerConfig sgd;
  sgd.momentum = 0.9;
  sgd.weight_decay = 0.01;
  train::Optimizer first = *train::Optimizer::Create(sgd, weights.size());
  train::Optimizer second =
      *train::Optimizer::Create(train::DefaultsOf(train::OptimizerKind::kAdamW), weights.size());
  EngineStep step(setting, engine, rows);
  for (int k = 0; k < 5; ++k) {
    const std::vector<float> gradient = step.Run(weights, numbers);
    if (k < 3) {
      first.Step(weights, gradient, 0.05);
      numbers.sgd_weights = weights;
    } else {
      second.Step(weights, gradient, 0.01);
    }
  }
  numbers.weights = weights;
  return numbers;
}

// But for the sign of what is not a number, which follows from the order in which a compiler has an
// addition's operands.
template <typename T>
void ExpectSameBits(const std::vector<T>& got, const std::vector<T>& expected, const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  std::size_t different = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &expected[i], sizeof(T)) == 0) continue;
    if (std::isnan(got[i]) && std::isnan(expected[i])) continue;
    if (different++ == 0)
      ADD_FAILURE() << what << " " << i << ": " << got[i] << ", " << expected[i];
  }
  EXPECT_EQ(different, 0u) << what << ", of " << got.size();
}

// Numbers that say nothing would be equal as well.
void ExpectAlive(const std::vector<float>& numbers, const char* what) {
  double size = 0;
  for (const float each : numbers) size += std::fabs(double{each});
  EXPECT_TRUE(std::isfinite(size) && size > 0) << what << ": " << size;
}

void CompiledModel::CheckSetting(const graph::Model& model, const std::string& path,
                                 const Setting& setting) {
  SCOPED_TRACE(path + ", " + ModeName(setting.mode));
  ASSERT_NO_FATAL_FAILURE(BuildLibrary(path, setting));
  const Result<train::ExampleSet> examples =
      client::RandomExamples(model, setting.loss, kExamples, 3);
  ASSERT_TRUE(examples.ok());
  std::size_t targets = 0;
  for (const simd::Target target : simd::AvailableTargets()) {
    // Compiled models ask no operating system for a matrix unit.
    if (target == simd::Target::kScalar || target == simd::Target::kAmx) continue;
    SCOPED_TRACE(simd::TargetName(target));
    Setting here = setting;
    here.target = target;
    const Numbers got = RunLibrary(here, *examples, model.parameter_count());
    const Numbers expected = RunEngine(model, here, *examples);
    ExpectAlive(got.results, "results");
    ExpectSameBits(got.results, expected.results, "results");
    ++targets;
    if (setting.mode == Mode::kInference) continue;
    ExpectAlive(got.losses, "losses");
    ExpectAlive(got.gradient, "gradient");
    ExpectSameBits(got.losses, expected.losses, "losses");
    ExpectSameBits(got.norms, expected.norms, "norms");
    ExpectSameBits(got.sum, expected.sum, "sum");
    ExpectSameBits(got.gradient, expected.gradient, "gradient");
    ExpectSameBits(got.sgd_weights, expected.sgd_weights, "weights after SGD");
    ExpectSameBits(got.weights, expected.weights, "weights after AdamW");
  }
  EXPECT_GT(targets, 0u);
}

void CompiledModel::Check(const std::string& path, const Setting& setting) {
  const Result<Bytes> onnx = client::ReadWholeFile(path, limits::kModelBytesMax);
  ASSERT_TRUE(onnx.ok());
  const Result<graph::Model> model = graph::ImportOnnx(*onnx);
  ASSERT_TRUE(model.ok()) << model.error().message();
  for (const Mode mode : {Mode::kInference, Mode::kTraining, Mode::kPrivateTraining}) {
    Setting here = setting;
    here.mode = mode;
    CheckSetting(*model, path, here);
  }
}

TEST_F(CompiledModel, Perceptron) { Check(Exported("mlp-ts17"), {}); }

TEST_F(CompiledModel, ConvolutionalNetwork) {
  Check(Exported("lenet-ts13"), {.loss = Loss::kCrossEntropy});
}

TEST_F(CompiledModel, MeanOfEmbeddings) {
  Check(Exported("mean-of-words-ex18"), {.loss = Loss::kCrossEntropy});
}

TEST_F(CompiledModel, NormalisedResidualNetwork) {
  Check(Exported("resnet-gn-ts17"), {.loss = Loss::kCrossEntropy});
}

TEST_F(CompiledModel, TransformerBlock) { Check(Exported("keras-attention"), {}); }

// Gathering at constant indices, along axes that are not a table's rows.
TEST_F(CompiledModel, EncoderOfWords) {
  Check(Exported("encoder-ts17"), {.loss = Loss::kCrossEntropy});
}

// Concatenation, and interpolation by gathering.
TEST_F(CompiledModel, UNet) { Check(Exported("unet-bilinear-ts17"), {}); }

TEST_F(CompiledModel, RecurrentNetwork) {
  Check(Exported("lstm-last-ts17"), {.loss = Loss::kCrossEntropy});
}

// Wide enough for minimal filtering; its gradients come in an order of their own, whatever target
// the library was made on.
TEST_F(CompiledModel, WideConvolutions) {
  OnnxBuilder b({21, 12, 12});
  const auto pads = graph::testing::Ints("pads", {1, 1, 1, 1});
  b.Weight("w", {60, 21, 3, 3}, MadeUpWeights(60 * 21 * 9));
  b.Weight("u", {20, 60, 3, 3}, MadeUpWeights(20 * 60 * 9));
  b.Node("Conv", {"x", "w"}, {"a"}, {pads}).Node("Relu", {"a"}, {"r"});
  b.Node("Conv", {"r", "u"}, {"c"}, {pads});
  b.Node("ReduceMean", {"c"}, {"m"},
         {graph::testing::Ints("axes", {2, 3}), graph::testing::Int("keepdims", 0)});
  b.Weight("v", {20, 2}, MadeUpWeights(40)).Node("MatMul", {"m", "v"}, {"y"});
  const std::string path = folder_ / "wide.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  Check(path, {});
}

TEST_F(CompiledModel, Volumes) {
  OnnxBuilder b({1, 4, 5, 6});
  b.Weight("w", {4, 1, 3, 2, 3}, MadeUpWeights(72)).Weight("u", {2, 4, 2, 2, 1}, MadeUpWeights(32));
  b.Node("Conv", {"x", "w"}, {"a"}, {graph::testing::Ints("pads", {1, 0, 1, 1, 0, 1})});
  b.Node("Tanh", {"a"}, {"t"});
  b.Node("MaxPool", {"t"}, {"p"}, {graph::testing::Ints("kernel_shape", {2, 2, 2})});
  b.Node("Conv", {"p", "u"}, {"c"}).Node("Flatten", {"c"}, {"f"});
  b.Weight("v", {40, 2}, MadeUpWeights(80)).Node("MatMul", {"f", "v"}, {"y"});
  const std::string path = folder_ / "volumes.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  Check(path, {});
}

// A slice of every second number, padding along two axes, which has no step but one of moves, and a
// concatenation of three, two of one value's.
TEST_F(CompiledModel, MovedNumbers) {
  OnnxBuilder b({4, 6});
  b.Weight("w", {6, 6}, MadeUpWeights(36)).Node("MatMul", {"x", "w"}, {"h"});
  b.Node("Tanh", {"h"}, {"t"});
  b.Integers("from", {1}).Integers("to", {6}).Integers("axis", {2}).Integers("step", {2});
  b.Node("Slice", {"t", "from", "to", "axis", "step"}, {"s"});
  b.Integers("pads", {0, 1, 1, 0, 2, 0}).Node("Pad", {"s", "pads"}, {"p"});
  b.Integers("rows", {3, 0, 2})
      .Node("Gather", {"p", "rows"}, {"r"}, {graph::testing::Int("axis", 1)});
  b.Integers("pads2", {0, 0, 1, 0, 0, 0}).Node("Pad", {"s", "pads2"}, {"q"});
  b.Node("Concat", {"r", "p", "q"}, {"c"}, {graph::testing::Int("axis", 1)});
  b.Weight("v", {4, 2}, MadeUpWeights(8)).Node("MatMul", {"c", "v"}, {"y"});
  const std::string path = folder_ / "moved.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  Check(path, {});
}

// Comparisons, their logic, what they choose, and numbers of them.
TEST_F(CompiledModel, Choices) {
  OnnxBuilder b({3, 5});
  b.Weight("w", {5, 5}, MadeUpWeights(25)).Node("MatMul", {"x", "w"}, {"h"});
  b.Weight("slope", {3, 1}, MadeUpWeights(3)).Node("PRelu", {"h", "slope"}, {"p"});
  b.Weight("side", {5}, MadeUpWeights(5)).Node("Less", {"x", "side"}, {"less"});
  b.Node("Greater", {"p", "side"}, {"more"}).Node("Xor", {"less", "more"}, {"either"});
  b.Node("Not", {"either"}, {"same"}).Node("Where", {"same", "p", "side"}, {"c"});
  b.Node("Cast", {"either"}, {"n"}, {graph::testing::Int("to", 1)}).Node("Add", {"c", "n"}, {"s"});
  b.Node("ReduceMin", {"s"}, {"m"}, {graph::testing::Ints("axes", {2})});
  b.Node("Mul", {"s", "m"}, {"t"}).Node("Flatten", {"t"}, {"f"});
  b.Weight("v", {15, 2}, MadeUpWeights(30)).Node("MatMul", {"f", "v"}, {"y"});
  const std::string path = folder_ / "choices.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  Check(path, {});
}

// The normalisation's steps take the Silu along, and the gate's products are summed as they are
// made.
TEST_F(CompiledModel, GatedSilu) {
  OnnxBuilder b({4, 9});
  b.Weight("w", {9, 9}, MadeUpWeights(81)).Node("MatMul", {"x", "w"}, {"h"});
  b.Weight("scale", {9}, MadeUpWeights(9)).Weight("shift", {9}, MadeUpWeights(9));
  b.Node("LayerNormalization", {"h", "scale", "shift"}, {"n"}, {graph::testing::Int("axis", -1)});
  b.Node("Sigmoid", {"n"}, {"s"}).Node("Mul", {"n", "s"}, {"a"});
  b.Node("ReduceMean", {"a"}, {"m"}, {graph::testing::Ints("axes", {2})});
  b.Node("Sigmoid", {"m"}, {"e"}).Node("Mul", {"e", "a"}, {"g"});
  b.Weight("v", {9, 2}, MadeUpWeights(18)).Node("MatMul", {"g", "v"}, {"y"});
  const std::string path = folder_ / "gated.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  Check(path, {});
}

// Few contributions fit the 32 bits, so that sums move to 64 while they are made.
TEST_F(CompiledModel, LittleNoiseMakesManyRounds) {
  Check(Exported("mlp-ts17"), {.noise_multiplier = 0x1p-5});
}

TEST_F(CompiledModel, EveryKindOfClipping) {
  for (const Clipping clipping : {Clipping::kPerLayer, Clipping::kAutomatic}) {
    Setting setting{.loss = Loss::kCrossEntropy, .clipping = clipping};
    setting.mode = Mode::kPrivateTraining;
    for (const char* name : {"lenet-ts13", "mean-of-words-ex18"}) {
      const Result<Bytes> onnx = client::ReadWholeFile(Exported(name), limits::kModelBytesMax);
      ASSERT_TRUE(onnx.ok());
      CheckSetting(*graph::ImportOnnx(*onnx), Exported(name), setting);
    }
  }
}

// A weight that the exporter left to be transposed.
TEST_F(CompiledModel, EveryLossAndItsOptions) {
  OnnxBuilder b({6});
  b.Weight("w", {4, 6}, std::vector<float>(24, 0.25F)).Node("Transpose", {"w"}, {"wt"});
  b.Node("MatMul", {"x", "wt"}, {"h"}).Node("Tanh", {"h"}, {"t"});
  b.Weight("v", {4, 3}, {0.5F, -0.25F, 1, 2, 3, -1, 0.125F, 1, -2, 1, 1, 0.75F});
  b.Node("MatMul", {"t", "v"}, {"y"});
  const std::string path = folder_ / "transposed.onnx";
  ASSERT_TRUE(client::WriteWholeFile(path, b.Output("y").Write(), client::IfExists::kReplace).ok());
  const graph::Model model = *graph::ImportOnnx(*client::ReadWholeFile(path, 1 << 20));
  train::LossOptions weighed = Loss::kCrossEntropy;
  weighed.class_weights = {1, 0.5, 3};
  weighed.label_smoothing = 0.125;
  weighed.ignore_index = 1;
  train::LossOptions positive = Loss::kBinaryCrossEntropy;
  positive.positive_weights = {2, 3, 4};
  train::LossOptions huber = Loss::kHuber;
  huber.huber_delta = 0.5;
  const Setting settings[] = {{.loss = weighed,
                               .loss_flags = {"--class-weights", "1,0.5,3", "--label-smoothing",
                                              "0.125", "--ignore-index", "1"}},
                              {.loss = positive, .loss_flags = {"--pos-weight", "2,3,4"}},
                              {.loss = huber, .loss_flags = {"--huber-delta", "0.5"}},
                              {.loss = Loss::kMeanAbsoluteError}};
  for (Setting setting : settings) {
    for (const Mode mode : {Mode::kTraining, Mode::kPrivateTraining}) {
      setting.mode = mode;
      CheckSetting(model, path, setting);
    }
  }
}

}  // namespace
}  // namespace anchorhold::testing
