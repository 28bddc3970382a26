// The geometry of a convolution along one axis, and of its adjoint: both are correlations
//
//   output o  =  sum over taps j = 0 .. taps-1 of  weight(j) input(o step + first + j increment)
//
// whose inputs outside [0, in) are zero. Forward, tap j is kernel element j. The adjoint splits
// into `stride` phases: the inputs i = phase + stride t meet only the kernel elements k with
//   i + pad - k dilation = 0 (mod stride),
// which are every period-th one, period = stride / gcd(stride, dilation); output t of the phase is
// their sum over t + (phase + pad - k dilation) / stride, a correlation of step 1. So no product
// with a zero between strided positions is formed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/kernels/convolution.h"

namespace anchorhold::simd {

struct TapAxis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  std::int64_t step = 1;
  std::int64_t taps = 1;
  std::int64_t first = 0;
  std::int64_t increment = 1;  // >= 1
  // Tap j is kernel element kernel_first + j kernel_step.
  std::int64_t kernel_first = 0;
  std::int64_t kernel_step = 1;
  // Output o lies at out_first + o out_step of the result's axis.
  std::int64_t out_first = 0;
  std::int64_t out_step = 1;

  // Positions are kept apart by their remainder modulo `step`, so that neighbouring outputs have
  // neighbouring inputs. Tap j belongs to class j mod classes(), begins at Residue(class), and lies
  // Shift(j) places on within its class.
  std::size_t classes() const;
  std::size_t Class(std::int64_t j) const { return static_cast<std::size_t>(j) % classes(); }
  std::int64_t Residue(std::size_t c) const {
    return static_cast<std::int64_t>(c) * increment % step;
  }
  std::size_t Shift(std::int64_t j) const { return static_cast<std::size_t>(j * increment / step); }
  std::size_t Reach() const { return taps == 0 ? 0 : Shift(taps - 1); }
};

inline std::int64_t GreatestCommonDivisor(std::int64_t a, std::int64_t b) {
  while (b != 0) {
    const std::int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

inline std::size_t TapAxis::classes() const {
  const std::int64_t period = step / GreatestCommonDivisor(step, increment);
  return static_cast<std::size_t>(period < taps ? period : (taps > 0 ? taps : 1));
}

inline TapAxis ForwardAxis(const kernels::WindowAxis& a) {
  TapAxis axis;
  axis.in = a.in;
  axis.out = a.out;
  axis.step = a.stride;
  axis.taps = a.kernel;
  axis.first = -a.pad;
  axis.increment = a.dilation;
  return axis;
}

// Phase in 0 .. stride-1; its `out` may be 0, and its `taps`.
inline TapAxis AdjointAxis(const kernels::WindowAxis& a, std::int64_t phase) {
  TapAxis axis;
  axis.in = a.out;
  axis.out = phase < a.in ? (a.in - phase + a.stride - 1) / a.stride : 0;
  axis.out_first = phase;
  axis.out_step = a.stride;
  axis.taps = 0;
  const std::int64_t period = a.stride / GreatestCommonDivisor(a.stride, a.dilation);
  std::int64_t k = 0;
  const std::int64_t end = period < a.kernel ? period : a.kernel;
  while (k < end && (phase + a.pad - k * a.dilation) % a.stride != 0) ++k;
  if (k == period || k >= a.kernel) return axis;
  axis.taps = (a.kernel - 1 - k) / period + 1;
  const std::int64_t last = k + (axis.taps - 1) * period;  // the tap that reaches furthest back
  axis.first = (phase + a.pad - last * a.dilation) / a.stride;
  axis.increment = period * a.dilation / a.stride;
  axis.kernel_first = last;
  axis.kernel_step = -period;
  return axis;
}

// The outputs [begin, end) of an adjoint's axis, which all meet inputs with the same taps, with
// those alone.
inline TapAxis WithTapsOf(const TapAxis& a, const kernels::Range& outputs) {
  TapAxis part = a;
  std::int64_t skipped = 0;
  const auto meets = [&](std::int64_t j) {
    const std::int64_t at = outputs.begin + a.first + j * a.increment;
    return at >= 0 && at < a.in;
  };
  while (skipped < a.taps && !meets(skipped)) ++skipped;
  part.taps = 0;
  while (skipped + part.taps < a.taps && meets(skipped + part.taps)) ++part.taps;
  part.out = outputs.end - outputs.begin;
  part.first = outputs.begin + a.first + skipped * a.increment;
  part.kernel_first = a.kernel_first + skipped * a.kernel_step;
  part.out_first = a.out_first + outputs.begin * a.out_step;
  return part;
}

// The first output after o that has other taps than o, or the end.
inline std::int64_t EndOfRange(const TapAxis& a, std::int64_t o) {
  std::int64_t end = a.out;
  for (std::int64_t j = 0; j < a.taps; ++j) {
    const std::int64_t enters = -a.first - j * a.increment;
    for (const std::int64_t change : {enters, enters + a.in}) {
      if (change > o && change < end) end = change;
    }
  }
  return end;
}

// Calls visit(axis) for the parts of an adjoint's phase: itself, or, if a sixth or more of its taps
// lie outside of the image, ranges of outputs with only the taps that do not. Without a stride it
// is always itself: what is then lost at the edges of all but tiny images is less than what the
// same strips for all outputs save.
template <class Visit>
void ForEachRange(const TapAxis& a, Visit visit) {
  if (a.out_step == 1) return visit(a);
  std::int64_t met = 0;
  std::int64_t end = 0;
  for (std::int64_t o = 0; o < a.out; o = end) {
    end = EndOfRange(a, o);
    met += (end - o) * WithTapsOf(a, {o, end}).taps;
  }
  if (6 * (a.out * a.taps - met) < a.out * a.taps) return visit(a);
  for (std::int64_t o = 0; o < a.out; o = end) {
    end = EndOfRange(a, o);
    visit(WithTapsOf(a, {o, end}));
  }
}

// Phases that have outputs.
inline std::int64_t PhasesOf(const kernels::WindowAxis& a) {
  return a.stride < a.in ? a.stride : a.in;
}

// The two axes of a shape; a one-dimensional one has a single row.
inline const kernels::WindowAxis RowAxis(const kernels::Windows& windows) {
  return windows.axes == 2 ? windows.axis[0] : kernels::WindowAxis{};
}
inline const kernels::WindowAxis& ColumnAxis(const kernels::Windows& windows) {
  return windows.axis[windows.axes - 1];
}

// An inner range of outputs o whose input o step + at lies in [0, in): [begin, end), clipped to
// [0, count).
inline kernels::Range Inside(std::int64_t in, std::int64_t step, std::int64_t at,
                             std::int64_t count) {
  kernels::Range range{kernels::FirstAtLeast(-at, step), kernels::FirstAtLeast(in - at, step)};
  if (range.end > count) range.end = count;
  if (range.begin > range.end) range.begin = range.end;
  return range;
}

}  // namespace anchorhold::simd
