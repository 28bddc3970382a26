// How many examples a thread works on at a time.
#pragma once

#include <cstddef>

#include "trusted/engine/lowering.h"

namespace anchorhold::engine {

inline constexpr std::size_t kGroupMax = 64;

// From a program lowered for one example; at most `most` and kGroupMax. The least of
//
//   sum over products of macs (1 + kReuse / (g T))
//   + kSpill bytes min(kSpillMost, log2(1 + g bytes / cache))
//
// over g = 1, 2, 4, ..: T is a product's columns or rows an example, so g T is how often a weight
// that was fetched and packed is used (kReuse is less where the prologue packs); `bytes` is what an
// example holds in the arena. Minimal filtering takes 4 / 9 of the macs, with 16 / 9 of the
// weights.
std::size_t ChooseGroup(const LoweredProgram& one, const Kernels& kernels, std::size_t most);

}  // namespace anchorhold::engine
