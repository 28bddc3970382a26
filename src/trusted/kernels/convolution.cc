#include "trusted/kernels/convolution.h"

namespace anchorhold::kernels {
namespace {

// `count` neighbouring outputs from `out` on, which meet the inputs in, in + stride, ...
struct Row {
  std::size_t out = 0;
  std::size_t in = 0;
  std::size_t count = 0;
  std::size_t stride = 1;
};

// One tap, and along each axis the outputs that it serves.
struct Tap {
  std::size_t index = 0;
  std::array<std::int64_t, kWindowAxesMax> shift{};  // output o meets input o * stride + shift
  std::array<Range, kWindowAxesMax> outputs{};
};

// Calls visit(tap) for each tap that meets an input at all.
template <typename Visit>
void ForEachTap(const Windows& windows, Visit visit) {
  std::array<Range, kWindowAxesMax> kernel{};
  for (std::size_t a = 0; a < windows.axes; ++a) kernel[a] = {0, windows.axis[a].kernel};
  Tap tap;
  for (Odometer k(windows.axes, kernel); !k.done(); k.Next(), ++tap.index) {
    bool empty = false;
    for (std::size_t a = 0; a < windows.axes; ++a) {
      tap.shift[a] = k[a] * windows.axis[a].dilation - windows.axis[a].pad;
      tap.outputs[a] = OutputsOfTap(windows.axis[a], k[a]);
      empty = empty || tap.outputs[a].empty();
    }
    if (!empty) visit(tap);
  }
}

// Calls visit(row) for each row that the tap makes in one plane. Rows lie along the last axis; the
// axis before it is walked by steps, the others by position.
template <typename Visit>
void ForEachRow(const Windows& windows, const Tap& tap, Visit visit) {
  const std::size_t last = windows.axes - 1;
  const std::size_t walked = last == 0 ? 0 : last - 1;
  const WindowAxis& inner = windows.axis[last];
  const auto stride = static_cast<std::size_t>(inner.stride);
  const Range& columns = tap.outputs[last];
  const auto count = static_cast<std::size_t>(columns.end - columns.begin);
  const std::int64_t rows = last == 0 ? 1 : tap.outputs[walked].end - tap.outputs[walked].begin;
  const auto out_step = static_cast<std::size_t>(inner.out);
  const auto in_step = static_cast<std::size_t>(windows.axis[walked].stride * inner.in);
  for (Odometer o(walked, tap.outputs); !o.done(); o.Next()) {
    std::int64_t out = 0;
    std::int64_t in = 0;
    for (std::size_t a = 0; a <= last; ++a) {
      const WindowAxis& axis = windows.axis[a];
      const std::int64_t at = a < walked ? o[a] : tap.outputs[a].begin;
      out = out * axis.out + at;
      in = in * axis.in + at * axis.stride + tap.shift[a];
    }
    Row row{static_cast<std::size_t>(out), static_cast<std::size_t>(in), count, stride};
    for (std::int64_t r = 0; r < rows; ++r) {
      visit(row);
      row.out += out_step;
      row.in += in_step;
    }
  }
}

// Calls visit(y_plane, x_plane, w_index, tap) for each pair of channels, image by image and tap by
// tap.
template <typename Visit>
void ForEachPlane(const ConvolutionShape& shape, Visit visit) {
  const std::size_t outputs = shape.windows.outputs();
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t taps = shape.windows.taps();
  const std::size_t channels = shape.groups * shape.out_channels;
  for (std::size_t n = 0; n < shape.batch; ++n) {
    ForEachTap(shape.windows, [&](const Tap& tap) {
      for (std::size_t m = 0; m < channels; ++m) {
        const std::size_t group = m / shape.out_channels;
        for (std::size_t c = 0; c < shape.in_channels; ++c) {
          const std::size_t x = (n * shape.groups + group) * shape.in_channels + c;
          visit((n * channels + m) * outputs, x * inputs,
                (m * shape.in_channels + c) * taps + tap.index, tap);
        }
      }
    });
  }
}

}  // namespace

template <typename T>
void Convolution(const ConvolutionShape& shape, const T* x, const T* w, T* y) {
  const Windows& windows = shape.windows;
  std::fill_n(y, shape.batch * shape.groups * shape.out_channels * windows.outputs(), T(0));
  ForEachPlane(shape,
               [&](std::size_t y_plane, std::size_t x_plane, std::size_t at, const Tap& tap) {
                 const T weight = w[at];
                 ForEachRow(windows, tap, [&](const Row& row) {
                   T* to = y + y_plane + row.out;
                   const T* from = x + x_plane + row.in;
                   if (row.stride == 1) {
                     for (std::size_t j = 0; j < row.count; ++j) to[j] += weight * from[j];
                   } else {
                     for (std::size_t j = 0; j < row.count; ++j)
                       to[j] += weight * from[j * row.stride];
                   }
                 });
               });
}

template <typename T>
void ConvolutionInput(const ConvolutionShape& shape, const T* y, const T* w, T* x) {
  const Windows& windows = shape.windows;
  std::fill_n(x, shape.batch * shape.groups * shape.in_channels * windows.inputs(), T(0));
  ForEachPlane(shape,
               [&](std::size_t y_plane, std::size_t x_plane, std::size_t at, const Tap& tap) {
                 const T weight = w[at];
                 ForEachRow(windows, tap, [&](const Row& row) {
                   const T* from = y + y_plane + row.out;
                   T* to = x + x_plane + row.in;
                   if (row.stride == 1) {
                     for (std::size_t j = 0; j < row.count; ++j) to[j] += weight * from[j];
                   } else {
                     for (std::size_t j = 0; j < row.count; ++j)
                       to[j * row.stride] += weight * from[j];
                   }
                 });
               });
}

template <typename T>
void ConvolutionWeight(const ConvolutionShape& shape, const T* x, const T* y, T* w) {
  const Windows& windows = shape.windows;
  const std::size_t channels = shape.groups * shape.out_channels * shape.in_channels;
  std::fill_n(w, channels * windows.taps(), T(0));
  ForEachPlane(shape,
               [&](std::size_t y_plane, std::size_t x_plane, std::size_t at, const Tap& tap) {
                 T sum = 0;
                 ForEachRow(windows, tap, [&](const Row& row) {
                   const T* a = y + y_plane + row.out;
                   const T* b = x + x_plane + row.in;
                   for (std::size_t j = 0; j < row.count; ++j) sum += a[j] * b[j * row.stride];
                 });
                 w[at] += sum;
               });
}

#define AH_INSTANTIATE(T)                                                          \
  template void Convolution(const ConvolutionShape&, const T*, const T*, T*);      \
  template void ConvolutionInput(const ConvolutionShape&, const T*, const T*, T*); \
  template void ConvolutionWeight(const ConvolutionShape&, const T*, const T*, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
