// Programs of pointwise.h, tile by tile.
//
// The program becomes a list of steps: an instruction each, or two where the second alone needs the
// first's result and there is a loop for both (pointwise_select-inl.h). Then, for each tile: say
// where every input's numbers are (pointwise_plan.h), and run the steps. Inputs and outputs are
// used in place; a result goes to its output at once, unless a later step reads an input that lies
// in the same memory: then it waits in its tile.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/pointwise.cc"
#include "trusted/simd/tables.h"
// After tables.h, which chooses the targets.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/pointwise_gather-inl.h"
#include "trusted/simd/pointwise_plan.h"
#include "trusted/simd/pointwise_select-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kAll = ~std::size_t{0};

struct Run {
  const PointProgram* program;
  const float* const* inputs;
  float* const* outputs;
  float* scratch;
  PointLayout layout;
  std::array<PointStep, kPointInstructionsMax> steps;
  std::size_t step_count;
  std::array<std::uint8_t, kPointRegistersMax> copies;  // outputs that are copied in the end
  std::size_t copy_count;
  std::array<PointOperand, kPointRegistersMax> at;  // the registers of the tile
};

// Whether nobody reads register r from instruction `from` on.
bool IsDead(const PointProgram& program, std::size_t r, std::size_t from) {
  for (std::size_t k = from; k < program.instructions.size(); ++k) {
    const PointInstruction& instruction = program.instructions[k];
    const std::size_t operands = OperandsOf(instruction.op);
    if (instruction.a == r || (operands > 1 && instruction.b == r) ||
        (operands > 2 && instruction.c == r)) {
      return false;
    }
    if (instruction.dst == r) return true;
  }
  for (const std::uint8_t output : program.outputs) {
    if (output == r) return false;
  }
  return true;
}

// Writes the step of instruction k alone.
void SingleStep(const PointInstruction& instruction, PointStep& step) {
  const PointOp op = SpecialCaseOf(instruction);
  for (const SingleLoop& single : kSingles) {
    if (single.op != op) continue;
    step = {single.loop,
            nullptr,
            instruction.dst,
            static_cast<std::uint8_t>(OperandsOf(instruction.op)),
            {instruction.a, instruction.b, instruction.c},
            instruction.alpha,
            instruction.beta,
            0,
            0};
    return;
  }
}

// Makes `step`, of instruction k, that of instructions k and k + 1, if there is such a loop.
bool PairStep(const PointProgram& program, std::size_t k, PointStep& step) {
  const PointInstruction& first = program.instructions[k];
  const PointInstruction& second = program.instructions[k + 1];
  const bool two = OperandsOf(second.op) == 2;
  const bool left = second.a == first.dst;
  const bool right = two && second.b == first.dst;
  if (left == right || (second.dst != first.dst && !IsDead(program, first.dst, k + 2))) {
    return false;
  }
  const PointOp op = SpecialCaseOf(first);
  const PointOp next = SpecialCaseOf(second);
  for (const PairedLoop& pair : kPairs) {
    if (pair.first != op || pair.second != next) continue;
    if (pair.result_is_right != right && !IsCommutative(next)) continue;
    step.loop = pair.loop;
    step.dst = second.dst;
    if (two) step.registers[step.operands++] = right ? second.a : second.b;
    step.alpha2 = second.alpha;
    step.beta2 = second.beta;
    return true;
  }
  return false;
}

// Whether step s may write straight to `out`: no dense input in that memory is read afterwards.
bool MayWriteThrough(const Run& run, std::size_t s, const float* out) {
  for (std::size_t i = 0; i < run.program->inputs.size(); ++i) {
    if (run.inputs[i] != out) continue;
    bool overwritten = false;
    for (std::size_t k = 0; k < run.step_count && !overwritten; ++k) {
      const PointStep& step = run.steps[k];
      for (std::size_t j = 0; k > s && j < step.operands; ++j) {
        if (step.registers[j] == i) return false;
      }
      overwritten = step.dst == i;
    }
    if (overwritten) continue;
    for (const std::uint8_t output : run.program->outputs) {
      if (output == i) return false;
    }
  }
  return true;
}

void FindSteps(Run& run) {
  const PointProgram& program = *run.program;
  const std::size_t count = program.instructions.size();
  run.step_count = 0;
  for (std::size_t k = 0; k < count; ++k) {
    PointStep& step = run.steps[run.step_count++];
    SingleStep(program.instructions[k], step);
    if (k + 1 < count && PairStep(program, k, step)) ++k;
  }
  run.copy_count = 0;
  for (std::size_t o = 0; o < program.outputs.size(); ++o) {
    std::size_t last = run.step_count;
    while (last > 0 && run.steps[last - 1].dst != program.outputs[o]) --last;
    if (last > 0 && run.steps[last - 1].out == nullptr &&
        MayWriteThrough(run, last - 1, run.outputs[o])) {
      run.steps[last - 1].out = run.outputs[o];
    } else {
      run.copies[run.copy_count++] = static_cast<std::uint8_t>(o);
    }
  }
}

// Buffers that are written once.
void PrepareInputs(Run& run) {
  for (std::size_t i = 0; i < run.program->inputs.size(); ++i) {
    float* const buffer = run.scratch + run.layout.input_buffer[i];
    const PointRead read = run.layout.reads[i];
    if (read == PointRead::kUniform) {
      Splat(*run.inputs[i], buffer);
      run.at[i] = {buffer, 0};
    } else if (read == PointRead::kPeriod) {
      const std::size_t period = run.layout.period[i];
      Gather(run.layout.box, i, run.inputs[i], 0, period, buffer);
      for (std::size_t k = 0; k < run.layout.tile; ++k) buffer[period + k] = buffer[k];
    }
  }
}

void PlaceInputs(Run& run, std::size_t begin, std::size_t n) {
  const PointBox& box = run.layout.box;
  const std::size_t row = box.sizes[box.axes - 1];
  for (std::size_t i = 0; i < run.program->inputs.size(); ++i) {
    float* const buffer = run.scratch + run.layout.input_buffer[i];
    switch (run.layout.reads[i]) {
      case PointRead::kDense:
        run.at[i] = {run.inputs[i] + begin, kAll};
        break;
      case PointRead::kUniform:
        run.at[i] = {buffer, 0};
        break;
      case PointRead::kPeriod:
        run.at[i] = {buffer + begin % run.layout.period[i], kAll};
        break;
      case PointRead::kRow:
        run.at[i] = {run.inputs[i] + OffsetOfRow(box, i, begin / row) + begin % row, kAll};
        break;
      case PointRead::kRowHead:
        Splat(run.inputs[i][OffsetOfRow(box, i, begin / row)], buffer);
        run.at[i] = {buffer, 0};
        break;
      case PointRead::kGather:
        Gather(box, i, run.inputs[i], begin, n, buffer);
        run.at[i] = {buffer, kAll};
        break;
    }
  }
}

// Two copies or more take the way over tiles: one's memory may be another's source.
void CopyOutputs(Run& run, std::size_t begin, std::size_t n) {
  const PointStep copy = {&Loop<OpCopy>, nullptr, 0, 1, {0, 0, 0}, 0, 0, 0, 0};
  std::array<PointOperand, kPointRegistersMax> sources;
  for (std::size_t c = 0; c < run.copy_count; ++c) {
    sources[c] = run.at[run.program->outputs[run.copies[c]]];
    if (run.copy_count == 1) break;
    float* const tile = run.scratch + run.layout.copies_buffer + c * run.layout.tile_distance;
    copy.loop(copy, tile, &sources[c], n);
    sources[c] = {tile, kAll};
  }
  for (std::size_t c = 0; c < run.copy_count; ++c) {
    float* const out = run.outputs[run.copies[c]] + begin;
    if (sources[c].at != out) copy.loop(copy, out, &sources[c], n);
  }
}

void RunTile(Run& run, std::size_t begin, std::size_t n) {
  PlaceInputs(run, begin, n);
  for (std::size_t s = 0; s < run.step_count; ++s) {
    const PointStep& step = run.steps[s];
    PointOperand operands[3];
    for (std::size_t j = 0; j < step.operands; ++j) operands[j] = run.at[step.registers[j]];
    float* const dst =
        step.out != nullptr ? step.out + begin : run.scratch + run.layout.register_buffer[step.dst];
    step.loop(step, dst, operands, n);
    run.at[step.dst] = {dst, kAll};
  }
  CopyOutputs(run, begin, n);
}

std::size_t Scratch(const PointProgram& program) {
  PointLayout layout;
  LayOut(program, layout);
  return layout.scratch;
}

void RunProgram(const PointProgram& program, const float* const* inputs, float* const* outputs,
                float* scratch) {
  Run run;
  run.program = &program;
  run.inputs = inputs;
  run.outputs = outputs;
  run.scratch = scratch;
  LayOut(program, run.layout);
  const PointBox& box = run.layout.box;
  if (box.total == 0) return;
  FindSteps(run);
  PrepareInputs(run);
  const std::size_t row = run.layout.by_rows ? box.sizes[box.axes - 1] : box.total;
  for (std::size_t begin = 0; begin < box.total; begin += row) {
    for (std::size_t done = 0; done < row; done += run.layout.tile) {
      const std::size_t left = row - done;
      RunTile(run, begin + done, left < run.layout.tile ? left : run.layout.tile);
    }
  }
}

extern const PointwiseKernels kPointwise;
const PointwiseKernels kPointwise = {Scratch, RunProgram};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(PointwiseKernels, PointwiseKernelsFor, kPointwise)
}  // namespace anchorhold::simd
#endif
