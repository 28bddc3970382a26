// One operation, or two in one, of a program of pointwise.h, ready to run on tiles.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anchorhold::simd {

// Where a tile's operand is: number i is at[i & mask]. mask is 0 for one number for all, of which a
// whole vector is in memory, else all ones.
struct PointOperand {
  const float* at;
  std::size_t mask;
};

struct PointStep;
using PointLoop = void (*)(const PointStep& step, float* dst, const PointOperand* operands,
                           std::size_t n);

struct PointStep {
  PointLoop loop;
  float* out;  // the tile's results go to out + the tile's offset; nullptr: to the register's tile
  std::uint8_t dst;
  std::uint8_t operands;
  std::uint8_t registers[3];  // of the operands
  float alpha, beta;          // of the first operation
  float alpha2, beta2;        // of the second
};

}  // namespace anchorhold::simd
