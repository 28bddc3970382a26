// Truth values that choose among real numbers, or become such, as numbers 1 and 0 (Simplify). In
// the graph they are int64, which no fast kernel reads.
//
//   Compare(a, b)                                   Holds(a, b)
//   t and u, t or u, t xor u                        t u, max(t, u), 1 - Holds(t = u)
//   Reshape, Transpose, BroadcastTo, Slice of t     the same of the number
//   any other truth value                           its Cast
//   Where(t, a, b), Cast(t)                         Choose(t, a, b), t
#pragma once

#include <vector>

#include "trusted/graph/graph.h"

namespace anchorhold::engine {

class Truths {
 public:
  // Of `old`, which values are wanted as numbers.
  explicit Truths(const graph::Graph& old);

  // To be called for the old graph's values in their order. `taken`: what value `id` became in
  // `builder`; `inputs`: what the inputs of its node did. Errors are type rules'.
  Status Take(graph::GraphBuilder& builder, graph::ValueId id, graph::ValueId taken,
              const std::vector<graph::ValueId>& inputs);

  // The number that old value `id`, a truth value that was taken, is; kNoValue if not wanted.
  graph::ValueId Number(graph::ValueId id) const { return numbers_[static_cast<std::size_t>(id)]; }

 private:
  Result<graph::ValueId> NumberOf(graph::GraphBuilder& builder, graph::ValueId id,
                                  graph::ValueId taken,
                                  const std::vector<graph::ValueId>& inputs) const;

  const graph::Graph& old_;
  std::vector<bool> wanted_;
  std::vector<graph::ValueId> numbers_;
};

}  // namespace anchorhold::engine
