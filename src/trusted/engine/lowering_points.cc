// Chains of elementwise nodes as programs of simd/pointwise.h: registers, strides, joined axes.
#include <algorithm>

#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"

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

// Functions of one or two numbers whose parameters are alpha and beta.
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
};

std::optional<PointOp> OpOf(const Node& node) {
  const bool by_tanh = node.attributes.mode != 0;
  if (node.primitive == &primitives::kGelu) {
    return by_tanh ? PointOp::kGeluTanh : PointOp::kGeluErf;
  }
  if (node.primitive == &primitives::kGeluGrad) {
    return by_tanh ? PointOp::kGeluTanhGrad : PointOp::kGeluErfGrad;
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

// An outside input of a chain under construction: its strides, axis 0 being the examples.
struct Outside {
  ValueId root = graph::kNoValue;
  Operand operand;
  bool dense = false;
  Shape shape;  // as its node reads it
  std::vector<std::size_t> strides;
};

// Joins neighbouring axes that all inputs walk alike (the outputs are dense).
void JoinAxes(std::vector<std::size_t>& sizes, std::vector<Outside>& inputs, bool keep_first) {
  for (std::size_t k = sizes.size(); k-- > 1;) {
    if (k == 1 && keep_first) break;
    const bool alike = std::all_of(inputs.begin(), inputs.end(), [&](const Outside& in) {
      return in.strides[k - 1] == in.strides[k] * sizes[k];
    });
    if (!alike) continue;
    sizes[k - 1] *= sizes[k];
    sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(k));
    for (Outside& in : inputs) {
      in.strides[k - 1] = in.strides[k];
      in.strides.erase(in.strides.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
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

// `members` in the order in which they run; the last one's value is the chain's.
bool Lowerer::MakePoints(const std::vector<std::size_t>& members, Step& step) {
  const Work& last = work_[members.back()];
  const Shape& whole = Type(last.node->output).shape;
  const std::size_t size = Size(last.node->output);
  std::vector<std::size_t> sizes = {1};
  for (const std::int64_t dim : whole) sizes.push_back(static_cast<std::size_t>(dim));

  const auto is_member = [&](ValueId id) {
    return std::any_of(members.begin(), members.end(), [&](std::size_t m) {
      return Root(work_[m].node->output) == Root(id);
    });
  };
  std::vector<Outside> inputs;
  const auto find = [&](ValueId id, const Shape& shape) -> std::size_t {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].root == Root(id) && (inputs[i].dense || inputs[i].shape == shape)) return i;
    }
    return inputs.size();
  };
  // A broadcast input is read over its own node's shape, which then is the chain's but for ones.
  for (const std::size_t m : members) {
    for (const ValueId id : work_[m].inputs) {
      if (is_member(id) || find(id, Type(id).shape) < inputs.size()) continue;
      Outside in{Root(id), Read(id), ByExample(id) && Size(id) == size, Type(id).shape, {}};
      const Shape& over = Type(work_[m].node->output).shape;
      std::vector<std::size_t> strides;
      if (in.dense) {
        Broadcast(whole, whole, strides);
      } else {
        if (!Broadcast(Type(id).shape, over, strides)) return false;
        // From `over`'s axes to `whole`'s: the same up to axes of one.
        std::vector<std::size_t> mapped(whole.size(), 0);
        std::size_t k = 0;
        for (std::size_t axis = 0; axis < over.size(); ++axis) {
          if (over[axis] == 1) continue;
          while (k < whole.size() && whole[k] == 1) ++k;
          if (k == whole.size() || whole[k] != over[axis]) return false;
          mapped[k++] = strides[axis];
        }
        strides = std::move(mapped);
      }
      in.strides = std::move(strides);
      in.strides.insert(in.strides.begin(), in.operand.stride / sizeof(float));
      inputs.push_back(std::move(in));
    }
  }
  if (inputs.size() >= simd::kPointRegistersMax) return false;

  Points points;
  // The examples' axis joins the others only if everything is dense: then its size does not matter.
  points.examples_merged = std::all_of(inputs.begin(), inputs.end(),
                                       [](const Outside& in) { return in.dense; });
  if (points.examples_merged) {
    sizes = {size};
    for (Outside& in : inputs) in.strides = {1};
  } else {
    for (std::size_t k = sizes.size(); k-- > 1;) {
      if (sizes[k] != 1) continue;
      sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(k));
      for (Outside& in : inputs) {
        in.strides.erase(in.strides.begin() + static_cast<std::ptrdiff_t>(k));
      }
    }
    if (sizes.size() == 1) {
      sizes.push_back(1);
      for (Outside& in : inputs) in.strides.push_back(1);
    }
    JoinAxes(sizes, inputs, true);
  }
  if (sizes.size() > simd::kPointAxesMax) return false;
  for (const Outside& in : inputs) {
    if (in.strides.back() > 1) return false;
  }

  Registers registers(inputs.size());
  std::vector<std::size_t> register_of(members.size(), simd::kPointRegistersMax);
  std::vector<simd::PointInstruction> instructions;
  const auto operand_register = [&](ValueId id, std::size_t before) -> std::size_t {
    for (std::size_t m = 0; m < before; ++m) {
      if (Root(work_[members[m]].node->output) == Root(id)) return register_of[m];
    }
    return find(id, Type(id).shape);
  };
  const auto read_later = [&](std::size_t m, std::size_t after) {
    for (std::size_t k = after + 1; k < members.size(); ++k) {
      for (const ValueId id : work_[members[k]].inputs) {
        if (Root(id) == Root(work_[members[m]].node->output)) return true;
      }
    }
    return false;
  };
  for (std::size_t m = 0; m < members.size(); ++m) {
    const Work& work = work_[members[m]];
    simd::PointInstruction instruction = *PointOf(*work.node);
    instruction.a = static_cast<std::uint8_t>(operand_register(work.inputs[0], m));
    if (work.inputs.size() > 1) {
      instruction.b = static_cast<std::uint8_t>(operand_register(work.inputs[1], m));
    }
    for (std::size_t k = 0; k < m; ++k) {
      if (register_of[k] == simd::kPointRegistersMax || read_later(k, m)) continue;
      const bool read_now = std::any_of(work.inputs.begin(), work.inputs.end(), [&](ValueId id) {
        return Root(id) == Root(work_[members[k]].node->output);
      });
      if (!read_now) continue;
      registers.Release(register_of[k]);
      register_of[k] = simd::kPointRegistersMax;
    }
    const std::size_t dst = registers.Take();
    if (dst >= simd::kPointRegistersMax) return false;
    register_of[m] = dst;
    instruction.dst = static_cast<std::uint8_t>(dst);
    instructions.push_back(instruction);
  }

  points.axes = sizes.size();
  std::copy(sizes.begin(), sizes.end(), points.sizes.begin());
  points.first_input = static_cast<std::uint32_t>(out_.point_inputs.size());
  points.inputs = static_cast<std::uint32_t>(inputs.size());
  for (const Outside& in : inputs) {
    simd::PointInput input;
    std::copy(in.strides.begin(), in.strides.end(), input.strides.begin());
    out_.point_inputs.push_back(input);
    out_.point_operands.push_back(in.operand);
  }
  points.first_instruction = static_cast<std::uint32_t>(out_.instructions.size());
  points.instructions = static_cast<std::uint32_t>(instructions.size());
  out_.instructions.insert(out_.instructions.end(), instructions.begin(), instructions.end());
  points.first_output = static_cast<std::uint32_t>(out_.output_registers.size());
  points.outputs = 1;
  out_.output_registers.push_back(instructions.back().dst);
  out_.output_operands.push_back(Write(last.node->output));
  step.kind = StepKind::kPointwise;
  step.index = static_cast<std::uint32_t>(out_.points.size());
  out_.points.push_back(points);
  return true;
}

bool Lowerer::EmitChain(std::size_t last) {
  std::vector<std::size_t> members = chains_[static_cast<std::size_t>(work_[last].chain)];
  std::reverse(members.begin(), members.end());
  Step step;
  if (MakePoints(members, step)) {
    Push(step, work_[last]);
    return true;
  }
  // Too many axes or registers at once: one node at a time.
  for (const std::size_t member : members) {
    Step alone;
    if (MakePoints({member}, alone)) {
      Push(alone, work_[member]);
    } else {
      EmitNaive(work_[member]);
    }
  }
  return true;
}

}  // namespace anchorhold::engine
