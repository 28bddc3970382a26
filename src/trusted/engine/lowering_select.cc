#include <algorithm>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::kNoValue;
using graph::Node;
using graph::Source;
using graph::ValueId;

void Lowerer::SelectNodes() {
  const std::vector<bool> forward = graph_.Ancestors(std::span(&goal_.result, 1));
  std::vector<ValueId> wanted;
  for (const ValueId id : goal_.gradients) {
    if (id != kNoValue) wanted.push_back(id);
  }
  const std::vector<bool> backward = graph_.Ancestors(wanted);
  for (const bool want_forward : {true, false}) {
    for (const Node& node : graph_.nodes()) {
      const std::size_t at = Index(node.output);
      const bool is_forward = forward[at];
      if (is_forward != want_forward || !(is_forward || backward[at])) continue;
      Work work;
      work.node = &node;
      work.inputs = node.inputs;
      work.output = node.output;
      work.forward = is_forward;
      work_.push_back(std::move(work));
    }
  }
}

// Whether a value has the numbers of its input, in their order. A sum over axes of one element, as
// the gradient of a bias is, and a repetition along such axes are no more than a Reshape.
bool Lowerer::IsReshape(const Node& node) const {
  if (node.primitive == &primitives::kReshape) return true;
  return (node.primitive == &primitives::kSumOver || node.primitive == &primitives::kBroadcastTo) &&
         Size(node.inputs[0]) == Size(node.output);
}

// Its value is its input's memory.
void Lowerer::FindRoots() {
  roots_.resize(graph_.values().size());
  for (std::size_t id = 0; id < roots_.size(); ++id) {
    roots_[id] = static_cast<ValueId>(id);
    if (graph_.values()[id].source != Source::kNode) continue;
    const Node& node = graph_.nodes()[graph_.values()[id].index];
    if (IsReshape(node)) roots_[id] = Root(node.inputs[0]);
  }
  work_.erase(std::remove_if(work_.begin(), work_.end(),
                             [this](const Work& work) { return IsReshape(*work.node); }),
              work_.end());
}

void Lowerer::FindByExample() {
  by_example_.assign(graph_.values().size(), false);
  for (std::size_t id = 0; id < by_example_.size(); ++id) {
    const graph::Value& value = graph_.values()[id];
    if (value.source == Source::kInput || value.source == Source::kSeed) by_example_[id] = true;
    if (value.source != Source::kNode) continue;
    for (const ValueId input : graph_.nodes()[value.index].inputs) {
      if (by_example_[Index(input)]) by_example_[id] = true;
    }
  }
}

// Relu' and Clip' are 1 where the input lies strictly inside of (low, high), and there the output
// equals the input; so they can be told from the output as well.
void Lowerer::ReadKinksFromOutputs() {
  for (Work& gradient : work_) {
    const Node& node = *gradient.node;
    const std::optional<Interval> bounds = KinkedAt(node);
    if (!bounds) continue;
    for (const Work& work : work_) {
      const Node& forward = *work.node;
      if (!work.forward || ClippedTo(forward) != bounds ||
          Root(forward.inputs[0]) != Root(node.inputs[0])) {
        continue;
      }
      gradient.inputs[0] = forward.output;
      break;
    }
  }
}

}  // namespace anchorhold::engine
