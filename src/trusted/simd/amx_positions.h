// Where the sums of convolutions on the matrix unit (amx_unit.h) go: positions of several examples
// are the columns of one product.
#pragma once

#include <algorithm>
#include <utility>

#include "trusted/simd/amx_epilogue.h"
#include "trusted/simd/amx_pack.h"

namespace anchorhold::simd::amx {

inline constexpr std::size_t kPositionsLeast = 4;
// 16 neighbouring positions are of so many examples at most.
inline constexpr std::size_t kRunsMost = (kHalf - 1) / kPositionsLeast + 2;

// x [examples, channels, positions], out [examples, outputs, positions].
struct ImageMap {
  std::size_t examples = 0;
  std::size_t outputs = 0;
  std::size_t channels = 0;
  std::size_t positions = 0;

  std::size_t columns() const { return examples * positions; }
};

// Neighbouring positions of one example among the 16 columns of a tile: lane i's are data[x + i]
// and data[out + i], channels aside.
struct Run {
  __mmask16 lanes = 0;
  std::ptrdiff_t x = 0;
  std::ptrdiff_t out = 0;
};

// Columns [column, column + 16), as far as they exist.
struct Columns {
  std::size_t runs = 0;
  Run run[kRunsMost];

  Columns() = default;
  Columns(const ImageMap& map, std::size_t column) {
    const std::size_t end = std::min(map.columns(), column + kHalf);
    for (std::size_t lane = 0; column < end; ++runs) {
      const std::size_t example = column / map.positions;
      const std::size_t last = std::min(end, (example + 1) * map.positions);
      const std::size_t lanes = last - column;
      const std::size_t position = column - example * map.positions;
      run[runs].lanes = static_cast<__mmask16>(FirstOf(lanes) << lane);
      run[runs].x = At(example * map.channels * map.positions + position, lane);
      run[runs].out = At(example * map.outputs * map.positions + position, lane);
      column = last;
      lane += lanes;
    }
  }

 private:
  static std::ptrdiff_t At(std::size_t place, std::size_t lane) {
    return static_cast<std::ptrdiff_t>(place) - static_cast<std::ptrdiff_t>(lane);
  }
};

// What a product is for.
struct Outputs {
  ImageMap map;
  Epilogue epilogue;
  float* data = nullptr;
};

// 32 x 32 sums on their way from a buffer to where they belong, a few rows at a time.
class Delivery {
 public:
  Delivery() = default;  // nothing to do
  // `ahead`: from a row to one of the next tiles', which are fetched.
  Delivery(const Outputs& out, std::size_t output, std::size_t column, std::size_t ahead,
           const float* buffer)
      : columns_{Columns(out.map, column), Columns(out.map, column + kHalf)},
        from_(buffer),
        row_(out.data + output * out.map.positions),
        stride_(out.map.positions),
        ahead_(ahead),
        rows_(std::min(kPanel, out.map.outputs - output)),
        epilogue_(out.epilogue) {
    epilogue_.column_bias = nullptr;  // convolutions have none
    if (epilogue_.row_bias != nullptr) epilogue_.row_bias += output;
  }

  ANCHORHOLD_AMX_INLINE void Some(std::size_t n) {
    for (n = std::min(n, rows_); n != 0; --n) {
      for (std::size_t tile = 0; tile < 2; ++tile) HalfRow(tile);
      from_ += kPanel;
      row_ += stride_;
      --rows_;
      if (epilogue_.row_bias != nullptr) ++epilogue_.row_bias;
    }
  }

  ANCHORHOLD_AMX_APART void All() { Some(kPanel); }

 private:
  ANCHORHOLD_AMX_INLINE void HalfRow(std::size_t tile) const {
    const Columns& columns = columns_[tile];
    const __m512 y = Finished(epilogue_, 0, 0, _mm512_load_ps(from_ + tile * kHalf));
    for (std::size_t r = 0; r < columns.runs; ++r) {
      float* const to = row_ + columns.run[r].out;
      __builtin_prefetch(to + ahead_, 1, 2);
      _mm512_mask_storeu_ps(to, columns.run[r].lanes, y);
    }
  }

  Columns columns_[2];
  const float* from_ = nullptr;
  float* row_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t ahead_ = 0;
  std::size_t rows_ = 0;
  Epilogue epilogue_;
};

// Lines that are far away, fetched some at a time before they are needed.
class Fetching {
 public:
  Fetching() = default;  // nothing to do
  Fetching(const void* from, std::size_t stride, std::size_t lines)
      : from_(static_cast<const char*>(from)), stride_(stride), lines_(lines) {}

  ANCHORHOLD_AMX_INLINE void Some(std::size_t n) {
    for (n = std::min(n, lines_); n != 0; --n, --lines_, from_ += stride_) {
      __builtin_prefetch(from_, 0, 2);
    }
  }

 private:
  const char* from_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t lines_ = 0;
};

// Sums that are whole tiles and are not to be changed are stored where they belong by the unit.
inline bool Direct(const Outputs& out, std::size_t output, std::size_t column) {
  const ImageMap& map = out.map;
  const bool as_they_are = out.epilogue.row_bias == nullptr && !out.epilogue.clip;
  return as_they_are && map.positions % kHalf == 0 && column + kPanel <= map.columns() &&
         std::min(kPanel, map.outputs - output) % kHalf == 0;
}

inline SumsPlace DirectPlace(const Outputs& out, std::size_t output, std::size_t column) {
  const ImageMap& map = out.map;
  SumsPlace place;
  place.stride = map.positions;
  for (float*& half : place.half) {
    const std::size_t row = column / map.positions * map.outputs + output;
    half = out.data + row * map.positions + column % map.positions;
    column += kHalf;
  }
  return place;
}

// What is done with sums while the matrix unit works on the next.
class Finishing {
 public:
  // `buffers`: twice 32 x 32 floats. `ahead`: as Delivery has it. `steps`: of a product.
  Finishing(const Outputs& out, float* buffers, std::size_t ahead, std::size_t steps)
      : out_(out),
        buffer_(buffers),
        other_(buffers + kPanel * kPanel),
        ahead_(ahead),
        rows_(Quotient(kPanel, steps * kOfStep)) {}

  // So many times a step Slot is called.
  static constexpr std::size_t kOfStep = kSlots / 2;
  ANCHORHOLD_AMX_INLINE void Slot() {
    delivery_.Some(rows_);
    for (Fetching& half : lines_) half.Some(rows_);
  }

  // The product for outputs from `output` and positions from `column` on.
  template <class Other>
  ANCHORHOLD_AMX void Run(std::size_t output, std::size_t column, std::size_t steps, const char* a,
                          const char* b, Other& other) {
    const bool direct = Direct(out_, output, column);
    const SumsPlace place = direct ? DirectPlace(out_, output, column) : PlaceInBuffer(buffer_);
    const std::size_t rows = std::min(kPanel, out_.map.outputs - output);
    for (std::size_t half = 0; direct && half < 2; ++half) {
      lines_[half] = Fetching(place.half[half], place.stride * sizeof(float), rows);
    }
    if (rows > kHalf) {
      RunTiles(steps, a, b, other, place);
    } else {
      RunTiles<TilesA::kOne>(steps, a, b, other, place);
    }
    delivery_.All();
    if (direct) return;
    delivery_ = Delivery(out_, output, column, ahead_, buffer_);
    std::swap(buffer_, other_);
  }

  ANCHORHOLD_AMX_INLINE void End() { delivery_.All(); }

 private:
  Outputs out_;
  float* buffer_ = nullptr;
  float* other_ = nullptr;
  std::size_t ahead_ = 0;
  std::size_t rows_ = 0;  // in a slot
  Delivery delivery_;
  Fetching lines_[2];
};

}  // namespace anchorhold::simd::amx
