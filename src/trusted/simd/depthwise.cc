#include "trusted/simd/depthwise.h"

#include <new>

#include "trusted/simd/convolution_grid.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/depthwise.cc"
#include "trusted/simd/tables.h"
// tables.h before foreach_target.h.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/depthwise-inl.h"
#include "trusted/simd/depthwise_weight-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

using kernels::ConvolutionShape;

// Each plane of the input becomes one of the result, by one correlation (forward) or by stride^2
// that share its positions out among them (the gradient of the input).
struct Planes {
  std::size_t examples = 0;
  std::size_t channels = 0;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  std::size_t out_width = 0;
  std::size_t kernel = 0;  // elements of one channel's weights
  std::size_t kernel_width = 0;
  std::int64_t row_phases = 1;
  std::int64_t column_phases = 1;
  std::size_t unit = 1;  // kLanes: channels in the lanes

  std::size_t phases() const { return static_cast<std::size_t>(row_phases * column_phases); }
  std::size_t blocks() const { return (channels + unit - 1) / unit; }
};

struct Phase {
  Frame frame;
  FrameFiller filler;
  bool taps = false;  // else its outputs are zeros
  std::size_t weights_at = 0;
  std::size_t frame_at = 0;
};

// Small planes take two frames by turns, and the next one is filled before one is used: its stores
// have then left the store buffer, which could not forward them to loads at other offsets.
inline constexpr std::size_t kSmallFrame = 2048;

std::size_t Frames(const Frame& f) { return f.unit == 1 && f.floats <= kSmallFrame ? 2 : 1; }

// Channels go into the lanes where columns would fill too few of them.
std::size_t Unit(const ConvolutionShape& shape, std::int64_t columns) {
  const auto filled = static_cast<std::size_t>(columns);
  return shape.groups * 2 >= kLanes && filled <= HWY_MIN(kLanes, 8) ? kLanes : 1;
}

Planes ForwardPlanes(const ConvolutionShape& shape) {
  Planes p;
  p.examples = shape.batch;
  p.channels = shape.groups;
  p.inputs = shape.windows.inputs();
  p.outputs = shape.windows.outputs();
  p.out_width = static_cast<std::size_t>(ColumnAxis(shape.windows).out);
  p.kernel = shape.windows.taps();
  p.kernel_width = static_cast<std::size_t>(ColumnAxis(shape.windows).kernel);
  p.unit = Unit(shape, ColumnAxis(shape.windows).out);
  return p;
}

Planes AdjointPlanes(const ConvolutionShape& shape) {
  Planes p = ForwardPlanes(shape);
  p.inputs = shape.windows.outputs();
  p.outputs = shape.windows.inputs();
  p.out_width = static_cast<std::size_t>(ColumnAxis(shape.windows).in);
  p.row_phases = RowAxis(shape.windows).stride;
  p.column_phases = ColumnAxis(shape.windows).stride;
  p.unit = Unit(shape, (ColumnAxis(shape.windows).in + p.column_phases - 1) / p.column_phases);
  return p;
}

// The scratch memory's parts, in floats.
struct Parts {
  std::size_t weights = 0;  // by phase, block of channels, tap, channel of the block
  std::size_t inputs = 0;   // a block's planes, [position][channel]
  std::size_t outputs = 0;  // the same, or one phase of one plane
  std::size_t frames = 0;
  std::size_t floats = 0;
};

Phase MakePhase(const ConvolutionShape& shape, const Planes& p, bool adjoint, std::size_t i) {
  const auto index = static_cast<std::int64_t>(i);
  Frame frame;
  frame.rows = adjoint ? AdjointAxis(RowAxis(shape.windows), index / p.column_phases)
                       : ForwardAxis(RowAxis(shape.windows));
  frame.columns = adjoint ? AdjointAxis(ColumnAxis(shape.windows), index % p.column_phases)
                          : ForwardAxis(ColumnAxis(shape.windows));
  const bool taps = frame.taps() > 0 && frame.rows.out > 0 && frame.columns.out > 0;
  if (taps) frame = LayOutFrame(frame.rows, frame.columns, p.unit);
  return {frame, FrameFiller(frame), taps};
}

// Visits the phases in order; visit(phase, index).
template <class Visit>
Parts ForEachPhase(const ConvolutionShape& shape, const Planes& p, bool adjoint, Visit visit) {
  Parts parts;
  const auto columns = static_cast<std::size_t>(p.column_phases);
  parts.weights = RoundUp(p.phases() * sizeof(Phase) / sizeof(float) + 1, 16);
  parts.inputs = parts.weights + RoundUp(p.blocks() * p.unit * p.kernel, 16);
  parts.outputs = parts.inputs + (p.unit == 1 ? 0 : p.inputs * p.unit);
  parts.frames = parts.outputs +
                 RoundUp(p.unit == 1 ? p.outputs + p.outputs / p.out_width * columns * (kLanes + 1)
                                     : p.outputs * p.unit,
                         16);
  std::size_t weights = parts.weights;
  std::size_t at = parts.frames;
  for (std::size_t i = 0; i < p.phases(); ++i) {
    Phase phase = MakePhase(shape, p, adjoint, i);
    if (phase.taps) {
      phase.weights_at = weights;
      phase.frame_at = at;
      weights += p.blocks() * p.unit * phase.frame.taps();
      at += Frames(phase.frame) * RoundUp(phase.frame.floats, 16);
    }
    visit(phase, i);
  }
  parts.floats = at;
  return parts;
}

// The weights of one phase, in the order of its taps.
void ArrangeWeights(const Planes& p, const Frame& f, const float* w, float* to) {
  for (std::size_t block = 0; block < p.blocks(); ++block) {
    for (std::int64_t j = 0; j < f.rows.taps; ++j) {
      const auto k = static_cast<std::size_t>(f.rows.kernel_first + j * f.rows.kernel_step);
      for (std::int64_t q = 0; q < f.columns.taps; ++q) {
        const auto l = static_cast<std::size_t>(f.columns.kernel_first + q * f.columns.kernel_step);
        for (std::size_t c = block * p.unit; c < (block + 1) * p.unit; ++c) {
          *to++ = c < p.channels ? w[c * p.kernel + k * p.kernel_width + l] : 0;
        }
      }
    }
  }
}

// How many floats the line that is fetched with an output lies ahead of it: a plane of 32 x 32.
inline constexpr std::size_t kAhead = 1024;

// One phase of one plane, columns in the lanes.
void CorrelateColumns(const Phase& phase, const float* in, float* scratch, std::size_t c,
                      const PlaneSink& sink) {
  float* const frame = scratch + phase.frame_at;
  phase.filler.Fill(in, frame);
  CorrelatePlane<false>(phase.frame, frame, scratch + phase.weights_at + c * phase.frame.taps(),
                        sink);
}

// All phases of plane c. The column phases of a row of phases are computed one behind the other,
// then interleaved.
void CorrelatePhases(const Planes& p, const Phase* phases, const float* in, std::size_t c,
                     PlaneSink sink, float* scratch, float* buffer, float* out) {
  if (p.phases() == 1) {
    sink.data = out;
    sink.order.row = p.out_width;
    sink.ahead = out + kAhead;
    sink.ahead_order = sink.order;
    return CorrelateColumns(phases[0], in, scratch, c, sink);
  }
  const auto step = static_cast<std::size_t>(p.column_phases);
  const std::size_t width = RoundUp((p.out_width + step - 1) / step, kLanes);
  sink.order.row = width;
  sink.ahead_order = {static_cast<std::size_t>(p.row_phases) * p.out_width, step * kLanes};
  for (std::int64_t r = 0; r < p.row_phases; ++r, phases += step) {
    const TapAxis& rows = phases[0].frame.rows;
    const std::size_t part = static_cast<std::size_t>(rows.out) * width;
    for (std::size_t i = 0; i < step; ++i) {
      if (phases[i].taps) {
        sink.data = buffer + i * part;
        sink.ahead = out + static_cast<std::size_t>(rows.out_first) * p.out_width + i * kLanes;
        CorrelateColumns(phases[i], in, scratch, c, sink);
      } else {
        ZeroFloats(buffer + i * part, part);
      }
    }
    for (std::int64_t t = 0; t < rows.out; ++t) {
      const auto row = static_cast<std::size_t>(rows.out_first + t * rows.out_step);
      const float* const from = buffer + static_cast<std::size_t>(t) * width;
      float* const to = out + row * p.out_width;
      if (step == 2) {
        InterleaveFloats(from, from + part, p.out_width, to);
      } else {
        for (std::size_t u = 0; u < p.out_width; ++u) to[u] = from[u % step * part + u / step];
      }
    }
  }
}

// All phases of a block of channels in the lanes, [position][channel] to [position][channel], from
// where they will go to `results`.
void CorrelateChannels(const Planes& p, const Phase* phases, const float* in, std::size_t c,
                       PlaneSink sink, float* scratch, float* out, const float* results) {
  for (std::size_t i = 0; i < p.phases(); ++i) {
    const Frame& f = phases[i].frame;
    float* const to = out + static_cast<std::size_t>(f.rows.out_first) * p.out_width * kLanes +
                      static_cast<std::size_t>(f.columns.out_first) * kLanes;
    const std::size_t row = static_cast<std::size_t>(f.rows.out_step) * p.out_width * kLanes;
    const std::size_t column = static_cast<std::size_t>(f.columns.out_step) * kLanes;
    if (!phases[i].taps) {
      for (std::size_t t = 0; t < f.out_rows(); ++t) {
        for (std::size_t u = 0; u < f.out_columns(); ++u) {
          hn::StoreU(hn::Zero(TileTag()), TileTag(), to + t * row + u * column);
        }
      }
      continue;
    }
    float* const frame = scratch + phases[i].frame_at;
    phases[i].filler.Fill(in, frame);
    sink.data = to;
    sink.order = {row, column};
    sink.ahead = results + (to - out);
    sink.ahead_order = sink.order;
    CorrelatePlane<true>(f, frame, scratch + phases[i].weights_at + c * f.taps(), sink);
  }
}

// Planes with one small phase, columns in the lanes.
void CorrelateSmall(const Planes& p, const Phase& phase, const float* in, const float* row_bias,
                    PlaneSink sink, float* scratch, float* out) {
  const Frame& f = phase.frame;
  const std::size_t size = RoundUp(f.floats, 16);
  const std::size_t planes = p.examples * p.channels;
  float* const frames = scratch + phase.frame_at;
  const float* const w = scratch + phase.weights_at;
  sink.order.row = p.out_width;
  sink.ahead_order = sink.order;
  std::size_t c = 0;
  phase.filler.Fill(in, frames);
  for (std::size_t i = 0; i < planes; ++i, c = c + 1 == p.channels ? 0 : c + 1) {
    if (i + 1 < planes) phase.filler.Fill(in + (i + 1) * p.inputs, frames + (i + 1) % 2 * size);
    if (row_bias != nullptr) sink.bias = hn::Set(TileTag(), row_bias[c]);
    sink.data = out + i * p.outputs;
    sink.ahead = sink.data + kAhead;
    CorrelatePlane<false>(f, frames + i % 2 * size, w + c * f.taps(), sink);
  }
}

void CorrelatePlanes(const Planes& p, const Parts& parts, const float* in, const Epilogue& epilogue,
                     float* out, float* scratch) {
  const auto* const phases = reinterpret_cast<const Phase*>(scratch);
  const TileTag d;
  PlaneSink sink;
  sink.finish = epilogue.clip || epilogue.row_bias != nullptr;
  sink.low = hn::Set(d, epilogue.clip ? epilogue.low : -__builtin_inff());
  sink.high = hn::Set(d, epilogue.clip ? epilogue.high : __builtin_inff());
  sink.bias = hn::Zero(d);
  if (p.examples == 0) return;
  if (p.phases() == 1 && phases[0].taps && Frames(phases[0].frame) == 2) {
    return CorrelateSmall(p, phases[0], in, epilogue.row_bias, sink, scratch, out);
  }
  for (std::size_t e = 0; e < p.examples; ++e) {
    for (std::size_t block = 0; block < p.blocks(); ++block) {
      const std::size_t c = block * p.unit;
      const std::size_t count = HWY_MIN(p.unit, p.channels - c);
      const float* const planes = in + (e * p.channels + c) * p.inputs;
      float* const results = out + (e * p.channels + c) * p.outputs;
      if (epilogue.row_bias != nullptr) {
        sink.bias =
            p.unit == 1 ? hn::Set(d, epilogue.row_bias[c]) : LoadPart(count, epilogue.row_bias + c);
      }
      if (p.unit == 1) {
        CorrelatePhases(p, phases, planes, c, sink, scratch, scratch + parts.outputs, results);
        continue;
      }
      float* const sums = scratch + parts.outputs;
      ToChannels(planes, p.inputs, count, scratch + parts.inputs);
      CorrelateChannels(p, phases, scratch + parts.inputs, c, sink, scratch, sums, results);
      FromChannels(sums, p.outputs, count, results);
    }
  }
}

void RunPlanes(const ConvolutionShape& shape, const Planes& p, bool adjoint, const float* in,
               const float* w, const Epilogue& epilogue, float* out, float* scratch) {
  const Parts parts = ForEachPhase(shape, p, adjoint, [&](const Phase& phase, std::size_t i) {
    new (reinterpret_cast<Phase*>(scratch) + i) Phase(phase);
    if (!phase.taps) return;
    ArrangeWeights(p, phase.frame, w, scratch + phase.weights_at);
    ZeroFloats(scratch + phase.frame_at, Frames(phase.frame) * RoundUp(phase.frame.floats, 16));
  });
  CorrelatePlanes(p, parts, in, epilogue, out, scratch);
}

void Forward(const ConvolutionShape& shape, const float* x, const float* w,
             const Epilogue& epilogue, float* y, float* scratch) {
  RunPlanes(shape, ForwardPlanes(shape), false, x, w, epilogue, y, scratch);
}

void Input(const ConvolutionShape& shape, const float* y, const float* w, float* x,
           float* scratch) {
  RunPlanes(shape, AdjointPlanes(shape), true, y, w, {}, x, scratch);
}

struct WeightParts {
  Frame frame;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  std::size_t sums = 0;
  std::size_t floats = 0;
};

WeightParts PlanWeight(const ConvolutionShape& shape, const Planes& p) {
  WeightParts parts;
  parts.frame = LayOutFrame(ForwardAxis(RowAxis(shape.windows)),
                            ForwardAxis(ColumnAxis(shape.windows)), p.unit);
  parts.inputs = Frames(parts.frame) * RoundUp(parts.frame.floats, 16);
  parts.outputs = parts.inputs + (p.unit == 1 ? 0 : p.inputs * p.unit);
  parts.sums = parts.outputs + (p.unit == 1 ? 0 : p.outputs * p.unit);
  parts.floats = parts.sums + p.kernel * kLanes;
  return parts;
}

// w[tap] = the sum over lanes of sums[tap][lane].
void AddLanes(const float* sums, std::size_t taps, float* w) {
  for (std::size_t k = 0; k < taps; k += kLanes) {
    const std::size_t count = HWY_MIN(kLanes, taps - k);
    TileVector v[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      v[i] = i < count ? hn::LoadU(TileTag(), sums + (k + i) * kLanes) : hn::Zero(TileTag());
    }
    TransposeLanes(v);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) v[i] = hn::Add(v[i], v[i + half]);
    }
    StorePart(v[0], count, w + k);
  }
}

// Columns in the lanes.
void WeightsByColumns(const Planes& p, const WeightParts& parts, const float* x, const float* y,
                      std::size_t stride_w, float* w, float* scratch) {
  const FrameFiller filler(parts.frame);
  const std::size_t frames = Frames(parts.frame);
  const std::size_t size = RoundUp(parts.frame.floats, 16);
  const std::size_t planes = p.examples * p.channels;
  std::size_t c = 0;
  for (std::size_t i = 0; i < planes; ++i) {
    float* const frame = scratch + i % frames * size;
    if (i == 0 || frames == 1) filler.Fill(x + i * p.inputs, frame);
    if (frames == 2 && i + 1 < planes) {
      filler.Fill(x + (i + 1) * p.inputs, scratch + (i + 1) % 2 * size);
    }
    WeightOfPlane(parts.frame, frame, y + i * p.outputs, scratch + parts.sums);
    AddLanes(scratch + parts.sums, p.kernel, w + c * p.kernel);
    if (++c == p.channels) {
      c = 0;
      w += stride_w;
    }
  }
}

void WeightsByChannels(const Planes& p, const WeightParts& parts, const float* x, const float* y,
                       std::size_t stride_w, float* w, float* scratch) {
  const FrameFiller filler(parts.frame);
  for (std::size_t e = 0; e < p.examples; ++e) {
    for (std::size_t c = 0; c < p.channels; c += kLanes) {
      const std::size_t count = HWY_MIN(kLanes, p.channels - c);
      const std::size_t plane = e * p.channels + c;
      ToChannels(x + plane * p.inputs, p.inputs, count, scratch + parts.inputs);
      ToChannels(y + plane * p.outputs, p.outputs, count, scratch + parts.outputs);
      filler.Fill(scratch + parts.inputs, scratch);
      WeightOfPlane(parts.frame, scratch, scratch + parts.outputs, scratch + parts.sums);
      FromChannels(scratch + parts.sums, p.kernel, count, w + e * stride_w + c * p.kernel);
    }
  }
}

void Weight(const ConvolutionShape& shape, const float* x, const float* y, std::size_t stride_w,
            float* w, float* scratch) {
  const Planes p = ForwardPlanes(shape);
  const WeightParts parts = PlanWeight(shape, p);
  ZeroFloats(scratch, parts.inputs);
  if (p.unit == 1) return WeightsByColumns(p, parts, x, y, stride_w, w, scratch);
  WeightsByChannels(p, parts, x, y, stride_w, w, scratch);
}

std::size_t Scratch(const ConvolutionShape& shape) {
  const auto nothing = [](const Phase&, std::size_t) {};
  const Planes forward = ForwardPlanes(shape);
  std::size_t floats = ForEachPhase(shape, forward, false, nothing).floats;
  floats = HWY_MAX(floats, ForEachPhase(shape, AdjointPlanes(shape), true, nothing).floats);
  return HWY_MAX(floats, PlanWeight(shape, forward).floats) + 16;
}

}  // namespace

extern const DepthwiseKernels kDepthwise;
const DepthwiseKernels kDepthwise = {Scratch, Forward, Input, Weight};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
