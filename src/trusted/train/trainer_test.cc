#include "trusted/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "trusted/dp/calibrate.h"
#include "trusted/dp/discrete_gaussian.h"
#include "trusted/dp/mechanism.h"
#include "trusted/dp/rdp.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/evaluate.h"

namespace anchorhold::train {
namespace {

using graph::primitives::kAdd;
using graph::primitives::kMatMul;

// y = x W + b, with zero W and b.
graph::Model LinearModel(std::int64_t inputs, std::int64_t outputs) {
  graph::GraphBuilder builder;
  const graph::ValueId x = builder.AddInput({{1, inputs}, 0});
  const graph::ValueId w = builder.AddParameter({inputs, outputs}, 0);
  const graph::ValueId b = builder.AddParameter({outputs}, 1);
  const auto product = builder.Emit(kMatMul, {x, w});
  const auto sum = builder.Emit(kAdd, {*product, b});
  return graph::Model(
      std::move(builder).Finish({*sum}),
      {{"w", {inputs, outputs}, std::vector<float>(static_cast<std::size_t>(inputs * outputs), 0)},
       {"b", {outputs}, std::vector<float>(static_cast<std::size_t>(outputs), 0)}},
      {{"x", {inputs}}}, {{"y", {outputs}}});
}

// Two classes on either side of a plane through the origin, with a margin.
ExampleSet Separable(std::size_t rows, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  ExampleSet set;
  set.feature_width = 4;
  while (set.classes.size() < rows) {
    float x[4];
    for (float& value : x) value = uniform(generator);
    const float side = x[0] - 2 * x[1] + 0.5F * x[2];
    if (std::abs(side) < 0.3F) continue;
    set.features.insert(set.features.end(), x, x + 4);
    set.classes.push_back(side > 0 ? 1 : 0);
  }
  set.rows = rows;
  return set;
}

PrivateTraining Training(double q, double noise, std::uint64_t steps, std::uint64_t public_rows) {
  return {.sampling_probability = SamplingProbability(q),
          .noise_multiplier = NoiseMultiplier(noise),
          .max_grad_norm = MaxGradNorm(0.5),
          .steps = steps,
          .public_rows = public_rows};
}

const TrainerConfig kBinarySgd{Loss::kBinaryCrossEntropy, {.learning_rate = 1}};

// A trainer with its random streams, seeded.
class SeededRun {
 public:
  SeededRun(const graph::Model& model, std::vector<const ExampleSet*> sets,
            const TrainerConfig& config, const PrivateTraining& training)
      : sampling_(100),
        noise_(200),
        trainer_(PrivateTrainer::Create(model, std::move(sets), config, training,
                                        {.sampling = &sampling_, .noise = &noise_})) {
    EXPECT_TRUE(trainer_.ok()) << (trainer_.ok() ? "" : trainer_.error().message());
  }
  PrivateTrainer& trainer() { return *trainer_; }
  std::vector<float> ParametersAfter(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      const Status status = trainer().Step();
      EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message());
    }
    return {trainer().parameters().begin(), trainer().parameters().end()};
  }

 private:
  crypto::InsecureSeededRandom sampling_;
  crypto::InsecureSeededRandom noise_;
  Result<PrivateTrainer> trainer_;
};

// The noise of SeededRun's first step, in units of the gradient's sum.
std::vector<double> FirstNoise(const PrivateTraining& training, std::size_t size) {
  crypto::InsecureSeededRandom random(200);
  std::vector<std::int64_t> draws(size);
  crypto::BranchedRandom first_piece(random);
  dp::SampleDiscreteGaussian(dp::kNoiseScaleLog2, first_piece, draws);
  std::vector<double> noise(size);
  for (std::size_t i = 0; i < size; ++i) {
    noise[i] = static_cast<double>(draws[i]) * training.noise_multiplier.value() *
               training.max_grad_norm.value() / static_cast<double>(dp::kNoiseScale);
  }
  return noise;
}

double Accuracy(const graph::Model& model, const LossOptions& loss,
                std::span<const float> parameters, const ExampleSet& set) {
  auto engine = TrainingEngine::Create(model, loss, {}, nullptr);
  EXPECT_TRUE(engine.ok());
  return *Evaluate(*engine, loss, parameters, set).accuracy;
}

TEST(PrivateTrainer, LearnsAtEpsilonOne) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(2000, 1);
  const auto noise = dp::CalibrateNoise({.sampling_probability = SamplingProbability(0.1),
                                         .steps = 60,
                                         .epsilon = Epsilon(1),
                                         .delta = Delta(1e-4)});
  ASSERT_TRUE(noise.ok());
  SeededRun run(model, {&set}, kBinarySgd, Training(0.1, noise->value(), 60, 2000));
  const std::vector<float> parameters = run.ParametersAfter(60);
  EXPECT_GT(Accuracy(model, kBinarySgd.loss, parameters, Separable(1000, 2)), 0.95);
  const auto spent = dp::EpsilonOf(run.trainer().SpentSoFar(), Delta(1e-4));
  EXPECT_LE(spent->value(), 1.0);
  EXPECT_GT(spent->value(), 0.999);
}

TEST(PrivateTrainer, NoiseDrownsAFewRows) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(20, 1);
  SeededRun run(model, {&set}, kBinarySgd, Training(0.5, 200, 30, 20));
  // Noise of deviation 100 against 10 gradients of at most 0.5: nothing is learned.
  const std::vector<float> parameters = run.ParametersAfter(30);
  EXPECT_GT(std::abs(parameters[1]), 10);
}

// One step at q = 1, against a loop in double.
TEST(PrivateTrainer, AStepIsTheClippedSumPlusNoiseOverThePublicCount) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(50, 3);
  const PrivateTraining training = Training(1, 0.7, 1, 64);
  SeededRun run(model, {&set}, kBinarySgd, training);
  const std::vector<float> parameters = run.ParametersAfter(1);

  auto executor = Executor::ForTraining(model, kBinarySgd.loss);
  ASSERT_TRUE(executor.ok());
  const std::vector<float> start = FlatParameters(model);
  std::vector<double> sum = FirstNoise(training, 5);
  std::vector<float> gradient(5);
  for (std::size_t row = 0; row < set.rows; ++row) {
    executor->LossAndGradient(start, set, row, gradient);
    double norm = 0;
    for (const float x : gradient) norm += static_cast<double>(x) * x;
    const double factor = std::min(1.0, 0.5 / std::sqrt(norm));
    for (std::size_t i = 0; i < 5; ++i) sum[i] += factor * gradient[i];
  }
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(parameters[i], -sum[i] / 64, 1e-5);
}

TEST(PrivateTrainer, AnEmptyBatchIsNoiseOnly) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(50, 3);
  const PrivateTraining training = Training(1e-15, 0.7, 2, 1000000000000000);
  SeededRun run(model, {&set}, kBinarySgd, training);
  const std::vector<float> parameters = run.ParametersAfter(1);
  const std::vector<double> noise = FirstNoise(training, 5);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(parameters[i], -noise[i], 1e-5);
  EXPECT_NE(run.ParametersAfter(1), parameters);
}

TEST(PrivateTrainer, OwnersArePooled) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet all = Separable(60, 4);
  ExampleSet first = all;
  first.rows = 23;
  first.features.resize(23 * 4);
  first.classes.resize(23);
  ExampleSet second = all;
  second.rows = 37;
  second.features.erase(second.features.begin(), second.features.begin() + 23 * 4);
  second.classes.erase(second.classes.begin(), second.classes.begin() + 23);
  const PrivateTraining training = Training(0.4, 1, 5, 60);
  SeededRun together(model, {&all}, kBinarySgd, training);
  SeededRun apart(model, {&first, &second}, kBinarySgd, training);
  EXPECT_EQ(together.ParametersAfter(5), apart.ParametersAfter(5));
}

// With ten times the public rows the padding grows and the divisor with it; a tenfold learning rate
// takes the divisor back, so nothing may be left of the padding.
TEST(PrivateTrainer, PaddingAddsNothing) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(60, 4);
  SeededRun tight(model, {&set}, {Loss::kBinaryCrossEntropy, {.learning_rate = 0.5}},
                  Training(0.1, 1, 5, 60));
  SeededRun padded(model, {&set}, {Loss::kBinaryCrossEntropy, {.learning_rate = 5}},
                   Training(0.1, 1, 5, 600));
  const auto a = tight.ParametersAfter(5);
  const auto b = padded.ParametersAfter(5);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5 * (1 + std::abs(a[i])));
}

TEST(PrivateTrainer, ARowWithANonFiniteGradientCountsAsZero) {
  const graph::Model model = LinearModel(4, 1);
  ExampleSet with = Separable(20, 5);
  ExampleSet without = with;
  with.rows = 21;
  with.features.insert(with.features.end(), {1, std::numeric_limits<float>::quiet_NaN(), 0, 1});
  with.classes.push_back(1);
  const PrivateTraining training = Training(1, 1, 3, 20);
  SeededRun a(model, {&with}, kBinarySgd, training);
  SeededRun b(model, {&without}, kBinarySgd, training);
  EXPECT_EQ(a.ParametersAfter(3), b.ParametersAfter(3));
}

// The most that one row can move the sum is C: with its noise taken off, a step with and without a
// huge row differ by at most C / (q n) in norm.
TEST(PrivateTrainer, OneRowMovesAStepByAtMostTheClippingNorm) {
  const graph::Model model = LinearModel(4, 1);
  ExampleSet with = Separable(20, 5);
  const ExampleSet without = with;
  with.rows = 21;
  with.features.insert(with.features.end(), {1e18F, -1e18F, 3e18F, 1e-30F});
  with.classes.push_back(1);
  const PrivateTraining training = Training(1, 1, 1, 20);
  SeededRun a(model, {&with}, kBinarySgd, training);
  SeededRun b(model, {&without}, kBinarySgd, training);
  const auto moved = a.ParametersAfter(1);
  const auto base = b.ParametersAfter(1);
  double norm = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    norm += (static_cast<double>(moved[i]) - base[i]) * (static_cast<double>(moved[i]) - base[i]);
  }
  EXPECT_LE(std::sqrt(norm) * 20, 0.5 + 1e-5);
  EXPECT_GE(std::sqrt(norm) * 20, 0.5 - 1e-4);
}

TEST(PrivateTrainer, CountsAndEndsItsSteps) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(20, 5);
  SeededRun run(model, {&set}, kBinarySgd, Training(0.3, 2, 2, 20));
  const auto steps = [&] {
    return std::get<dp::PoissonSampledGaussian>(run.trainer().SpentSoFar()).steps;
  };
  EXPECT_EQ(steps(), 0U);
  ASSERT_TRUE(run.trainer().Step().ok());
  EXPECT_EQ(steps(), 1U);
  ASSERT_TRUE(run.trainer().Step().ok());
  const Status third = run.trainer().Step();
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().message(), "all 2 agreed steps of this job are done");
  EXPECT_EQ(steps(), 2U);
}

TEST(PrivateTrainer, SaysWhenTheParametersOverflow) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(20, 5);
  SeededRun run(model, {&set}, {Loss::kBinaryCrossEntropy, {.learning_rate = 1e300}},
                Training(0.3, 2, 2, 20));
  const Status status = run.trainer().Step();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("smaller learning rate"), std::string::npos);
  EXPECT_EQ(run.trainer().steps_done(), 1U);  // spent all the same
}

TEST(PrivateTrainer, RefusesBadSetUps) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(20, 5);
  crypto::InsecureSeededRandom sampling(1);
  crypto::InsecureSeededRandom noise(2);
  const auto refused = [&](std::vector<const ExampleSet*> sets, const TrainerConfig& config,
                           const PrivateTraining& training) {
    return !PrivateTrainer::Create(model, std::move(sets), config, training, {&sampling, &noise})
                .ok();
  };
  const PrivateTraining good = Training(0.3, 1, 5, 20);
  EXPECT_FALSE(refused({&set}, kBinarySgd, good));
  EXPECT_TRUE(refused({}, kBinarySgd, good));
  EXPECT_TRUE(refused({&set}, kBinarySgd, Training(0, 1, 5, 20)));
  EXPECT_TRUE(refused({&set}, kBinarySgd, Training(0.3, 0, 5, 20)));
  EXPECT_TRUE(refused({&set}, kBinarySgd, Training(0.3, 1, 0, 20)));
  EXPECT_TRUE(refused({&set}, kBinarySgd, Training(0.3, 1, 5, 0)));
  EXPECT_TRUE(refused({&set}, {Loss::kBinaryCrossEntropy, {.learning_rate = -1}}, good));
  EXPECT_TRUE(refused({&set}, {Loss::kMeanSquaredError, {}}, good));
  PrivateTraining no_norm = good;
  no_norm.max_grad_norm = MaxGradNorm(0);
  EXPECT_TRUE(refused({&set}, kBinarySgd, no_norm));
  ExampleSet narrow = set;
  narrow.feature_width = 2;
  narrow.rows = 40;
  narrow.classes.resize(40);
  EXPECT_TRUE(refused({&set, &narrow}, kBinarySgd, good));
}

TEST(RowPool, FindsEveryRow) {
  ExampleSet a;
  a.rows = 2;
  ExampleSet empty;
  ExampleSet b;
  b.rows = 3;
  const auto pool = RowPool::Create({&a, &empty, &b});
  ASSERT_TRUE(pool.ok());
  ASSERT_EQ(pool->rows(), 5U);
  const ExampleSet* const sets[] = {&a, &a, &b, &b, &b};
  const std::size_t rows[] = {0, 1, 0, 1, 2};
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(pool->Find(i).set, sets[i]) << i;
    EXPECT_EQ(pool->Find(i).row, rows[i]) << i;
  }
  EXPECT_FALSE(RowPool::Create({}).ok());
  EXPECT_FALSE(RowPool::Create({&empty}).ok());
}

NonPrivateTrainer MakeNonPrivate(const graph::Model& model, const ExampleSet& set,
                                 const TrainerConfig& config, std::size_t batch) {
  auto trainer = NonPrivateTrainer::Create(model, {&set}, config, batch, 9);
  EXPECT_TRUE(trainer.ok());
  return *std::move(trainer);
}

TEST(NonPrivateTrainer, SeparatesSeparableData) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(300, 1);
  auto trainer = MakeNonPrivate(model, set, {Loss::kBinaryCrossEntropy, {.learning_rate = 2}}, 0);
  ASSERT_TRUE(trainer.Step().ok());
  EXPECT_NEAR(trainer.last_mean_loss(), std::log(2.0), 1e-6);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(trainer.Step().ok());
  EXPECT_LT(trainer.last_mean_loss(), 0.15);
  EXPECT_GT(Accuracy(model, Loss::kBinaryCrossEntropy, trainer.parameters(), set), 0.99);
}

// Targets made by a known linear map: minibatches find it.
TEST(NonPrivateTrainer, RecoversALinearMap) {
  const graph::Model model = LinearModel(4, 2);
  ExampleSet set = Separable(100, 6);
  set.classes.clear();
  set.target_width = 2;
  for (std::size_t row = 0; row < set.rows; ++row) {
    const float* x = &set.features[row * 4];
    set.targets.push_back(x[0] - x[3] + 0.25F);
    set.targets.push_back(2 * x[1] + 0.5F * x[2]);
  }
  auto trainer = MakeNonPrivate(
      model, set, {Loss::kMeanSquaredError, {.kind = OptimizerKind::kAdam, .learning_rate = 0.05}},
      16);
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(trainer.Step().ok());
  const std::vector<float> expected{1, 0, 0, 2, 0, 0.5F, -1, 0, 0.25F, 0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(trainer.parameters()[i], expected[i], 1e-2) << i;
  }
}

TEST(NonPrivateTrainer, RefusesBadSetUps) {
  const graph::Model model = LinearModel(4, 1);
  const ExampleSet set = Separable(20, 5);
  EXPECT_FALSE(NonPrivateTrainer::Create(model, {}, kBinarySgd, 0, 1).ok());
  EXPECT_FALSE(NonPrivateTrainer::Create(model, {&set}, {Loss::kMeanSquaredError, {}}, 0, 1).ok());
}

// z = x for one feature: logits -2, 0, 3 with classes 0, 0, 0, then 1, 1, 1.
TEST(Evaluate, BinaryByHand) {
  const graph::Model model = LinearModel(1, 1);
  ExampleSet set;
  set.rows = 6;
  set.feature_width = 1;
  set.features = {-2, 0, 3, -2, 0, 3};
  set.classes = {0, 0, 0, 1, 1, 1};
  auto engine = TrainingEngine::Create(model, Loss::kBinaryCrossEntropy, {}, nullptr);
  ASSERT_TRUE(engine.ok());
  const std::vector<float> identity{1, 0};
  const Evaluation result = Evaluate(*engine, Loss::kBinaryCrossEntropy, identity, set);
  EXPECT_EQ(result.rows, 6U);
  EXPECT_DOUBLE_EQ(*result.accuracy, 0.5);  // right: -2 and 0 as class 0, 3 as class 1
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  EXPECT_NEAR(
      result.mean_loss,
      (softplus(-2) + softplus(0) + softplus(3) + softplus(2) + softplus(0) + softplus(-3)) / 6,
      1e-6);
}

// Logits (x, -x, 0): the largest is output 0 for x > 0, output 1 for x < 0, and the first of three
// equals for x = 0.
TEST(Evaluate, ArgmaxByHand) {
  const graph::Model model = LinearModel(1, 3);
  ExampleSet set;
  set.rows = 4;
  set.feature_width = 1;
  set.features = {1, -1, 0, 5};
  set.classes = {0, 1, 0, 2};
  auto engine = TrainingEngine::Create(model, Loss::kCrossEntropy, {}, nullptr);
  ASSERT_TRUE(engine.ok());
  const std::vector<float> parameters{1, -1, 0, 0, 0, 0};
  EXPECT_DOUBLE_EQ(*Evaluate(*engine, Loss::kCrossEntropy, parameters, set).accuracy, 0.75);
}

TEST(Evaluate, RegressionHasNoAccuracy) {
  const graph::Model model = LinearModel(1, 1);
  ExampleSet set;
  set.rows = 2;
  set.feature_width = 1;
  set.features = {1, 2};
  set.target_width = 1;
  set.targets = {3, 2};
  auto engine = TrainingEngine::Create(model, Loss::kMeanSquaredError, {}, nullptr);
  ASSERT_TRUE(engine.ok());
  const Evaluation result =
      Evaluate(*engine, Loss::kMeanSquaredError, std::vector<float>{1, 0}, set);
  EXPECT_FALSE(result.accuracy.has_value());
  EXPECT_NEAR(result.mean_loss, 2, 1e-6);
}

}  // namespace
}  // namespace anchorhold::train
