#include "trusted/graph/initialise.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "trusted/graph/names.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

// SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"). Not
// secret: initial values are public.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t stream) : state_(Mix(seed) + Mix(stream + kGolden)) {}

  double Uniform() {  // in [0, 1)
    state_ += kGolden;
    return static_cast<double>(Mix(state_) >> 11) * 0x1p-53;
  }
  double Normal() {  // Box and Muller 1958
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  static std::uint64_t Mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

enum class Role : unsigned char { kUnknown, kBias, kScale, kEmbedding, kWeight };

struct Use {
  Role role = Role::kUnknown;
  double fan_in = 0;  // of a weight; of the product that a bias is added to, 0 if there is none
};

// How far to look behind a sum for the product that the bias belongs to.
constexpr std::size_t kLookBehindMax = 64;

class Uses {
 public:
  explicit Uses(const Graph& graph) : graph_(graph), readers_(graph.values().size()) {
    for (const Node& node : graph.nodes()) {
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        readers_[Index(node.inputs[i])].push_back({&node, i});
      }
    }
  }

  // The best use of a value; `other` is the name of a use that says nothing, if there is one.
  Use Of(ValueId id, std::string& other) const {
    Use best;
    std::vector<ValueId> open = {id};
    std::vector<bool> seen(graph_.values().size(), false);
    while (!open.empty()) {
      const ValueId value = open.back();
      open.pop_back();
      if (seen[Index(value)]) continue;
      seen[Index(value)] = true;
      for (const Reader& reader : readers_[Index(value)]) {
        if (MovesNumbersOnly(*reader.node)) {
          open.push_back(reader.node->output);
          continue;
        }
        const Use use = UseBy(reader);
        if (use.role == Role::kUnknown) other = reader.node->primitive->name;
        if (use.role > best.role || (use.role == best.role && use.fan_in > best.fan_in)) best = use;
      }
    }
    return best;
  }

 private:
  struct Reader {
    const Node* node;
    std::size_t input;
  };

  static std::size_t Index(ValueId id) { return static_cast<std::size_t>(id); }
  const Shape& ShapeOf(ValueId id) const { return graph_.type(id).shape; }

  static bool MovesNumbersOnly(const Node& node) {
    const Primitive* const p = node.primitive;
    return p == &primitives::kReshape || p == &primitives::kTranspose ||
           p == &primitives::kBroadcastTo || p == &primitives::kSlice ||
           p == &primitives::kConcat || p == &primitives::kPad || p == &primitives::kCast;
  }

  Use UseBy(const Reader& reader) const {
    const Node& node = *reader.node;
    const double fan_in = FanIn(node);
    if (fan_in > 0) return {Role::kWeight, fan_in};
    const Primitive* const p = node.primitive;
    if (p == &primitives::kGather && reader.input == 0) return {Role::kEmbedding};
    if (p == &primitives::kMul) {
      const double summed = SummedAfterwards(reader);
      return summed > 1 ? Use{Role::kWeight, summed} : Use{Role::kScale};
    }
    if (p == &primitives::kAdd || p == &primitives::kSub) {
      return {Role::kBias, FanInBehind(node.inputs[1 - reader.input])};
    }
    return {};
  }

  // The numbers that one sum of a product takes in; 0 for other nodes.
  double FanIn(const Node& node) const {
    if (node.primitive == &primitives::kMatMul) {
      const Shape& a = ShapeOf(node.inputs[0]);
      return static_cast<double>(a[a.size() - (node.attributes.transpose_a ? 2 : 1)]);
    }
    if (IsConvolution(node)) {
      const Shape& weights = ShapeOf(node.inputs[1]);
      return static_cast<double>(ElementCount(weights)) / static_cast<double>(weights[0]);
    }
    return 0;
  }

  static bool IsConvolution(const Node& node) {
    return node.primitive == &primitives::kConv || node.primitive == &primitives::kConvInput;
  }

  // A product with sums over axes along which the factor varies, as an Einsum may be written.
  double SummedAfterwards(const Reader& reader) const {
    const Shape& product = ShapeOf(reader.node->output);
    Shape factor = ShapeOf(reader.node->inputs[reader.input]);
    factor.insert(factor.begin(), product.size() - factor.size(), 1);
    double summed = 1;
    for (const Reader& next : readers_[Index(reader.node->output)]) {
      if (next.node->primitive != &primitives::kSumOver) continue;
      for (const std::int64_t axis : next.node->attributes.dims) {
        if (factor[Index(static_cast<ValueId>(axis))] > 1) {
          summed *= static_cast<double>(factor[Index(static_cast<ValueId>(axis))]);
        }
      }
    }
    return summed;
  }

  double FanInBehind(ValueId id) const {
    std::vector<ValueId> open = {id};
    for (std::size_t at = 0; at < open.size() && at < kLookBehindMax; ++at) {
      const Node* const node = graph_.producer(open[at]);
      if (node == nullptr) continue;
      const double fan_in = FanIn(*node);
      if (fan_in > 0) return fan_in;
      const Primitive* const p = node->primitive;
      const bool passes = MovesNumbersOnly(*node) || p == &primitives::kAdd ||
                          p == &primitives::kSub || p == &primitives::kScale ||
                          p == &primitives::kSumOver;
      if (passes) open.insert(open.end(), node->inputs.begin(), node->inputs.end());
    }
    return 0;
  }

  const Graph& graph_;
  std::vector<std::vector<Reader>> readers_;
};

void Draw(const Use& use, Draws draws, std::vector<float>& values) {
  const double bound = use.fan_in > 0 ? 1 / std::sqrt(use.fan_in) : 0;
  for (float& value : values) {
    switch (use.role) {
      case Role::kWeight:
      case Role::kBias:
        value = static_cast<float>(bound * (2 * draws.Uniform() - 1));
        break;
      case Role::kEmbedding:
        value = static_cast<float>(draws.Normal());
        break;
      default:
        value = 1;
    }
  }
}

}  // namespace

Status InitialiseParameters(const Graph& graph, std::uint64_t seed,
                            std::vector<Parameter>& parameters) {
  const bool all_carried = std::all_of(parameters.begin(), parameters.end(),
                                       [](const Parameter& p) { return p.carried; });
  if (all_carried) return Ok();
  const Uses uses(graph);
  for (std::size_t id = 0; id < graph.values().size(); ++id) {
    const Value& value = graph.values()[id];
    if (value.source != Source::kParameter || parameters[value.index].carried) continue;
    Parameter& parameter = parameters[value.index];
    std::string other = "nothing";
    const Use use = uses.Of(static_cast<ValueId>(id), other);
    if (use.role == Role::kUnknown) {
      return Unsupported("the file has no numbers for " + Quoted(parameter.name) +
                         ", and what it should start from is not known (it is used by " + other +
                         "); export the model with its weights");
    }
    Draw(use, Draws(seed, value.index), parameter.values);
  }
  return Ok();
}

Result<Model> Initialise(const Model& model, std::uint64_t seed) {
  std::vector<Parameter> parameters = model.parameters();
  const bool all_carried = std::all_of(parameters.begin(), parameters.end(),
                                       [](const Parameter& p) { return p.carried; });
  if (all_carried) {
    return InvalidInput("the model's file has the numbers of all its parameters; none is drawn");
  }
  AH_RETURN_IF_ERROR(InitialiseParameters(model.graph(), seed, parameters));
  return model.With(model.share_graph(), std::move(parameters));
}

}  // namespace anchorhold::graph
