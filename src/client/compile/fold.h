// A program without the steps that only the reference kernels run, as far as that can be had: a
// library carries no such kernels.
//
//   what follows from constants alone         is computed now, and carried
//   a parameter transposed, broadcast or cut  becomes a step of strides
//   numbers that only move, to places that    become a step with a table of places (moves.h)
//   do not depend on the examples
//
// and the rest stays as it is, to be refused.
#pragma once

#include <cstdint>
#include <vector>

#include "trusted/engine/lowering.h"

namespace anchorhold::client {

struct FoldedProgram {
  std::vector<engine::Step> prologue;
  std::vector<engine::Step> forward;
  std::vector<engine::Step> backward;
  std::vector<std::uint8_t> shared;    // what the shared memory holds at first; empty: zeros
  std::vector<std::int64_t> integers;  // the program's, and tables of places
};

FoldedProgram Fold(const engine::LoweredProgram& program);

}  // namespace anchorhold::client
