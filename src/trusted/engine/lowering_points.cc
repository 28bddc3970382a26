// Chains of elementwise nodes as programs of simd/pointwise.h: registers, strides, joined axes.
#include <algorithm>
#include <utility>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/lowerer.h"
#include "trusted/engine/truth_primitives.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::Node;
using graph::Shape;
using graph::ValueId;
using simd::PointOp;

namespace {

struct PointEntry {
  const graph::Primitive* primitive;
  PointOp op;
};

// Functions of one to three numbers whose parameters are alpha and beta.
constexpr PointEntry kEntries[] = {
    {&primitives::kNeg, PointOp::kNeg},
    {&primitives::kAbs, PointOp::kAbs},
    {&primitives::kSign, PointOp::kSign},
    {&primitives::kExp, PointOp::kExp},
    {&primitives::kLog, PointOp::kLog},
    {&primitives::kSqrt, PointOp::kSqrt},
    {&primitives::kTanh, PointOp::kTanh},
    {&primitives::kSigmoid, PointOp::kSigmoid},
    {&primitives::kErf, PointOp::kErf},
    {&primitives::kErfSlope, PointOp::kErfSlope},
    {&primitives::kSoftplus, PointOp::kSoftplus},
    {&primitives::kScale, PointOp::kScale},
    {&primitives::kLeakyRelu, PointOp::kLeakyRelu},
    {&primitives::kClip, PointOp::kClip},
    {&primitives::kElu, PointOp::kElu},
    {&primitives::kLeakyReluGrad, PointOp::kLeakyReluGrad},
    {&primitives::kClipGrad, PointOp::kClipGrad},
    {&primitives::kSigmoidGrad, PointOp::kSigmoidGrad},
    {&primitives::kTanhGrad, PointOp::kTanhGrad},
    {&primitives::kEluGrad, PointOp::kEluGrad},
    {&primitives::kAdd, PointOp::kAdd},
    {&primitives::kSub, PointOp::kSub},
    {&primitives::kMul, PointOp::kMul},
    {&primitives::kDiv, PointOp::kDiv},
    {&primitives::kMax, PointOp::kMax},
    {&primitives::kMin, PointOp::kMin},
    {&primitives::kMaxShare, PointOp::kMaxShare},
    {&primitives::kBroadcastTo, PointOp::kCopy},
    {&kSilu, PointOp::kSilu},
    {&kSiluGrad, PointOp::kSiluGrad},
    {&kChoose, PointOp::kChoose},
};

std::optional<PointOp> OpOf(const Node& node) {
  const bool by_tanh = node.attributes.mode != 0;
  if (node.primitive == &primitives::kGelu) {
    return by_tanh ? PointOp::kGeluTanh : PointOp::kGeluErf;
  }
  if (node.primitive == &primitives::kGeluGrad) {
    return by_tanh ? PointOp::kGeluTanhGrad : PointOp::kGeluErfGrad;
  }
  if (node.primitive == &kKeepWhere) {
    return node.attributes.mode != 0 ? PointOp::kKeep : PointOp::kDrop;
  }
  if (node.primitive == &kHolds) {
    switch (static_cast<kernels::CompareOp>(node.attributes.mode)) {
      case kernels::CompareOp::kEqual:
        return PointOp::kEqual;
      case kernels::CompareOp::kLess:
        return PointOp::kLess;
      case kernels::CompareOp::kLessOrEqual:
        return PointOp::kLessOrEqual;
    }
  }
  for (const PointEntry& entry : kEntries) {
    if (entry.primitive == node.primitive) return entry.op;
  }
  return std::nullopt;
}

// The strides at which `part` is read over `whole`, both one example's.
bool Broadcast(const Shape& part, const Shape& whole, std::vector<std::size_t>& strides) {
  strides.assign(whole.size(), 0);
  std::size_t stride = 1;
  for (std::size_t k = 0; k < part.size(); ++k) {
    const auto own = static_cast<std::size_t>(part[part.size() - 1 - k]);
    if (k >= whole.size()) {
      if (own != 1) return false;
      continue;
    }
    const auto size = static_cast<std::size_t>(whole[whole.size() - 1 - k]);
    if (own != 1 && own != size) return false;
    if (own != 1) strides[whole.size() - 1 - k] = stride;
    stride *= own;
  }
  return true;
}

// Where one value enters a chain from outside.
struct Outside {
  ValueId root = graph::kNoValue;
  Operand operand;
  bool dense = false;
  Shape shape;                       // as its node reads it
  std::vector<std::size_t> strides;  // axis 0: the examples
};

void EraseAxis(std::size_t axis, std::vector<std::size_t>& sizes, std::vector<Outside>& inputs) {
  const auto at = static_cast<std::ptrdiff_t>(axis);
  sizes.erase(sizes.begin() + at);
  for (Outside& in : inputs) in.strides.erase(in.strides.begin() + at);
}

// Drops axes of one and joins neighbouring axes that all inputs walk alike (the outputs are dense).
// The examples' axis is joined only where everything is dense: then its size does not matter.
void JoinAxes(std::vector<std::size_t>& sizes, std::vector<Outside>& inputs) {
  for (std::size_t k = sizes.size(); k-- > 1;) {
    if (sizes[k] == 1) EraseAxis(k, sizes, inputs);
  }
  if (sizes.size() == 1) {
    sizes.push_back(1);
    for (Outside& in : inputs) in.strides.push_back(1);
  }
  for (std::size_t k = sizes.size(); k-- > 2;) {
    const bool alike = std::all_of(inputs.begin(), inputs.end(), [&](const Outside& in) {
      return in.strides[k - 1] == in.strides[k] * sizes[k];
    });
    if (!alike) continue;
    sizes[k - 1] *= sizes[k];
    for (Outside& in : inputs) in.strides[k - 1] = in.strides[k];
    EraseAxis(k, sizes, inputs);
  }
}

// From the strides over one shape to those over another that differs in axes of one alone.
std::optional<std::vector<std::size_t>> MapStrides(const std::vector<std::size_t>& strides,
                                                   const Shape& from, const Shape& to) {
  std::vector<std::size_t> mapped(to.size(), 0);
  std::size_t k = 0;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis] == 1) continue;
    while (k < to.size() && to[k] == 1) ++k;
    if (k == to.size() || to[k] != from[axis]) return std::nullopt;
    mapped[k++] = strides[axis];
  }
  return mapped;
}

// Registers beyond the inputs, reused when what they hold was read for the last time.
class Registers {
 public:
  explicit Registers(std::size_t inputs) : next_(inputs) {}
  // kPointRegistersMax if there is none left.
  std::size_t Take() {
    if (free_.empty()) return next_ < simd::kPointRegistersMax ? next_++ : next_;
    const std::size_t taken = free_.back();
    free_.pop_back();
    return taken;
  }
  void Release(std::size_t at) { free_.push_back(at); }

 private:
  std::size_t next_;
  std::vector<std::size_t> free_;
};

}  // namespace

std::optional<simd::PointInstruction> PointOf(const Node& node) {
  const std::optional<PointOp> op = OpOf(node);
  if (!op) return std::nullopt;
  simd::PointInstruction instruction;
  instruction.op = *op;
  instruction.alpha = static_cast<float>(node.attributes.alpha);
  instruction.beta = static_cast<float>(node.attributes.beta);
  return instruction;
}

// Makes the program of one chain: `members` in the order in which they run, the last one's value
// being the chain's.
class PointMaker {
 public:
  PointMaker(Lowerer& lowerer, std::vector<std::size_t> members)
      : lowerer_(lowerer), members_(std::move(members)) {}

  // False if the chain needs more inputs, axes or registers than there are.
  bool Make(Step& step);

 private:
  static constexpr std::size_t kNone = simd::kPointRegistersMax;

  const Work& At(std::size_t m) const { return lowerer_.work_[members_[m]]; }
  ValueId ValueOf(std::size_t m) const { return lowerer_.Root(At(m).node->output); }
  bool Reads(std::size_t m, ValueId root) const {
    const std::vector<ValueId>& inputs = At(m).inputs;
    return std::any_of(inputs.begin(), inputs.end(),
                       [&](ValueId id) { return lowerer_.Root(id) == root; });
  }
  bool IsMember(ValueId id) const;
  std::size_t Find(ValueId id) const;
  bool AddInput(const Work& work, ValueId id);
  bool FindInputs();
  bool FindSpace(Points& points);
  bool IsAnotherReading(std::size_t m) const;
  bool FindRegisters();
  std::size_t RegisterOf(ValueId id, std::size_t before) const;
  void ReleaseAfter(std::size_t m, Registers& registers);
  void Store(Points points, Step& step);

  Lowerer& lowerer_;
  const std::vector<std::size_t> members_;
  std::vector<Outside> inputs_;
  std::vector<std::size_t> sizes_;
  std::vector<std::size_t> register_of_;  // by member; kNone: not held any more
  std::vector<simd::PointInstruction> instructions_;
};

bool PointMaker::IsMember(ValueId id) const {
  for (std::size_t m = 0; m < members_.size(); ++m) {
    if (ValueOf(m) == lowerer_.Root(id)) return true;
  }
  return false;
}

// The input's number, or inputs_.size().
std::size_t PointMaker::Find(ValueId id) const {
  const Shape& shape = lowerer_.Type(id).shape;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Outside& in = inputs_[i];
    if (in.root == lowerer_.Root(id) && (in.dense || in.shape == shape)) return i;
  }
  return inputs_.size();
}

bool PointMaker::AddInput(const Work& work, ValueId id) {
  const graph::Node& last = *At(members_.size() - 1).node;
  const Shape& whole = lowerer_.Type(last.output).shape;
  Outside in;
  in.root = lowerer_.Root(id);
  in.operand = lowerer_.Read(id);
  in.dense = lowerer_.ByExample(id) && lowerer_.Size(id) == lowerer_.Size(last.output);
  in.shape = lowerer_.Type(id).shape;
  if (in.dense) {
    Broadcast(whole, whole, in.strides);
  } else {
    const Shape& over = lowerer_.Type(work.node->output).shape;
    if (!Broadcast(in.shape, over, in.strides)) return false;
    std::optional<std::vector<std::size_t>> mapped = MapStrides(in.strides, over, whole);
    if (!mapped) return false;
    in.strides = *std::move(mapped);
  }
  in.strides.insert(in.strides.begin(), in.operand.stride / sizeof(float));
  inputs_.push_back(std::move(in));
  return true;
}

bool PointMaker::FindInputs() {
  for (std::size_t m = 0; m < members_.size(); ++m) {
    for (const ValueId id : At(m).inputs) {
      if (IsMember(id) || Find(id) < inputs_.size()) continue;
      if (!AddInput(At(m), id)) return false;
    }
  }
  return inputs_.size() < simd::kPointRegistersMax;
}

bool PointMaker::FindSpace(Points& points) {
  const graph::Node& last = *At(members_.size() - 1).node;
  points.examples_merged =
      std::all_of(inputs_.begin(), inputs_.end(), [](const Outside& in) { return in.dense; });
  if (points.examples_merged) {
    sizes_ = {lowerer_.Size(last.output)};
    for (Outside& in : inputs_) in.strides = {1};
  } else {
    sizes_ = {1};
    for (const std::int64_t size : lowerer_.Type(last.output).shape) {
      sizes_.push_back(static_cast<std::size_t>(size));
    }
    JoinAxes(sizes_, inputs_);
  }
  points.axes = sizes_.size();
  if (points.axes > simd::kPointAxesMax) return false;
  std::copy(sizes_.begin(), sizes_.end(), points.sizes.begin());
  return std::all_of(inputs_.begin(), inputs_.end(),
                     [](const Outside& in) { return in.strides.back() <= 1; });
}

std::size_t PointMaker::RegisterOf(ValueId id, std::size_t before) const {
  for (std::size_t m = 0; m < before; ++m) {
    if (ValueOf(m) == lowerer_.Root(id)) return register_of_[m];
  }
  return Find(id);
}

// Gives back the registers of values that member m reads for the last time.
void PointMaker::ReleaseAfter(std::size_t m, Registers& registers) {
  for (std::size_t k = 0; k < m; ++k) {
    if (register_of_[k] == kNone || !Reads(m, ValueOf(k))) continue;
    bool later = false;
    for (std::size_t n = m + 1; n < members_.size(); ++n) later = later || Reads(n, ValueOf(k));
    if (later) continue;
    if (register_of_[k] >= inputs_.size()) registers.Release(register_of_[k]);
    register_of_[k] = kNone;
  }
}

// A broadcast inside a chain is its input, read with other strides.
bool PointMaker::IsAnotherReading(std::size_t m) const {
  return At(m).node->primitive == &primitives::kBroadcastTo && m + 1 < members_.size() &&
         !IsMember(At(m).inputs[0]);
}

bool PointMaker::FindRegisters() {
  Registers registers(inputs_.size());
  register_of_.assign(members_.size(), kNone);
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Work& work = At(m);
    if (IsAnotherReading(m)) {
      register_of_[m] = Find(work.inputs[0]);
      continue;
    }
    simd::PointInstruction instruction = *PointOf(*work.node);
    instruction.a = static_cast<std::uint8_t>(RegisterOf(work.inputs[0], m));
    if (work.inputs.size() > 1) {
      instruction.b = static_cast<std::uint8_t>(RegisterOf(work.inputs[1], m));
    }
    if (work.inputs.size() > 2) {
      instruction.c = static_cast<std::uint8_t>(RegisterOf(work.inputs[2], m));
    }
    ReleaseAfter(m, registers);
    const std::size_t dst = registers.Take();
    if (dst >= simd::kPointRegistersMax) return false;
    register_of_[m] = dst;
    instruction.dst = static_cast<std::uint8_t>(dst);
    instructions_.push_back(instruction);
  }
  return instructions_.size() <= simd::kPointInstructionsMax;
}

void PointMaker::Store(Points points, Step& step) {
  LoweredProgram& out = lowerer_.out_;
  points.first_input = static_cast<std::uint32_t>(out.point_inputs.size());
  points.inputs = static_cast<std::uint32_t>(inputs_.size());
  for (const Outside& in : inputs_) {
    simd::PointInput input;
    std::copy(in.strides.begin(), in.strides.end(), input.strides.begin());
    out.point_inputs.push_back(input);
    out.point_operands.push_back(in.operand);
  }
  points.first_instruction = static_cast<std::uint32_t>(out.instructions.size());
  points.instructions = static_cast<std::uint32_t>(instructions_.size());
  out.instructions.insert(out.instructions.end(), instructions_.begin(), instructions_.end());
  points.first_output = static_cast<std::uint32_t>(out.output_registers.size());
  points.outputs = 1;
  out.output_registers.push_back(instructions_.back().dst);
  out.output_operands.push_back(lowerer_.Write(At(members_.size() - 1).node->output));
  step.kind = StepKind::kPointwise;
  step.index = static_cast<std::uint32_t>(out.points.size());
  out.points.push_back(points);
}

bool PointMaker::Make(Step& step) {
  Points points;
  if (!FindInputs() || !FindSpace(points) || !FindRegisters()) return false;
  Store(points, step);
  return true;
}

// In the prologue, which runs as for one example.
bool Lowerer::EmitShared(std::size_t w) {
  Work& work = work_[w];
  const bool real = Type(work.node->output).is_real() &&
                    std::all_of(work.inputs.begin(), work.inputs.end(),
                                [this](ValueId id) { return Type(id).is_real(); });
  if (!fast() || !real) return false;
  if (EmitMatMul(work)) return true;
  Step step;
  if (!PointOf(*work.node) || !PointMaker(*this, {w}).Make(step)) return false;
  Push(step, work);
  return true;
}

bool Lowerer::EmitChain(std::size_t last) {
  std::vector<std::size_t> members = chains_[static_cast<std::size_t>(work_[last].chain)];
  std::reverse(members.begin(), members.end());
  Step step;
  if (PointMaker(*this, members).Make(step)) {
    Push(step, work_[last]);
    return true;
  }
  // Too many axes or registers at once: one node at a time.
  for (const std::size_t member : members) {
    Step alone;
    if (PointMaker(*this, {member}).Make(alone)) {
      Push(alone, work_[member]);
    } else {
      EmitNaive(work_[member]);
    }
  }
  return true;
}

}  // namespace anchorhold::engine
