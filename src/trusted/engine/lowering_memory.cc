#include <algorithm>
#include <string>

#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "trusted/engine/arena.h"
#include "trusted/engine/lowerer.h"
#include "trusted/engine/operands.h"

namespace anchorhold::engine {

using graph::kNoValue;
using graph::Source;
using graph::ValueId;

namespace {

std::size_t ElementBytes(const graph::ValueType& type) {
  return type.is_real() ? sizeof(float) : sizeof(std::int64_t);
}

}  // namespace

// Until PatchAll, an operand in the arena or the shared space has its buffer's number as offset.
Operand Lowerer::Read(ValueId id) {
  const ValueId root = Root(id);
  const graph::Value& value = graph_.value(root);
  Operand operand;
  operand.size = Size(root);
  if (value.source == Source::kParameter) {
    operand.space = Space::kParameters;
    operand.offset = goal_.parameter_offsets[value.index] * sizeof(float);
    return operand;
  }
  if (value.source == Source::kConstant) {
    const graph::ConstantData& data = graph_.constants()[value.index];
    const bool real = value.type.is_real();
    operand.space = real ? Space::kReals : Space::kIntegers;
    int& at = reals_of_[Index(root)];
    if (at < 0) {
      at = static_cast<int>(real ? out_.reals.size() : out_.integers.size());
      if (real) {
        out_.reals.insert(out_.reals.end(), data.reals->begin(), data.reals->end());
      } else {
        out_.integers.insert(out_.integers.end(), data.integers->begin(), data.integers->end());
      }
    }
    operand.offset = static_cast<std::size_t>(at) * ElementBytes(value.type);
    return operand;
  }
  return Write(id);
}

Operand Lowerer::Write(ValueId id) {
  const ValueId root = Root(id);
  int& number = buffer_of_[Index(root)];
  const bool by_example = ByExample(root);
  const std::size_t bytes = Size(root) * ElementBytes(Type(root));
  if (number < 0) {
    number = static_cast<int>(buffers_.size());
    Buffer buffer;
    buffer.space = by_example ? Space::kArena : Space::kShared;
    buffer.bytes = bytes;
    buffers_.push_back(buffer);
  }
  Operand operand;
  operand.space = by_example ? Space::kArena : Space::kShared;
  operand.offset = static_cast<std::size_t>(number);
  operand.stride = by_example ? bytes : 0;
  operand.size = Size(root);
  return operand;
}

Operand Lowerer::NewBuffer(std::size_t elements, Space space) {
  Operand operand;
  operand.space = space;
  operand.offset = buffers_.size();
  operand.stride = space == Space::kArena ? elements * sizeof(float) : 0;
  operand.size = elements;
  Buffer buffer;
  buffer.space = space;
  buffer.bytes = elements * sizeof(float);
  buffers_.push_back(buffer);
  return operand;
}

void Lowerer::Keep(const Operand& operand) {
  if (operand.space == Space::kArena) buffers_[operand.offset].last = kForever;
}

void Lowerer::Push(Step step, const Work& work) {
  Push(std::move(step), ByExample(work.node->output), work.forward);
}

void Lowerer::Push(Step step, bool by_example, bool forward) {
  std::vector<Step>& steps = !by_example ? out_.prologue : forward ? out_.forward : out_.backward;
  steps.push_back(std::move(step));
}

void Lowerer::PlaceInputs() {
  out_.inputs.resize(options_.input_count);
  for (std::size_t id = 0; id < graph_.values().size(); ++id) {
    const graph::Value& value = graph_.values()[id];
    if (value.source != Source::kInput || value.index >= out_.inputs.size()) continue;
    LoweredProgram::Input& input = out_.inputs[value.index];
    input.real = value.type.is_real();
    input.used = true;
    input.operand = Write(static_cast<ValueId>(id));
  }
  out_.result = Read(goal_.result);
  Keep(out_.result);
  if (goal_.seed == kNoValue) return;
  out_.seed = Write(goal_.seed);
  Keep(out_.seed);
}

void Lowerer::NoteLife(const Operand& operand, std::size_t step) {
  if (operand.space != Space::kArena) return;
  Buffer& buffer = buffers_[operand.offset];
  if (buffer.last != kForever) buffer.last = std::max(buffer.last, step);
}

namespace {

// Whether a step may write its first result over an operand that it reads for the last time.
bool MayTakeOver(const Step& step) {
  return step.kind == StepKind::kPointwise || step.kind == StepKind::kSoftmax ||
         step.kind == StepKind::kSoftmaxGrad || step.kind == StepKind::kNormaliseGrad;
}

}  // namespace

// Steps are numbered through, forward then backward; inputs and the seed live from the beginning.
void Lowerer::FindLives() {
  std::size_t at = 0;
  for (std::vector<Step>* steps : {&out_.forward, &out_.backward}) {
    for (Step& step : *steps) {
      ++at;
      ForOperands(out_, step, [&](const Operand& operand, bool written) {
        if (operand.space != Space::kArena) return;
        Buffer& buffer = buffers_[operand.offset];
        if (written && buffer.first == 0) buffer.first = at;
        NoteLife(operand, at);
      });
    }
  }
  const auto from_start = [&](const Operand& operand) {
    if (operand.space == Space::kArena && operand.size > 0) buffers_[operand.offset].first = 0;
  };
  for (const LoweredProgram::Input& input : out_.inputs) {
    if (input.used) from_start(input.operand);
  }
  if (goal_.seed != kNoValue) from_start(out_.seed);
  for (const GradientSum& sum : out_.sums) {
    if (sum.raw.size > 0) from_start(sum.gradient);  // which no step may have written
  }
}

// In place: the result gets the memory of a dense operand of its size that ends here.
void Lowerer::TakeOver(const Step& step, std::size_t at) {
  if (!MayTakeOver(step)) return;
  const Operand* result = &step.out[0];
  std::vector<const Operand*> candidates;
  if (step.kind == StepKind::kPointwise) {
    const Points& points = out_.points[step.index];
    result = &out_.output_operands[points.first_output];
    for (std::size_t i = 0; i < points.inputs; ++i) {
      candidates.push_back(&out_.point_operands[points.first_input + i]);
    }
  } else if (step.kind == StepKind::kSoftmax) {
    candidates.push_back(&step.in[0]);
  } else {
    candidates.push_back(&step.in[step.kind == StepKind::kSoftmaxGrad ? 1 : 3]);
  }
  Buffer& mine = buffers_[result->offset];
  if (mine.placed || mine.first != at || result->space != Space::kArena) return;
  for (const Operand* candidate : candidates) {
    if (candidate->space != Space::kArena) continue;
    Buffer& other = buffers_[candidate->offset];
    if (other.last != at || other.bytes != mine.bytes || !other.placed) continue;
    mine.placed = true;
    mine.offset = other.offset;
    other.last = kForever - 1;  // its place lives on as mine
    return;
  }
}

Status Lowerer::PlaceBuffers() {
  ArenaPlanner arena;
  ArenaPlanner shared;
  for (Buffer& buffer : buffers_) {
    if (buffer.space != Space::kShared) continue;
    buffer.offset = shared.Take(buffer.bytes);
    buffer.placed = true;
  }
  std::vector<std::size_t> live;
  const auto place = [&](Buffer& buffer) {
    if (buffer.placed) return;
    buffer.placed = true;
    buffer.offset = arena.Take(buffer.bytes * options_.group);
  };
  for (Buffer& buffer : buffers_) {
    if (buffer.space == Space::kArena && buffer.first == 0) place(buffer);
  }
  std::size_t at = 0;
  for (std::vector<Step>* steps : {&out_.forward, &out_.backward}) {
    for (Step& step : *steps) {
      ++at;
      TakeOver(step, at);
      ForOperands(out_, step, [&](const Operand& operand, bool written) {
        if (written && operand.space == Space::kArena) place(buffers_[operand.offset]);
      });
      if (arena.size() > limits::kArenaBytesMax) {
        return LimitExceeded("a group of " + std::to_string(options_.group) +
                             " examples needs more than " +
                             std::to_string(limits::kArenaBytesMax / limits::kMiB) +
                             " MiB of memory for intermediate values");
      }
      for (Buffer& buffer : buffers_) {
        if (buffer.space == Space::kArena && buffer.placed && buffer.last == at) {
          arena.Release(buffer.offset, buffer.bytes * options_.group);
        }
      }
    }
  }
  out_.arena_bytes = arena.size();
  out_.shared_bytes = shared.size();
  return Ok();
}

void Lowerer::Patch(Operand& operand) const {
  if (operand.size == 0) return;
  if (operand.space != Space::kArena && operand.space != Space::kShared) return;
  operand.offset = buffers_[operand.offset].offset;
}

namespace {

// Of a group's arena, that a thread's part of the caches keeps from step to step. Beyond,
// gradients, which wait until all of their example's norm is known, are written past them: by
// measurement that is worth 5 to 10 % of a step from 22 MB on, and costs as much up to 16 MB.
constexpr std::size_t kNearBytes = std::size_t{20} << 20;

}  // namespace

void Lowerer::PatchAll() {
  for (std::vector<Step>* steps : {&out_.prologue, &out_.forward, &out_.backward}) {
    for (Step& step : *steps) {
      ForOperands(out_, step, [&](Operand& operand, bool) { Patch(operand); });
      step.far = step.by_taps && out_.arena_bytes > kNearBytes;
    }
  }
  for (LoweredProgram::Input& input : out_.inputs) Patch(input.operand);
  Patch(out_.result);
  Patch(out_.seed);
  for (GradientSum& sum : out_.sums) {
    Patch(sum.gradient);
    Patch(sum.other);
    Patch(sum.raw);
    Patch(sum.squares);
  }
}

}  // namespace anchorhold::engine
