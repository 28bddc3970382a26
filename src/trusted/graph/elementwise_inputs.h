// What the rules of elementwise operators share.
#pragma once

#include "trusted/graph/node_context.h"

namespace anchorhold::graph {

struct Operands {
  ValueId a = kNoValue;
  ValueId b = kNoValue;
};

// Inputs 0 and 1 of a binary operator. Before opset 7, attribute `axis` says where the second one's
// first axis meets the first one's; it is given axes of size 1 at its end, as broadcasting wants.
// `second` reads input 1 where it is not an ordinary tensor.
Result<Operands> BinaryInputs(NodeContext& node, Result<ValueId> (*second)(NodeContext&) = nullptr);

// One number as a scalar constant: converted to an integer where the element type is one.
Result<ValueId> ScalarConstant(NodeContext& node, double number, ElementType element);

// Sets output 0 to what `emitted` is, or passes its error on.
Status SetEmitted(NodeContext& node, const Result<ValueId>& emitted);

}  // namespace anchorhold::graph
