// The reference kernel itself tells the places: it is run on numbers that name theirs, 1, 2, 3, ..
// through all inputs, in double precision, which holds them exactly. What comes out names where it
// came from, and 0 is what came from nowhere. Where numbers meet, the same run on ones tells.
#include "client/compile/moves.h"

#include <algorithm>
#include <cmath>

#include "trusted/engine/program.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::client {
namespace {

namespace primitives = graph::primitives;

bool Adds(const graph::Node& node) {
  return node.primitive == &primitives::kGatherGrad ||
         node.primitive == &primitives::kGatherElementsGrad ||
         node.primitive == &primitives::kGatherNdGrad;
}

bool OnlyMoves(const graph::Node& node) {
  const graph::Primitive* const moving[] = {&primitives::kGather,   &primitives::kGatherElements,
                                            &primitives::kGatherNd, &primitives::kSlice,
                                            &primitives::kConcat,   &primitives::kTranspose,
                                            &primitives::kReshape};
  const bool pads_zeros = node.primitive == &primitives::kPad && node.attributes.alpha == 0 &&
                          !std::signbit(node.attributes.alpha);
  return pads_zeros || Adds(node) ||
         std::find(std::begin(moving), std::end(moving), node.primitive) != std::end(moving);
}

class Probe {
 public:
  Probe(const graph::Graph& graph, const graph::Node& node,
        std::span<const std::int64_t* const> constants)
      : graph_(graph), node_(node), constants_(constants) {
    for (const graph::ValueId id : node.inputs) types_.push_back(graph.type(id));
  }

  // The result for inputs whose number k, counted through all of them, is number(k).
  template <typename Number>
  std::vector<double> Run(const Number& number) const {
    std::vector<std::vector<double>> reals(types_.size());
    std::vector<const void*> inputs(types_.size());
    double k = 0;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      inputs[i] = constants_[i];
      if (constants_[i] != nullptr) continue;
      reals[i].resize(graph::ElementCount(types_[i].shape));
      for (double& each : reals[i]) each = number(k++);
      inputs[i] = reals[i].data();
    }
    const graph::ValueType& type = graph_.type(node_.output);
    std::vector<double> out(graph::ElementCount(type.shape));
    node_.primitive->Run<double>({inputs, out.data(), types_, type, node_.attributes});
    return out;
  }

  // The place of number k.
  std::int64_t PlaceOf(std::size_t k) const {
    std::int64_t input = 0;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (constants_[i] != nullptr) continue;
      const std::size_t size = graph::ElementCount(types_[i].shape);
      if (k < size) break;
      k -= size;
      ++input;
    }
    return (input << engine::kMoveInputShift) + static_cast<std::int64_t>(k);
  }

 private:
  const graph::Graph& graph_;
  const graph::Node& node_;
  std::span<const std::int64_t* const> constants_;
  std::vector<graph::ValueType> types_;
};

}  // namespace

std::optional<Places> PlacesOf(const graph::Graph& graph, const graph::Node& node,
                               std::span<const std::int64_t* const> constants) {
  if (!OnlyMoves(node) || !graph.type(node.output).is_real()) return std::nullopt;
  const auto reals = std::count(constants.begin(), constants.end(), nullptr);
  if (reals < 1 || reals > static_cast<std::ptrdiff_t>(engine::kMoveInputsMax)) {
    return std::nullopt;
  }
  const Probe probe(graph, node, constants);
  Places out;
  out.sums = Adds(node);
  if (out.sums) {
    const std::vector<double> met = probe.Run([](double) { return 1.0; });
    if (std::any_of(met.begin(), met.end(), [](double count) { return count > 1; })) {
      return std::nullopt;
    }
  }
  for (const double name : probe.Run([](double k) { return k + 1; })) {
    if (!std::isfinite(name)) return std::nullopt;  // read from out of range
    out.places.push_back(name == 0 ? -1 : probe.PlaceOf(static_cast<std::size_t>(name) - 1));
  }
  return out;
}

}  // namespace anchorhold::client
