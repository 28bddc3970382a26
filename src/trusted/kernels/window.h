// Windows that slide over the last axes of an array, for convolutions and poolings.
//
// Along one axis, output o meets input i through tap k where i = o * stride + k * dilation - pad.
// Inputs outside [0, in) are padding: they are never read. So for a tap the outputs that it serves
// are a range, and for an output the taps that hold an input are one:
//   0 <= o * stride + k * dilation - pad < in.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace anchorhold::kernels {

inline constexpr std::size_t kWindowAxesMax = 6;

// Every number is below 2^30, so that products of two of them and sums of those fit. stride,
// dilation and the sizes are at least 1.
struct WindowAxis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t pad = 0;      // before the first input
  std::int64_t pad_end = 0;  // after the last one; only poolings that count padding look at it
};

// The last `axes` axes of an array, outermost first.
struct Windows {
  std::size_t axes = 0;
  std::array<WindowAxis, kWindowAxesMax> axis{};

  std::size_t Product(std::int64_t WindowAxis::*size) const {
    std::size_t product = 1;
    for (std::size_t a = 0; a < axes; ++a) product *= static_cast<std::size_t>(axis[a].*size);
    return product;
  }
  std::size_t inputs() const { return Product(&WindowAxis::in); }
  std::size_t outputs() const { return Product(&WindowAxis::out); }
  std::size_t taps() const { return Product(&WindowAxis::kernel); }
};

// [begin, end); empty if end <= begin.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool empty() const { return end <= begin; }
};

// The least n >= 0 with n * step >= from.
inline std::int64_t FirstAtLeast(std::int64_t from, std::int64_t step) {
  return from <= 0 ? 0 : (from + step - 1) / step;
}

// The outputs whose tap k lies on an input.
inline Range OutputsOfTap(const WindowAxis& a, std::int64_t k) {
  const std::int64_t shift = a.pad - k * a.dilation;  // o * stride - shift is the input
  return {FirstAtLeast(shift, a.stride), std::min(a.out, FirstAtLeast(shift + a.in, a.stride))};
}

// The taps of output o that lie on an input.
inline Range TapsOfOutput(const WindowAxis& a, std::int64_t o) {
  const std::int64_t shift = a.pad - o * a.stride;  // k * dilation - shift is the input
  return {FirstAtLeast(shift, a.dilation),
          std::min(a.kernel, FirstAtLeast(shift + a.in, a.dilation))};
}

// Counts through a box of `axes` ranges, the last axis fastest.
class Odometer {
 public:
  Odometer(std::size_t axes, const std::array<Range, kWindowAxesMax>& ranges)
      : axes_(axes), ranges_(ranges) {
    for (std::size_t a = 0; a < axes_; ++a) {
      at_[a] = ranges_[a].begin;
      done_ = done_ || ranges_[a].empty();
    }
  }

  bool done() const { return done_; }
  std::int64_t operator[](std::size_t a) const { return at_[a]; }
  void Next() {
    for (std::size_t a = axes_; a-- > 0;) {
      if (++at_[a] < ranges_[a].end) return;
      at_[a] = ranges_[a].begin;
    }
    done_ = true;
  }

 private:
  std::size_t axes_;
  std::array<Range, kWindowAxesMax> ranges_;
  std::array<std::int64_t, kWindowAxesMax> at_{};
  bool done_ = false;
};

}  // namespace anchorhold::kernels
