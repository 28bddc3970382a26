// Dense convolutions of small images, with examples in the lanes. The images of kLanes examples are
// transposed to planes of vectors, one vector a position, padding included,
//
//   plane[c][class of rows][class of columns][t][u]      (classes as in convolution_grid.h)
//
// of which every tap reads a part where it lies: neighbouring outputs of a row have neighbouring
// vectors, whatever the stride, and no tap needs a copy of its own as it does of strips
// (convolution_strips-inl.h), whose short rows would be most of the work. The results,
// [m][position], are transposed back as a whole, so that the phases of an adjoint read the same
// planes and none of them writes with a stride.
//
// An element is the same chain of multiply-adds as in convolution_dense-inl.h, the zeros of the
// padding among them, and so has the same bits: which of the two ways is taken may depend on the
// number of examples. Lanes beyond the last example are zeros and go nowhere.
#if defined(ANCHORHOLD_SIMD_CONVOLUTION_EXAMPLES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_CONVOLUTION_EXAMPLES_INL_H_
#undef ANCHORHOLD_SIMD_CONVOLUTION_EXAMPLES_INL_H_
#else
#define ANCHORHOLD_SIMD_CONVOLUTION_EXAMPLES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_dense-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Planes, or planes and results, in vectors: they are to stay in the second cache.
inline constexpr std::size_t kLaneVectorsMax = 8192;

// Few lanes may stay empty.
HWY_INLINE bool FillsLanes(std::size_t examples) {
  return 4 * examples >= 3 * RoundUp(examples, kLanes);
}

// An axis of planes: element u of class k is input u step + first + residue(k).
struct PlaneAxis {
  std::int64_t first = 0;
  std::int64_t step = 1;
  std::size_t classes = 0;
  std::size_t size = 0;  // elements of a class

  // Makes room for what the taps of `a` reach. Of several axes all have step 1.
  void Cover(const TapAxis& a) {
    const auto count = a.out + static_cast<std::int64_t>(a.Reach());
    std::int64_t begin = a.first;
    std::int64_t end = a.first + count;
    if (size > 0) {
      begin = HWY_MIN(begin, first);
      end = HWY_MAX(end, first + static_cast<std::int64_t>(size));
    }
    first = begin;
    step = a.step;
    classes = a.classes();
    size = static_cast<std::size_t>(end - begin);
  }
};

struct Planes {
  PlaneAxis rows;
  PlaneAxis columns;

  // Where the vector of element (t, u) of a class of rows and one of columns lies, in vectors.
  std::size_t At(std::size_t row_class, std::size_t t, std::size_t column_class,
                 std::size_t u) const {
    return ((row_class * columns.classes + column_class) * rows.size + t) * columns.size + u;
  }
  std::size_t elements() const { return At(rows.classes, 0, 0, 0); }
  // Vectors from a channel to the next. Behind the elements there is one for inputs that no tap
  // meets; an odd number spreads channels over the cache's sets.
  std::size_t channel() const { return (elements() + 1) | 1; }
  void Cover(const Images& x) {
    rows.Cover(x.rows);
    columns.Cover(x.columns);
  }
};

// Where vectors of inputs go.
struct InputTable {
  std::uint32_t* places = nullptr;  // by position of the image, in floats
  bool complete = false;            // every element of the planes is an input
};

// visit(class, element) if input i is an element of the axis.
template <class Visit>
HWY_INLINE void VisitElement(const TapAxis& a, const PlaneAxis& axis, std::int64_t i, Visit visit) {
  for (std::size_t k = 0; k < axis.classes; ++k) {
    const std::int64_t from = i - axis.first - a.Residue(k);
    if (from < 0 || from % axis.step != 0) continue;
    const auto element = static_cast<std::size_t>(from / axis.step);
    if (element < axis.size) visit(k, element);
  }
}

inline InputTable TabulateInputs(const Images& x, const Planes& planes, std::uint32_t* places) {
  const auto rows = static_cast<std::size_t>(x.rows.in);
  const auto columns = static_cast<std::size_t>(x.columns.in);
  const auto spare = static_cast<std::uint32_t>(planes.elements() * kLanes);
  std::size_t rows_met = 0;
  std::size_t columns_met = 0;
  // The first row holds what the columns add, until its own turn comes, as the last.
  for (std::size_t l = 0; l < columns; ++l) {
    places[l] = spare;
    VisitElement(x.columns, planes.columns, static_cast<std::int64_t>(l),
                 [&](std::size_t k, std::size_t u) {
                   places[l] = static_cast<std::uint32_t>(planes.At(0, 0, k, u) * kLanes);
                   ++columns_met;
                 });
  }
  for (std::size_t i = rows; i-- > 0;) {
    std::uint32_t row = spare;
    VisitElement(x.rows, planes.rows, static_cast<std::int64_t>(i),
                 [&](std::size_t k, std::size_t t) {
                   row = static_cast<std::uint32_t>(planes.At(k, t, 0, 0) * kLanes);
                   ++rows_met;
                 });
    std::uint32_t* const to = places + i * columns;
    for (std::size_t l = 0; l < columns; ++l) {
      to[l] = row == spare || places[l] == spare ? spare : row + places[l];
    }
  }
  return {places, rows_met * columns_met == planes.elements()};
}

// Where the vectors of element i = (channel, row tap, column tap) of the sum begin, in floats.
inline void TabulateTaps(const Images& x, const Planes& planes, std::size_t channels,
                         std::uint32_t* offsets) {
  const auto row = static_cast<std::size_t>(x.rows.first - planes.rows.first);
  const auto column = static_cast<std::size_t>(x.columns.first - planes.columns.first);
  std::size_t taps = 0;
  for (std::int64_t j = 0; j < x.rows.taps; ++j) {
    for (std::int64_t q = 0; q < x.columns.taps; ++q) {
      const std::size_t at = planes.At(x.rows.Class(j), row + x.rows.Shift(j), x.columns.Class(q),
                                       column + x.columns.Shift(q));
      offsets[taps++] = static_cast<std::uint32_t>(at * kLanes);
    }
  }
  const auto channel = static_cast<std::uint32_t>(planes.channel() * kLanes);
  for (std::size_t i = taps; i < taps * channels; ++i) offsets[i] = offsets[i - taps] + channel;
}

// The images of examples [first, first + count), count <= kLanes, to planes.
inline void FillPlanes(const Images& x, const InputTable& table, std::size_t channel,
                       std::size_t first, std::size_t count, float* planes) {
  const TileTag d;
  const auto inputs = static_cast<std::size_t>(x.rows.in * x.columns.in);
  for (std::size_t c = 0; c < x.channels; ++c, planes += channel) {
    const float* const images = x.data + first * x.example + c * x.channel;
    for (std::size_t p = 0; p < inputs; p += kLanes) {
      const std::size_t part = HWY_MIN(kLanes, inputs - p);
      TileVector v[kLanes];
      if (count == kLanes && part == kLanes) {
        for (std::size_t e = 0; e < kLanes; ++e) v[e] = hn::LoadU(d, images + e * x.example + p);
      } else {
        for (std::size_t e = 0; e < kLanes; ++e) {
          v[e] = e < count ? LoadPart(part, images + e * x.example + p) : hn::Zero(d);
        }
      }
      TransposeLanes(v);
      for (std::size_t i = 0; i < kLanes; ++i) {
        if (i < part) hn::StoreU(v[i], d, planes + table.places[p + i]);
      }
    }
  }
}

struct LanePlan {
  bool used = false;
  Planes planes;
  std::size_t inputs = 0;      // positions of an image
  std::size_t outputs = 0;     // positions of a result
  std::size_t results = 0;     // vectors from an output channel to the next
  std::size_t outputs_at = 0;  // the parts of the scratch memory, in floats; input places begin it
  std::size_t offsets_at = 0;
  std::size_t weights_at = 0;
  std::size_t planes_at = 0;
  std::size_t sums_at = 0;
  std::size_t floats = 0;
};

HWY_INLINE std::size_t WeightsOfPart(const Correlation& c) {
  return c.outputs * c.x.channels * c.x.taps();
}

// parts(visit) calls visit(correlation) for the parts of a map: one, or one a phase, of the same
// images and results.
template <class Parts>
LanePlan PlanLanes(const Parts& parts) {
  LanePlan plan;
  Correlation any;
  std::size_t taps = 0;
  std::size_t most_taps = 0;
  std::size_t weights = 0;
  parts([&](const Correlation& c) {
    any = c;
    plan.outputs += c.x.outputs();
    if (c.x.taps() == 0 || c.x.outputs() == 0) return;
    plan.planes.Cover(c.x);
    taps += c.x.taps();
    most_taps = HWY_MAX(most_taps, c.x.taps());
    if (c.packed == nullptr) weights += WeightsOfPart(c);
  });
  plan.inputs = static_cast<std::size_t>(any.x.rows.in * any.x.columns.in);
  plan.results = plan.outputs | 1;
  const std::size_t planes = any.x.channels * plan.planes.channel();
  const std::size_t sums = any.outputs * plan.results;
  // One tap needs no strips, only the matrices that are there.
  plan.used = taps > 1 && FillsLanes(any.examples) && planes + sums <= kLaneVectorsMax;
  if (!plan.used) return plan;
  plan.outputs_at = RoundUp(plan.inputs, 16);
  plan.offsets_at = plan.outputs_at + RoundUp(plan.outputs, 16);
  plan.weights_at = plan.offsets_at + RoundUp(any.x.channels * most_taps, 16);
  plan.planes_at = plan.weights_at + RoundUp(weights, 16);
  plan.sums_at = plan.planes_at + RoundUp(planes * kLanes, 16);
  plan.floats = plan.sums_at + sums * kLanes;
  return plan;
}

// Sums of the result's positions lie part after part; places[position]: where, in floats. `base` is
// the part's first vector.
inline void TabulateOutputs(const Correlation& c, std::size_t base, std::uint32_t* places) {
  for (std::int64_t t = 0; t < c.x.rows.out; ++t) {
    const std::int64_t row = c.x.rows.out_first + t * c.x.rows.out_step;
    std::uint32_t* const to =
        places + static_cast<std::size_t>(row) * c.y.width + c.x.columns.out_first;
    for (std::int64_t u = 0; u < c.x.columns.out; ++u, ++base) {
      to[u * c.x.columns.out_step] = static_cast<std::uint32_t>(base * kLanes);
    }
  }
}

// A part's sums, from `sums` on.
inline void MultiplyPart(const Correlation& c, const LanePlan& plan, const float* packed,
                         float* scratch, float* sums) {
  const std::size_t ldc = plan.results * kLanes;
  const auto columns = static_cast<std::size_t>(c.x.columns.out) * kLanes;
  if (c.x.taps() == 0) {
    for (std::size_t m = 0; m < c.outputs; ++m) {
      ZeroFloats(sums + m * ldc, c.x.outputs() * kLanes);
    }
    return;
  }
  auto* const offsets = reinterpret_cast<std::uint32_t*>(scratch + plan.offsets_at);
  const std::size_t channels = ChannelsAtOnce(c.x);
  TabulateTaps(c.x, plan.planes, channels, offsets);
  Chunk chunk;
  chunk.last = c.outputs;
  chunk.offsets = offsets;
  chunk.positions = columns;
  chunk.whole = true;
  MatrixSink sink;
  sink.ldc = ldc;
  for (std::size_t channel = 0; channel < c.x.channels; channel += channels) {
    const std::size_t count = HWY_MIN(channels, c.x.channels - channel);
    const float* const weights = packed + channel * c.outputs * c.x.taps();
    chunk.inner = count * c.x.taps();
    chunk.strips = scratch + plan.planes_at + channel * plan.planes.channel() * kLanes;
    sink.c = sums;
    sink.load = channel > 0;
    sink.epilogue = channel + count == c.x.channels ? &c.epilogue : nullptr;
    for (std::int64_t t = 0; t < c.x.rows.out; ++t) {
      MultiplyChunk(
          c, chunk,
          [&](std::size_t m, std::size_t rows) {
            return APanel{weights + m * chunk.inner, rows};
          },
          sink);
      chunk.strips += plan.planes.columns.size * kLanes;
      sink.c += columns;
    }
  }
}

// The sums of all output channels to where they belong.
inline void SpreadResults(const Correlation& c, const LanePlan& plan, std::size_t first,
                          std::size_t count, const float* scratch) {
  const auto* const places = reinterpret_cast<const std::uint32_t*>(scratch + plan.outputs_at);
  const float* sums = scratch + plan.sums_at;
  for (std::size_t m = 0; m < c.outputs; ++m, sums += plan.results * kLanes) {
    float* const to = c.y.data + first * c.y.example + m * c.y.channel;
    for (std::size_t p = 0; p < plan.outputs; p += kLanes) {
      TransposeStripe([&](std::size_t r) { return sums + places[p + r]; },
                      HWY_MIN(kLanes, plan.outputs - p), count, false, to + p, c.y.example);
    }
  }
}

template <class Parts>
void CorrelateLanes(const Parts& parts, const LanePlan& plan, float* scratch) {
  Correlation any;
  std::size_t base = 0;
  float* packed = scratch + plan.weights_at;
  parts([&](const Correlation& c) {
    if (c.x.taps() > 0) any.x = c.x;
    TabulateOutputs(c, base, reinterpret_cast<std::uint32_t*>(scratch + plan.outputs_at));
    base += c.x.outputs();
    any.examples = c.examples;
    any.outputs = c.outputs;
    any.y = c.y;
    if (c.packed != nullptr || WeightsOfPart(c) == 0 || c.x.outputs() == 0) return;
    PackWeights(c, ChannelsAtOnce(c.x), packed);
    packed += WeightsOfPart(c);
  });
  float* const planes = scratch + plan.planes_at;
  const std::size_t channel = plan.planes.channel() * kLanes;
  const InputTable inputs =
      TabulateInputs(any.x, plan.planes, reinterpret_cast<std::uint32_t*>(scratch));
  if (!inputs.complete) ZeroFloats(planes, any.x.channels * channel);
  for (std::size_t first = 0; first < any.examples; first += kLanes) {
    const std::size_t count = HWY_MIN(kLanes, any.examples - first);
    FillPlanes(any.x, inputs, channel, first, count, planes);
    const float* weights = scratch + plan.weights_at;
    float* sums = scratch + plan.sums_at;
    parts([&](const Correlation& c) {
      if (c.x.outputs() == 0) return;
      MultiplyPart(c, plan, c.packed != nullptr ? c.packed : weights, scratch, sums);
      if (c.packed == nullptr) weights += WeightsOfPart(c);
      sums += c.x.outputs() * kLanes;
    });
    SpreadResults(any, plan, first, count, scratch);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
