#include "client/core/bench_inputs.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "shared/crypto/random.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
#include "trusted/train/executor_goal.h"

namespace anchorhold::client {
namespace {

namespace primitives = graph::primitives;

constexpr std::int64_t kRangeWithoutTable = 2;
// The largest whole number up to which examples, which are floats, hold each one.
constexpr std::int64_t kExactInteger = std::int64_t{1} << 24;

// What the node reads at its indices, as a number of rows; 0 if it reads no table.
std::int64_t TableRows(const graph::Graph& graph, const graph::Node& node) {
  const graph::Primitive* const primitive = node.primitive;
  if (primitive == &primitives::kOneHot) return node.attributes.dims[0];
  if (primitive == &primitives::kGather || primitive == &primitives::kGatherElements) {
    return graph.type(node.inputs[0]).shape[static_cast<std::size_t>(node.attributes.axis)];
  }
  if (primitive != &primitives::kGatherNd) return 0;
  // Tuples of indices: each must fit the shortest of the axes that they address.
  const graph::Shape& shape = graph.type(node.inputs[0]).shape;
  const auto first = shape.begin() + node.attributes.axis;
  return *std::min_element(first, first + graph.type(node.inputs[1]).shape.back());
}

// Follows the integers that are computed from an input.
std::int64_t IdRange(const graph::Graph& graph, std::size_t input) {
  std::vector<bool> follows(graph.values().size());
  for (std::size_t id = 0; id < follows.size(); ++id) {
    const graph::Value& value = graph.values()[id];
    follows[id] = value.source == graph::Source::kInput && value.index == input;
  }
  std::int64_t range = 0;
  for (const graph::Node& node : graph.nodes()) {
    const auto is_followed = [&](graph::ValueId id) {
      return follows[static_cast<std::size_t>(id)];
    };
    if (std::none_of(node.inputs.begin(), node.inputs.end(), is_followed)) continue;
    const bool one_hot = node.primitive == &primitives::kOneHot;
    const std::int64_t rows = TableRows(graph, node);
    if (rows > 0 && is_followed(node.inputs[one_hot ? 0 : 1])) {
      range = range == 0 ? rows : std::min(range, rows);
    }
    if (!graph.type(node.output).is_real()) follows[static_cast<std::size_t>(node.output)] = true;
  }
  return range == 0 ? kRangeWithoutTable : std::min(range, kExactInteger);
}

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}

  // In [0, range); the bias of the remainder is below 2^-39.
  std::uint64_t Below(std::uint64_t range) { return random_.NextU64() % range; }
  // Box and Muller 1958; the other one of the pair is not used.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Unit()));
    return radius * std::cos(2 * std::numbers::pi * Unit());
  }

 private:
  // In (0, 1].
  double Unit() { return static_cast<double>((random_.NextU64() >> 11) + 1) * 0x1p-53; }
  crypto::InsecureSeededRandom random_;
};

void DrawLabels(const graph::Model& model, const train::LossOptions& loss, Draws& draws,
                train::ExampleSet& examples) {
  const std::size_t width = model.output_width();
  if (train::NeedsClasses(loss.kind)) {
    const std::size_t classes = train::ClassCount(model.outputs()[0].shape);
    examples.class_width = width / classes;
    for (std::size_t i = 0; i < examples.rows * examples.class_width; ++i) {
      examples.classes.push_back(static_cast<std::int64_t>(draws.Below(classes)));
    }
    return;
  }
  examples.target_width = width;
  for (std::size_t i = 0; i < examples.rows * width; ++i) {
    const double target =
        train::IsRegression(loss.kind) ? draws.Normal() : static_cast<double>(draws.Below(2));
    examples.targets.push_back(static_cast<float>(target));
  }
}

void DrawFeatures(const graph::Model& model, Draws& draws, train::ExampleSet& examples) {
  const std::vector<std::int64_t> ranges = IdRanges(model);
  examples.feature_width = model.input_width();
  examples.features.reserve(examples.rows * examples.feature_width);
  for (std::size_t row = 0; row < examples.rows; ++row) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const graph::Port& port = model.inputs()[i];
      const bool real = graph::IsReal(port.element);
      const auto range = static_cast<std::uint64_t>(ranges[i]);
      for (std::size_t k = graph::ElementCount(port.shape); k > 0; --k) {
        const double number = real ? draws.Normal() : static_cast<double>(draws.Below(range));
        examples.features.push_back(static_cast<float>(number));
      }
    }
  }
}

}  // namespace

std::vector<std::int64_t> IdRanges(const graph::Model& model) {
  std::vector<std::int64_t> ranges;
  for (std::size_t i = 0; i < model.inputs().size(); ++i) {
    const bool integers = !graph::IsReal(model.inputs()[i].element) &&
                          model.inputs()[i].element != graph::ElementType::kBool;
    ranges.push_back(integers ? IdRange(model.graph(), i) : kRangeWithoutTable);
  }
  return ranges;
}

Result<train::ExampleSet> RandomExamples(const graph::Model& model, const train::LossOptions& loss,
                                         std::size_t rows, std::uint64_t seed) {
  AH_RETURN_IF_ERROR(train::CheckOutput(model, loss));
  Draws draws(seed);
  train::ExampleSet examples;
  examples.rows = rows;
  DrawFeatures(model, draws, examples);
  DrawLabels(model, loss, draws, examples);
  return examples;
}

train::ExampleSet RandomFeatures(const graph::Model& model, std::size_t rows, std::uint64_t seed) {
  Draws draws(seed);
  train::ExampleSet examples;
  examples.rows = rows;
  DrawFeatures(model, draws, examples);
  return examples;
}

}  // namespace anchorhold::client
