// Correlations of single planes, the parts of depthwise convolutions:
//
//   out(t, u) = sum over taps (j, q) of weight(j, q) image(t, j; u, q)
//
// Included by depthwise.cc once a target. Lanes hold either neighbouring columns of one plane, or,
// where planes are narrower than vectors, one position of kLanes neighbouring channels. Both look
// the same from here: rows of floats in which the next position is `unit` floats on (1 or kLanes),
// and weights that are either broadcast or a vector a tap. A plane is first copied to a frame, with
// its padding as zeros.
//
// Each output is one chain over its taps, column by column (q outermost).
#if defined(ANCHORHOLD_SIMD_DEPTHWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_DEPTHWISE_INL_H_
#undef ANCHORHOLD_SIMD_DEPTHWISE_INL_H_
#else
#define ANCHORHOLD_SIMD_DEPTHWISE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_grid.h"
#include "trusted/simd/convolution_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// A plane with its padding. Row i is the image's row rows.first + i; it holds, class by class
// (convolution_grid.h), the columns that outputs 0, 1, ... and the taps' shifts meet. Floats that
// no output meets are zero.
struct Frame {
  static constexpr std::size_t kShifts = 5;
  TapAxis rows;
  TapAxis columns;
  std::size_t unit = 1;
  std::size_t classes = 1;
  std::size_t width = 0;   // floats of a class's row
  std::size_t stride = 0;  // floats of a row
  std::size_t height = 0;
  std::size_t floats = 0;
  kernels::Range inside;            // rows of the frame that are the image's
  std::size_t shift[kShifts] = {};  // where the first column taps begin in a row

  std::size_t taps() const { return static_cast<std::size_t>(rows.taps * columns.taps); }
  std::size_t out_rows() const { return static_cast<std::size_t>(rows.out); }
  std::size_t out_columns() const { return static_cast<std::size_t>(columns.out); }
  std::size_t in_width() const { return static_cast<std::size_t>(columns.in); }
  std::size_t inputs() const { return static_cast<std::size_t>(rows.in * columns.in); }
  // Where column tap q begins in a row, and row tap j.
  std::size_t ColumnTap(std::int64_t q) const {
    return columns.Class(q) * width + columns.Shift(q) * unit;
  }
  std::size_t Shift(std::int64_t q) const {
    return q < static_cast<std::int64_t>(kShifts) ? shift[q] : ColumnTap(q);
  }
  std::size_t RowTap(std::int64_t j) const {
    return static_cast<std::size_t>(j * rows.increment) * stride;
  }
};

inline Frame LayOutFrame(const TapAxis& rows, const TapAxis& columns, std::size_t unit) {
  Frame f;
  f.rows = rows;
  f.columns = columns;
  f.unit = unit;
  f.classes = columns.classes();
  f.width = RoundUp(RoundUp(f.out_columns() * unit, kLanes) + columns.Reach() * unit, kLanes);
  f.stride = f.classes * f.width;
  f.height =
      static_cast<std::size_t>((rows.out - 1) * rows.step + (rows.taps - 1) * rows.increment + 1);
  f.floats = f.height * f.stride;
  f.inside = Inside(rows.in, 1, rows.first, static_cast<std::int64_t>(f.height));
  for (std::size_t q = 0; q < Frame::kShifts; ++q) {
    f.shift[q] = f.ColumnTap(static_cast<std::int64_t>(q));
  }
  return f;
}

// Copies planes into a frame that was zeroed before the first one.
class FrameFiller {
 public:
  // The columns of a class: for unit = 1 by vectors, else position by position.
  struct Class {
    RowCopier copier;
    std::size_t from = 0;
    std::size_t to = 0;
    std::size_t count = 0;
  };

  explicit FrameFiller(const Frame& f) : frame_(f), few_{MakeClass(f, 0), MakeClass(f, 1)} {}

  // plane: for unit = kLanes, [position][channel].
  HWY_INLINE void Fill(const float* plane, float* frame) const {
    FillClass(few_[0], plane, frame);
    if (frame_.classes > 1) FillClass(few_[1], plane, frame + frame_.width);
    for (std::size_t k = 2; k < frame_.classes; ++k) {
      FillClass(MakeClass(frame_, k), plane, frame + k * frame_.width);
    }
  }

 private:
  static Class MakeClass(const Frame& f, std::size_t k) {
    const std::int64_t at = f.columns.first + f.columns.Residue(k);
    const auto room = static_cast<std::int64_t>(f.out_columns() + f.columns.Reach());
    const kernels::Range range = Inside(f.columns.in, f.columns.step, at, room);
    Class c{RowCopier(f.columns.in, f.columns.step, at, static_cast<std::size_t>(room))};
    if (range.empty()) return c;
    c.count = static_cast<std::size_t>(range.end - range.begin);
    c.from = static_cast<std::size_t>(range.begin * f.columns.step + at) * f.unit;
    c.to = static_cast<std::size_t>(range.begin) * f.unit;
    return c;
  }

  HWY_INLINE void FillClass(const Class& c, const float* plane, float* frame) const {
    const Frame& f = frame_;
    if (f.inside.empty()) return;
    const std::size_t row = f.in_width() * f.unit;
    const float* from = plane + static_cast<std::size_t>(f.rows.first + f.inside.begin) * row;
    float* to = frame + static_cast<std::size_t>(f.inside.begin) * f.stride;
    const auto rows = static_cast<std::size_t>(f.inside.end - f.inside.begin);
    if (f.unit == 1) return c.copier.Copy(rows, from, row, to, f.stride);
    const std::size_t step = static_cast<std::size_t>(f.columns.step) * kLanes;
    for (std::size_t i = 0; i < rows; ++i, from += row, to += f.stride) {
      for (std::size_t u = 0; u < c.count; ++u) {
        hn::StoreU(hn::LoadU(TileTag(), from + c.from + u * step), TileTag(),
                   to + c.to + u * kLanes);
      }
    }
  }

  Frame frame_;
  Class few_[2];
};

// Vector v of row t is at t row + v vector.
struct PlaneOrder {
  std::size_t row = 0;
  std::size_t vector = kLanes;
  HWY_INLINE std::size_t At(std::size_t t, std::size_t v) const { return t * row + v * vector; }
};

// What becomes of a plane's outputs: they go to `data`. With each, a line is fetched that will be
// written soon. Without that the stores, which a processor finishes in order, wait for each line
// that is not near.
struct PlaneSink {
  float* data = nullptr;
  PlaneOrder order;
  const float* ahead = nullptr;  // need not exist
  PlaneOrder ahead_order;
  bool finish = false;  // adds bias, clips
  TileVector bias;
  TileVector low;
  TileVector high;

  HWY_INLINE void Put(TileVector x, std::size_t t, std::size_t v, std::size_t part) const {
    if (finish) x = AtMost(high, AtLeast(low, hn::Add(x, bias)));
    float* const to = data + order.At(t, v);
    __builtin_prefetch(ahead + ahead_order.At(t, v), 1, 2);
    if (part == kLanes) {
      hn::StoreU(x, TileTag(), to);
    } else {
      StorePart(x, part, to);
    }
  }
};

template <bool kChannels>
HWY_INLINE TileVector WeightOf(const float* w, std::size_t tap) {
  return kChannels ? hn::LoadU(TileTag(), w + tap * kLanes) : hn::Set(TileTag(), w[tap]);
}

// kCount output rows from t on, one vector of each, kTaps x kTaps taps of increment 1.
template <bool kChannels, std::size_t kTaps, std::size_t kStep, std::size_t kCount>
HWY_INLINE void CorrelateRows(const Frame& f, const float* frame, const float* w, std::size_t t,
                              const PlaneSink& sink) {
  const std::size_t floats = f.out_columns() * f.unit;
  const std::size_t stride = f.stride;
  const float* row = frame + t * kStep * stride;
  std::size_t v = 0;
  for (std::size_t n = 0; n < floats; n += kLanes, ++v) {
    TileVector acc[kCount];
    for (std::size_t o = 0; o < kCount; ++o) acc[o] = hn::Zero(TileTag());
    for (std::size_t q = 0; q < kTaps; ++q) {
      const float* at = row + n + f.shift[q];
      TileVector weight[kTaps];
      for (std::size_t j = 0; j < kTaps; ++j) {
        weight[j] = WeightOf<kChannels>(w, j * kTaps + q);
      }
      for (std::size_t i = 0; i < (kCount - 1) * kStep + kTaps; ++i, at += stride) {
        const TileVector x = hn::LoadU(TileTag(), at);
        for (std::size_t o = 0; o < kCount; ++o) {
          if (i < o * kStep || i - o * kStep >= kTaps) continue;
          acc[o] = hn::MulAdd(x, weight[i - o * kStep], acc[o]);
        }
      }
    }
    const std::size_t part = HWY_MIN(kLanes, floats - n);
    for (std::size_t o = 0; o < kCount; ++o) sink.Put(acc[o], t + o, v, part);
  }
}

// Rows go by sevens where that leaves none over (the planes of many networks have 7, 14, 28, ...
// rows), else by eights and fewer.
template <bool kChannels, std::size_t kTaps, std::size_t kStep>
inline void CorrelateSquare(const Frame& f, const float* frame, const float* w,
                            const PlaneSink& sink) {
  const std::size_t rows = f.out_rows();
  std::size_t t = 0;
  if (rows % 7 == 0) {
    for (; t < rows; t += 7) CorrelateRows<kChannels, kTaps, kStep, 7>(f, frame, w, t, sink);
    return;
  }
  for (; t + 8 <= rows; t += 8) CorrelateRows<kChannels, kTaps, kStep, 8>(f, frame, w, t, sink);
  for (; t + 4 <= rows; t += 4) CorrelateRows<kChannels, kTaps, kStep, 4>(f, frame, w, t, sink);
  for (; t + 2 <= rows; t += 2) CorrelateRows<kChannels, kTaps, kStep, 2>(f, frame, w, t, sink);
  if (t < rows) CorrelateRows<kChannels, kTaps, kStep, 1>(f, frame, w, t, sink);
}

inline constexpr std::size_t kRowsAtOnce = 4;

// Any taps.
template <bool kChannels>
inline void CorrelateAny(const Frame& f, const float* frame, const float* w,
                         const PlaneSink& sink) {
  const std::size_t floats = f.out_columns() * f.unit;
  const std::size_t step = static_cast<std::size_t>(f.rows.step) * f.stride;
  const auto taps = static_cast<std::size_t>(f.columns.taps);
  for (std::size_t t = 0; t < f.out_rows(); t += kRowsAtOnce) {
    const std::size_t count = HWY_MIN(kRowsAtOnce, f.out_rows() - t);
    for (std::size_t n = 0; n < floats; n += kLanes) {
      TileVector acc[kRowsAtOnce];
      for (TileVector& a : acc) a = hn::Zero(TileTag());
      for (std::int64_t q = 0; q < f.columns.taps; ++q) {
        const std::size_t column = f.Shift(q);
        for (std::int64_t j = 0; j < f.rows.taps; ++j) {
          const float* const at = frame + t * step + column + f.RowTap(j) + n;
          const TileVector weight = WeightOf<kChannels>(
              w, static_cast<std::size_t>(j) * taps + static_cast<std::size_t>(q));
          for (std::size_t o = 0; o < kRowsAtOnce; ++o) {
            const std::size_t row = o < count ? o : 0;  // an output that exists, not stored
            acc[o] = hn::MulAdd(hn::LoadU(TileTag(), at + row * step), weight, acc[o]);
          }
        }
      }
      const std::size_t part = HWY_MIN(kLanes, floats - n);
      for (std::size_t o = 0; o < kRowsAtOnce; ++o) {
        if (o < count) sink.Put(acc[o], t + o, n / kLanes, part);
      }
    }
  }
}

template <bool kChannels>
inline void CorrelatePlane(const Frame& f, const float* frame, const float* w,
                           const PlaneSink& sink) {
  const bool square = f.rows.taps == f.columns.taps && f.rows.increment == 1;
  if (square && f.rows.taps == 3 && f.rows.step == 1) {
    return CorrelateSquare<kChannels, 3, 1>(f, frame, w, sink);
  }
  if (square && f.rows.taps == 3 && f.rows.step == 2) {
    return CorrelateSquare<kChannels, 3, 2>(f, frame, w, sink);
  }
  if (square && f.rows.taps == 5 && f.rows.step == 1) {
    return CorrelateSquare<kChannels, 5, 1>(f, frame, w, sink);
  }
  if (square && f.rows.taps == 5 && f.rows.step == 2) {
    return CorrelateSquare<kChannels, 5, 2>(f, frame, w, sink);
  }
  CorrelateAny<kChannels>(f, frame, w, sink);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
