#include "trusted/simd/convolution.h"

#include "trusted/simd/convolution_grid.h"
#include "trusted/simd/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/convolution.cc"
#include "trusted/simd/tables.h"
// tables.h before foreach_target.h.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/convolution_dense-inl.h"
#include "trusted/simd/convolution_examples-inl.h"
#include "trusted/simd/convolution_weight-inl.h"
#include "trusted/simd/convolution_weight_examples-inl.h"
#include "trusted/simd/winograd-inl.h"
#include "trusted/simd/winograd_weight-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

extern const DepthwiseKernels kDepthwise;

namespace {

using kernels::ConvolutionShape;
using kernels::WindowAxis;

bool Depthwise(const ConvolutionShape& shape) {
  return shape.in_channels == 1 && shape.out_channels == 1;
}

// A scratch memory's first address on a cache line.
float* Align(float* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  return p + (RoundUp(address, 64) - address) / sizeof(float);
}

// What a convolution with one tap and without stride or padding does not need to know: the rows.
void JoinRows(Correlation& c) {
  TapAxis& rows = c.x.rows;
  TapAxis& columns = c.x.columns;
  for (const TapAxis* a : {&rows, &columns}) {
    if (a->taps != 1 || a->step != 1 || a->first != 0 || a->in != a->out || a->out_step != 1)
      return;
  }
  columns.in *= rows.in;
  columns.out = columns.in;
  rows.in = 1;
  rows.out = 1;
  c.y.width = static_cast<std::size_t>(columns.out);
}

// The forward map of one group; data pointers are the caller's to fill in.
Correlation ForwardCorrelation(const ConvolutionShape& shape) {
  Correlation c;
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  const std::size_t taps = shape.windows.taps();
  c.examples = shape.batch;
  c.outputs = shape.out_channels;
  c.x.rows = ForwardAxis(RowAxis(shape.windows));
  c.x.columns = ForwardAxis(ColumnAxis(shape.windows));
  c.x.channels = shape.in_channels;
  c.x.channel = inputs;
  c.x.example = shape.groups * shape.in_channels * inputs;
  c.w.row = static_cast<std::size_t>(ColumnAxis(shape.windows).kernel);
  c.w.channel = taps;
  c.w.output = shape.in_channels * taps;
  c.y.example = shape.groups * shape.out_channels * outputs;
  c.y.channel = outputs;
  c.y.width = static_cast<std::size_t>(ColumnAxis(shape.windows).out);
  JoinRows(c);
  return c;
}

// One phase of the gradient of the input, of one group.
Correlation AdjointCorrelation(const ConvolutionShape& shape, std::int64_t row,
                               std::int64_t column) {
  Correlation c;
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  const std::size_t taps = shape.windows.taps();
  c.examples = shape.batch;
  c.outputs = shape.in_channels;
  c.x.rows = AdjointAxis(RowAxis(shape.windows), row);
  c.x.columns = AdjointAxis(ColumnAxis(shape.windows), column);
  c.x.channels = shape.out_channels;
  c.x.channel = outputs;
  c.x.example = shape.groups * shape.out_channels * outputs;
  c.w.row = static_cast<std::size_t>(ColumnAxis(shape.windows).kernel);
  c.w.channel = shape.in_channels * taps;
  c.w.output = taps;
  c.y.example = shape.groups * shape.in_channels * inputs;
  c.y.channel = inputs;
  c.y.width = static_cast<std::size_t>(ColumnAxis(shape.windows).in);
  JoinRows(c);
  return c;
}

WeightGradient GradientOfWeights(const ConvolutionShape& shape) {
  WeightGradient g;
  const Correlation c = ForwardCorrelation(shape);
  g.examples = shape.batch;
  g.outputs = shape.out_channels;
  g.x = c.x;
  g.y_example = c.y.example;
  return g;
}

template <class Visit>
void ForEachPhase(const ConvolutionShape& shape, Visit visit) {
  const std::int64_t rows = PhasesOf(RowAxis(shape.windows));
  const std::int64_t columns = PhasesOf(ColumnAxis(shape.windows));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const Correlation phase = AdjointCorrelation(shape, r, c);
      Correlation part = phase;
      ForEachRange(phase.x.rows, [&](const TapAxis& rows_of_part) {
        part.x.rows = rows_of_part;
        visit(part);
      });
    }
  }
}

// Whether weights were packed for it or not.
std::size_t CorrelationFloats(const Correlation& c) {
  if (c.x.taps() == 0 || c.x.outputs() == 0 || c.examples == 0) return 0;
  const std::size_t dense = PlanDense(c).floats;
  return UsesWinograd(c) ? HWY_MAX(dense, PlanWinograd(c).floats) : dense;
}

// Of a map in parts: parts(visit) calls visit(correlation) for each.
template <class Parts>
std::size_t PartsFloats(const Parts& parts) {
  std::size_t floats = PlanLanes(parts).floats;
  parts([&](const Correlation& c) { floats = HWY_MAX(floats, CorrelationFloats(c)); });
  return floats;
}

std::size_t WeightFloats(const WeightGradient& g) {
  if (UsesWinograd(g)) return PlanWinogradWeight(g).floats;
  return HWY_MAX(PlanWeight(g).floats, PlanLaneWeight(g).floats);
}

std::size_t Scratch(const ConvolutionShape& shape) {
  if (Depthwise(shape)) return kDepthwise.scratch(shape);
  const auto forward = [&](const auto& visit) { visit(ForwardCorrelation(shape)); };
  const auto phases = [&](const auto& visit) { ForEachPhase(shape, visit); };
  const std::size_t floats = HWY_MAX(HWY_MAX(PartsFloats(forward), PartsFloats(phases)),
                                     WeightFloats(GradientOfWeights(shape)));
  return floats + 16;
}

// Multiplies while the product stays below 2^31.
class BoundedProduct {
 public:
  BoundedProduct& Times(std::int64_t factor) {
    fits_ = fits_ && factor >= 0 && (factor == 0 || product_ <= kLimit / factor);
    if (fits_) product_ *= factor;
    return *this;
  }
  bool fits() const { return fits_; }

 private:
  static constexpr std::int64_t kLimit = (std::int64_t{1} << 31) - 1;
  std::int64_t product_ = 1;
  bool fits_ = true;
};

bool StripsFit(const Correlation& c) {
  if (c.x.taps() == 0 || c.x.outputs() == 0) return true;
  const DensePlan plan = PlanDense(c);
  return BoundedProduct()
      .Times(static_cast<std::int64_t>(plan.layout.channel))
      .Times(static_cast<std::int64_t>(plan.channels))
      .fits();
}

constexpr std::int64_t kPhasesMax = 1024;

bool Serves(const ConvolutionShape& shape) {
  const kernels::Windows& windows = shape.windows;
  if (windows.axes != 1 && windows.axes != 2) return false;
  if (shape.groups > INT32_MAX || shape.in_channels > INT32_MAX || shape.out_channels > INT32_MAX) {
    return false;
  }
  const auto groups = static_cast<std::int64_t>(shape.groups);
  const auto ins = static_cast<std::int64_t>(shape.in_channels);
  const auto outs = static_cast<std::int64_t>(shape.out_channels);
  BoundedProduct weights;
  weights.Times(groups).Times(ins).Times(outs);
  BoundedProduct image;  // all that windows touch of an example, padding included
  image.Times(groups).Times(HWY_MAX(ins, outs));
  for (std::size_t a = 0; a < windows.axes; ++a) {
    const WindowAxis& axis = windows.axis[a];
    if (axis.pad < 0) return false;
    weights.Times(axis.kernel);
    image.Times(axis.in + axis.out * axis.stride + axis.kernel * axis.dilation + 2 * axis.pad);
  }
  if (!weights.fits() || !image.fits()) return false;
  // Beyond any network's; each costs time wherever they are gone through.
  if (PhasesOf(RowAxis(windows)) * PhasesOf(ColumnAxis(windows)) > kPhasesMax) return false;
  bool fits = StripsFit(ForwardCorrelation(shape));
  ForEachPhase(shape, [&](const Correlation& c) { fits = fits && StripsFit(c); });
  return fits;
}

// Calls visit(correlation) for each of the map's parts: one, or one a phase.
template <class Visit>
void ForEachPart(const ConvolutionShape& shape, ConvolutionMap map, Visit visit) {
  if (map == ConvolutionMap::kForward) return visit(ForwardCorrelation(shape));
  ForEachPhase(shape, visit);
}

bool Minimal(const ConvolutionShape& shape, ConvolutionMap map) {
  if (Depthwise(shape)) return false;
  if (map == ConvolutionMap::kWeight) return UsesWinograd(GradientOfWeights(shape));
  bool minimal = false;
  ForEachPart(shape, map, [&](const Correlation& c) { minimal = minimal || UsesWinograd(c); });
  return minimal;
}

std::size_t WeightsOf(const Correlation& c) {
  if (c.x.outputs() == 0) return 0;
  return UsesWinograd(c) ? WinogradWeights(c) : c.outputs * c.x.channels * c.x.taps();
}

// Where a group's weights begin: images and results are told apart by the map.
std::size_t WeightsOfGroup(const ConvolutionShape& shape, std::size_t group) {
  return group * shape.out_channels * shape.in_channels * shape.windows.taps();
}

// Part after part, group after group.
std::size_t Packed(const ConvolutionShape& shape, ConvolutionMap map) {
  if (Depthwise(shape) || map == ConvolutionMap::kWeight) return 0;
  std::size_t floats = 0;
  ForEachPart(shape, map, [&](const Correlation& c) { floats += shape.groups * WeightsOf(c); });
  return floats;
}

void Pack(const ConvolutionShape& shape, ConvolutionMap map, const float* w, float* packed) {
  ForEachPart(shape, map, [&](Correlation c) {
    if (WeightsOf(c) == 0) return;
    for (std::size_t g = 0; g < shape.groups; ++g) {
      c.w.data = w + WeightsOfGroup(shape, g);
      if (UsesWinograd(c)) {
        PackWinograd(c, packed);
      } else {
        PackWeights(c, ChannelsAtOnce(c.x), packed);
      }
      packed += WeightsOf(c);
    }
  });
}

// The weights of group g of a part; `packed` is the part's first packed one.
void SetWeights(const ConvolutionShape& shape, const Filter& w, const float* packed, std::size_t g,
                Correlation& c) {
  c.w.data = w.weights + WeightsOfGroup(shape, g);
  c.packed = w.packed ? packed + g * WeightsOf(c) : nullptr;
}

// A map that was packed for minimal filtering has no stride, and so one part.
template <class Parts>
void RunParts(const Parts& parts, float* scratch) {
  bool done = false;
  parts([&](const Correlation& c) {
    if (c.packed == nullptr || !UsesWinograd(c)) return;
    CorrelateWinograd(c, scratch);
    done = true;
  });
  if (done) return;
  const LanePlan lanes = PlanLanes(parts);
  if (lanes.used) return CorrelateLanes(parts, lanes, scratch);
  parts([&](const Correlation& c) { Correlate(c, scratch); });
}

void Forward(const ConvolutionShape& shape, const float* x, const Filter& w,
             const Epilogue& epilogue, float* y, float* scratch) {
  if (Depthwise(shape)) return kDepthwise.forward(shape, x, w.weights, epilogue, y, Align(scratch));
  Correlation c = ForwardCorrelation(shape);
  c.epilogue = epilogue;
  c.epilogue.column_bias = nullptr;
  for (std::size_t g = 0; g < shape.groups; ++g) {
    c.x.data = x + g * shape.in_channels * c.x.channel;
    SetWeights(shape, w, w.weights, g, c);
    c.y.data = y + g * shape.out_channels * c.y.channel;
    if (epilogue.row_bias != nullptr) c.epilogue.row_bias = epilogue.row_bias + g * c.outputs;
    RunParts([&](const auto& visit) { visit(c); }, Align(scratch));
  }
}

void Input(const ConvolutionShape& shape, const float* y, const Filter& w, float* x,
           float* scratch) {
  if (Depthwise(shape)) return kDepthwise.input(shape, y, w.weights, x, Align(scratch));
  for (std::size_t g = 0; g < shape.groups; ++g) {
    const auto phases = [&](const auto& visit) {
      const float* packed = w.weights;
      ForEachPhase(shape, [&](Correlation c) {
        c.x.data = y + g * shape.out_channels * c.x.channel;
        SetWeights(shape, w, packed, g, c);
        c.y.data = x + g * shape.in_channels * c.y.channel;
        visit(c);
        packed += shape.groups * WeightsOf(c);
      });
    };
    RunParts(phases, Align(scratch));
  }
}

bool WeightByTaps(const ConvolutionShape& shape) {
  return !Depthwise(shape) && ComesByTaps(GradientOfWeights(shape));
}

void Weight(const ConvolutionShape& shape, const float* x, const float* y,
            const WeightResults& results, double* squares, float* scratch) {
  const std::size_t stride_w = results.stride;
  float* const w = results.data;
  if (Depthwise(shape)) {
    const std::size_t floats = WeightsOfGroup(shape, shape.groups);
    kDepthwise.weight(shape, x, y, stride_w, w, Align(scratch));
    for (std::size_t e = 0; squares != nullptr && e < shape.batch; ++e) {
      squares[e] = Squares(floats, w + e * stride_w);
    }
    return;
  }
  WeightGradient g = GradientOfWeights(shape);
  g.w_example = stride_w;
  g.by_taps = results.by_taps;
  g.far = results.far;
  g.squares = squares;
  for (std::size_t e = 0; squares != nullptr && e < shape.batch; ++e) squares[e] = 0;
  for (std::size_t i = 0; i < shape.groups; ++i) {
    g.x.data = x + i * shape.in_channels * g.x.channel;
    g.y = y + i * shape.out_channels * shape.windows.outputs();
    g.w = w + WeightsOfGroup(shape, i);
    const LaneWeightPlan lanes = PlanLaneWeight(g);
    if (UsesWinograd(g)) {
      WinogradWeightsOfExamples(g, Align(scratch));
    } else if (lanes.used) {
      WeightsInLanes(g, lanes, Align(scratch));
    } else {
      WeightsOfExamples(g, Align(scratch));
    }
  }
}

}  // namespace

extern const ConvolutionKernels kConvolution;
const ConvolutionKernels kConvolution = {Serves,  Minimal, Scratch,      Packed, Pack,
                                         Forward, Input,   WeightByTaps, Weight};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(ConvolutionKernels, VectorConvolutionKernelsFor, kConvolution)

const ConvolutionKernels* ConvolutionKernelsFor(Target target) {
  return target == Target::kAmx ? AmxConvolutionKernels() : VectorConvolutionKernelsFor(target);
}
}  // namespace anchorhold::simd
#endif
