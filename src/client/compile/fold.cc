#include "client/compile/fold.h"

#include <algorithm>
#include <optional>
#include <set>

#include "client/compile/moves.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/float_mode.h"

namespace anchorhold::client {
namespace {

namespace primitives = graph::primitives;
using engine::Operand;
using engine::Space;
using engine::Step;
using engine::StepKind;

class Folder {
 public:
  explicit Folder(const engine::LoweredProgram& program) : program_(program) {
    out_.integers = program.integers;
  }
  FoldedProgram Run();

 private:
  bool IsConstant(const Operand& operand) const;
  bool IsConstant(const Step& step) const;
  void Compute(const Step& step);
  std::optional<Step> Strided(const Step& step) const;
  std::optional<Step> Moved(const Step& step);

  const engine::LoweredProgram& program_;
  FoldedProgram out_;
  std::set<std::size_t> known_;  // offsets in the shared space of what is computed
};

bool Folder::IsConstant(const Operand& operand) const {
  return operand.space == Space::kReals || operand.space == Space::kIntegers ||
         (operand.space == Space::kShared && known_.count(operand.offset) == 1);
}

bool Folder::IsConstant(const Step& step) const {
  const std::vector<Operand>& inputs = program_.naive_inputs[step.index];
  return std::all_of(inputs.begin(), inputs.end(),
                     [this](const Operand& operand) { return IsConstant(operand); });
}

void Folder::Compute(const Step& step) {
  const kernels::FlushSubnormals flush;
  out_.shared.resize(program_.shared_bytes);
  engine::Frame frame;
  frame.examples = 1;
  const auto at = [&frame](Space space) -> std::byte*& {
    return frame.base[static_cast<std::size_t>(space)];
  };
  at(Space::kShared) = reinterpret_cast<std::byte*>(out_.shared.data());
  // Read only: these spaces are never an output's.
  at(Space::kReals) = reinterpret_cast<std::byte*>(const_cast<float*>(program_.reals.data()));
  at(Space::kIntegers) =
      reinterpret_cast<std::byte*>(const_cast<std::int64_t*>(program_.integers.data()));
  engine::RunStep(step, program_.Tables(), {}, frame);
  known_.insert(step.out[0].offset);
}

// Numbers that only lie elsewhere afterwards, as a step of strides.
std::optional<Step> Folder::Strided(const Step& step) const {
  const graph::Node& node = *program_.naive[step.index];
  const std::vector<Operand>& inputs = program_.naive_inputs[step.index];
  if (inputs.empty() || node.inputs.empty()) return std::nullopt;
  const graph::ValueType& from = program_.graph->type(node.inputs[0]);
  const graph::Shape& in = from.shape;
  const graph::Shape& out = program_.graph->type(node.output).shape;
  if (!from.is_real() || out.size() > engine::kPermuteAxesMax) return std::nullopt;
  std::vector<std::size_t> strides(in.size(), 1);
  for (std::size_t k = in.size(); k-- > 1;) {
    strides[k - 1] = strides[k] * static_cast<std::size_t>(in[k]);
  }
  Step moved;
  moved.kind = StepKind::kPermute;
  moved.in[0] = inputs[0];
  moved.out[0] = step.out[0];
  moved.axes = out.size();
  for (std::size_t k = 0; k < out.size(); ++k) moved.sizes[k] = static_cast<std::size_t>(out[k]);
  if (node.primitive == &primitives::kTranspose) {
    for (std::size_t k = 0; k < out.size(); ++k) {
      moved.strides[k] = strides[static_cast<std::size_t>(node.attributes.dims[k])];
    }
    return moved;
  }
  if (node.primitive == &primitives::kBroadcastTo) {
    for (std::size_t k = 0; k < in.size(); ++k) {
      moved.strides[out.size() - in.size() + k] = in[k] == 1 ? 0 : strides[k];
    }
    return moved;
  }
  if (node.primitive == &primitives::kSlice) {
    const auto axis = static_cast<std::size_t>(node.attributes.axis);
    std::copy(strides.begin(), strides.end(), moved.strides.begin());
    moved.n = static_cast<std::size_t>(node.attributes.dims[0]) * strides[axis];
    return moved;
  }
  return std::nullopt;
}

// Numbers that move to places which constants tell.
std::optional<Step> Folder::Moved(const Step& step) {
  const std::vector<Operand>& operands = program_.naive_inputs[step.index];
  const graph::Node& node = *program_.naive[step.index];
  std::vector<const std::int64_t*> constants(operands.size(), nullptr);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (program_.graph->type(node.inputs[i]).is_real()) continue;
    if (!IsConstant(operands[i])) return std::nullopt;
    const bool shared = operands[i].space == Space::kShared;
    const auto* base = shared ? reinterpret_cast<const std::byte*>(out_.shared.data())
                              : reinterpret_cast<const std::byte*>(program_.integers.data());
    constants[i] = reinterpret_cast<const std::int64_t*>(base + operands[i].offset);
  }
  const std::optional<Places> places = PlacesOf(*program_.graph, node, constants);
  if (!places) return std::nullopt;
  Step moved;
  moved.kind = StepKind::kMove;
  std::size_t count = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (constants[i] == nullptr) moved.in[count++] = operands[i];
  }
  moved.in[engine::kMoveInputsMax] = {Space::kIntegers, out_.integers.size() * sizeof(std::int64_t),
                                      0, places->places.size()};
  moved.out[0] = step.out[0];
  moved.has_second = places->sums;
  out_.integers.insert(out_.integers.end(), places->places.begin(), places->places.end());
  return moved;
}

FoldedProgram Folder::Run() {
  for (const Step& step : program_.prologue) {
    if (step.kind != StepKind::kNaive) {
      out_.prologue.push_back(step);
    } else if (IsConstant(step)) {
      Compute(step);
    } else {
      std::optional<Step> other = Strided(step);
      if (!other) other = Moved(step);
      out_.prologue.push_back(other.value_or(step));
    }
  }
  const auto fold = [this](const std::vector<Step>& steps, std::vector<Step>& out) {
    for (const Step& step : steps) {
      out.push_back(step.kind == StepKind::kNaive ? Moved(step).value_or(step) : step);
    }
  };
  fold(program_.forward, out_.forward);
  fold(program_.backward, out_.backward);
  return std::move(out_);
}

}  // namespace

FoldedProgram Fold(const engine::LoweredProgram& program) { return Folder(program).Run(); }

}  // namespace anchorhold::client
