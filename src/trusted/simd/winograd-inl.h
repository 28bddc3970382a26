// Correlations with windows of 3 x 3 and step 1, forward maps and gradients of the input alike, by
// minimal filtering (winograd_transform-inl.h has the formulas):
//
//   M_z[m, t] = sum over channels c, in index order, of U_z[m, c] V_z[c, t]        z = 0 .. 15
//
// with U the transformed weights and V the transformed tiles of a block of the images, small enough
// for the second cache; each tile of output channels uses it whole, and its M stays nearer still.
// One chain an element, whatever the block: an example's bits do not depend on its neighbours.
#if defined(ANCHORHOLD_SIMD_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANCHORHOLD_SIMD_WINOGRAD_INL_H_
#undef ANCHORHOLD_SIMD_WINOGRAD_INL_H_
#else
#define ANCHORHOLD_SIMD_WINOGRAD_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "trusted/simd/convolution_dense-inl.h"
#include "trusted/simd/winograd_transform-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

inline constexpr std::size_t kWinogradChannels = 16;
// An example with fewer tiles needs others beside it to fill the lanes, which it has where so many
// weights are worth a group that shares them.
inline constexpr std::size_t kWinogradTiles = 9;
inline constexpr std::size_t kWinogradPairs = 1 << 14;
inline constexpr std::size_t kBlockTilesMin = 48;
inline constexpr std::size_t kBlockTilesMax = 240;
inline constexpr std::size_t kBlockTileChannels = 8192;  // tiles of a block times channels
// A block is a row of tiles at least.
inline constexpr std::size_t kRowTileChannels = 16 * kBlockTileChannels;

// If its weights are packed, which takes as long as an example or two: so it is a choice for those
// who pack for many. With fewer channels the transforms cost what the products save.
HWY_INLINE bool UsesWinograd(const Correlation& c) {
  return SuitsWinograd(c.x) && c.x.channels >= kWinogradChannels &&
         c.outputs >= kWinogradChannels &&
         AllTiles(c.x).columns <= kRowTileChannels / c.x.channels &&
         (AllTiles(c.x).tiles() >= kWinogradTiles || c.x.channels * c.outputs >= kWinogradPairs);
}

// Rows of an image's plane, transformed: place b of the four of a row, [even or odd row][row / 2]
// [column of tiles]. Whole vectors are written here and below: each part has a vector's room behind
// it, and what runs over into the next row is written before that row is.
struct RowTransform {
  float* data = nullptr;
  std::size_t half = 0;  // floats of the even rows' part

  static std::size_t Half(const TileGrid& grid) {
    return RoundUp((grid.rows + 1) * grid.columns, kLanes) + kLanes;
  }
  static std::size_t Floats(const TileGrid& grid) { return 8 * Half(grid); }
  float* Row(const TileGrid& grid, std::size_t r) const {
    return data + r % 2 * half + r / 2 * grid.columns;
  }
};

// Columns of tiles [j, j + kLanes) of all rows from `first` on, zeros where there is no image.
HWY_INLINE void TransformRows(const Images& x, const float* image, std::int64_t first,
                              const TileGrid& grid, std::size_t j, const RowTransform& to) {
  const TileTag d;
  const auto lanes = static_cast<std::int64_t>(kLanes);
  const std::int64_t at = 2 * static_cast<std::int64_t>(j) + x.columns.first;
  const std::int64_t end = x.columns.in - at;
  const LaneRange range_a(-at, end);
  const LaneRange range_b(-at - lanes, end - lanes);
  const LaneRange range_e(-at - 2, end - 2);
  const LaneRange range_f(-at - lanes - 2, end - lanes - 2);
  for (std::size_t r = 0; r < grid.height(); ++r) {
    float* const v = to.Row(grid, r) + j;
    const std::int64_t row = first + static_cast<std::int64_t>(r);
    if (row < 0 || row >= x.rows.in) {
      for (std::size_t b = 0; b < 4; ++b) hn::StoreU(hn::Zero(d), d, v + 2 * b * to.half);
      continue;
    }
    const float* const from = image + row * x.columns.in + at;
    const TileVector low = range_a.Load(from);
    const TileVector high = range_b.Load(from + kLanes);
    const TileVector low2 = range_e.Load(from + 2);
    const TileVector high2 = range_f.Load(from + kLanes + 2);
    const TileVector d0 = hn::ConcatEven(d, high, low);
    const TileVector d1 = hn::ConcatOdd(d, high, low);
    const TileVector d2 = hn::ConcatEven(d, high2, low2);
    const TileVector d3 = hn::ConcatOdd(d, high2, low2);
    hn::StoreU(hn::Sub(d0, d2), d, v);
    hn::StoreU(hn::Add(d1, d2), d, v + 2 * to.half);
    hn::StoreU(hn::Sub(d2, d1), d, v + 4 * to.half);
    hn::StoreU(hn::Sub(d1, d3), d, v + 6 * to.half);
  }
}

// The same for images so narrow that several rows fill a vector, where each row is whole tiles with
// zeros on both sides: the rows of a vector are of one parity, 2 apart.
class NarrowRows {
 public:
  NarrowRows(const Images& x, const TileGrid& grid) {
    const std::size_t wide = 2 * grid.columns;
    const auto width = static_cast<std::int64_t>(wide);
    const std::size_t rows = kLanes / grid.columns;
    if (x.columns.first != -1 || x.columns.in != width || x.columns.out != width ||
        kLanes % grid.columns != 0 || (rows != 2 && rows != 4)) {
      return;
    }
    rows_ = rows;
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::size_t column = i % grid.columns;
      before_[i] = static_cast<std::int32_t>(column == 0 ? i : i - 1);
      behind_[i] = static_cast<std::int32_t>(column + 1 == grid.columns ? i : i + 1);
      has_before_[i] = column == 0 ? 0 : -1;
      has_behind_[i] = column + 1 == grid.columns ? 0 : -1;
    }
  }

  bool used() const { return rows_ != 0; }

  HWY_INLINE void Transform(const Images& x, const float* image, std::int64_t first,
                            const TileGrid& grid, const RowTransform& to) const {
    for (std::size_t parity = 0; parity < 2; ++parity) {
      for (std::size_t r = parity; r < grid.height(); r += 2 * rows_) {
        const std::int64_t row = first + static_cast<std::int64_t>(r);
        const auto half = static_cast<std::int64_t>(rows_);
        Store(Load(x, image, row), Load(x, image, row + half), to.half, to.Row(grid, r));
      }
    }
  }

 private:
  // Half of a vector's rows, those from `row` on; zeros where there is no image.
  HWY_INLINE TileVector Load(const Images& x, const float* image, std::int64_t row) const {
    const TileTag d;
    const auto inside = [&](std::int64_t r) { return r >= 0 && r < x.rows.in; };
    const auto at = [&](std::int64_t r) { return image + r * x.columns.in; };
    if (rows_ == 2) return inside(row) ? hn::LoadU(d, at(row)) : hn::Zero(d);
    const hn::Half<TileTag> half;
    const auto low = inside(row) ? hn::LoadU(half, at(row)) : hn::Zero(half);
    const auto high = inside(row + 2) ? hn::LoadU(half, at(row + 2)) : hn::Zero(half);
    return hn::Combine(d, high, low);
  }

  HWY_INLINE TileVector Moved(TileVector v, const std::int32_t* from,
                              const std::int32_t* exists) const {
    const TileTag d;
    const hn::RebindToSigned<TileTag> whole;
    const TileVector moved = hn::TableLookupLanes(v, hn::SetTableIndices(d, from));
    return hn::And(moved, hn::BitCast(d, hn::LoadU(whole, exists)));
  }

  HWY_INLINE void Store(TileVector low, TileVector high, std::size_t half, float* v) const {
    const TileTag d;
    const TileVector d1 = hn::ConcatEven(d, high, low);
    const TileVector d2 = hn::ConcatOdd(d, high, low);
    const TileVector d0 = Moved(d2, before_, has_before_);
    const TileVector d3 = Moved(d1, behind_, has_behind_);
    hn::StoreU(hn::Sub(d0, d2), d, v);
    hn::StoreU(hn::Add(d1, d2), d, v + 2 * half);
    hn::StoreU(hn::Sub(d2, d1), d, v + 4 * half);
    hn::StoreU(hn::Sub(d1, d3), d, v + 6 * half);
  }

  std::size_t rows_ = 0;  // of a vector; 0: another image
  // Numbers, not vectors (convolution_lanes-inl.h, LaneRange).
  std::int32_t before_[kLanes];
  std::int32_t behind_[kLanes];
  std::int32_t has_before_[kLanes];
  std::int32_t has_behind_[kLanes];
};

// B^T d B of the tiles of a plane whose rows are transformed: place z of tile t to v[z place + t].
HWY_INLINE void TransformColumns(const TileGrid& grid, const RowTransform& rows, std::size_t place,
                                 float* v) {
  const TileTag d;
  for (std::size_t b = 0; b < 4; ++b) {
    const float* const even = rows.data + 2 * b * rows.half;
    const float* const odd = even + rows.half;
    float* const to = v + b * place;
    for (std::size_t t = 0; t < grid.tiles(); t += kLanes) {
      const TileVector d0 = hn::LoadU(d, even + t);
      const TileVector d1 = hn::LoadU(d, odd + t);
      const TileVector d2 = hn::LoadU(d, even + t + grid.columns);
      const TileVector d3 = hn::LoadU(d, odd + t + grid.columns);
      hn::StoreU(hn::Sub(d0, d2), d, to + t);
      hn::StoreU(hn::Add(d1, d2), d, to + 4 * place + t);
      hn::StoreU(hn::Sub(d2, d1), d, to + 8 * place + t);
      hn::StoreU(hn::Sub(d1, d3), d, to + 12 * place + t);
    }
  }
}

// A^T m A, with m the places m[z place + t] of tiles t < `tiles`, and the epilogue of one channel:
// row a of all tiles, [tile][2], to rows[a].
HWY_INLINE void OutputsOfPlaces(const float* m, std::size_t place, std::size_t tiles,
                                const Epilogue& epilogue, std::size_t channel, float* const* rows) {
  const TileTag d;
  const bool biased = epilogue.row_bias != nullptr;
  const TileVector bias = hn::Set(d, biased ? epilogue.row_bias[channel] : 0.0F);
  const TileVector low = hn::Set(d, epilogue.low);
  const TileVector high = hn::Set(d, epilogue.high);
  const auto finish = [&](TileVector y) HWY_ATTR {
    if (biased) y = hn::Add(y, bias);
    return epilogue.clip ? AtMost(high, AtLeast(low, y)) : y;
  };
  for (std::size_t t = 0; t < tiles; t += kLanes) {
    TileVector z[2][4];
    for (std::size_t b = 0; b < 4; ++b) {
      const float* const from = m + b * place + t;
      const TileVector m0 = hn::LoadU(d, from);
      const TileVector m1 = hn::LoadU(d, from + 4 * place);
      const TileVector m2 = hn::LoadU(d, from + 8 * place);
      const TileVector m3 = hn::LoadU(d, from + 12 * place);
      z[0][b] = hn::Add(hn::Add(m0, m1), m2);
      z[1][b] = hn::Sub(hn::Sub(m1, m2), m3);
    }
    for (std::size_t a = 0; a < 2; ++a) {
      const TileVector y0 = finish(hn::Add(hn::Add(z[a][0], z[a][1]), z[a][2]));
      const TileVector y1 = finish(hn::Sub(hn::Sub(z[a][1], z[a][2]), z[a][3]));
      hn::StoreInterleaved2(y0, y1, d, rows[a] + 2 * t);
    }
  }
}

// Rows of tiles of one example, or whole examples.
struct TileBlock {
  std::size_t example = 0;
  std::size_t examples = 1;
  std::size_t row = 0;  // of tiles
  TileGrid grid;        // of each example
  std::size_t tiles() const { return examples * grid.tiles(); }
};

struct WinogradPlan {
  TileBlock block;          // the largest
  std::size_t stride = 0;   // of V and M, from a row to the next: whole vectors
  std::size_t place_v = 0;  // from V_z to V_z+1
  std::size_t v_at = 0;     // the parts of the scratch memory, in floats; transforms' begin it
  std::size_t m_at = 0;
  std::size_t rows_at = 0;  // two rows of outputs of all tiles
  std::size_t floats = 0;
};

// Of one row of outputs of all tiles of a block, and what vectors write behind it.
inline std::size_t RowFloats(const WinogradPlan& plan) { return 2 * plan.stride + 2 * kLanes; }

inline std::size_t WinogradWeights(const Correlation& c) {
  return kPlaces * c.outputs * c.x.channels;
}

inline WinogradPlan PlanWinograd(const Correlation& c) {
  WinogradPlan plan;
  const TileGrid all = AllTiles(c.x);
  const std::size_t tiles =
      HWY_MAX(kBlockTilesMin, HWY_MIN(kBlockTilesMax, kBlockTileChannels / c.x.channels));
  plan.block.grid.columns = all.columns;
  plan.block.grid.rows = EvenPart(all.rows, HWY_MIN(all.rows, HWY_MAX(1, tiles / all.columns)));
  if (plan.block.grid.rows == all.rows) {
    plan.block.examples =
        EvenPart(c.examples, HWY_MIN(c.examples, HWY_MAX(1, tiles / all.tiles())));
  }
  plan.stride = RoundUp(plan.block.tiles(), kLanes);
  plan.place_v = c.x.channels * plan.stride + kLanes;
  plan.v_at = RowTransform::Floats(plan.block.grid);
  plan.m_at = plan.v_at + kPlaces * plan.place_v;
  plan.rows_at = plan.m_at + kPlaces * kTileRows * plan.stride;
  plan.floats = plan.rows_at + 2 * RowFloats(plan);
  return plan;
}

// Some input channels' part of U for one tile of output channels, `rows` of them.
struct WeightPack {
  static constexpr std::size_t kAtOnce = 16;
  float direct[kAtOnce * 9 * kTileRows];        // [channel][tap][rows]
  float places[kPlaces * kAtOnce * kTileRows];  // [place][channel][rows]

  void Transform(std::size_t channels, std::size_t rows) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t r = 0; r < rows; r += kLanes) {
        const std::size_t part = HWY_MIN(kLanes, rows - r);
        TileVector g[9];
        TileVector u[kPlaces];
        for (std::size_t k = 0; k < 9; ++k) g[k] = LoadPart(part, direct + (c * 9 + k) * rows + r);
        TransformWeights(g, u);
        for (std::size_t z = 0; z < kPlaces; ++z) {
          StorePart(u[z], part, places + (z * kAtOnce + c) * rows + r);
        }
      }
    }
  }
};

// U by tiles of output channels: [place][channel][output channel of the tile].
inline void PackWinograd(const Correlation& c, float* packed) {
  WeightPack pack;
  const Pieces tiles(c.outputs, kTileRows);
  for (std::size_t i = 0; i < tiles.parts; ++i) {
    const std::size_t rows = tiles.Begin(i + 1) - tiles.Begin(i);
    float* const tile = packed + kPlaces * c.x.channels * tiles.Begin(i);
    for (std::size_t first = 0; first < c.x.channels; first += WeightPack::kAtOnce) {
      const std::size_t last = HWY_MIN(c.x.channels, first + WeightPack::kAtOnce);
      PackTile(c, tiles.Begin(i), rows, first, last, pack.direct);
      pack.Transform(last - first, rows);
      for (std::size_t z = 0; z < kPlaces; ++z) {
        CopyFloats(pack.places + z * WeightPack::kAtOnce * rows, (last - first) * rows,
                   tile + (z * c.x.channels + first) * rows);
      }
    }
  }
}

// V of a block: V_z[channel][tile].
inline void TransformBlock(const Correlation& c, const WinogradPlan& plan, const TileBlock& block,
                           float* scratch) {
  const Images& x = c.x;
  const RowTransform rows{scratch, RowTransform::Half(block.grid)};
  const NarrowRows narrow(x, block.grid);
  const std::int64_t first = static_cast<std::int64_t>(2 * block.row) + x.rows.first;
  for (std::size_t channel = 0; channel < x.channels; ++channel) {
    const float* image = x.data + block.example * x.example + channel * x.channel;
    float* v = scratch + plan.v_at + channel * plan.stride;
    for (std::size_t e = 0; e < block.examples; ++e, image += x.example, v += block.grid.tiles()) {
      if (narrow.used()) {
        narrow.Transform(x, image, first, block.grid, rows);
      } else {
        // The last columns first: what they write too far is overwritten.
        for (std::size_t j = (block.grid.columns - 1) / kLanes + 1; j-- > 0;) {
          TransformRows(x, image, first, block.grid, j * kLanes, rows);
        }
      }
      TransformColumns(block.grid, rows, plan.place_v, v);
    }
  }
}

// A channel's rows of outputs, [tile][2] each, to where they belong.
inline void CopyRows(const Correlation& c, const TileBlock& block, std::size_t m,
                     const float* const* rows) {
  const auto width = static_cast<std::size_t>(c.x.columns.out);
  const auto height = static_cast<std::size_t>(c.x.rows.out);
  for (std::size_t e = 0; e < block.examples; ++e) {
    float* const image = c.y.data + (block.example + e) * c.y.example + m * c.y.channel;
    for (std::size_t i = 0; i < block.grid.rows; ++i) {
      const std::size_t at = 2 * (e * block.grid.tiles() + i * block.grid.columns);
      const std::size_t row = 2 * (block.row + i);
      CopyFloats(rows[0] + at, width, image + row * c.y.width);
      if (row + 1 < height) CopyFloats(rows[1] + at, width, image + (row + 1) * c.y.width);
    }
  }
}

inline void WinogradBlock(const Correlation& c, const WinogradPlan& plan, const TileBlock& block,
                          float* scratch) {
  TransformBlock(c, plan, block, scratch);
  const float* const v = scratch + plan.v_at;
  float* const sums = scratch + plan.m_at;
  float* const rows[2] = {scratch + plan.rows_at, scratch + plan.rows_at + RowFloats(plan)};
  const Pieces outputs(c.outputs, kTileRows);
  const Pieces columns(RoundUp(block.tiles(), kLanes) / kLanes, kTileVectors);
  for (std::size_t i = 0; i < outputs.parts; ++i) {
    const std::size_t m = outputs.Begin(i);
    const std::size_t count = outputs.Begin(i + 1) - m;
    const float* const tile = c.packed + kPlaces * c.x.channels * m;
    for (std::size_t z = 0; z < kPlaces; ++z) {
      const APanel a{tile + z * c.x.channels * count, count};
      ScratchSink sink;
      sink.ldc = plan.stride;
      for (std::size_t k = 0; k < columns.parts; ++k) {
        const std::size_t vectors = columns.Begin(k + 1) - columns.Begin(k);
        sink.c = sums + z * count * plan.stride + columns.Begin(k) * kLanes;
        RunTile(count, vectors, c.x.channels, a, v + z * plan.place_v + columns.Begin(k) * kLanes,
                plan.stride, sink);
      }
    }
    for (std::size_t r = 0; r < count; ++r) {
      OutputsOfPlaces(sums + r * plan.stride, count * plan.stride, block.tiles(), c.epilogue, m + r,
                      rows);
      CopyRows(c, block, m + r, rows);
    }
  }
}

// c.packed are PackWinograd's.
inline void CorrelateWinograd(const Correlation& c, float* scratch) {
  if (c.examples == 0) return;
  const WinogradPlan plan = PlanWinograd(c);
  const std::size_t rows = AllTiles(c.x).rows;
  TileBlock block = plan.block;
  for (block.example = 0; block.example < c.examples; block.example += plan.block.examples) {
    block.examples = HWY_MIN(plan.block.examples, c.examples - block.example);
    for (block.row = 0; block.row < rows; block.row += plan.block.grid.rows) {
      block.grid.rows = HWY_MIN(plan.block.grid.rows, rows - block.row);
      WinogradBlock(c, plan, block, scratch);
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggling guard
