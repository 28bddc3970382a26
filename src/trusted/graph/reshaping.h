// Reshaping as ONNX means it, shared by Reshape, Flatten, Squeeze, Unsqueeze and the operators that
// drop or add axes of size 1.
#pragma once

#include "trusted/graph/node_context.h"

namespace anchorhold::graph {

// Resolves ONNX Reshape's target for `in`: 0 copies an axis (unless allow_zero), -1 takes what is
// left, the batch's size is the example axis. Where the batch's size is declared as a number n, a
// target of numbers alone is read with n as the batch's size.
struct ReshapeTarget {
  std::vector<SymbolicInteger> sizes;
  bool allow_zero = false;
  std::int64_t declared_batch = 0;
};
Result<ValueType> ResolveReshape(const ValueType& in, const ReshapeTarget& target);

// The value with another shape. Axes may be folded into the example axis, those after it
// ([B, S, d] to [B * S, d]) and those before it ([S, B, d] to [S * B, d]), and unfolded again. An
// example axis that takes in features and moves to another place ([B, d] to [1, B * d]) is refused
// unless the model has `named` it: written -1 or the batch's size there. It keeps the invariant
// (the primitive's rule decides that, here as everywhere), but hardly anything can follow it.
Result<ValueId> EmitReshape(NodeContext& node, ValueId value, ValueType to, bool named = false);

// The value without its axes at `axes`, which have size 1 and are not the example axis.
Result<ValueId> DropAxes(NodeContext& node, ValueId value, const std::vector<int>& axes);

// The value repeated to another shape, by broadcasting; `to` may give an axis of size 1 to the
// examples.
Result<ValueId> BroadcastValue(NodeContext& node, ValueId value, const ValueType& to);

// The value's numbers at these places of an axis.
Result<ValueId> GatherAlong(NodeContext& node, ValueId value, int axis,
                            std::vector<std::int64_t> places);

// A place in [0, size) from one that may count from the end. kInvalidInput if it is out of range.
Result<std::int64_t> CheckIndex(std::int64_t index, std::int64_t size);

}  // namespace anchorhold::graph
