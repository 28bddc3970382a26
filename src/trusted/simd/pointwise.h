// Chains of elementwise operations, run tile by tile: a tile of every intermediate value stays in
// the first-level cache, and only what others need is written to memory.
//
// A program has registers, each a tile of floats. Registers 0 .. inputs-1 hold the inputs' tiles;
// each instruction writes one register; `outputs` names the registers that are stored. The space is
// a box of up to kPointAxesMax axes, row-major; every output is dense over it, and every input has
// a stride for each axis, 0 where it is broadcast (along the last axis: 0 or 1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "trusted/simd/target.h"

namespace anchorhold::simd {

inline constexpr std::size_t kPointAxesMax = 5;
inline constexpr std::size_t kPointRegistersMax = 16;
inline constexpr std::size_t kPointInstructionsMax = 32;  // a longer program is two

// dst = op(a), op(a, b) or op(a, b, c); semantics, NaN and infinities included, are those of
// kernels/elementwise.h and kernels/binary.h. Derivatives take (x or y, g) as there.
enum class PointOp : std::uint8_t {
  kCopy,
  kNeg,
  kAbs,
  kSign,
  kExp,
  kLog,
  kSqrt,
  kTanh,
  kSigmoid,
  kErf,
  kErfSlope,
  kSoftplus,
  kScale,      // alpha a + beta
  kLeakyRelu,  // slope alpha
  kClip,       // to [alpha, beta]
  kElu,        // alpha (e^(a / beta) - 1) below 0
  kGeluErf,
  kGeluTanh,
  kSilu,  // a sigmoid(a)
  kLeakyReluGrad,
  kClipGrad,
  kSigmoidGrad,
  kTanhGrad,
  kEluGrad,
  kGeluErfGrad,
  kGeluTanhGrad,
  kSiluGrad,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMax,
  kMin,
  kMaxShare,  // kernels/binary.h
  kEqual,     // comparisons: 1 or 0, 0 for a NaN
  kLess,
  kLessOrEqual,
  kKeep,    // b where a is not 0, else 0
  kDrop,    // b where a is 0, else 0
  kChoose,  // b where a is not 0, else c
};

// How many of a, b and c an operation reads.
constexpr std::size_t OperandsOf(PointOp op) {
  return op < PointOp::kLeakyReluGrad ? 1 : op < PointOp::kChoose ? 2 : 3;
}

struct PointInstruction {
  PointOp op = PointOp::kCopy;
  std::uint8_t dst = 0;
  std::uint8_t a = 0;
  std::uint8_t b = 0;  // where there are two operands
  float alpha = 0;
  float beta = 0;
  std::uint8_t c = 0;  // where there are three
};

struct PointInput {
  std::array<std::size_t, kPointAxesMax> strides{};
};

struct PointProgram {
  std::size_t axes = 1;
  std::array<std::size_t, kPointAxesMax> sizes{};
  std::span<const PointInput> inputs;
  std::span<const PointInstruction> instructions;
  std::span<const std::uint8_t> outputs;  // registers
};

struct PointwiseKernels {
  std::size_t (*scratch)(const PointProgram& program);  // floats
  // An output may be the same memory as an input that is dense (not broadcast).
  void (*run)(const PointProgram& program, const float* const* inputs, float* const* outputs,
              float* scratch);
};

// nullptr for kScalar.
const PointwiseKernels* PointwiseKernelsFor(Target target);

}  // namespace anchorhold::simd
