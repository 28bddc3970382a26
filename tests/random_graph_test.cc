// A thousand random networks. For each: the executor against the interpreter, gradients against
// finite differences, clipped sums against a loop over batches of one, the engine on every target
// against the same, and the meaning of the type check: run on a real batch, every example's output
// is what it is alone.
#include "tests/random_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/engine_check.h"
#include "tests/independence.h"
#include "trusted/dp/clip_reference_for_test.h"
#include "trusted/graph/autodiff.h"
#include "trusted/graph/interpreter.h"
#include "trusted/train/executor.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::testing {
namespace {

using graph::Tensor;
using graph::ValueId;

constexpr int kSlices = 20;
constexpr int kGraphsInSlice = 50;
constexpr std::size_t kExamples = 3;
constexpr int kDrawsMax = 20;

// Bounds. Float32 is compared with float64 relative to the largest number of the output (or of the
// gradient), or absolutely below kSmall; finite differences relative to the gradient's length.
constexpr double kForwardBound = 1e-4;
constexpr double kGradientBound = 1e-3;
constexpr double kDifferenceBound = 1e-4;
constexpr double kSmall = 1e-2;
constexpr double kStep = 1e-6;   // of the finite differences
constexpr double kNudge = 1e-5;  // of the parameters, to see whether the gradient jumps nearby

using Numbers = std::vector<double>;

double Norm(const Numbers& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

template <typename A, typename B>
double LargestDifference(const A& a, const B& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= largest)) largest = difference;  // NaN stays
  }
  return largest;
}

double Scale(const Numbers& v) {
  double largest = kSmall;
  for (const double x : v) largest = std::max(largest, std::abs(x));
  return largest;
}

// One example; a class or targets, as the loss needs.
struct Example {
  std::vector<float> row;
  std::vector<std::int64_t> classes;
  std::vector<float> targets;
};

// The model in double precision, by the interpreter.
class Reference {
 public:
  Reference(const graph::Model& model, const train::LossOptions& loss)
      : model_(model), loss_(loss), training_(train::MakeTrainingGoal(model, loss).value()) {
    bindings_.parameters = graph::ParameterValues<double>(model);
  }

  void Read(const Example& example) {
    example_ = &example;
    bindings_.inputs = SplitRow<double>(model_, example.row);
  }
  // Moves the parameters to start + step * direction.
  void Move(const Numbers& direction, double step) {
    bindings_.parameters = graph::ParameterValues<double>(model_);
    std::size_t i = 0;
    for (auto& parameter : bindings_.parameters) {
      for (double& x : parameter) x += step * direction[i++];
    }
  }

  Numbers Output() { return Run(model_.graph(), model_.graph().outputs()[0]); }
  double Loss(Numbers* seed = nullptr) {
    const Numbers z = Run(*training_.graph, training_.goal.result);
    Numbers dz(z.size());
    const double loss =
        train::LossAndSeed<double>(loss_, z, {example_->classes, example_->targets}, dz);
    if (seed != nullptr) *seed = dz;
    return loss;
  }
  Numbers Gradient() {
    Loss(&bindings_.seed.reals);
    std::vector<ValueId> wanted;
    for (const ValueId id : training_.goal.gradients) {
      if (id != graph::kNoValue) wanted.push_back(id);
    }
    const auto values = graph::Interpret<double>(*training_.graph, bindings_, wanted).value();
    Numbers flat;
    std::size_t next = 0;
    for (std::size_t p = 0; p < model_.parameters().size(); ++p) {
      if (training_.goal.gradients[p] == graph::kNoValue) {
        flat.resize(flat.size() + model_.parameters()[p].values.size());
      } else {
        const Numbers& part = values[next++].reals;
        flat.insert(flat.end(), part.begin(), part.end());
      }
    }
    return flat;
  }

 private:
  Numbers Run(const graph::Graph& graph, ValueId id) {
    return graph::Interpret<double>(graph, bindings_, std::span<const ValueId>(&id, 1))
        .value()[0]
        .reals;
  }

  const graph::Model& model_;
  train::LossOptions loss_;
  train::TrainingGoal training_;
  graph::Bindings<double> bindings_;
  const Example* example_ = nullptr;
};

class RandomGraphs : public ::testing::TestWithParam<int> {};

Example DrawExample(Random& random, const graph::Model& model, const RandomGraph& graph) {
  Example example;
  example.row = DrawRow(random, model, graph.vocabulary);
  const auto width = static_cast<std::int64_t>(model.output_width());
  if (train::IsRegression(graph.loss.kind)) {
    for (std::int64_t i = 0; i < width; ++i) example.targets.push_back(random.Uniform(-1, 1));
  } else {
    example.classes = {random.Between(0, std::max<std::int64_t>(width, 2) - 1)};
  }
  return example;
}

Numbers Direction(Random& random, std::size_t size) {
  Numbers direction(size);
  for (double& x : direction) x = random.Uniform(-1, 1);
  const double length = Norm(direction);
  for (double& x : direction) x /= length;
  return direction;
}

// Whether the gradient, and the slopes on both sides, change smoothly around the model's
// parameters: at a kink (a ReLU at zero, two equal maxima) there is no derivative to compare with.
bool IsSmooth(Reference& reference, const Numbers& gradient, const Numbers& direction,
              Random& random) {
  const double length = Norm(gradient) + kSmall;
  Numbers nudge = Direction(random, gradient.size());
  for (double& x : nudge) x *= std::sqrt(static_cast<double>(nudge.size()));
  reference.Move(nudge, kNudge);
  const Numbers nearby = reference.Gradient();
  reference.Move(direction, 0);
  const double here = reference.Loss();
  reference.Move(direction, kStep);
  const double ahead = reference.Loss() - here;
  reference.Move(direction, -kStep);
  const double behind = here - reference.Loss();
  reference.Move(direction, 0);
  return LargestDifference(nearby, gradient) < 0.2 * kGradientBound * length &&
         std::abs(ahead - behind) < kStep * kDifferenceBound * length;
}

void ExpectSlope(Reference& reference, const Numbers& gradient, const Numbers& direction) {
  double expected = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) expected += gradient[i] * direction[i];
  reference.Move(direction, kStep);
  const double ahead = reference.Loss();
  reference.Move(direction, -kStep);
  const double behind = reference.Loss();
  reference.Move(direction, 0);
  EXPECT_NEAR((ahead - behind) / (2 * kStep), expected,
              kDifferenceBound * (Norm(gradient) + kSmall));
}

void Append(const Example& example, train::ExampleSet& examples) {
  ++examples.rows;
  examples.feature_width = example.row.size();
  examples.class_width = std::max<std::size_t>(example.classes.size(), 1);
  examples.target_width = example.targets.size();
  examples.features.insert(examples.features.end(), example.row.begin(), example.row.end());
  examples.classes.insert(examples.classes.end(), example.classes.begin(), example.classes.end());
  examples.targets.insert(examples.targets.end(), example.targets.begin(), example.targets.end());
}

void ExpectExecutorAgrees(train::Executor& executor, const graph::Model& model,
                          const Example& example, Reference& reference, const Numbers& gradient,
                          std::vector<float>& float_gradient) {
  std::vector<float> parameters;
  for (const graph::Parameter& parameter : model.parameters()) {
    parameters.insert(parameters.end(), parameter.values.begin(), parameter.values.end());
  }
  const Numbers output = reference.Output();
  std::vector<float> float_output(executor.output_width());
  executor.Infer(parameters, example.row, float_output);
  EXPECT_LE(LargestDifference(float_output, output), kForwardBound * Scale(output));

  train::ExampleSet set;
  set.rows = 1;
  set.feature_width = example.row.size();
  set.features = example.row;
  set.classes = example.classes;
  set.target_width = example.targets.size();
  set.targets = example.targets;
  float_gradient.assign(executor.parameter_count(), 99);
  const double loss = executor.LossAndGradient(parameters, set, 0, float_gradient);
  const double expected = reference.Loss();
  EXPECT_LE(std::abs(loss - expected), kForwardBound * std::max(1.0, std::abs(expected)));
  EXPECT_LE(LargestDifference(float_gradient, gradient), kGradientBound * Scale(gradient));
}

// The reference's clipping of the executor's gradients against the sum of min(1, C / |g|) g over
// batches of one in double precision.
void ExpectClippedSum(const std::vector<std::vector<float>>& float_gradients,
                      const std::vector<Numbers>& gradients) {
  const std::size_t size = gradients[0].size();
  Numbers norms;
  for (const Numbers& gradient : gradients) norms.push_back(Norm(gradient));
  std::sort(norms.begin(), norms.end());
  const double bound = std::max(norms[norms.size() / 2], 1e-3);
  const dp::ClipGrid grid =
      dp::ClipGrid::Create(NoiseMultiplier(1), MaxGradNorm(bound), size).value();
  Numbers sum(size);
  Numbers expected(size);
  std::vector<std::int64_t> contribution(size);
  for (std::size_t b = 0; b < gradients.size(); ++b) {
    dp::testing::ContributionOf(grid, float_gradients[b], contribution);
    ASSERT_TRUE(dp::testing::Allows(grid, contribution));
    const double norm = Norm(gradients[b]);
    const double limit = grid.radius() * grid.granularity();
    for (std::size_t i = 0; i < size; ++i) {
      sum[i] += static_cast<double>(contribution[i]) * grid.granularity();
      expected[i] += gradients[b][i] * std::min(1.0, limit / norm);
    }
    double float_norm = 0;
    for (const float x : float_gradients[b]) float_norm += static_cast<double>(x) * x;
    EXPECT_NEAR(std::sqrt(float_norm), norm, kGradientBound * (norm + kSmall));
  }
  const double allowed = kGradientBound * (Norm(expected) + kSmall) +
                         grid.granularity() * static_cast<double>(gradients.size());
  EXPECT_LE(LargestDifference(sum, expected), allowed);
}

// Draws an example where the gradient is smooth, and checks everything about it.
void CheckExample(Random& random, const RandomGraph& graph, const graph::Model& model,
                  Reference& reference, Example& example, Numbers& gradient) {
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    example = DrawExample(random, model, graph);
    reference.Read(example);
    gradient = reference.Gradient();
    const Numbers direction = Direction(random, gradient.size());
    if (!IsSmooth(reference, gradient, direction, random)) continue;
    ExpectSlope(reference, gradient, direction);
    return;
  }
  ADD_FAILURE() << "at none of " << kDrawsMax << " examples has the loss a derivative";
}

void Check(std::uint64_t seed) {
  const RandomGraph graph = MakeRandomGraph(seed);
  SCOPED_TRACE("graph " + std::to_string(seed) + ", " + graph.description);
  const Result<graph::Model> model = graph::ImportOnnx(graph.onnx);
  ASSERT_TRUE(model.ok()) << model.error().message();
  Result<train::Executor> executor = train::Executor::ForTraining(*model, graph.loss);
  ASSERT_TRUE(executor.ok()) << executor.error().message();

  Random random(seed + 1);
  Reference reference(*model, graph.loss);
  std::vector<std::vector<float>> rows;
  std::vector<Numbers> gradients;
  std::vector<std::vector<float>> float_gradients;
  train::ExampleSet examples;
  for (std::size_t b = 0; b < kExamples; ++b) {
    Example example;
    Numbers gradient;
    CheckExample(random, graph, *model, reference, example, gradient);
    if (::testing::Test::HasFailure()) return;
    ExpectExecutorAgrees(*executor, *model, example, reference, gradient,
                         float_gradients.emplace_back());
    rows.push_back(example.row);
    gradients.push_back(gradient);
    Append(example, examples);
  }
  ExpectClippedSum(float_gradients, gradients);
  ExpectEngineAgrees(*model, graph.loss, examples, gradients, {kGradientBound, kSmall}, seed);
  const Independence verdict = CheckIndependence(graph.onnx, *model, rows);
  EXPECT_TRUE(verdict.holds) << verdict.what;
}

TEST_P(RandomGraphs, AgreeWithTheReference) {
  for (int k = 0; k < kGraphsInSlice; ++k) {
    Check(static_cast<std::uint64_t>(GetParam()) * kGraphsInSlice + static_cast<std::uint64_t>(k));
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Slices, RandomGraphs, ::testing::Range(0, kSlices));

TEST(RandomGraph, TheSameSeedGivesTheSameGraph) {
  EXPECT_EQ(MakeRandomGraph(5).onnx, MakeRandomGraph(5).onnx);
  EXPECT_NE(MakeRandomGraph(5).onnx, MakeRandomGraph(6).onnx);
}

}  // namespace
}  // namespace anchorhold::testing
