// Random graphs that treat the batch like any other axis: they reshape, turn, reduce, pick and
// multiply without regard to where the examples lie. Most mix examples and must be refused; what
// passes the check must keep them apart.
#pragma once

#include "shared/base/bytes.h"
#include "tests/random_graph.h"

namespace anchorhold::testing {

struct RandomAttack {
  Bytes onnx;  // one input, [N, ..]; no trained tensor
  std::string description;
};

RandomAttack MakeRandomAttack(std::uint64_t seed);

}  // namespace anchorhold::testing
