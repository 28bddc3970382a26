// The gradient of a value that several nodes read is the sum of what each contributes. Two kinds of
// contributions are put together before they are added.
//
// Slices. The gradients of neighbouring ones, as of gates or of times, are put side by side: with
// zeros around each, they would be as many arrays of the whole's size.
//
// Products. A recurrent network uses its weights once for each time t. With g_t [r_t, p] and
// a_t [r_t, d],
//
//   sum over t of g_t^T a_t = G^T A,
//
// where G and A have the rows of all g_t and of all a_t, one below the other: one product in place
// of many matrices [p, d], whose positions a ghost norm can use.
#pragma once

#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/graph.h"

namespace anchorhold::graph {

// Precondition: at least one, all of one shape, in a graph of one example. Errors are type rules'.
Result<ValueId> SumOfGradients(GraphBuilder& builder, const std::vector<ValueId>& contributions);

}  // namespace anchorhold::graph
