// How gradients of parameters are summed. For T positions and a p x d parameter with per-example
// gradient V = sum_t g_t a_t^T (Bu et al. 2023, "Differentially Private Optimization on Large Model
// at Small Cost", book-keeping):
//
//   instantiate   V is formed (its cost is the gradient's own), squared and added: 2 p d beyond it
//   ghost         |V|^2 = sum_st (g_s . g_t)(a_s . a_t): T^2 (p + d) / 2, symmetry used; the
//                 group's weighted sum is then one contraction, which is the gradient's own cost
//
// so ghost is taken when T^2 (p + d) < 4 p d, and instantiate when V for the group fits a cache;
// where it would not, ghost. Without privacy the contraction alone is left of ghost.
#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

namespace {

// V of one example beyond this is not kept for a group.
constexpr std::size_t kInstantiatedBytesMax = std::size_t{8} << 20;

std::size_t At(const graph::Shape& shape, std::size_t k) {
  return static_cast<std::size_t>(shape[k]);
}

}  // namespace

Method Lowerer::ChooseMethod(ParameterPlan& plan, bool ghost_possible) const {
  const auto t = static_cast<double>(plan.positions);
  const auto p = static_cast<double>(plan.rows);
  const auto d = static_cast<double>(plan.columns);
  plan.instantiate_cost = 2 * p * d;
  if (!ghost_possible) return Method::kInstantiate;
  plan.ghost_cost = t * t * (p + d) / 2;
  if (options_.norms) return *options_.norms;
  const bool fits = plan.rows * plan.columns * sizeof(float) <= kInstantiatedBytesMax;
  return !fits || plan.ghost_cost < plan.instantiate_cost ? Method::kGhost : Method::kInstantiate;
}

void Lowerer::CountProducts(const ParameterPlan& plan) {
  out_.multiply_adds += static_cast<double>(plan.positions) * static_cast<double>(plan.rows) *
                        static_cast<double>(plan.columns);
}

// A^T G, both by example and with the positions as rows.
bool Lowerer::PlanOuter(const Node& node, std::size_t parameter) {
  if (node.primitive != &primitives::kMatMul || !node.attributes.transpose_a ||
      node.attributes.transpose_b) {
    return false;
  }
  const ValueId g = node.inputs[0];
  const ValueId a = node.inputs[1];
  if (!ByExample(g) || !ByExample(a) || Type(g).rank() != 2 || Type(a).rank() != 2) return false;
  ParameterPlan& plan = out_.parameters[parameter];
  plan.kind = "matrix product";
  plan.positions = At(Type(g).shape, 0);
  plan.rows = At(Type(g).shape, 1);
  plan.columns = At(Type(a).shape, 1);
  plan.method = ChooseMethod(plan, true);
  if (options_.mode == Mode::kTraining) plan.method = Method::kContract;
  if (plan.method == Method::kInstantiate) return false;
  GradientSum& sum = out_.sums[parameter];
  sum.method = plan.method;
  sum.outer = {1, plan.positions, plan.rows, plan.columns, plan.rows, plan.columns};
  CountProducts(plan);
  pending_.push_back({parameter, g, a, false});
  return true;
}

// Without privacy there is no norm to find: what counts is whether two images are transposed for
// less than a gradient of each example is written and added for, by measurement four times as dear.
bool Lowerer::ContractionPays(const ParameterPlan& plan) const {
  if (options_.norms) return *options_.norms == Method::kGhost;
  return 4 * plan.positions * (plan.rows + plan.columns) <= plan.rows * plan.columns;
}

// A convolution with a window of one position and stride 1 is a product whose positions are the
// pixels; images are transposed for it, which pays where they are small.
bool Lowerer::PlanPointConvolution(const Node& node, std::size_t parameter) {
  if (node.primitive != &primitives::kConvWeight) return false;
  const ValueId x = node.inputs[0];
  const ValueId y = node.inputs[1];
  const kernels::ConvolutionShape shape =
      ConvolutionOf(Type(x).shape, Type(y).shape, node.attributes.window);
  ParameterPlan& plan = out_.parameters[parameter];
  plan.kind = "convolution";
  plan.positions = shape.windows.outputs();
  plan.rows = shape.groups * shape.out_channels;
  plan.columns = shape.in_channels * shape.windows.taps();
  bool point = shape.windows.taps() == 1 && shape.groups == 1 && shape.batch == 1 &&
               shape.windows.inputs() == shape.windows.outputs();
  for (std::size_t k = 0; k < shape.windows.axes; ++k) {
    point = point && shape.windows.axis[k].stride == 1 && shape.windows.axis[k].pad == 0;
  }
  point = point && ByExample(x) && ByExample(y);
  plan.method = ChooseMethod(plan, point);
  if (options_.mode == Mode::kTraining) {
    plan.method = point && ContractionPays(plan) ? Method::kContract : Method::kInstantiate;
  }
  if (plan.method == Method::kInstantiate) return false;
  GradientSum& sum = out_.sums[parameter];
  sum.method = plan.method;
  sum.outer = {1, plan.positions, plan.rows, plan.columns, plan.rows, plan.columns};
  CountProducts(plan);
  pending_.push_back({parameter, y, x, plan.positions > 1});
  return true;
}

// Rows of a table [rows, d], read by one index each.
bool Lowerer::PlanSparse(const Node& node, std::size_t parameter) {
  if (node.primitive != &primitives::kGatherGrad || node.attributes.axis != 0) return false;
  const graph::Shape& table = Type(node.output).shape;
  const ValueId indices = node.inputs[0];
  const ValueId g = node.inputs[1];
  if (table.size() != 2 || !ByExample(g)) return false;
  const ValueId row = RepeatedRow(g, At(table, 1));
  ParameterPlan& plan = out_.parameters[parameter];
  plan.kind = "table";
  plan.method = Method::kSparse;
  plan.positions = Size(indices);
  plan.rows = At(table, 0);
  plan.columns = At(table, 1);
  GradientSum& sum = out_.sums[parameter];
  sum.method = Method::kSparse;
  sum.table_rows = plan.rows;
  sum.outer = {1, plan.positions, 0, plan.columns, 0, plan.columns};
  sum.repeated = row != kNoValue;
  pending_.push_back({parameter, sum.repeated ? row : g, indices, false});
  return true;
}

// The one row [d] that is repeated to make up g, as the gradient of a sum of rows is; nothing else
// is to read g, which is then never written.
ValueId Lowerer::RepeatedRow(ValueId g, std::size_t d) {
  const int maker = work_of_[Index(Root(g))];
  std::size_t user = 0;
  if (maker < 0 || is_gradient_[Index(Root(g))] || !OnlyUserIs(g, user)) return kNoValue;
  Work& repeats = work_[static_cast<std::size_t>(maker)];
  if (repeats.absorbed || repeats.node->primitive != &primitives::kBroadcastTo) return kNoValue;
  const ValueId row = repeats.inputs[0];
  const graph::Shape& shape = Type(row).shape;
  if (!ByExample(row) || Size(row) != d || shape.empty() || At(shape, shape.size() - 1) != d) {
    return kNoValue;
  }
  repeats.absorbed = true;
  return row;
}

void Lowerer::PlanSum(std::size_t parameter) {
  const ValueId id = goal_.gradients[parameter];
  GradientSum& sum = out_.sums[parameter];
  ParameterPlan& plan = out_.parameters[parameter];
  sum.offset = goal_.parameter_offsets[parameter];
  sum.numbers = goal_.parameter_offsets[parameter + 1] - sum.offset;
  plan.numbers = sum.numbers;
  if (id == kNoValue) return;
  const Node* node = graph_.producer(Root(id));
  const bool alone = node != nullptr && users_[Index(Root(id))].empty() && fast();
  if (alone && (PlanOuter(*node, parameter) || PlanPointConvolution(*node, parameter) ||
                PlanSparse(*node, parameter))) {
    work_[static_cast<std::size_t>(work_of_[Index(Root(id))])].absorbed = true;
    return;
  }
  if (plan.kind.empty()) {
    plan.kind = "direct";
    plan.rows = plan.numbers;
    plan.columns = 1;
  }
  plan.method = Method::kInstantiate;
  sum.method = Method::kInstantiate;
  pending_.push_back({parameter, id, kNoValue, false});
}

void Lowerer::FindSums() {
  out_.sums.resize(goal_.gradients.size());
  out_.parameters.resize(goal_.gradients.size());
  is_gradient_.assign(graph_.values().size(), false);
  for (const ValueId id : goal_.gradients) {
    if (id != kNoValue) is_gradient_[Index(Root(id))] = true;
  }
  for (std::size_t p = 0; p < goal_.gradients.size(); ++p) PlanSum(p);
  for (const PendingSum& pending : pending_) {
    kept_[Index(Root(pending.gradient))] = true;
    if (pending.other != kNoValue) kept_[Index(Root(pending.other))] = true;
  }
}

// A gradient that is only summed may stay in the order in which its kernel leaves it.
void Lowerer::OrderWeights(const Work& work, Step& step) {
  if (step.kind != StepKind::kConvolutionWeight || step.convolution.batch != 1 ||
      !users_[Index(Root(work.output))].empty()) {
    return;
  }
  std::vector<GradientSum*> sums;
  for (const PendingSum& pending : pending_) {
    const bool other = pending.other != kNoValue && Root(pending.other) == Root(work.output);
    if (Root(pending.gradient) != Root(work.output) && !other) continue;
    // Rows of a table, or a factor of a contraction.
    if (other || out_.sums[pending.parameter].method != Method::kInstantiate) return;
    sums.push_back(&out_.sums[pending.parameter]);
  }
  const std::size_t taps = step.convolution.windows.taps();
  if (sums.empty() || taps > TapOrder::kTapsMost ||
      !options_.kernels.convolution->weight_by_taps(step.convolution)) {
    return;
  }
  for (GradientSum* sum : sums) sum->order = {step.convolution.in_channels, taps};
  step.by_taps = true;
}

// What a gradient's norm needs is computed where the gradient is, while it is in the cache.
void Lowerer::SquareWeights(const Work& work, Step& step) {
  if (step.kind != StepKind::kConvolutionWeight || options_.mode != Mode::kPrivateTraining ||
      step.convolution.batch != 1) {
    return;
  }
  for (const PendingSum& pending : pending_) {
    GradientSum& sum = out_.sums[pending.parameter];
    if (sum.method != Method::kInstantiate || Root(pending.gradient) != Root(work.output)) continue;
    if (!step.has_second) step.out[1] = NewBuffer(sizeof(double) / sizeof(float));
    step.has_second = true;
    sum.squares = step.out[1];
  }
  if (step.has_second) Keep(step.out[1]);
}

// [channels, pixels] to [pixels, channels].
void Lowerer::EmitTransposed(ValueId image, Operand& out) {
  const std::size_t channels = At(Type(image).shape, 1);
  const std::size_t pixels = Size(image) / channels;
  Step step;
  step.kind = StepKind::kPermute;
  step.in[0] = Read(image);
  step.axes = 2;
  step.sizes = {pixels, channels};
  step.strides = {1, pixels};
  step.out[0] = NewBuffer(Size(image));
  out = step.out[0];
  Push(step, true, false);
}

void Lowerer::EmitSums() {
  for (const PendingSum& pending : pending_) {
    GradientSum& sum = out_.sums[pending.parameter];
    if (pending.transposed_images) {
      EmitTransposed(pending.gradient, sum.gradient);
      EmitTransposed(pending.other, sum.other);
    } else {
      sum.gradient = Read(pending.gradient);
      if (pending.other != kNoValue) sum.other = Read(pending.other);
    }
    Keep(sum.gradient);
    if (pending.other != kNoValue) Keep(sum.other);
    if (sum.method == Method::kSparse && !sum.repeated && options_.mode == Mode::kPrivateTraining) {
      sum.raw = sum.gradient;
      if (IsReadTwice(pending.gradient)) {
        sum.gradient = NewBuffer(sum.outer.positions * sum.outer.d);
        Keep(sum.gradient);
      }
    }
  }
}

// By the sums of gradients; every step has run before them.
bool Lowerer::IsReadTwice(ValueId id) const {
  std::size_t reads = 0;
  for (const PendingSum& pending : pending_) {
    reads += Root(pending.gradient) == Root(id) ? 1 : 0;
    reads += pending.other != kNoValue && Root(pending.other) == Root(id) ? 1 : 0;
  }
  return reads > 1;
}

}  // namespace anchorhold::engine
