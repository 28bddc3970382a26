// Minimal filtering F(2 x 2, 3 x 3): correlations of images with windows of 3 x 3, in 16
// multiplications for 4 outputs instead of 36 (S. Winograd 1980; Lavin and Gray, "Fast Algorithms
// for Convolutional Neural Networks", 2015, section 4.1).
//
// Outputs are cut into tiles of 2 x 2, tile (i, l) reading the 4 x 4 inputs d from row 2 i + first,
// column 2 l + first on (first = -1: padding by 1; zeros outside of the image). With * elementwise:
//
//   y  = A^T [(G g G^T) * (B^T d B)] A          an output tile, g the weights
//   dg = G^T [(A dy A^T) * (B^T d B)] G         its adjoint in g, summed over tiles
//
//         [1  0 -1  0]         [1  0  0]
//   B^T = [0  1  1  0]     G = [h  h  h]     A^T = [1  1  1  0]     h = 1/2
//         [0 -1  1  0]         [h -h  h]           [0  1 -1 -1]
//         [0  1  0 -1]         [0  0  1]
//
// Between the transforms there are 16 matrix products, one for each place z = 4 a + b of a tile,
// over channels (winograd-inl.h) or tiles (winograd_weight-inl.h).
//
// With sums of n products, the error of y is at most about (n + 12) 2^-24 times the same formula of
// magnitudes, |A^T| [(|G| |g| |G^T|) * (|B^T| |d| |B|)] |A| summed over channels: bounded by what
// lies in the tile's 4 x 4 inputs rather than in an output's own window. So it is with dg.
#if defined(ANCHORHOLD_SIMD_WINOGRAD_TRANSFORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_WINOGRAD_TRANSFORM_INL_H_
#undef ANCHORHOLD_SIMD_WINOGRAD_TRANSFORM_INL_H_
#else
#define ANCHORHOLD_SIMD_WINOGRAD_TRANSFORM_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_strips-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

inline constexpr std::size_t kPlaces = 16;  // of a tile

// Tiles of a plane, or of some of its rows; tile t is the t-th, row by row.
struct TileGrid {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t tiles() const { return rows * columns; }
  // Of the inputs that they read.
  std::size_t width() const { return 2 * columns + 2; }
  std::size_t height() const { return 2 * rows + 2; }
};

// Windows of 3 x 3 in images of some size, all of which lies in the inputs of the tiles.
HWY_INLINE bool SuitsWinograd(const Images& x) {
  for (const TapAxis* a : {&x.rows, &x.columns}) {
    const bool fits = a->first <= 0 && a->in - a->first <= a->out + 2;
    if (a->taps != 3 || a->step != 1 || a->increment != 1 || a->out_step != 1 || a->out < 4 ||
        !fits) {
      return false;
    }
  }
  return true;
}

HWY_INLINE TileGrid AllTiles(const Images& x) {
  return {static_cast<std::size_t>(x.rows.out + 1) / 2,
          static_cast<std::size_t>(x.columns.out + 1) / 2};
}

// A distance between vectors that falls into all cache sets, however many there are: an odd number
// of vectors, at least `floats`.
HWY_INLINE std::size_t OddVectors(std::size_t floats) {
  return (RoundUp(floats, kLanes) / kLanes | 1) * kLanes;
}

// A tile of a product to scratch memory that is near, whole vectors.
struct ScratchSink {
  float* c = nullptr;
  std::size_t ldc = 0;

  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void Begin(Tile<kRows, kVectors>& tile) const {
    ZeroTile(tile);
  }
  template <std::size_t kRows, std::size_t kVectors>
  HWY_INLINE void End(Tile<kRows, kVectors>& tile) const {
    StoreTile(tile, c, ldc, kVectors * kLanes);
  }
};

// G g G^T, lane by lane: g[3 j + q], u[4 a + b].
HWY_INLINE void TransformWeights(const TileVector (&g)[9], TileVector (&u)[kPlaces]) {
  const TileTag d;
  const TileVector h = hn::Set(d, 0.5F);
  TileVector rows[4][3];
  for (std::size_t q = 0; q < 3; ++q) {
    const TileVector outer = hn::Add(g[q], g[6 + q]);
    rows[0][q] = g[q];
    rows[1][q] = hn::Mul(h, hn::Add(outer, g[3 + q]));
    rows[2][q] = hn::Mul(h, hn::Sub(outer, g[3 + q]));
    rows[3][q] = g[6 + q];
  }
  for (std::size_t a = 0; a < 4; ++a) {
    const TileVector outer = hn::Add(rows[a][0], rows[a][2]);
    u[4 * a] = rows[a][0];
    u[4 * a + 1] = hn::Mul(h, hn::Add(outer, rows[a][1]));
    u[4 * a + 2] = hn::Mul(h, hn::Sub(outer, rows[a][1]));
    u[4 * a + 3] = rows[a][2];
  }
}

// G^T u G but for its halves (TransformOutputs has them), for kLanes channels: place z = 4 a + b
// from u[z stride], tap k = 3 j + q to taps[k kLanes].
HWY_INLINE void WeightsOfPlaces(const float* u, std::size_t stride, float* taps) {
  const TileTag d;
  TileVector rows[3][4];
  // Step by step: the addresses of all places at once would take more registers than there are.
  for (std::size_t b = 0; b < 4; ++b, u = tile_detail::Opaque(u + stride)) {
    const TileVector u1 = hn::LoadU(d, u + 4 * stride);
    const TileVector u2 = hn::LoadU(d, u + 8 * stride);
    const TileVector sum = hn::Add(u1, u2);
    rows[0][b] = hn::Add(hn::LoadU(d, u), sum);
    rows[1][b] = hn::Sub(u1, u2);
    rows[2][b] = hn::Add(sum, hn::LoadU(d, u + 12 * stride));
  }
  for (std::size_t j = 0; j < 3; ++j, taps += 3 * kLanes) {
    const TileVector sum = hn::Add(rows[j][1], rows[j][2]);
    hn::StoreU(hn::Add(rows[j][0], sum), d, taps);
    hn::StoreU(hn::Sub(rows[j][1], rows[j][2]), d, taps + kLanes);
    hn::StoreU(hn::Add(sum, rows[j][3]), d, taps + 2 * kLanes);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
