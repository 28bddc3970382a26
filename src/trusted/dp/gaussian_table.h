// The table of simd/gaussian.h, computed by the compiler from its definition:
//
//   P[block k] = n_k / 4096,   n_k an integer of at least A W_k e^(-k^2 / 32),
//
// W_k being the block's units, 16 for the last and 1 for the others, and A the largest integer for
// which the n_k fit; n_0 takes what is left. A candidate y of block k is accepted with probability
//
//   p = A W_k e^(-y^2 / (2 sigma^2)) / n_k  <=  1,
//
// so that, whatever the block, y is proposed and accepted with probability
//
//   1/2  n_k / 4096  1 / (W_k h)  p  =  A / (8192 h)  e^(-y^2 / (2 sigma^2)).
//
// Internal to dp/.
#pragma once

#include <array>
#include <cstdint>

#include "trusted/dp/exact_exp.h"
#include "trusted/simd/gaussian.h"

namespace anchorhold::dp::internal {

inline constexpr std::uint64_t kGaussianScale = 739;  // A
inline constexpr std::uint32_t kGaussianSlots = 4096;
inline constexpr std::uint32_t kSlotsPerColumn = kGaussianSlots / simd::kGaussianBlocks;
// The unit of magnitudes that stands for all from there on.
inline constexpr std::uint32_t kOpenUnit =
    simd::kGaussianBlocks - 1 + simd::kGaussianLastBlockUnits - 1;
using BlockSlots = std::array<std::uint32_t, simd::kGaussianBlocks>;

constexpr std::uint64_t BlockUnits(std::uint64_t block) {
  return block == simd::kGaussianBlocks - 1 ? simd::kGaussianLastBlockUnits : 1;
}

// The n_k.
constexpr BlockSlots SlotsOfBlocks() {
  BlockSlots slots{};
  std::uint32_t used = 0;
  for (std::uint32_t k = 0; k < simd::kGaussianBlocks; ++k) {
    const Approximation exp = ExpOfMinus(1, std::uint64_t{k} * k, 5);
    const Wide above = (static_cast<Wide>(exp.value[0]) + exp.error) * kGaussianScale;
    slots[k] = static_cast<std::uint32_t>(above * BlockUnits(k) >> 64) + 1;
    used += slots[k];
  }
  slots[0] += kGaussianSlots - used;
  return slots;
}

// Walker's alias method: sixteen columns of 256 slots, each shared by at most two blocks. Columns
// that lack slots are filled from one that has too many, until none is left.
constexpr simd::GaussianTable MakeGaussianTable(const BlockSlots& slots) {
  simd::GaussianTable table{};
  BlockSlots left = slots;
  std::array<bool, simd::kGaussianBlocks> done{};
  for (std::uint32_t step = 0; step < simd::kGaussianBlocks; ++step) {
    std::uint32_t poor = simd::kGaussianBlocks;
    std::uint32_t rich = simd::kGaussianBlocks;
    for (std::uint32_t k = 0; k < simd::kGaussianBlocks; ++k) {
      if (done[k]) continue;
      if (left[k] < kSlotsPerColumn) poor = k;
      if (left[k] >= kSlotsPerColumn) rich = k;
    }
    // No poor column means that every column left is exactly full: its own alias.
    if (poor == simd::kGaussianBlocks) poor = rich;
    const std::uint32_t own = left[poor] < kSlotsPerColumn ? left[poor] : 0;
    table.columns[poor] = own << 4 | rich;
    left[rich] -= kSlotsPerColumn - own;
    done[poor] = true;
  }
  for (std::uint32_t k = 0; k < simd::kGaussianBlocks; ++k) {
    const Approximation exp = ExpOfMinus(1, std::uint64_t{k} * k, 5);
    const Wide weighted = static_cast<Wide>(exp.value[0]) * kGaussianScale * BlockUnits(k);
    table.heights[k] = static_cast<std::uint32_t>(weighted / slots[k] >> 32);
  }
  return table;
}

inline constexpr BlockSlots kBlockSlots = SlotsOfBlocks();
inline constexpr simd::GaussianTable kGaussianTable = MakeGaussianTable(kBlockSlots);

// What the table gives each block is what it should: the slots of all columns, counted.
constexpr bool TableGives(const simd::GaussianTable& table, const BlockSlots& slots) {
  BlockSlots given{};
  std::uint32_t sum = 0;
  for (std::uint32_t column = 0; column < simd::kGaussianBlocks; ++column) {
    const std::uint32_t own = table.columns[column] >> 4;
    given[column] += own;
    given[table.columns[column] & 15] += kSlotsPerColumn - own;
    sum += slots[column];
  }
  return given == slots && sum == kGaussianSlots;
}
static_assert(TableGives(kGaussianTable, kBlockSlots));

}  // namespace anchorhold::dp::internal
