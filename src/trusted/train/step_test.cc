// Steps on batches: what they compute against loops in double precision, and that neither threads
// nor groups change a bit.
#include "trusted/train/step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/mechanism.h"
#include "trusted/train/step_net_for_test.h"
#include "trusted/train/trainer.h"

namespace anchorhold::train {
namespace {

using testing::Examples;
using testing::Net;
using Numbers = std::vector<double>;

constexpr double kExpectedBatch = 30;
constexpr std::uint64_t kSeed = 77;
const OptimizerConfig kPlainSgd{.learning_rate = 1};

struct Setting {
  Clipping clipping = Clipping::kFlat;
  double noise = 0.5;
  double norm = 1;
  std::size_t threads = 1;
  std::size_t group = 0;
  std::optional<engine::Method> norms{};
  std::size_t planned = 0;  // rows of a step, which the grid is chosen by; 0: all there are
};

StepOptions OptionsOf(const Setting& setting, std::size_t batch) {
  StepOptions options;
  options.pool = std::make_shared<engine::ThreadPool>(setting.threads);
  options.batch = setting.planned == 0 ? batch : setting.planned;
  options.engine.group = setting.group;
  options.engine.norms = setting.norms;
  return options;
}

PrivateStep Make(const graph::Model& model, const Setting& setting, std::size_t batch) {
  auto step = PrivateStep::Create(model, Loss::kCrossEntropy, kPlainSgd, setting.clipping,
                                  NoiseMultiplier(setting.noise), MaxGradNorm(setting.norm),
                                  OptionsOf(setting, batch));
  EXPECT_TRUE(step.ok()) << (step.ok() ? "" : step.error().message());
  return *std::move(step);
}

// The parameters after one step from the model's own.
std::vector<float> After(const graph::Model& model, const Setting& setting,
                         std::span<const BatchRow> rows) {
  PrivateStep step = Make(model, setting, rows.size());
  std::vector<float> parameters = FlatParameters(model);
  crypto::InsecureSeededRandom noise(kSeed);
  step.Run(rows, kExpectedBatch, noise, 1, parameters);
  return parameters;
}

dp::ClipGrid GridOf(const graph::Model& model, const Setting& setting, std::size_t contributions) {
  return dp::ClipGrid::Create(NoiseMultiplier(setting.noise), MaxGradNorm(setting.norm),
                              model.parameter_count(), contributions)
      .value();
}

// What the step added up, its noise taken off, in units of the gradient.
Numbers SumOf(const graph::Model& model, const Setting& setting,
              const std::vector<float>& parameters, std::size_t contributions = 1) {
  crypto::InsecureSeededRandom random(kSeed);
  crypto::BranchedRandom first(random);
  std::vector<std::int64_t> noise(parameters.size());
  const dp::ClipGrid grid = GridOf(model, setting, contributions);
  dp::SampleDiscreteGaussian(grid.noise_scale_log2(), first, noise);
  const double unit = grid.granularity();
  const std::vector<float> start = FlatParameters(model);
  Numbers sum(start.size());
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] = (double{start[i]} - double{parameters[i]}) * kExpectedBatch -
             unit * static_cast<double>(noise[i]);
  }
  return sum;
}

double NormOf(std::span<const float> v) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  return std::sqrt(squares);
}

double FactorOf(Clipping clipping, double norm, double bound) {
  return clipping == Clipping::kAutomatic ? bound / (norm + 0.01) : std::min(1.0, bound / norm);
}

// The sum of the gradients, clipped with `bound`, in double precision, tensor by tensor.
Numbers ClippedInDouble(const graph::Model& model, Clipping clipping, double bound,
                        const std::vector<std::vector<float>>& gradients) {
  const bool by_layer = clipping == Clipping::kPerLayer;
  if (by_layer) bound /= std::sqrt(static_cast<double>(model.parameters().size()));
  Numbers sum(gradients[0].size());
  for (const std::vector<float>& gradient : gradients) {
    std::size_t at = 0;
    for (const graph::Parameter& parameter : model.parameters()) {
      const std::size_t size = parameter.values.size();
      const auto norm =
          NormOf(by_layer ? std::span(gradient).subspan(at, size) : std::span(gradient));
      const double factor = FactorOf(clipping, norm, bound);
      for (std::size_t i = at; i < at + size; ++i) sum[i] += factor * gradient[i];
      at += size;
    }
  }
  return sum;
}

// The norm that half of the rows' gradients are above, so that clipping does something.
double MedianNorm(const std::vector<std::vector<float>>& gradients) {
  Numbers norms;
  for (const auto& gradient : gradients) norms.push_back(NormOf(gradient));
  std::sort(norms.begin(), norms.end());
  return norms[norms.size() / 2];
}

constexpr Clipping kClippings[] = {Clipping::kFlat, Clipping::kPerLayer, Clipping::kAutomatic};

TEST(PrivateStep, IsTheClippedSumOfADoubleLoop) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(40, 5);
  const auto gradients =
      testing::Gradients(model, Loss::kCrossEntropy, FlatParameters(model), examples);
  const double norm = MedianNorm(gradients);
  for (const Clipping clipping : kClippings) {
    for (const auto norms : {std::optional<engine::Method>(), std::optional(engine::Method::kGhost),
                             std::optional(engine::Method::kInstantiate)}) {
      SCOPED_TRACE(std::string(ClippingName(clipping)) + ", " +
                   (norms ? std::string(engine::MethodName(*norms)) : "chosen"));
      const Setting setting{clipping, 0.5, norm, 1, 0, norms};
      const std::vector<float> after = After(model, setting, AllRows(examples));
      const Numbers sum = SumOf(model, setting, after);
      const dp::ClipGrid grid =
          dp::ClipGrid::Create(NoiseMultiplier(0.5), MaxGradNorm(norm), after.size()).value();
      const double aim = grid.radius() * grid.granularity() * (1 - 0x1p-16);
      const Numbers expected = ClippedInDouble(model, clipping, aim, gradients);
      double length = 0;
      for (std::size_t i = 0; i < sum.size(); ++i) {
        EXPECT_NEAR(sum[i], expected[i], 2e-5 * norm) << i;
        length += expected[i] * expected[i];
      }
      EXPECT_GT(std::sqrt(length), 3 * norm);  // so that the bound above means something
    }
  }
}

// One row never moves the sum by more than C, whichever way it is clipped.
TEST(PrivateStep, ARowMovesTheSumByAtMostTheNorm) {
  const graph::Model model = Net();
  ExampleSet examples = Examples(9, 6);
  for (std::size_t i = 0; i < testing::kWide; ++i) {
    examples.features[testing::kTokens + i] *= 1e6F;
    examples.features[examples.feature_width + testing::kTokens + i] *= 1e18F;
  }
  for (const Clipping clipping : kClippings) {
    const Setting setting{clipping, 2, 0.25};
    for (const BatchRow& row : AllRows(examples)) {
      const Numbers sum = SumOf(model, setting, After(model, setting, {&row, 1}));
      double squares = 0;
      for (const double x : sum) squares += x * x;
      EXPECT_LE(std::sqrt(squares), 0.25 + 5e-5) << ClippingName(clipping);
      EXPECT_GE(std::sqrt(squares), 0.05) << ClippingName(clipping);
    }
  }
}

TEST(PrivateStep, IsTheSameBitsOnAnyThreadsInAnyGroups) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(37, 7);
  const std::vector<BatchRow> rows = AllRows(examples);
  for (const Clipping clipping : kClippings) {
    Setting setting{clipping, 0.5, 0.4};
    const std::vector<float> expected = After(model, setting, rows);
    for (const std::size_t threads : {1U, 2U, 3U}) {
      for (const std::size_t group : {16U, 1U, 5U, 64U, 2U, 0U}) {
        setting.threads = threads;
        setting.group = group;
        EXPECT_EQ(After(model, setting, rows), expected)
            << ClippingName(clipping) << ", " << threads << " threads, groups of " << group;
      }
    }
  }
}

// The sum is one of whole numbers, so the order of the rows does not matter either.
TEST(PrivateStep, IsTheSameBitsInAnyOrderOfTheRows) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(20, 8);
  std::vector<BatchRow> rows = AllRows(examples);
  const std::vector<float> expected = After(model, {}, rows);
  std::reverse(rows.begin(), rows.end());
  std::swap(rows[3], rows[11]);
  EXPECT_EQ(After(model, {}, rows), expected);
}

// With little noise, the finest grid is so fine that 32 bits hold one or two contributions.
TEST(PrivateStep, ABatchBeyondTheCapacityIsSummedExactly) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(33, 9);
  const auto gradients =
      testing::Gradients(model, Loss::kCrossEntropy, FlatParameters(model), examples);
  for (const double noise : {0x1p-6, 0x1p-5}) {
    Setting setting{Clipping::kFlat, noise, MedianNorm(gradients)};
    setting.planned = 1;
    const dp::ClipGrid grid = GridOf(model, setting, 1);
    ASSERT_LE(dp::GridSum(grid).capacity(), 3U);
    const std::vector<float> after = After(model, setting, AllRows(examples));
    const Numbers sum = SumOf(model, setting, after);
    const Numbers expected = ClippedInDouble(
        model, setting.clipping, grid.radius() * grid.granularity() * (1 - 0x1p-16), gradients);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      EXPECT_NEAR(sum[i], expected[i], 2e-5 * setting.norm) << i;
    }
    for (const std::size_t threads : {2U, 3U}) {
      setting.threads = threads;
      setting.group = threads == 2 ? 4 : 1;
      EXPECT_EQ(After(model, setting, AllRows(examples)), after) << threads;
    }
  }
}

// A step that is known to be larger has a coarser grid, which holds it.
TEST(PrivateStep, AGridForTheWholeBatchGivesTheSameSum) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(33, 9);
  const auto gradients =
      testing::Gradients(model, Loss::kCrossEntropy, FlatParameters(model), examples);
  const Setting setting{Clipping::kFlat, 0x1p-6, MedianNorm(gradients)};
  const dp::ClipGrid grid = GridOf(model, setting, 33);
  ASSERT_LT(grid.noise_scale_log2(), dp::kNoiseScaleLog2);
  ASSERT_GE(dp::GridSum(grid).capacity(), 33U);
  const Numbers sum = SumOf(model, setting, After(model, setting, AllRows(examples)), 33);
  const Numbers expected = ClippedInDouble(
      model, setting.clipping, grid.radius() * grid.granularity() * (1 - 0x1p-16), gradients);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    EXPECT_NEAR(sum[i], expected[i], 2e-5 * setting.norm) << i;
  }
}

TEST(PrivateStep, NonFiniteGradientsCountAsZero) {
  const graph::Model model = Net();
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    ExampleSet examples = Examples(12, 10);
    for (const std::size_t row : {0U, 5U, 11U}) {
      for (std::size_t i = 0; i < 3; ++i) {
        examples.features[row * examples.feature_width + testing::kTokens + i] = bad;
      }
    }
    std::vector<BatchRow> good;
    for (const BatchRow& row : AllRows(examples)) {
      if (row.row != 0 && row.row != 5 && row.row != 11) good.push_back(row);
    }
    for (const Clipping clipping : {Clipping::kFlat, Clipping::kAutomatic}) {
      const Setting setting{clipping, 0.5, 0.4};
      EXPECT_EQ(After(model, setting, AllRows(examples)), After(model, setting, good)) << bad;
    }
  }
}

// By layer, a tensor's gradient that is not finite counts as zero, and nothing else is touched by
// it.
TEST(PrivateStep, ByLayerNonFiniteGradientsReachNoOtherRow) {
  const graph::Model model = Net();
  ExampleSet examples = Examples(6, 10);
  examples.features[testing::kTokens] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<BatchRow> all = AllRows(examples);
  const Setting setting{Clipping::kPerLayer, 0.5, 0.4};
  const Numbers with = SumOf(model, setting, After(model, setting, all));
  const Numbers without = SumOf(model, setting, After(model, setting, std::span(all).subspan(1)));
  double squares = 0;
  for (std::size_t i = 0; i < with.size(); ++i) {
    ASSERT_TRUE(std::isfinite(with[i]));
    squares += (with[i] - without[i]) * (with[i] - without[i]);
  }
  EXPECT_LE(std::sqrt(squares), setting.norm * (1 + 1e-4));
}

TEST(PrivateStep, RowsThatDoNotCountAddNothing) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(15, 11);
  std::vector<BatchRow> rows = AllRows(examples);
  std::vector<BatchRow> counting;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].counts = i % 3 != 1;
    if (rows[i].counts) counting.push_back(rows[i]);
  }
  for (const Clipping clipping : kClippings) {
    for (const std::size_t threads : {1U, 2U}) {
      const Setting setting{clipping, 0.5, 0.4, threads, 4};
      EXPECT_EQ(After(model, setting, rows), After(model, setting, counting));
    }
  }
}

TEST(PrivateStep, AnEmptyBatchIsNoiseAlone) {
  const graph::Model model = Net();
  for (const std::size_t threads : {1U, 3U}) {
    const Setting setting{Clipping::kFlat, 0.5, 0.4, threads};
    const Numbers sum = SumOf(model, setting, After(model, setting, {}));
    for (const double x : sum) EXPECT_NEAR(x, 0, 1e-5);
  }
}

// Several steps with an optimizer that remembers, on a sum that is used again.
TEST(PrivateStep, ManyStepsAreTheSameOnAnyThreads) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(50, 12);
  const std::vector<BatchRow> rows = AllRows(examples);
  const auto run = [&](std::size_t threads) {
    Setting setting{Clipping::kAutomatic, 0.1, 0.4, threads};
    auto step = PrivateStep::Create(model, Loss::kCrossEntropy,
                                    {.kind = OptimizerKind::kAdam, .learning_rate = 0.1},
                                    setting.clipping, NoiseMultiplier(setting.noise),
                                    MaxGradNorm(setting.norm), OptionsOf(setting, 20));
    EXPECT_TRUE(step.ok());
    std::vector<float> parameters = FlatParameters(model);
    crypto::InsecureSeededRandom noise(kSeed);
    for (std::size_t k = 0; k < 6; ++k) {
      step->Run(std::span(rows).subspan(3 * k, 5 * k), kExpectedBatch, noise, 0.1, parameters);
    }
    EXPECT_EQ(step->steps_done(), 6U);
    return parameters;
  };
  const std::vector<float> expected = run(1);
  EXPECT_NE(expected, FlatParameters(model));
  EXPECT_EQ(run(2), expected);
  EXPECT_EQ(run(3), expected);
}

std::vector<float> PlainAfter(const graph::Model& model, const Setting& setting,
                              std::span<const BatchRow> rows, double* loss) {
  auto step =
      PlainStep::Create(model, Loss::kCrossEntropy, kPlainSgd, OptionsOf(setting, rows.size()));
  EXPECT_TRUE(step.ok());
  std::vector<float> parameters = FlatParameters(model);
  *loss = step->Run(rows, 1, parameters);
  return parameters;
}

TEST(PlainStep, IsTheMeanGradientOfADoubleLoop) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(23, 13);
  const std::vector<float> start = FlatParameters(model);
  const auto gradients = testing::Gradients(model, Loss::kCrossEntropy, start, examples);
  double loss = 0;
  const std::vector<float> after = PlainAfter(model, {}, AllRows(examples), &loss);
  for (std::size_t i = 0; i < start.size(); ++i) {
    double mean = 0;
    for (const auto& gradient : gradients) mean += gradient[i] / 23.0;
    EXPECT_NEAR(after[i], start[i] - mean, 2e-6) << i;
  }
}

TEST(PlainStep, IsTheSameBitsOnAnyThreadsInAnyGroups) {
  const graph::Model model = Net();
  const ExampleSet examples = Examples(37, 14);
  const std::vector<BatchRow> rows = AllRows(examples);
  double expected_loss = 0;
  const std::vector<float> expected = PlainAfter(model, {}, rows, &expected_loss);
  for (const std::size_t threads : {1U, 2U, 3U}) {
    for (const std::size_t group : {0U, 7U, 1U, 64U}) {
      Setting setting;
      setting.threads = threads;
      setting.group = group;
      double loss = 0;
      EXPECT_EQ(PlainAfter(model, setting, rows, &loss), expected)
          << threads << " threads, groups of " << group;
      EXPECT_EQ(loss, expected_loss);
    }
  }
}

TEST(Clipping, NamesAreReadBack) {
  for (const Clipping clipping : kClippings) {
    EXPECT_EQ(ParseClipping(ClippingName(clipping)).value(), clipping);
  }
  for (const char* bad : {"", "Flat", "per_layer", "auto"}) {
    const auto parsed = ParseClipping(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidInput);
  }
}

}  // namespace
}  // namespace anchorhold::train
