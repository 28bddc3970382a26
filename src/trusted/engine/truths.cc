#include "trusted/engine/truths.h"

#include "trusted/engine/truth_primitives.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::engine {
namespace {

namespace primitives = graph::primitives;
using graph::ElementType;
using graph::GraphBuilder;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;
using kernels::BitOp;

bool IsTruth(const graph::Graph& graph, ValueId id) {
  return graph.type(id).element == ElementType::kBool;
}

// Primitives that move numbers, whatever these are.
bool Moves(const Node& node) {
  return node.primitive == &primitives::kReshape || node.primitive == &primitives::kTranspose ||
         node.primitive == &primitives::kBroadcastTo || node.primitive == &primitives::kSlice;
}

bool IsLogic(const Node& node) {
  const auto op = static_cast<BitOp>(node.attributes.mode);
  return node.primitive == &primitives::kBitwise &&
         (op == BitOp::kAnd || op == BitOp::kOr || op == BitOp::kXor);
}

// Whether the node's first input chooses among reals, or becomes one.
bool ReadsNumber(const graph::Graph& graph, const Node& node) {
  if (node.primitive == &primitives::kWhere) return graph.type(node.output).is_real();
  return node.primitive == &primitives::kCast &&
         graph.type(node.output).element == ElementType::kFloat32;
}

}  // namespace

Truths::Truths(const graph::Graph& old)
    : old_(old), wanted_(old.values().size(), false), numbers_(old.values().size(), kNoValue) {
  const std::span<const Node> nodes = old.nodes();
  for (std::size_t k = nodes.size(); k-- > 0;) {  // users before what they use
    const Node& node = nodes[k];
    const bool whole =
        wanted_[static_cast<std::size_t>(node.output)] && (Moves(node) || IsLogic(node));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!IsTruth(old, node.inputs[i])) continue;
      if (whole || (i == 0 && ReadsNumber(old, node))) {
        wanted_[static_cast<std::size_t>(node.inputs[i])] = true;
      }
    }
  }
}

Status Truths::Take(GraphBuilder& builder, ValueId id, ValueId taken,
                    const std::vector<ValueId>& inputs) {
  if (!wanted_[static_cast<std::size_t>(id)]) return Ok();
  AH_ASSIGN_OR_RETURN(numbers_[static_cast<std::size_t>(id)], NumberOf(builder, id, taken, inputs));
  return Ok();
}

Result<ValueId> Truths::NumberOf(GraphBuilder& builder, ValueId id, ValueId taken,
                                 const std::vector<ValueId>& inputs) const {
  const Node* node = old_.producer(id);
  if (node != nullptr && node->primitive == &primitives::kCompare &&
      builder.type(inputs[0]).is_real()) {
    return builder.Emit(kHolds, inputs, node->attributes);
  }
  if (node != nullptr && Moves(*node)) {
    return builder.Emit(*node->primitive, {Number(node->inputs[0])}, node->attributes);
  }
  if (node != nullptr && IsLogic(*node)) {
    const std::vector<ValueId> both = {Number(node->inputs[0]), Number(node->inputs[1])};
    const auto op = static_cast<BitOp>(node->attributes.mode);
    if (op == BitOp::kAnd) return builder.Emit(primitives::kMul, both);
    if (op == BitOp::kOr) return builder.Emit(primitives::kMax, both);
    constexpr auto kSame = static_cast<int>(kernels::CompareOp::kEqual);
    AH_ASSIGN_OR_RETURN(const ValueId same, builder.Emit(kHolds, both, {.mode = kSame}));
    return builder.Emit(primitives::kScale, {same}, {.alpha = -1, .beta = 1});
  }
  return builder.Emit(primitives::kCast, {taken}, {.element = ElementType::kFloat32});
}

}  // namespace anchorhold::engine
