#include <algorithm>

#include "shared/base/check.h"
#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/windows.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::ElementCount;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

namespace {

std::size_t FromEnd(const Shape& shape, std::size_t k) {
  return static_cast<std::size_t>(shape[shape.size() - k]);
}

// Examples whose products with a weight are one product, for a choice that must not depend on how
// many they are.
constexpr std::size_t kGroupLikely = 8;

// The product of the axes before the last two.
std::size_t Leading(const Shape& shape) {
  return ElementCount(std::span(shape).first(shape.size() - 2));
}

}  // namespace

std::optional<Product> ProductOf(const Shape& a, const Shape& b, const Shape& y,
                                 const graph::Attributes& attributes) {
  Product product;
  simd::GemmShape& shape = product.shape;
  shape.transpose_a = attributes.transpose_a;
  shape.transpose_b = attributes.transpose_b;
  shape.lda = FromEnd(a, 1);
  shape.ldb = FromEnd(b, 1);
  shape.ldc = FromEnd(y, 1);
  shape.rows = FromEnd(y, 2);
  shape.columns = FromEnd(y, 1);
  shape.inner = attributes.transpose_a ? FromEnd(a, 2) : FromEnd(a, 1);
  const std::size_t count = Leading(y);
  const std::size_t of_a = Leading(a);
  const std::size_t of_b = Leading(b);
  if ((of_a != count && of_a != 1) || (of_b != count && of_b != 1)) return std::nullopt;
  product.batch.count = count;
  product.batch.stride_a = of_a == 1 && count != 1 ? 0 : shape.lda * FromEnd(a, 2);
  product.batch.stride_b = of_b == 1 && count != 1 ? 0 : shape.ldb * FromEnd(b, 2);
  product.batch.stride_c = shape.rows * shape.columns;
  return product;
}

kernels::ConvolutionShape ConvolutionOf(const Shape& x, const Shape& y,
                                        const graph::Window& window) {
  const auto groups = static_cast<std::size_t>(window.groups);
  return {static_cast<std::size_t>(x[0]), groups, static_cast<std::size_t>(x[1]) / groups,
          static_cast<std::size_t>(y[1]) / groups,
          graph::KernelWindows(window, graph::SpatialSizes(x), graph::SpatialSizes(y))};
}

void Lowerer::EmitSteps() {
  for (std::size_t w = 0; w < work_.size(); ++w) {
    const bool last_of_chain =
        work_[w].chain >= 0 && chains_[static_cast<std::size_t>(work_[w].chain)][0] == w;
    if (work_[w].absorbed && !last_of_chain) continue;
    Emit(w);
  }
  out_.first_pack = out_.prologue.size();
  for (Step& step : packs_) out_.prologue.push_back(std::move(step));
}

void Lowerer::Emit(std::size_t w) {
  Work& work = work_[w];
  if (!ByExample(work.node->output)) {
    if (!EmitShared(w)) EmitNaive(work);
    return;
  }
  if (fast()) {
    if (work.chain >= 0) {
      EmitChain(w);
      return;
    }
    if (EmitNormaliseGrad(w) || EmitFast(work)) return;
  }
  EmitNaive(work);
}

bool Lowerer::EmitFast(Work& work) {
  if (!Type(work.node->output).is_real()) return false;
  return EmitMatMul(work) || EmitConvolution(work) || EmitNormalise(work) || EmitSum(work) ||
         EmitRows(work) || EmitPool(work) || EmitLayout(work) || EmitTake(work) ||
         EmitLargest(work) || EmitConcat(work) || EmitPad(work);
}

std::optional<Step> Lowerer::ProductStep(const Work& work) const {
  const Node& node = *work.node;
  if (node.primitive != &primitives::kMatMul) return std::nullopt;
  const ValueId a = work.inputs[0];
  const ValueId b = work.inputs[1];
  const std::optional<Product> product =
      engine::ProductOf(Type(a).shape, Type(b).shape, Type(node.output).shape, node.attributes);
  if (!product) return std::nullopt;
  Step step;
  step.kind = StepKind::kMatMul;
  step.gemm = product->shape;
  step.batch = product->batch;
  const bool shared_a = !ByExample(a);
  const bool shared_b = !ByExample(b);
  const std::size_t count = step.batch.count;
  if (shared_b && !step.gemm.transpose_a && step.batch.stride_b == 0 && !shared_a) {
    step.gemm.rows *= count;  // all matrices of the batch are rows of one
    step.batch = {};
  }
  if (shared_b && !step.gemm.transpose_a && step.batch.count == 1) {
    step.fold_rows = true;
    step.gemm.tiles =
        simd::WorthTiles(kGroupLikely * step.gemm.rows, step.gemm.inner, step.gemm.columns);
    return step;
  }
  step.gemm.tiles = simd::WorthTiles(step.gemm.rows, step.gemm.inner, step.gemm.columns);
  // The batch goes on over the examples, so the strides must as well.
  if (step.batch.count == 1) {
    if (shared_a) step.batch.stride_a = 0;
    if (shared_b) step.batch.stride_b = 0;
    return step;
  }
  const bool a_goes_on = shared_a == (step.batch.stride_a == 0);
  const bool b_goes_on = shared_b == (step.batch.stride_b == 0);
  if (!a_goes_on || !b_goes_on) return std::nullopt;
  return step;
}

void Lowerer::TakeEpilogue(const Work& work, Step& step) {
  step.has_bias = work.bias != kNoValue;
  if (step.has_bias) step.in[2] = Read(work.bias);
  step.clip = work.clip;
  step.low = work.bounds.low;
  step.high = work.bounds.high;
}

bool Lowerer::EmitMatMul(Work& work) {
  std::optional<Step> step = ProductStep(work);
  if (!step) return false;
  step->in[0] = Read(work.inputs[0]);
  step->in[1] = Read(work.inputs[1]);
  TakeEpilogue(work, *step);
  step->out[0] = Write(work.output);
  if (ByExample(work.node->output)) {
    out_.multiply_adds +=
        static_cast<double>(Size(work.node->output)) * static_cast<double>(step->gemm.inner);
  }
  Push(*step, work);
  return true;
}

std::optional<Step> Lowerer::ConvolutionStep(const Work& work) const {
  const Node& node = *work.node;
  const bool forward = node.primitive == &primitives::kConv;
  const bool input = node.primitive == &primitives::kConvInput;
  if (!forward && !input && node.primitive != &primitives::kConvWeight) return std::nullopt;
  const ValueId a = work.inputs[0];
  const ValueId b = work.inputs[1];
  const Shape& x = Type(input ? node.output : a).shape;
  const Shape& y = Type(forward ? node.output : input ? a : b).shape;
  Step step;
  step.kind = forward ? StepKind::kConvolution
              : input ? StepKind::kConvolutionInput
                      : StepKind::kConvolutionWeight;
  step.convolution = ConvolutionOf(x, y, node.attributes.window);
  if (IsVolume(step.convolution)) step.convolution = FlatConvolution(step.convolution);
  // The filter is everybody's.
  if (!options_.kernels.convolution->serves(step.convolution) || !ByExample(a) ||
      ByExample(b) != (!forward && !input)) {
    return std::nullopt;
  }
  return step;
}

bool Lowerer::EmitConvolution(Work& work) {
  std::optional<Step> step = ConvolutionStep(work);
  if (!step) return false;
  const kernels::ConvolutionShape& shape = step->convolution;
  out_.multiply_adds += static_cast<double>(shape.batch * shape.groups * shape.out_channels *
                                            shape.windows.outputs() * shape.in_channels) *
                        static_cast<double>(shape.windows.taps());
  const Node& node = *work.node;
  const bool input = step->kind == StepKind::kConvolutionInput;
  const bool forward = step->kind == StepKind::kConvolution;
  const kernels::ConvolutionShape whole = ConvolutionOf(
      Type(input ? node.output : node.inputs[0]).shape,
      Type(forward ? node.output : node.inputs[input ? 0 : 1]).shape, node.attributes.window);
  if (IsVolume(whole)) {
    EmitVolume(work, *step, whole);
    return true;
  }
  step->in[0] = Read(work.inputs[0]);
  step->in[1] = Read(work.inputs[1]);
  PackFilter(*step);
  if ((step->packed || step->kind == StepKind::kConvolutionWeight) &&
      options_.kernels.convolution->minimal(shape, MapOf(step->kind))) {
    ++out_.minimal_steps;
  }
  TakeEpilogue(work, *step);
  step->out[0] = Write(work.output);
  OrderWeights(work, *step);
  SquareWeights(work, *step);
  Push(*step, work);
  return true;
}

// A batch of training brings many groups; one that is to be predicted may be a single example,
// which would not be worth it.
void Lowerer::PackFilter(Step& step) {
  if (step.kind == StepKind::kConvolutionWeight || options_.mode == Mode::kInference) return;
  Step pack;
  pack.kind = StepKind::kPackFilter;
  pack.convolution = step.convolution;
  pack.map = MapOf(step.kind);
  const std::size_t floats = options_.kernels.convolution->packed(pack.convolution, pack.map);
  if (floats == 0) return;
  pack.in[0] = step.in[1];
  pack.out[0] = NewBuffer(floats, Space::kShared);
  step.in[1] = pack.out[0];
  step.packed = true;
  packs_.push_back(std::move(pack));
}

bool Lowerer::EmitPool(Work& work) {
  const Node& node = *work.node;
  Step step;
  if (node.primitive == &primitives::kMaxPool) {
    step.kind = StepKind::kMaxPool;
  } else if (node.primitive == &primitives::kMaxPoolGrad) {
    step.kind = StepKind::kMaxPoolGrad;
  } else if (node.primitive == &primitives::kAveragePool) {
    step.kind = StepKind::kAveragePool;
  } else if (node.primitive == &primitives::kAveragePoolGrad) {
    step.kind = StepKind::kAveragePoolGrad;
  } else {
    return false;
  }
  const Shape& in = Type(work.inputs[0]).shape;
  const Shape& out = Type(node.output).shape;
  const bool average_back = step.kind == StepKind::kAveragePoolGrad;
  const Shape& x = average_back ? out : in;
  const Shape& y = average_back                          ? in
                   : step.kind == StepKind::kMaxPoolGrad ? Type(work.inputs[1]).shape
                                                         : out;
  step.convolution.windows =
      graph::KernelWindows(node.attributes.window, graph::SpatialSizes(x), graph::SpatialSizes(y));
  const std::size_t axes = step.convolution.windows.axes;
  if (axes == 0 || axes > 3) return false;
  step.outer = static_cast<std::size_t>(x[0] * x[1]);
  step.divisor = static_cast<kernels::Divisor>(node.attributes.mode);
  for (const ValueId id : work.inputs) {
    if (!IsDense(id)) return false;
  }
  if (axes == 3) return EmitVolumePool(work, step);
  for (std::size_t i = 0; i < work.inputs.size(); ++i) step.in[i] = Read(work.inputs[i]);
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

bool Lowerer::EmitRows(Work& work) {
  const Node& node = *work.node;
  const bool log =
      node.primitive == &primitives::kLogSoftmax || node.primitive == &primitives::kLogSoftmaxGrad;
  const bool forward =
      node.primitive == &primitives::kSoftmax || node.primitive == &primitives::kLogSoftmax;
  if (!forward && !log && node.primitive != &primitives::kSoftmaxGrad) return false;
  const Shape& shape = Type(node.output).shape;
  const auto axis = static_cast<std::size_t>(node.attributes.axis);
  Step step;
  step.kind = forward ? StepKind::kSoftmax : StepKind::kSoftmaxGrad;
  step.softmax.outer = ElementCount(std::span(shape).first(axis));
  step.softmax.n = static_cast<std::size_t>(shape[axis]);
  step.softmax.inner = ElementCount(std::span(shape).subspan(axis + 1));
  step.softmax.log = log;
  for (std::size_t i = 0; i < work.inputs.size(); ++i) {
    if (!IsDense(work.inputs[i])) return false;
    step.in[i] = Read(work.inputs[i]);
  }
  step.out[0] = Write(node.output);
  Push(step, work);
  return true;
}

std::optional<SumAxes> AxesOf(const Shape& in, const Shape& out) {
  SumAxes axes;
  for (std::size_t k = 0; k < in.size(); ++k) {
    const auto size = static_cast<std::size_t>(in[k]);
    if (size == 1) continue;
    if (out[k] == 1) {
      if (axes.inner != 1) return std::nullopt;
      axes.n *= size;
    } else {
      (axes.n == 1 ? axes.outer : axes.inner) *= size;
    }
  }
  return axes;
}

std::optional<Step> Lowerer::SumStep(const Node& node) const {
  if (node.primitive != &primitives::kSumOver || !IsDense(node.inputs[0])) return std::nullopt;
  const std::optional<SumAxes> axes = AxesOf(Type(node.inputs[0]).shape, Type(node.output).shape);
  if (!axes) return std::nullopt;
  Step step;
  step.kind = StepKind::kSum;
  step.outer = axes->outer;
  step.n = axes->n;
  step.inner = axes->inner;
  return step;
}

// Over axes with others between them: over the last ones first.
bool Lowerer::EmitSumOfSums(Work& work) {
  const Node& node = *work.node;
  if (node.primitive != &primitives::kSumOver || !IsDense(node.inputs[0])) return false;
  Shape left = Type(node.inputs[0]).shape;
  const Shape& out = Type(node.output).shape;
  Operand from = Read(node.inputs[0]);
  while (left != out) {
    Step step;
    step.kind = StepKind::kSum;
    step.outer = step.n = step.inner = 1;
    std::size_t k = left.size();
    for (; left[k - 1] == out[k - 1]; --k) step.inner *= static_cast<std::size_t>(left[k - 1]);
    for (; k > 0 && left[k - 1] != out[k - 1]; --k) {
      step.n *= static_cast<std::size_t>(left[k - 1]);
      left[k - 1] = 1;
    }
    step.outer = ElementCount(std::span(left).first(k));
    step.in[0] = from;
    step.out[0] = left == out ? Write(node.output) : NewBuffer(ElementCount(left));
    from = step.out[0];
    Push(step, work);
  }
  return true;
}

bool Lowerer::EmitSum(Work& work) {
  std::optional<Step> step = SumStep(*work.node);
  if (!step) return EmitSumOfSums(work);
  if (work.of_rows) {
    step->kind = StepKind::kSumRows;
    step->sizes[0] = step->n;
    step->n = static_cast<std::size_t>(Type(work.inputs[0]).shape[0]);
  }
  step->in[0] = Read(work.inputs[0]);
  step->has_second = work.inputs.size() > 1 && !work.of_rows;
  if (work.inputs.size() > 1) step->in[1] = Read(work.inputs[1]);
  step->out[0] = Write(work.node->output);
  Push(*step, work);
  return true;
}

void Lowerer::EmitNaive(Work& work) {
  AH_CHECK(work.shift == kNoValue);  // TakeKinksAlong saw to it
  Step step;
  step.kind = StepKind::kNaive;
  step.index = static_cast<std::uint32_t>(out_.naive.size());
  out_.naive.push_back(work.node);
  std::vector<Operand> inputs;
  for (const ValueId id : work.inputs) inputs.push_back(Read(id));
  step.out[0] = Write(work.node->output);
  out_.naive_inputs.push_back(std::move(inputs));
  if (ByExample(work.node->output)) ++out_.naive_steps;
  Push(step, work);
}

namespace {

simd::NormaliseAffineShape NormaliseOf(const graph::Attributes& attributes, std::size_t elements) {
  const NormaliseSizes sizes = SizesOf(attributes, elements);
  simd::NormaliseAffineShape shape;
  shape.outer = sizes.outer;
  shape.groups = sizes.groups;
  shape.channels = sizes.channels;
  shape.inner = sizes.inner;
  shape.mode = static_cast<kernels::NormaliseMode>(attributes.mode);
  shape.eps = static_cast<float>(attributes.alpha);
  return shape;
}

}  // namespace

bool Lowerer::EmitNormalise(Work& work) {
  const Node& node = *work.node;
  const ValueId x = work.inputs[0];
  const bool affine = node.primitive == &kNormaliseAffine;
  if (!affine && node.primitive != &primitives::kNormalise) return false;
  if (!IsDense(x)) return false;
  Step step;
  step.kind = StepKind::kNormalise;
  step.has_affine = affine;
  if (affine) {
    step.normalise = NormaliseOf(node.attributes, Size(x));
    step.in[1] = Read(work.inputs[1]);
    step.in[2] = Read(work.inputs[2]);
  } else {
    const Shape& shape = Type(x).shape;
    const auto axis = static_cast<std::size_t>(node.attributes.axis);
    graph::Attributes attributes = node.attributes;
    attributes.dims = {1, static_cast<std::int64_t>(ElementCount(std::span(shape).subspan(axis))),
                       1};
    step.normalise = NormaliseOf(attributes, Size(x));
  }
  step.normalise.silu = work.silu;
  step.normalise.clip = work.clip;
  step.normalise.low = work.bounds.low;
  step.normalise.high = work.bounds.high;
  step.in[0] = Read(x);
  step.out[0] = Write(work.output);
  step.out[1] = NewBuffer(2 * step.normalise.outer * step.normalise.groups);
  if (affine) statistics_.push_back({&node, Root(x), step.out[1]});
  Push(step, work);
  return true;
}

// dx, dscale and dshift together, when the first of them is due.
bool Lowerer::EmitNormaliseGrad(std::size_t w) {
  const graph::Primitive* primitive = work_[w].node->primitive;
  const bool is_dx = primitive == &kNormaliseAffineGrad;
  const bool is_dscale = primitive == &kNormaliseScaleGrad;
  const bool is_dshift = primitive == &kNormaliseShiftGrad;
  if (!is_dx && !is_dscale && !is_dshift) return false;
  const ValueId g = work_[w].inputs[is_dx ? 2 : is_dscale ? 1 : 0];
  const auto [dx, dscale, dshift] = FindNormaliseGrads(work_[w], g);
  if (dx == nullptr) return false;
  const ValueId x = dx->inputs[0];
  const Node& node = *dx->node;
  const auto stats = std::find_if(
      statistics_.begin(), statistics_.end(),
      [&](const Statistics& entry) { return entry.x == Root(x) && SameRows(*entry.node, node); });
  if (stats == statistics_.end()) return false;
  Step step;
  step.kind = StepKind::kNormaliseGrad;
  step.normalise = NormaliseOf(dx->node->attributes, Size(x));
  step.has_affine = true;
  step.in[0] = Read(x);
  step.in[1] = stats->operand;
  step.in[2] = Read(dx->inputs[1]);
  step.in[3] = Read(g);
  if (dx->shift != kNoValue) {
    step.in[4] = Read(dx->shift);
    step.normalise.silu = !dx->clip;
    step.normalise.clip = dx->clip;
    step.normalise.low = dx->bounds.low;
    step.normalise.high = dx->bounds.high;
  }
  step.out[0] = Write(dx->node->output);
  step.has_second = dscale != nullptr || dshift != nullptr;
  if (step.has_second) {
    const std::size_t channels = step.normalise.groups * step.normalise.channels;
    step.out[1] = dscale != nullptr ? Write(dscale->node->output) : NewBuffer(channels);
    step.out[2] = dshift != nullptr ? Write(dshift->node->output) : NewBuffer(channels);
  }
  dx->absorbed = true;
  if (dscale != nullptr) dscale->absorbed = true;
  if (dshift != nullptr) dshift->absorbed = true;
  Push(step, work_[w]);
  return true;
}

}  // namespace anchorhold::engine
