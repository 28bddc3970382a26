// Steps that move numbers and change none.
#include <utility>

#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::ElementCount;
using graph::Node;
using graph::Shape;
using graph::ValueId;

// Transposes, broadcasts and slices: one input read with strides.
bool Lowerer::EmitLayout(Work& work) {
  const Node& node = *work.node;
  if (!Type(work.inputs[0]).is_real() || !ByExample(work.inputs[0])) return false;
  const Shape& in = Type(work.inputs[0]).shape;
  const Shape& out = Type(node.output).shape;
  std::vector<std::size_t> strides(in.size());
  std::size_t stride = 1;
  for (std::size_t k = in.size(); k-- > 0;) {
    strides[k] = stride;
    stride *= static_cast<std::size_t>(in[k]);
  }
  Step step;
  step.kind = StepKind::kPermute;
  if (out.size() > kPermuteAxesMax) return false;
  step.axes = out.size();
  for (std::size_t k = 0; k < out.size(); ++k) step.sizes[k] = static_cast<std::size_t>(out[k]);
  if (node.primitive == &primitives::kTranspose) {
    for (std::size_t k = 0; k < out.size(); ++k) {
      step.strides[k] = strides[static_cast<std::size_t>(node.attributes.dims[k])];
    }
  } else if (node.primitive == &primitives::kBroadcastTo) {
    for (std::size_t k = 0; k < in.size(); ++k) {
      const std::size_t at = out.size() - in.size() + k;
      step.strides[at] = in[k] == 1 ? 0 : strides[k];
    }
  } else if (node.primitive == &primitives::kSlice) {
    const auto axis = static_cast<std::size_t>(node.attributes.axis);
    std::copy(strides.begin(), strides.end(), step.strides.begin());
    step.n = static_cast<std::size_t>(node.attributes.dims[0]) * strides[axis];
  } else {
    return false;
  }
  step.in[0] = Read(work.inputs[0]);
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

// Places along an axis, and the gradient of that. (A table's gradient is no step: sums take it.)
std::optional<Step> Lowerer::TakeStep(const Work& work) const {
  const Node& node = *work.node;
  const bool put = node.primitive == &primitives::kGatherGrad;
  if (node.primitive != &primitives::kGather && !put) return std::nullopt;
  const ValueId moved = work.inputs[put ? 1 : 0];
  if (!Type(moved).is_real() || (put && !ByExample(moved))) return std::nullopt;
  const Shape& whole = Type(put ? node.output : moved).shape;
  const auto axis = static_cast<std::size_t>(node.attributes.axis);
  Step step;
  step.kind = put ? StepKind::kPut : StepKind::kTake;
  step.outer = ElementCount(std::span(whole).first(axis));
  step.n = static_cast<std::size_t>(whole[axis]);
  step.inner = ElementCount(std::span(whole).subspan(axis + 1));
  step.sizes[0] = Size(work.inputs[put ? 0 : 1]);
  return step;
}

bool Lowerer::EmitTake(Work& work) {
  std::optional<Step> step = TakeStep(work);
  if (!step) return false;
  const bool put = step->kind == StepKind::kPut;
  step->in[0] = Read(work.inputs[put ? 1 : 0]);
  step->in[1] = Read(work.inputs[put ? 0 : 1]);
  step->out[0] = Write(work.node->output);
  Push(*step, work);
  return true;
}

// The largest number along neighbouring axes: a pool whose only window is all of them.
bool Lowerer::EmitLargest(Work& work) {
  const Node& node = *work.node;
  if (node.primitive != &primitives::kMaxOver || !IsDense(node.inputs[0])) return false;
  const std::optional<SumAxes> axes = AxesOf(Type(node.inputs[0]).shape, Type(node.output).shape);
  if (!axes) return false;
  Step step;
  step.kind = StepKind::kMaxPool;
  step.outer = axes->outer;
  step.convolution.windows.axes = 2;
  kernels::WindowAxis& rows = step.convolution.windows.axis[0];
  kernels::WindowAxis& columns = step.convolution.windows.axis[1];
  rows.in = rows.kernel = static_cast<std::int64_t>(axes->n);
  columns.in = columns.out = static_cast<std::int64_t>(axes->inner);
  if (axes->inner == 1) std::swap(rows, columns);
  step.in[0] = Read(node.inputs[0]);
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

bool Lowerer::EmitConcat(Work& work) {
  const Node& node = *work.node;
  if (node.primitive != &primitives::kConcat) return false;
  const Shape& out = Type(node.output).shape;
  Step step;
  step.kind = StepKind::kConcat;
  step.outer = ElementCount(std::span(out).first(static_cast<std::size_t>(node.attributes.axis)));
  step.n = work.inputs.size();
  step.index = static_cast<std::uint32_t>(out_.point_operands.size());
  for (const ValueId id : work.inputs) out_.point_operands.push_back(Read(id));
  out_.point_inputs.resize(out_.point_operands.size());  // the tables go side by side
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

// Along one axis; the gradient of a slice is such a one.
bool Lowerer::EmitPad(Work& work) {
  const Node& node = *work.node;
  if (node.primitive != &primitives::kPad || !ByExample(work.inputs[0])) return false;
  const Shape& in = Type(work.inputs[0]).shape;
  const Shape& dims = node.attributes.dims;
  std::size_t axis = 0;
  std::size_t padded = 0;
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (dims[k] == 0 && dims[in.size() + k] == 0) continue;
    axis = k;
    ++padded;
  }
  if (padded != 1) return false;
  const std::size_t run = ElementCount(std::span(in).subspan(axis + 1));
  Step step;
  step.kind = StepKind::kPad;
  step.outer = ElementCount(std::span(in).first(axis));
  step.inner = run * static_cast<std::size_t>(in[axis]);
  step.sizes[0] = run * static_cast<std::size_t>(dims[axis]);
  step.sizes[1] = run * static_cast<std::size_t>(dims[in.size() + axis]);
  step.low = static_cast<float>(node.attributes.alpha);
  step.in[0] = Read(work.inputs[0]);
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

}  // namespace anchorhold::engine
