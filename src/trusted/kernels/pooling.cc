#include "trusted/kernels/pooling.h"

#include <limits>

namespace anchorhold::kernels {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// Calls visit(output, position) for each output of a plane, in order.
template <typename Visit>
void ForEachOutput(const Windows& windows, Visit visit) {
  std::array<Range, kWindowAxesMax> ranges{};
  for (std::size_t a = 0; a < windows.axes; ++a) ranges[a] = {0, windows.axis[a].out};
  std::size_t output = 0;
  for (Odometer o(windows.axes, ranges); !o.done(); o.Next()) visit(output++, o);
}

// Calls visit(i) for each input in the window of output `o`, by its place in the plane.
template <typename Visit>
void ForEachInput(const Windows& windows, const Odometer& o, Visit visit) {
  std::array<Range, kWindowAxesMax> taps{};
  for (std::size_t a = 0; a < windows.axes; ++a) taps[a] = TapsOfOutput(windows.axis[a], o[a]);
  for (Odometer k(windows.axes, taps); !k.done(); k.Next()) {
    std::int64_t i = 0;
    for (std::size_t a = 0; a < windows.axes; ++a) {
      const WindowAxis& axis = windows.axis[a];
      i = i * axis.in + o[a] * axis.stride + k[a] * axis.dilation - axis.pad;
    }
    visit(static_cast<std::size_t>(i));
  }
}

// The first maximum's place in the plane, or kNone.
template <typename T>
std::size_t FirstMaximum(const Windows& windows, const Odometer& o, const T* x) {
  std::size_t at = kNone;
  ForEachInput(windows, o, [&](std::size_t i) {
    const bool is_nan = x[i] != x[i];
    if (at == kNone || x[i] > x[at] || (is_nan && x[at] == x[at])) at = i;
  });
  return at;
}

template <typename T>
T DivisorOf(const PoolingShape& shape, const Odometer& o) {
  std::int64_t count = 1;
  for (std::size_t a = 0; a < shape.windows.axes && shape.divisor != Divisor::kOne; ++a) {
    WindowAxis axis = shape.windows.axis[a];
    if (shape.divisor == Divisor::kPadded) {  // the same window over the padded axis
      axis.in += axis.pad + axis.pad_end;
      axis.pad = 0;
    }
    const Range taps = TapsOfOutput(axis, o[a]);
    if (!taps.empty()) count *= taps.end - taps.begin;
  }
  return static_cast<T>(count);
}

// Element `i` of a plane, counted with the plane's first axis fastest.
std::size_t ColumnMajor(const Windows& windows, std::size_t i) {
  std::size_t place = 0;
  for (std::size_t a = windows.axes; a-- > 0;) {
    const auto size = static_cast<std::size_t>(windows.axis[a].in);
    std::size_t faster = 1;
    for (std::size_t b = 0; b < a; ++b) faster *= static_cast<std::size_t>(windows.axis[b].in);
    place += i % size * faster;
    i /= size;
  }
  return place;
}

}  // namespace

template <typename T>
void MaxPool(const PoolingShape& shape, const T* x, T* y) {
  using Limits = std::numeric_limits<T>;
  const T least = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  for (std::size_t p = 0; p < shape.planes; ++p) {
    const T* plane = x + p * inputs;
    ForEachOutput(shape.windows, [&](std::size_t output, const Odometer& o) {
      const std::size_t at = FirstMaximum(shape.windows, o, plane);
      y[p * outputs + output] = at == kNone ? least : plane[at];
    });
  }
}

template <typename T>
void MaxPoolIndices(const PoolingShape& shape, const T* x, std::int64_t* y) {
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  for (std::size_t p = 0; p < shape.planes; ++p) {
    ForEachOutput(shape.windows, [&](std::size_t output, const Odometer& o) {
      const std::size_t at = FirstMaximum(shape.windows, o, x + p * inputs);
      std::int64_t index = -1;
      if (at != kNone) {
        const std::size_t place = shape.column_major ? ColumnMajor(shape.windows, at) : at;
        index = static_cast<std::int64_t>(p * inputs + place);
      }
      y[p * outputs + output] = index;
    });
  }
}

template <typename T>
void MaxPoolGrad(const PoolingShape& shape, const T* x, const T* g, T* dx) {
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  std::fill_n(dx, shape.planes * inputs, T(0));
  for (std::size_t p = 0; p < shape.planes; ++p) {
    ForEachOutput(shape.windows, [&](std::size_t output, const Odometer& o) {
      const std::size_t at = FirstMaximum(shape.windows, o, x + p * inputs);
      if (at != kNone) dx[p * inputs + at] += g[p * outputs + output];
    });
  }
}

template <typename T>
void SumPool(const PoolingShape& shape, const T* x, T* y) {
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  for (std::size_t p = 0; p < shape.planes; ++p) {
    ForEachOutput(shape.windows, [&](std::size_t output, const Odometer& o) {
      T sum = 0;
      ForEachInput(shape.windows, o, [&](std::size_t i) { sum += x[p * inputs + i]; });
      y[p * outputs + output] = sum / DivisorOf<T>(shape, o);
    });
  }
}

template <typename T>
void SumPoolGrad(const PoolingShape& shape, const T* g, T* dx) {
  const std::size_t inputs = shape.windows.inputs();
  const std::size_t outputs = shape.windows.outputs();
  std::fill_n(dx, shape.planes * inputs, T(0));
  for (std::size_t p = 0; p < shape.planes; ++p) {
    ForEachOutput(shape.windows, [&](std::size_t output, const Odometer& o) {
      const T share = g[p * outputs + output] / DivisorOf<T>(shape, o);
      ForEachInput(shape.windows, o, [&](std::size_t i) { dx[p * inputs + i] += share; });
    });
  }
}

#define AH_INSTANTIATE(T)                                                 \
  template void MaxPoolGrad(const PoolingShape&, const T*, const T*, T*); \
  template void SumPool(const PoolingShape&, const T*, T*);               \
  template void SumPoolGrad(const PoolingShape&, const T*, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

#define AH_INSTANTIATE(T)                                   \
  template void MaxPool(const PoolingShape&, const T*, T*); \
  template void MaxPoolIndices(const PoolingShape&, const T*, std::int64_t*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
AH_INSTANTIATE(std::int64_t)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
