// Integers that exporters compute shapes with: `x.view(x.size(0), -1)` becomes Shape, Gather,
// Concat, Reshape. They are resolved while importing, with the batch's size kept as a symbol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trusted/graph/model.h"

namespace anchorhold::graph {

// value, or value * B with B the number of examples in the batch.
struct SymbolicInteger {
  std::int64_t value = 0;
  bool times_batch = false;
};

// Shapes are short; a longer list of integers is not computed with.
inline constexpr std::size_t kIntegersMax = 256;

// A scalar (one value) or a list of at most kIntegersMax.
struct Integers {
  bool scalar = false;
  std::vector<SymbolicInteger> values{};
  ElementType element = ElementType::kInt64;

  bool uses_batch() const {
    for (const SymbolicInteger& integer : values) {
      if (integer.times_batch) return true;
    }
    return false;
  }
};

}  // namespace anchorhold::graph
