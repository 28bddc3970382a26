// The bounds of minimal filtering (winograd_transform-inl.h), for tests: its formulas with all
// numbers replaced by their magnitudes, in double precision.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "trusted/kernels/convolution.h"

namespace anchorhold::simd {

using Square4 = std::array<std::array<double, 4>, 4>;

// |M| a |M|^T for a matrix M of `rows` rows; a is columns x columns of a Square4.
template <std::size_t kRows, std::size_t kColumns>
Square4 Sandwich(const double (&m)[kRows][kColumns], const Square4& a) {
  Square4 half{};
  Square4 out{};
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      for (std::size_t k = 0; k < kColumns; ++k) half[i][j] += m[i][k] * a[k][j];
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kRows; ++j) {
      for (std::size_t k = 0; k < kColumns; ++k) out[i][j] += half[i][k] * m[j][k];
    }
  }
  return out;
}

inline constexpr double kInputs[4][4] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
inline constexpr double kWeights[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}};
inline constexpr double kOutputs[2][4] = {{1, 1, 1, 0}, {0, 1, 1, 1}};
inline constexpr double kOutputsAdjoint[4][2] = {{1, 0}, {1, 1}, {1, 1}, {0, 1}};
inline constexpr double kWeightsAdjoint[3][4] = {{1, .5, .5, 0}, {0, .5, .5, 0}, {0, .5, .5, 1}};

class WinogradBounds {
 public:
  // Windows of 3 x 3, stride and dilation 1.
  explicit WinogradBounds(const kernels::ConvolutionShape& shape) : s_(shape) {}

  std::vector<double> Forward(const std::vector<double>& x, const std::vector<double>& w) const {
    std::vector<double> y(s_.batch * s_.groups * s_.out_channels * s_.windows.outputs());
    ForTiles([&](std::size_t n, std::size_t g, std::int64_t i, std::int64_t j) {
      for (std::size_t m = 0; m < s_.out_channels; ++m) {
        Square4 sum{};
        for (std::size_t c = 0; c < s_.in_channels; ++c) {
          const Square4 v = Sandwich(kInputs, Inputs(x, n, g, c, i, j));
          const Square4 u = Sandwich(kWeights, Weights(w, g, m, c));
          for (std::size_t z = 0; z < 16; ++z)
            sum[z / 4][z % 4] += v[z / 4][z % 4] * u[z / 4][z % 4];
        }
        const Square4 out = Sandwich(kOutputs, sum);
        for (std::int64_t z = 0; z < 4; ++z) {
          double* const to =
              At(y, Rows().out, Columns().out, (n * s_.groups + g) * s_.out_channels + m,
                 2 * i + z / 2, 2 * j + z % 2);
          if (to != nullptr)
            *to = out[static_cast<std::size_t>(z / 2)][static_cast<std::size_t>(z % 2)];
        }
      }
    });
    return y;
  }

  std::vector<double> Input(const std::vector<double>& y, const std::vector<double>& w) const {
    kernels::ConvolutionShape adjoint = s_;
    std::swap(adjoint.in_channels, adjoint.out_channels);
    for (std::size_t a = 0; a < 2; ++a) {
      kernels::WindowAxis& axis = adjoint.windows.axis[a];
      std::swap(axis.in, axis.out);
      axis.pad = 2 - axis.pad;
    }
    std::vector<double> turned(w.size());
    for (std::size_t g = 0; g < s_.groups; ++g) {
      for (std::size_t m = 0; m < s_.out_channels; ++m) {
        for (std::size_t c = 0; c < s_.in_channels; ++c) {
          for (std::size_t k = 0; k < 9; ++k) {
            turned[((g * s_.in_channels + c) * s_.out_channels + m) * 9 + 8 - k] =
                w[((g * s_.out_channels + m) * s_.in_channels + c) * 9 + k];
          }
        }
      }
    }
    return WinogradBounds(adjoint).Forward(y, turned);
  }

  std::vector<double> Weight(const std::vector<double>& x, const std::vector<double>& y) const {
    const std::size_t pairs = s_.groups * s_.out_channels * s_.in_channels;
    std::vector<Square4> sums(pairs, Square4{});
    ForTiles([&](std::size_t n, std::size_t g, std::int64_t i, std::int64_t j) {
      std::vector<Square4> v(s_.in_channels);
      for (std::size_t c = 0; c < v.size(); ++c) v[c] = Sandwich(kInputs, Inputs(x, n, g, c, i, j));
      for (std::size_t m = 0; m < s_.out_channels; ++m) {
        Square4 dy{};
        for (std::int64_t z = 0; z < 4; ++z) {
          const double* from =
              At(y, Rows().out, Columns().out, (n * s_.groups + g) * s_.out_channels + m,
                 2 * i + z / 2, 2 * j + z % 2);
          if (from != nullptr) {
            dy[static_cast<std::size_t>(z / 2)][static_cast<std::size_t>(z % 2)] = std::fabs(*from);
          }
        }
        const Square4 d = Sandwich(kOutputsAdjoint, dy);
        for (std::size_t c = 0; c < v.size(); ++c) {
          Square4& sum = sums[(g * s_.out_channels + m) * s_.in_channels + c];
          for (std::size_t z = 0; z < 16; ++z) {
            sum[z / 4][z % 4] += d[z / 4][z % 4] * v[c][z / 4][z % 4];
          }
        }
      }
    });
    std::vector<double> w(pairs * 9);
    for (std::size_t p = 0; p < pairs; ++p) {
      const Square4 taps = Sandwich(kWeightsAdjoint, sums[p]);
      for (std::size_t k = 0; k < 9; ++k) w[p * 9 + k] = taps[k / 3][k % 3];
    }
    return w;
  }

 private:
  const kernels::WindowAxis& Rows() const { return s_.windows.axis[0]; }
  const kernels::WindowAxis& Columns() const { return s_.windows.axis[1]; }

  template <typename Visit>
  void ForTiles(const Visit& visit) const {
    for (std::size_t n = 0; n < s_.batch; ++n) {
      for (std::size_t g = 0; g < s_.groups; ++g) {
        for (std::int64_t i = 0; 2 * i < Rows().out; ++i) {
          for (std::int64_t j = 0; 2 * j < Columns().out; ++j) visit(n, g, i, j);
        }
      }
    }
  }

  // Null outside of the plane.
  template <typename Numbers>
  static auto At(Numbers& numbers, std::int64_t rows, std::int64_t columns, std::size_t plane,
                 std::int64_t row, std::int64_t column) -> decltype(numbers.data()) {
    if (row < 0 || row >= rows || column < 0 || column >= columns) return nullptr;
    return numbers.data() + plane * static_cast<std::size_t>(rows * columns) +
           static_cast<std::size_t>(row * columns + column);
  }

  Square4 Inputs(const std::vector<double>& x, std::size_t n, std::size_t g, std::size_t c,
                 std::int64_t i, std::int64_t j) const {
    Square4 d{};
    for (std::int64_t z = 0; z < 16; ++z) {
      const double* from = At(x, Rows().in, Columns().in, (n * s_.groups + g) * s_.in_channels + c,
                              2 * i - Rows().pad + z / 4, 2 * j - Columns().pad + z % 4);
      if (from != nullptr) {
        d[static_cast<std::size_t>(z / 4)][static_cast<std::size_t>(z % 4)] = std::fabs(*from);
      }
    }
    return d;
  }

  Square4 Weights(const std::vector<double>& w, std::size_t g, std::size_t m, std::size_t c) const {
    Square4 taps{};
    const std::size_t at = ((g * s_.out_channels + m) * s_.in_channels + c) * 9;
    for (std::size_t k = 0; k < 9; ++k) taps[k / 3][k % 3] = std::fabs(w[at + k]);
    return taps;
  }

  kernels::ConvolutionShape s_;
};

}  // namespace anchorhold::simd
