// The order in which kernels leave some convolutions' gradients (simd::kTapChannels). Sums over
// examples are made in it and brought into the parameter's own order once, at the end. It is the
// same on every target: a compiled model chooses its kernels when it runs.
#pragma once

#include <algorithm>
#include <cstddef>

#include "trusted/simd/convolution.h"

namespace anchorhold::engine {

// Of each output channel's numbers [channels, taps], kTapChannels channels at a time (at the end,
// what is left) are [taps, channels].
struct TapOrder {
  static constexpr std::size_t kTapsMost = 9;

  std::size_t channels = 0;
  std::size_t taps = 0;  // 0: the parameter's own order

  bool used() const { return taps != 0; }
  // Neither order moves a number out of its row.
  std::size_t row() const { return channels * taps; }
};

namespace tap_order {

// [rows, columns] becomes [columns, rows].
template <typename T>
void Transpose(std::size_t rows, std::size_t columns, T* numbers) {
  T copy[simd::kTapChannels * TapOrder::kTapsMost];
  std::copy_n(numbers, rows * columns, copy);
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) *numbers++ = copy[i * columns + j];
  }
}

// Calls visit(block, channels) for each block of channels.
template <typename T, typename Visit>
void ForBlocks(const TapOrder& order, std::size_t count, T* numbers, const Visit& visit) {
  if (!order.used()) return;
  for (std::size_t row = 0; row < count; row += order.row()) {
    for (std::size_t c = 0; c < order.channels; c += simd::kTapChannels) {
      visit(numbers + row + c * order.taps, std::min(simd::kTapChannels, order.channels - c));
    }
  }
}

}  // namespace tap_order

// `count` numbers, whole rows, from the parameter's order to the kernels', and back.
template <typename T>
void ToTapOrder(const TapOrder& order, std::size_t count, T* numbers) {
  tap_order::ForBlocks(order, count, numbers, [&](T* block, std::size_t channels) {
    tap_order::Transpose(channels, order.taps, block);
  });
}

template <typename T>
void FromTapOrder(const TapOrder& order, std::size_t count, T* numbers) {
  tap_order::ForBlocks(order, count, numbers, [&](T* block, std::size_t channels) {
    tap_order::Transpose(order.taps, channels, block);
  });
}

}  // namespace anchorhold::engine
