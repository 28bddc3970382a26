// Random changes to models, small enough that many of the results are models still: what somebody
// might write who looks for a graph that passes the check and mixes examples after all.
#pragma once

#include "onnx.pb.h"
#include "tests/random_graph.h"

namespace anchorhold::testing {

// Changes one thing: an axis, a permutation, a target shape, the wiring, an operator, the output,
// or puts another operator between two nodes. The model has at least one node.
void Mutate(Random& random, onnx::ModelProto& model);

}  // namespace anchorhold::testing
