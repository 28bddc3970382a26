// The tile of a matrix product that is held in registers. All products are made of it: gemm.h's,
// and those of dense convolutions, which bring a packing and a sink of their own.
//
//   acc[i][:] <- acc[i][:] + sum over k = 0 .. inner-1, in this order, of a(k, i) b(k, :)
//   i < kRows, and ":" stands for kVectors * kLanes columns
//
// One fused multiply-add (SSE4: a multiplication and an addition) a term: an element of the result
// is one chain over k, whatever the tile's shape and wherever in it the element is. The chain may
// be cut anywhere into several calls, with the accumulators stored and loaded again in between. So
// how a product is blocked, and which tiles its edges take, does not show in its bits.
//
// Operands:
//   A  AInterleaved: a(k, i) = data[k stride + i]: rows side by side, as in a packed panel
//      [inner][kRows] (stride = kRows), or as A^T lies in memory.
//      APanel: the same, and what follows is fetched ahead.
//      ARows: a(k, i) = data[i stride + k]: rows `stride` apart, as A lies in memory.
//      Each element is broadcast; only i < kRows is read.
//   B  b(k, j) = b[k stride_b + j]: a packed panel has stride_b = kVectors kLanes; a matrix may be
//      read where it lies, by tiles whose kVectors kLanes columns all exist. No alignment is
//      needed.
//   A sink says what the accumulators begin as and what becomes of them:
//      template <std::size_t kRows, std::size_t kVectors> void Begin(Tile<kRows, kVectors>&) const;
//      template <std::size_t kRows, std::size_t kVectors> void End(Tile<kRows, kVectors>&) const;
//      (both HWY_INLINE). MatrixSink is the one for matrices in memory.
//
// RunTile chooses the instantiation for a number of rows in 1 .. kTileRows and of vectors in
// 1 .. kTileVectors. Nothing outside of the operands' elements is read, nor anything outside of the
// tile's columns written. Columns that exist only in part are the last ones of a packed panel that
// is padded (with anything finite; zeros are usual) to whole vectors.
#if defined(ANCHORHOLD_SIMD_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_TILE_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_TILE_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <utility>

#include "trusted/simd/bounds-inl.h"
#include "trusted/simd/gemm.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

using TileTag = hn::ScalableTag<float>;
using TileVector = hn::Vec<TileTag>;
inline constexpr std::size_t kLanes = hn::MaxLanes(TileTag());

// The largest tile: as many accumulators as leave room for a row of B and a broadcast of A, and at
// least the ten or so that hide the latency of a multiply-add at two a cycle.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr std::size_t kTileRows = 8;  // 24 of 32 registers
inline constexpr std::size_t kTileVectors = 3;
#elif HWY_TARGET == HWY_AVX2
inline constexpr std::size_t kTileRows = 6;  // 12 of 16 registers
inline constexpr std::size_t kTileVectors = 2;
#else
inline constexpr std::size_t kTileRows = 4;  // 8 of 16; the product needs a register as well
inline constexpr std::size_t kTileVectors = 2;
#endif
inline constexpr std::size_t kTileColumns = kTileVectors * kLanes;

template <std::size_t kRows, std::size_t kVectors>
struct Tile {
  TileVector acc[kRows][kVectors];
};

struct AInterleaved {
  const float* data;
  std::size_t stride;
  HWY_INLINE const float* At(std::size_t k, std::size_t i) const { return data + k * stride + i; }
};

struct ARows {
  const float* data;
  std::size_t stride;
  HWY_INLINE const float* At(std::size_t k, std::size_t i) const { return data + i * stride + k; }
};

// A packed panel, AInterleaved, that is read once and may come from far away: lines are asked for
// well before they are due, as those that the machine asks for by itself end with each page.
struct APanel {
  const float* data;
  std::size_t stride;
  HWY_INLINE const float* At(std::size_t k, std::size_t i) const { return data + k * stride + i; }
  HWY_INLINE void Fetch(std::size_t k) const {
    __builtin_prefetch(data + k * stride + kFetchFloats, 0, 2);
  }
  static constexpr std::size_t kFetchFloats = 1024;
};

template <class A>
HWY_INLINE void FetchAhead(const A& /*a*/, std::size_t /*k*/) {}
HWY_INLINE void FetchAhead(const APanel& a, std::size_t k) { a.Fetch(k); }

// The first n (0 .. kLanes) floats at p, zeros behind them; nothing else is read.
HWY_INLINE TileVector LoadPart(std::size_t n, const float* p) {
  const TileTag d;
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return hn::Load(d, lanes);
#endif
}

// Writes the first n (0 .. kLanes) lanes to p, and nothing else.
HWY_INLINE void StorePart(TileVector v, std::size_t n, float* p) {
  const TileTag d;
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// How many of `columns` fall into vector v of a tile.
HWY_INLINE std::size_t PartOf(std::size_t columns, std::size_t v) {
  return columns <= v * kLanes ? 0 : HWY_MIN(columns - v * kLanes, kLanes);
}

namespace tile_detail {

template <std::size_t kVectors, std::size_t... V>
HWY_INLINE void StepRow(const float* a, const TileVector (&b)[kVectors],
                        TileVector (&acc)[kVectors], std::index_sequence<V...>) {
  const TileVector broadcast = hn::Set(TileTag(), *a);
  ((acc[V] = hn::MulAdd(broadcast, b[V], acc[V])), ...);
}

template <std::size_t kRows, std::size_t kVectors, class A, std::size_t... R, std::size_t... V>
HWY_INLINE void Step(const A& a, std::size_t k, const float* b, Tile<kRows, kVectors>& tile,
                     std::index_sequence<R...>, std::index_sequence<V...> vectors) {
  const TileVector row[kVectors] = {hn::LoadU(TileTag(), b + V * kLanes)...};
  (StepRow(a.At(k, R), row, tile.acc[R], vectors), ...);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void Fill(TileVector v, Tile<kRows, kVectors>& tile, std::index_sequence<I...>) {
  ((tile.acc[I / kVectors][I % kVectors] = v), ...);
}

}  // namespace tile_detail

template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void ZeroTile(Tile<kRows, kVectors>& tile) {
  tile_detail::Fill(hn::Zero(TileTag()), tile, std::make_index_sequence<kRows * kVectors>());
}

// The formula of the header comment.
template <std::size_t kRows, std::size_t kVectors, class A>
HWY_INLINE void AccumulateTile(std::size_t inner, A a, const float* b, std::size_t stride_b,
                               Tile<kRows, kVectors>& tile) {
  Tile<kRows, kVectors> sum = tile;
  for (std::size_t k = 0; k < inner; ++k) {
    FetchAhead(a, k);
    tile_detail::Step(a, k, b, sum, std::make_index_sequence<kRows>(),
                      std::make_index_sequence<kVectors>());
    b += stride_b;
  }
  tile = sum;
}

// Memory that will be wanted: `count` times three addresses, `near` bytes apart, each three `far`
// bytes from the one before. They need not exist.
struct Fetching {
  const char* at = nullptr;
  std::size_t near = 0;
  std::size_t far = 0;
  std::size_t count = 0;
};

// AccumulateTile, and the memory is fetched meanwhile, into the second-level cache. All at once, it
// would take the place of what the tile itself waits for.
template <std::size_t kRows, std::size_t kVectors, class A>
HWY_INLINE void AccumulateFetching(std::size_t inner, A a, const float* b, std::size_t stride_b,
                                   Fetching fetch, Tile<kRows, kVectors>& tile) {
  Tile<kRows, kVectors> sum = tile;
  const std::size_t every = HWY_MAX(inner / fetch.count, 1);
  for (std::size_t k = 0; k < inner;) {
    __builtin_prefetch(fetch.at, 0, 2);
    __builtin_prefetch(fetch.at + fetch.near, 0, 2);
    __builtin_prefetch(fetch.at + 2 * fetch.near, 0, 2);
    fetch.at += fetch.far;
    for (const std::size_t end = HWY_MIN(inner, k + every); k < end; ++k) {
      tile_detail::Step(a, k, b, sum, std::make_index_sequence<kRows>(),
                        std::make_index_sequence<kVectors>());
      b += stride_b;
    }
  }
  tile = sum;
}

namespace tile_detail {

// The same pointer, but what the compiler knows of it forgotten: it steps from row to row instead
// of computing the addresses of all rows at once, which takes more registers than there are.
template <class T>
HWY_INLINE T* Opaque(T* p) {
  __asm__("" : "+r"(p));
  return p;
}

template <std::size_t kVectors>
HWY_INLINE const float* FetchRow(const float* c, std::size_t ldc) {
  for (std::size_t v = 0; v < kVectors; v += 16 / kLanes) __builtin_prefetch(c + v * kLanes);
  return Opaque(c + ldc);
}

// Tells the cache of rows that will be wanted; they need not exist.
template <std::size_t kVectors, std::size_t... R>
HWY_INLINE void Fetch(const float* c, std::size_t ldc, std::index_sequence<R...>) {
  ((c = FetchRow<kVectors + 0 * R>(c, ldc)), ...);
}

template <std::size_t kVectors, std::size_t... V>
HWY_INLINE const float* LoadRow(const float* c, std::size_t ldc, TileVector (&acc)[kVectors],
                                std::index_sequence<V...>) {
  ((acc[V] = hn::LoadU(TileTag(), c + V * kLanes)), ...);
  return Opaque(c + ldc);
}

template <std::size_t kVectors, std::size_t... V>
HWY_INLINE const float* LoadRowPart(const float* c, std::size_t ldc, std::size_t part,
                                    TileVector (&acc)[kVectors], std::index_sequence<V...>) {
  ((acc[V] =
        V + 1 == kVectors ? LoadPart(part, c + V * kLanes) : hn::LoadU(TileTag(), c + V * kLanes)),
   ...);
  return Opaque(c + ldc);
}

template <std::size_t kVectors, std::size_t... V>
HWY_INLINE float* StoreRow(const TileVector (&acc)[kVectors], float* c, std::size_t ldc,
                           std::index_sequence<V...>) {
  (hn::StoreU(acc[V], TileTag(), c + V * kLanes), ...);
  return Opaque(c + ldc);
}

template <std::size_t kVectors, std::size_t... V>
HWY_INLINE float* StoreRowPart(const TileVector (&acc)[kVectors], float* c, std::size_t ldc,
                               std::size_t part, std::index_sequence<V...>) {
  (hn::StoreU(acc[V], TileTag(), c + V * kLanes), ...);
  StorePart(acc[kVectors - 1], part, c + (kVectors - 1) * kLanes);
  return Opaque(c + ldc);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... R>
HWY_INLINE void Load(const float* c, std::size_t ldc, std::size_t columns,
                     Tile<kRows, kVectors>& tile, std::index_sequence<R...>) {
  constexpr auto kRow = std::make_index_sequence<kVectors>();
  if (columns == kVectors * kLanes) {
    ((c = LoadRow(c, ldc, tile.acc[R], kRow)), ...);
  } else {
    const std::size_t part = columns - (kVectors - 1) * kLanes;
    ((c = LoadRowPart(c, ldc, part, tile.acc[R], kRow)), ...);
  }
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... R>
HWY_INLINE void Store(const Tile<kRows, kVectors>& tile, float* c, std::size_t ldc,
                      std::size_t columns, std::index_sequence<R...>) {
  if (columns == kVectors * kLanes) {
    constexpr auto kRow = std::make_index_sequence<kVectors>();
    ((c = StoreRow(tile.acc[R], c, ldc, kRow)), ...);
  } else {
    constexpr auto kWhole = std::make_index_sequence<kVectors - 1>();
    const std::size_t part = columns - (kVectors - 1) * kLanes;
    ((c = StoreRowPart(tile.acc[R], c, ldc, part, kWhole)), ...);
  }
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void AddRowBias(const float* bias, Tile<kRows, kVectors>& tile,
                           std::index_sequence<I...>) {
  ((tile.acc[I / kVectors][I % kVectors] =
        hn::Add(tile.acc[I / kVectors][I % kVectors], hn::Set(TileTag(), bias[I / kVectors]))),
   ...);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I, std::size_t... V>
HWY_INLINE void AddColumnBias(const float* bias, std::size_t columns, Tile<kRows, kVectors>& tile,
                              std::index_sequence<I...>, std::index_sequence<V...>) {
  const TileVector row[kVectors] = {LoadPart(PartOf(columns, V), bias + V * kLanes)...};
  ((tile.acc[I / kVectors][I % kVectors] =
        hn::Add(tile.acc[I / kVectors][I % kVectors], row[I % kVectors])),
   ...);
}

// A NaN stays, as in kernels/elementwise.h.
template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void Clip(TileVector low, TileVector high, Tile<kRows, kVectors>& tile,
                     std::index_sequence<I...>) {
  ((tile.acc[I / kVectors][I % kVectors] =
        AtMost(high, AtLeast(low, tile.acc[I / kVectors][I % kVectors]))),
   ...);
}

}  // namespace tile_detail

// The tile's first `columns` columns, (kVectors - 1) kLanes + 1 .. kVectors kLanes, from a matrix
// with rows ldc apart. The other columns become zeros.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void LoadTile(const float* c, std::size_t ldc, std::size_t columns,
                         Tile<kRows, kVectors>& tile) {
  tile_detail::Load(c, ldc, columns, tile, std::make_index_sequence<kRows>());
}

// The same to a matrix.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void StoreTile(const Tile<kRows, kVectors>& tile, float* c, std::size_t ldc,
                          std::size_t columns) {
  tile_detail::Store(tile, c, ldc, columns, std::make_index_sequence<kRows>());
}

// The biases of `epilogue` must already point at the tile's first row and column. The row's bias is
// added before the column's, or after it: a tile of C^T, whose rows are C's columns, must round as
// one of C does.
template <bool kColumnsFirst = false, std::size_t kRows, std::size_t kVectors>
HWY_INLINE void FinishTile(const Epilogue& epilogue, std::size_t columns,
                           Tile<kRows, kVectors>& tile) {
  constexpr auto kAll = std::make_index_sequence<kRows * kVectors>();
  constexpr auto kRow = std::make_index_sequence<kVectors>();
  const TileTag d;
  if (!kColumnsFirst && epilogue.row_bias != nullptr) {
    tile_detail::AddRowBias(epilogue.row_bias, tile, kAll);
  }
  if (epilogue.column_bias != nullptr) {
    tile_detail::AddColumnBias(epilogue.column_bias, columns, tile, kAll, kRow);
  }
  if (kColumnsFirst && epilogue.row_bias != nullptr) {
    tile_detail::AddRowBias(epilogue.row_bias, tile, kAll);
  }
  if (epilogue.clip) {
    tile_detail::Clip(hn::Set(d, epilogue.low), hn::Set(d, epilogue.high), tile, kAll);
  }
}

// To and from a matrix in memory. `load`: the chain goes on from what C holds, else from zero.
// `epilogue`: null where there is nothing to do, or where the chain is not yet at its end.
struct MatrixSink {
  float* c = nullptr;
  std::size_t ldc = 0;
  std::size_t columns = 0;  // in (kVectors - 1) kLanes + 1 .. kVectors kLanes
  bool load = false;
  const Epilogue* epilogue = nullptr;
  std::size_t ahead = 0;  // floats to the tile that is fetched, where nothing is loaded

  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void Begin(Tile<kRows, kVectors>& tile) const {
    // The tile below this one, or what this one, or another soon, will overwrite.
    tile_detail::Fetch<kVectors>(load ? c + kRows * ldc : c + ahead, ldc,
                                 std::make_index_sequence<kRows>());
    if (load) {
      LoadTile(c, ldc, columns, tile);
    } else {
      ZeroTile(tile);
    }
  }

  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void End(Tile<kRows, kVectors>& tile) const {
    if (epilogue != nullptr) FinishTile(*epilogue, columns, tile);
    StoreTile(tile, c, ldc, columns);
  }
};

template <std::size_t kRows, std::size_t kVectors, class A, class Sink>
HWY_NOINLINE void TileProduct(std::size_t inner, A a, const float* b, std::size_t stride_b,
                              const Sink& sink) {
  Tile<kRows, kVectors> tile;
  sink.Begin(tile);
  AccumulateTile(inner, a, b, stride_b, tile);
  sink.End(tile);
}

// The largest tile, fetching.
template <class A, class Sink>
HWY_NOINLINE void TileFetching(std::size_t inner, A a, const float* b, std::size_t stride_b,
                               const Fetching& fetch, const Sink& sink) {
  Tile<kTileRows, kTileVectors> tile;
  sink.Begin(tile);
  AccumulateFetching(inner, a, b, stride_b, fetch, tile);
  sink.End(tile);
}

namespace tile_detail {

template <class A, class Sink>
using TileFunction = void (*)(std::size_t, A, const float*, std::size_t, const Sink&);

// The instantiations by vectors (outer) and rows (inner).
template <class A, class Sink, class = std::make_index_sequence<kTileRows * kTileVectors>>
struct Tiles;

template <class A, class Sink, std::size_t... I>
struct Tiles<A, Sink, std::index_sequence<I...>> {
  static constexpr TileFunction<A, Sink> kFunctions[] = {
      &TileProduct<I % kTileRows + 1, I / kTileRows + 1, A, Sink>...};
};

}  // namespace tile_detail

// rows in 1 .. kTileRows, vectors in 1 .. kTileVectors.
template <class A, class Sink>
HWY_INLINE void RunTile(std::size_t rows, std::size_t vectors, std::size_t inner, A a,
                        const float* b, std::size_t stride_b, const Sink& sink) {
  tile_detail::Tiles<A, Sink>::kFunctions[(vectors - 1) * kTileRows + rows - 1](inner, a, b,
                                                                                stride_b, sink);
}

struct TileShape {
  std::size_t rows = 0;
  std::size_t vectors = 0;
  std::size_t inner = 0;
  Fetching fetch;  // by the largest tile only
};

template <class A, class Sink>
HWY_INLINE void RunTile(const TileShape& shape, A a, const float* b, std::size_t stride_b,
                        const Sink& sink) {
  if (shape.fetch.count != 0 && shape.rows == kTileRows && shape.vectors == kTileVectors) {
    TileFetching(shape.inner, a, b, stride_b, shape.fetch, sink);
  } else {
    RunTile(shape.rows, shape.vectors, shape.inner, a, b, stride_b, sink);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
