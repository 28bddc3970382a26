// How a program of pointwise.h is laid out: what is the same for all targets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "trusted/simd/pointwise.h"

namespace anchorhold::simd {

// Buffers of n floats are n + kPointPad long: loops may write that much beyond the n-th.
inline constexpr std::size_t kPointPad = 16;

// The box with axes of size 1 dropped, and neighbours merged where every input allows it.
struct PointBox {
  std::size_t axes = 0;
  std::array<std::size_t, kPointAxesMax> sizes;
  // By input.
  std::array<std::array<std::size_t, kPointAxesMax>, kPointRegistersMax> strides;
  std::size_t total = 1;
};

// How an input is read.
enum class PointRead : std::uint8_t {
  kDense,    // in place, at the tile's offset
  kUniform,  // one number for all: a vector of it, written once
  kPeriod,   // repeats itself after `period` numbers: a buffer of tile + period, written once
  kRow,      // tiles are parts of rows: in place from the row's start
  kRowHead,  // ... one number for the row: a vector of it, written for each tile
  kGather,   // collected into a buffer for each tile
};

struct PointLayout {
  PointBox box;
  std::size_t tile = 0;  // numbers of a tile, at most
  bool by_rows = false;  // no tile crosses the end of a row (of the last axis)
  std::array<PointRead, kPointRegistersMax> reads;
  std::array<std::size_t, kPointRegistersMax> period;
  std::array<std::size_t, kPointRegistersMax> input_buffer;     // offsets in scratch
  std::array<std::size_t, kPointRegistersMax> register_buffer;  // of registers that are written
  std::size_t copies_buffer = 0;                                // one tile for each output
  std::size_t tile_distance = 0;                                // from one of those to the next
  std::size_t scratch = 0;                                      // floats, all in all
};

void LayOut(const PointProgram& program, PointLayout& layout);

}  // namespace anchorhold::simd
