// What a compiled model does once a call, before its examples. The engine runs these steps with the
// reference kernels; a library has none, so that
//
//   what follows from constants alone         is computed now, and carried
//   a parameter transposed, broadcast or cut  becomes a step for the fast kernels
//
// and the rest stays as it is, to be refused.
#pragma once

#include <cstdint>
#include <vector>

#include "trusted/engine/lowering.h"

namespace anchorhold::client {

struct Prologue {
  std::vector<engine::Step> steps;
  std::vector<std::uint8_t> shared;  // what the shared memory holds at first; empty: zeros
};

Prologue FoldPrologue(const engine::LoweredProgram& program);

}  // namespace anchorhold::client
