// Operations that only move numbers: slices, paddings with zero, concatenations, transpositions,
// and gathering at constant indices, with its gradient as long as no two numbers meet.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "trusted/graph/graph.h"

namespace anchorhold::client {

// Where each number of a result comes from (StepKind::kMove, engine/program.h).
struct Places {
  std::vector<std::int64_t> places;
  bool sums = false;  // the operation adds to zeros, so that no zero is negative
};

// Of a node for one example. constants[i]: the numbers of input i where it holds constant integers,
// null where it is real. Nothing if the node does anything else than to move real numbers.
std::optional<Places> PlacesOf(const graph::Graph& graph, const graph::Node& node,
                               std::span<const std::int64_t* const> constants);

}  // namespace anchorhold::client
