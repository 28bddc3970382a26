// Windows over three axes, by the kernels for two, and convolutions of several images an example.
//
// A volume's depth is unfolded: of x [C, D, H W], with stride s, dilation r and padding p along D,
//
//   X [D', C, K, H W]    X[o, c, k] = x[c, o s + k r - p], or zeros,
//
// are D' images of C K channels, and a filter [M, C, K, ..] is one for those as it lies:
//
//   y [M, D', ..] = conv(X, w), transposed. Backwards, g [M, D', ..] is transposed to images;
//   dw = the sum of the images' gradients, dX = their inputs' gradient, and
//   dx[c, d] = the sum of dX[o, c, k] over o s + k r - p = d.
//
// A largest or mean number over three axes is that over the first of those over the other two. The
// first largest one within the window, which takes the gradient, is the same.
#include <algorithm>

#include "shared/base/limits.h"
#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/windows.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::ValueId;
using kernels::ConvolutionShape;
using kernels::WindowAxis;
using kernels::Windows;

namespace {

std::size_t Count(std::int64_t n) { return static_cast<std::size_t>(n); }

std::size_t Plane(const Windows& windows, std::int64_t WindowAxis::*size) {
  return Count(windows.axis[1].*size) * Count(windows.axis[2].*size);
}

// The two axes behind the depth.
Windows Flat(const Windows& windows) {
  Windows flat;
  flat.axes = 2;
  flat.axis[0] = windows.axis[1];
  flat.axis[1] = windows.axis[2];
  return flat;
}

// The depth, and what lies behind it as one axis that is left as it is.
Windows Deep(const Windows& windows) {
  Windows deep;
  deep.axes = 2;
  deep.axis[0] = windows.axis[0];
  deep.axis[1].in = static_cast<std::int64_t>(Plane(windows, &WindowAxis::out));
  deep.axis[1].out = deep.axis[1].in;
  return deep;
}

// Whether a tensor may have so many numbers.
bool Fits(std::initializer_list<std::size_t> sizes) {
  std::size_t product = 1;
  for (const std::size_t size : sizes) {
    if (size > limits::kTensorElementsMax / std::max<std::size_t>(product, 1)) return false;
    product *= size;
  }
  return true;
}

// The depth with its padding, as far as windows reach.
std::int64_t PaddedDepth(const WindowAxis& depth) {
  const std::int64_t reach =
      (depth.out - 1) * depth.stride + (depth.kernel - 1) * depth.dilation + 1;
  return std::max(reach, depth.pad + depth.in);
}

Step PermuteStep(std::initializer_list<std::size_t> sizes,
                 std::initializer_list<std::size_t> strides) {
  Step step;
  step.kind = StepKind::kPermute;
  step.axes = sizes.size();
  std::copy(sizes.begin(), sizes.end(), step.sizes.begin());
  std::copy(strides.begin(), strides.end(), step.strides.begin());
  return step;
}

}  // namespace

bool IsVolume(const ConvolutionShape& shape) {
  if (shape.batch != 1 || shape.windows.axes != 3) return false;
  const WindowAxis& depth = shape.windows.axis[0];
  const std::size_t channels = shape.groups * shape.in_channels;
  const std::size_t plane = Plane(shape.windows, &WindowAxis::in);
  return Fits({Count(depth.out), Count(depth.kernel), channels, plane}) &&
         Fits({Count(PaddedDepth(depth)), channels, plane});
}

ConvolutionShape FlatConvolution(const ConvolutionShape& volume) {
  ConvolutionShape flat = volume;
  flat.batch = Count(volume.windows.axis[0].out);
  flat.in_channels *= Count(volume.windows.axis[0].kernel);
  flat.windows = Flat(volume.windows);
  return flat;
}

// X from x.
Operand Lowerer::Unfolded(ValueId x, const ConvolutionShape& volume, const Work& work) {
  const WindowAxis& depth = volume.windows.axis[0];
  const std::size_t channels = volume.groups * volume.in_channels;
  const std::size_t plane = Plane(volume.windows, &WindowAxis::in);
  const std::int64_t padded = PaddedDepth(depth);
  Operand from = Read(x);
  if (padded != depth.in) {
    Step pad;
    pad.kind = StepKind::kPad;
    pad.outer = channels;
    pad.inner = Count(depth.in) * plane;
    pad.sizes[0] = Count(depth.pad) * plane;
    pad.sizes[1] = Count(padded - depth.pad - depth.in) * plane;
    pad.in[0] = from;
    pad.out[0] = NewBuffer(channels * Count(padded) * plane);
    from = pad.out[0];
    Push(pad, work);
  }
  Step unfold = PermuteStep(
      {Count(depth.out), channels, Count(depth.kernel), plane},
      {Count(depth.stride) * plane, Count(padded) * plane, Count(depth.dilation) * plane, 1});
  unfold.in[0] = from;
  unfold.out[0] = NewBuffer(Count(depth.out) * channels * Count(depth.kernel) * plane);
  Push(unfold, work);
  return unfold.out[0];
}

// g [M, D', ..] as images.
Operand Lowerer::Images(ValueId g, const ConvolutionShape& volume, const Work& work) {
  const std::size_t channels = volume.groups * volume.out_channels;
  const std::size_t depth = Count(volume.windows.axis[0].out);
  const std::size_t plane = Plane(volume.windows, &WindowAxis::out);
  Step step = PermuteStep({depth, channels, plane}, {plane, depth * plane, 1});
  step.in[0] = Read(g);
  step.out[0] = NewBuffer(depth * channels * plane);
  Push(step, work);
  return step.out[0];
}

void Lowerer::EmitVolume(const Work& work, Step step, const ConvolutionShape& volume) {
  const WindowAxis& depth = volume.windows.axis[0];
  const std::size_t plane_in = Plane(volume.windows, &WindowAxis::in);
  const std::size_t plane_out = Plane(volume.windows, &WindowAxis::out);
  const std::size_t channels_in = volume.groups * volume.in_channels;
  const std::size_t channels_out = volume.groups * volume.out_channels;
  const bool input = step.kind == StepKind::kConvolutionInput;
  step.in[0] =
      input ? Images(work.inputs[0], volume, work) : Unfolded(work.inputs[0], volume, work);
  if (step.kind == StepKind::kConvolutionWeight) {
    step.in[1] = Images(work.inputs[1], volume, work);
    step.out[0] = Write(work.output);
    Push(step, work);
    return;
  }
  step.in[1] = Read(work.inputs[1]);
  PackFilter(step);
  TakeEpilogue(work, step);
  step.out[0] = NewBuffer(Count(depth.out) * (input ? channels_in * Count(depth.kernel) * plane_in
                                                    : channels_out * plane_out));
  Push(step, work);
  Step back;
  if (input) {
    back.kind = StepKind::kFold;
    back.axes = 4;
    back.sizes = {Count(depth.out), channels_in, Count(depth.kernel), plane_in};
    back.strides = {Count(depth.stride), Count(depth.in), Count(depth.dilation), Count(depth.pad)};
  } else {
    back = PermuteStep({channels_out, Count(depth.out), plane_out},
                       {plane_out, channels_out * plane_out, 1});
  }
  back.in[0] = step.out[0];
  back.out[0] = Write(work.output);
  Push(back, work);
}

// `step` has the kind, the planes, the divisor and the windows of all three axes.
bool Lowerer::EmitVolumePool(const Work& work, Step step) {
  const Windows windows = step.convolution.windows;
  const std::size_t planes = step.outer;
  const std::size_t depth = Count(windows.axis[0].in);
  const std::size_t plane = Plane(windows, &WindowAxis::out);
  if (!Fits({planes, depth, plane})) return false;
  const std::size_t between = planes * depth * plane;
  const bool back = step.kind == StepKind::kMaxPoolGrad || step.kind == StepKind::kAveragePoolGrad;
  const bool largest = step.kind == StepKind::kMaxPool || step.kind == StepKind::kMaxPoolGrad;
  Step flat = step;
  flat.convolution.windows = Flat(windows);
  flat.outer = planes * depth;
  Step deep = step;
  deep.convolution.windows = Deep(windows);
  if (!back || largest) {
    Step forward = flat;
    forward.kind = largest ? StepKind::kMaxPool : StepKind::kAveragePool;
    forward.in[0] = Read(work.inputs[0]);
    forward.out[0] = NewBuffer(between);
    deep.in[0] = forward.out[0];
    Push(forward, work);
  }
  if (!back) {
    deep.out[0] = Write(work.output);
    Push(deep, work);
    return true;
  }
  const std::size_t of_gradient = largest ? 1 : 0;
  deep.in[of_gradient] = Read(work.inputs[of_gradient]);
  deep.out[0] = NewBuffer(between);
  Push(deep, work);
  if (largest) flat.in[0] = Read(work.inputs[0]);
  flat.in[of_gradient] = deep.out[0];
  flat.out[0] = Write(work.output);
  Push(flat, work);
  return true;
}

}  // namespace anchorhold::engine
