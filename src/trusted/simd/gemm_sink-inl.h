// Where the tiles of a product go: a matrix in memory (MatrixSink of gemm_tile-inl.h), or its
// transpose, when it is C^T = op(B)^T op(A)^T that is computed.
#if defined(ANCHORHOLD_SIMD_GEMM_SINK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_GEMM_SINK_INL_H_
#undef ANCHORHOLD_SIMD_GEMM_SINK_INL_H_
#else
#define ANCHORHOLD_SIMD_GEMM_SINK_INL_H_
#endif

#include "trusted/simd/gemm_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace tile_detail {

// Block b of v to the four floats at row 4 b + r of a matrix with rows ldc apart.
template <class D>
HWY_INLINE void StoreBlocks(D d, hn::Vec<D> v, std::size_t r, float* c, std::size_t ldc) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    hn::StoreU(v, d, c + r * ldc);
  } else {
    const hn::Half<D> half;
    StoreBlocks(half, hn::LowerHalf(half, v), r, c, ldc);
    StoreBlocks(half, hn::UpperHalf(half, v), hn::MaxLanes(D()) / 2 + r, c, ldc);
  }
}

// Rows R .. R + 3 of the tile, one vector of columns: a 4 x kLanes piece, kLanes x 4 in memory.
template <std::size_t R, std::size_t V, std::size_t kRows, std::size_t kVectors>
HWY_INLINE void StoreFour(const Tile<kRows, kVectors>& tile, float* c, std::size_t ldc) {
  TileVector v[4] = {tile.acc[R][V], tile.acc[R + 1][V], tile.acc[R + 2][V], tile.acc[R + 3][V]};
  TransposeBlocks(TileTag(), v);
  StoreBlocks(TileTag(), v[0], 0, c, ldc);
  StoreBlocks(TileTag(), v[1], 1, c, ldc);
  StoreBlocks(TileTag(), v[2], 2, c, ldc);
  StoreBlocks(TileTag(), v[3], 3, c, ldc);
}

template <std::size_t R, std::size_t V, std::size_t kRows, std::size_t kVectors>
HWY_INLINE void LoadFour(const float* c, std::size_t ldc, Tile<kRows, kVectors>& tile) {
  const TileTag d;
  const RowsOf rows{c, ldc, kLanes};
  TileVector v[4] = {LoadBlocks(d, rows, 0, 0), LoadBlocks(d, rows, 1, 0),
                     LoadBlocks(d, rows, 2, 0), LoadBlocks(d, rows, 3, 0)};
  TransposeBlocks(d, v);
  tile.acc[R][V] = v[0];
  tile.acc[R + 1][V] = v[1];
  tile.acc[R + 2][V] = v[2];
  tile.acc[R + 3][V] = v[3];
}

// The tile to and from memory, row by row.
template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void SpillTile(const Tile<kRows, kVectors>& tile, float* lanes,
                          std::index_sequence<I...>) {
  (hn::Store(tile.acc[I / kVectors][I % kVectors], TileTag(), lanes + I * kLanes), ...);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void FillTile(const float* lanes, Tile<kRows, kVectors>& tile,
                         std::index_sequence<I...>) {
  ((tile.acc[I / kVectors][I % kVectors] = hn::Load(TileTag(), lanes + I * kLanes)), ...);
}

// lanes[i row + j] and c[j ldc + i]: one element at a time.
inline HWY_NOINLINE void StoreElements(const float* lanes, std::size_t row, std::size_t rows,
                                       std::size_t columns, float* c, std::size_t ldc) {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) c[j * ldc + i] = lanes[i * row + j];
  }
}

inline HWY_NOINLINE void LoadElements(const float* c, std::size_t ldc, std::size_t rows,
                                      std::size_t columns, std::size_t row, float* lanes) {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) lanes[i * row + j] = c[j * ldc + i];
  }
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void StoreFours(const Tile<kRows, kVectors>& tile, float* c, std::size_t ldc,
                           std::index_sequence<I...>) {
  (StoreFour<I / kVectors * 4, I % kVectors>(
       tile, c + I % kVectors * kLanes * ldc + I / kVectors * 4, ldc),
   ...);
}

template <std::size_t kRows, std::size_t kVectors, std::size_t... I>
HWY_INLINE void LoadFours(const float* c, std::size_t ldc, Tile<kRows, kVectors>& tile,
                          std::index_sequence<I...>) {
  (LoadFour<I / kVectors * 4, I % kVectors>(c + I % kVectors * kLanes * ldc + I / kVectors * 4, ldc,
                                            tile),
   ...);
}

}  // namespace tile_detail

// Element (i, j) of the tile is c[j ldc + i]. The epilogue's biases are the tile's.
struct TransposedSink {
  float* c = nullptr;
  std::size_t ldc = 0;
  std::size_t columns = 0;
  bool load = false;
  const Epilogue* epilogue = nullptr;

  // Whole fours of rows go through registers if all columns exist; the rest goes through memory.
  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void Begin(Tile<kRows, kVectors>& tile) const {
    constexpr std::size_t kWide = kVectors * kLanes;
    constexpr auto kAll = std::make_index_sequence<kRows * kVectors>();
    ZeroTile(tile);
    if (!load) return;
    const std::size_t fours = columns == kWide ? kRows / 4 : 0;
    if (fours * 4 < kRows) {
      HWY_ALIGN float lanes[kRows * kWide] = {};
      tile_detail::LoadElements(c, ldc, kRows, columns, kWide, lanes);
      tile_detail::FillTile(lanes, tile, kAll);
    }
    if (fours == 0) return;
    tile_detail::LoadFours(c, ldc, tile, std::make_index_sequence<kRows / 4 * kVectors>());
  }

  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void End(Tile<kRows, kVectors>& tile) const {
    constexpr std::size_t kWide = kVectors * kLanes;
    if (epilogue != nullptr) FinishTile<true>(*epilogue, columns, tile);
    const std::size_t done = columns == kWide ? kRows / 4 * 4 : 0;
    if (done != 0) {
      tile_detail::StoreFours(tile, c, ldc, std::make_index_sequence<kRows / 4 * kVectors>());
    }
    if (done == kRows) return;
    HWY_ALIGN float lanes[kRows * kWide];
    tile_detail::SpillTile(tile, lanes, std::make_index_sequence<kRows * kVectors>());
    tile_detail::StoreElements(lanes + done * kWide, kWide, kRows - done, columns, c + done, ldc);
  }
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
