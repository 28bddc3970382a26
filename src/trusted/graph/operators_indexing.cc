// Operators that read or write by index: Gather, Scatter, TopK and their kin.
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {

std::span<const OperatorDefinition> IndexingOperators() { return {}; }

}  // namespace anchorhold::graph
