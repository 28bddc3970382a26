// Program: a graph laid out for running on a group of examples. A flat list of steps without
// pointers, so that it can be shared between threads, and written into a library.
//
// Memory is in a few spaces. In the arena, a value that depends on the examples lies example after
// example: example e of operand o is at base[o.space] + o.offset + e * o.stride. Everything else
// (parameters, constants, what is computed from those alone) has stride 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trusted/kernels/convolution.h"
#include "trusted/kernels/pooling.h"
#include "trusted/simd/convolution.h"
#include "trusted/simd/gemm.h"
#include "trusted/simd/pointwise.h"
#include "trusted/simd/rows.h"
#include "trusted/simd/sums.h"

namespace anchorhold::engine {

enum class Space : unsigned char {
  kArena,       // of one thread: its group's values
  kShared,      // what the prologue computes from parameters and constants
  kParameters,  // the flat vector
  kReals,       // constants
  kIntegers,    // constants, int64
};
inline constexpr std::size_t kSpaces = 5;

struct Operand {
  Space space = Space::kArena;
  std::size_t offset = 0;  // bytes
  std::size_t stride = 0;  // bytes from an example to the next; 0: the same for all
  std::size_t size = 0;    // elements of one example
};

enum class StepKind : unsigned char {
  kNaive,              // Program::naive[index]
  kMatMul,             // out = in0 in1 (+ in2), a product for each example, or one for all
  kConvolution,        // out = conv(in0, in1) (+ in2)
  kConvolutionInput,   // out = the image from in0 = y, in1 = w
  kConvolutionWeight,  // out = the weights from in0 = x, in1 = y
  kPackFilter,         // out = in0 in the order that `map` reads it in
  kPointwise,          // program of points
  kNormalise,          // out0 = affine(in0, scale in1, shift in2), out1 = statistics
  kNormaliseGrad,  // out0 = dx, out1 = dscale, out2 = dshift from x in0, stats in1, scale in2, g
                   // in3, and its shift in4, if it clips or a Silu is behind it
  kSoftmax,
  kSoftmaxGrad,  // from y in0, g in1
  kSum,          // out = sum over the middle axis of in0 (times in1)
  kMaxPool,
  kMaxPoolGrad,  // from x in0, g in1
  kAveragePool,
  kAveragePoolGrad,
  kPermute,
  // In these two, places are int64, and those out of range give NaN.
  kTake,     // out [outer, sizes0, inner] = in0 [outer, n, inner] at in1 [sizes0]
  kSumRows,  // out [outer, inner] = each the sum of the rows of in0 [n, inner] at sizes0 of in1
  kPut,      // out [outer, n, inner] = in0 [outer, sizes0, inner] added up at in1 [sizes0]
  kConcat,   // out [outer, ..] = the rows of n operands, [outer, ..] each, side by side
  kPad,      // out = rows of in0 [outer, inner], between sizes[0] and sizes[1] times `low`
  kFold,     // out [sizes1, strides1, sizes3] = sums of in0 [sizes], of row (o, c, k) in row
             // (c, o strides0 + k strides2 - strides3), if there is one
  kMove,     // out = numbers of in0 to in2, at the places of in3; in compiled models alone
};

inline constexpr std::size_t kStepInputsMax = 5;
inline constexpr std::size_t kStepOutputsMax = 3;
// kMove: a place is the input's number times 2^32 plus the element's; -1 is a zero.
inline constexpr std::size_t kMoveInputsMax = 3;
inline constexpr int kMoveInputShift = 32;
inline constexpr std::size_t kPermuteAxesMax = 7;  // and the examples'

// A flag an operand that may be missing.
struct Step {
  StepKind kind = StepKind::kNaive;
  std::uint32_t index = 0;  // kNaive, kPointwise; kConcat: the first of its point_operands
  std::array<Operand, kStepInputsMax> in{};
  std::array<Operand, kStepOutputsMax> out{};
  bool has_bias = false;  // in2 of products and convolutions; by column, or by channel
  // in1 of kSum; out1 and out2 of the normalisation's gradient; out1 of kConvolutionWeight, the sum
  // of squares of out0, a double; kMove adds to zeros
  bool has_second = false;
  bool has_affine = false;  // scale and shift of the normalisation
  bool clip = false;        // products, convolutions: then to [low, high]
  float low = 0;            // kPad
  float high = 0;

  simd::GemmShape gemm{};   // of one product; rows are multiplied by the examples if fold_rows
  simd::GemmBatch batch{};  // of one example
  bool fold_rows = false;
  kernels::ConvolutionShape convolution{};  // of one example, which may have several images
  simd::ConvolutionMap map = simd::ConvolutionMap::kForward;  // kPackFilter
  bool packed = false;   // in1 of convolutions is the result of kPackFilter
  bool by_taps = false;  // kConvolutionWeight: out0 in the order of kTapChannels
  bool far = false;      // kConvolutionWeight: no cache keeps out0 until it is read
  kernels::Divisor divisor = kernels::Divisor::kInputs;
  simd::NormaliseAffineShape normalise{};  // of one example
  simd::SoftmaxShape softmax{};            // of one example
  std::size_t outer = 0;  // kSum, pools (planes), kTake, kSumRows, kPut, kConcat, kPad
  std::size_t n = 0;
  std::size_t inner = 0;
  std::size_t axes = 0;  // kPermute, of one example
  std::array<std::size_t, kPermuteAxesMax> sizes{};
  std::array<std::size_t, kPermuteAxesMax> strides{};
};

// Of a convolution's step.
inline simd::ConvolutionMap MapOf(StepKind kind) {
  return kind == StepKind::kConvolution        ? simd::ConvolutionMap::kForward
         : kind == StepKind::kConvolutionInput ? simd::ConvolutionMap::kInput
                                               : simd::ConvolutionMap::kWeight;
}

// A chain of elementwise operations: ranges of the program's tables. Axis 0 is the examples.
struct Points {
  std::size_t axes = 1;
  std::array<std::size_t, simd::kPointAxesMax> sizes{};  // sizes[0] is set to the examples
  bool examples_merged = false;   // everything is dense: one axis, sizes[0] is one example's
  std::uint32_t first_input = 0;  // of point_inputs and operands
  std::uint32_t inputs = 0;
  std::uint32_t first_instruction = 0;
  std::uint32_t instructions = 0;
  std::uint32_t first_output = 0;  // of output_registers and output_operands
  std::uint32_t outputs = 0;
};

struct Kernels {
  const simd::GemmKernels* gemm = nullptr;
  const simd::ConvolutionKernels* convolution = nullptr;
  const simd::PointwiseKernels* pointwise = nullptr;
  const simd::RowKernels* rows = nullptr;
  const simd::SumKernels* sums = nullptr;
  bool complete() const {
    return gemm != nullptr && convolution != nullptr && pointwise != nullptr && rows != nullptr &&
           sums != nullptr;
  }
};
// Without kernels for kScalar.
Kernels KernelsFor(simd::Target target);

struct Frame {
  std::array<std::byte*, kSpaces> base{};
  std::size_t examples = 0;
  float* scratch = nullptr;
};

// The tables that steps refer to.
struct StepTables {
  std::span<const Points> points;
  std::span<const simd::PointInput> point_inputs;
  std::span<const Operand> point_operands;
  std::span<const simd::PointInstruction> instructions;
  std::span<const std::uint8_t> output_registers;
  std::span<const Operand> output_operands;
  // Runs kNaive steps; null where there are none.
  void (*run_naive)(const void* context, const Step& step, const Frame& frame) = nullptr;
  const void* context = nullptr;
};

inline std::byte* At(const Operand& operand, const Frame& frame, std::size_t example = 0) {
  return frame.base[static_cast<std::size_t>(operand.space)] + operand.offset +
         example * operand.stride;
}
inline float* Reals(const Operand& operand, const Frame& frame, std::size_t example = 0) {
  return reinterpret_cast<float*>(At(operand, frame, example));
}

// Floats of scratch memory that the step needs for so many examples.
std::size_t ScratchOf(const Step& step, const StepTables& tables, const Kernels& kernels,
                      std::size_t examples);
// The most that any of them needs, for groups of up to so many examples.
std::size_t ScratchOfAll(std::span<const Step> steps, const StepTables& tables,
                         const Kernels& kernels, std::size_t group);

// An example's part of a row to where the steps read it.
void LoadInput(const Operand& input, bool real, const float* row, const Frame& frame,
               std::size_t example);
void RunStep(const Step& step, const StepTables& tables, const Kernels& kernels,
             const Frame& frame);

}  // namespace anchorhold::engine
