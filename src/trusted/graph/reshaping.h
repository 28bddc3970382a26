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

// The value with another shape. Features may be folded into the example axis ([B, S, d] to
// [B * S, d]) if the axis stays where it is; moved elsewhere, it would be an axis of features.
Result<ValueId> EmitReshape(NodeContext& node, ValueId value, ValueType to);

// The value without its axes at `axes`, which have size 1 and are not the example axis.
Result<ValueId> DropAxes(NodeContext& node, ValueId value, const std::vector<int>& axes);

}  // namespace anchorhold::graph
