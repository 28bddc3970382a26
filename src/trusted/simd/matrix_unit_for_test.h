// What the matrix unit computes, number by number (amx_unit.h).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace anchorhold::simd::testing {

struct Parts {
  float part[3];  // h, m, l
};

inline Parts PartsOf(float x) {
  Parts parts{};
  for (float& part : parts.part) {
    part = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xFFFF0000U);
    x -= part;
  }
  return parts;
}

// sum, and a[k] b[k] for all k, in steps of 32.
inline float MatrixUnitChain(std::span<const float> a, std::span<const float> b, float sum) {
  constexpr std::size_t kProducts[6][2] = {{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}};
  for (std::size_t step = 0; step < a.size(); step += 32) {
    for (const auto& product : kProducts) {
      float chain[2] = {0, 0};
      for (std::size_t k = step; k < std::min(a.size(), step + 32); ++k) {
        const float term =
            PartsOf(a[k]).part[product[0]] * PartsOf(b[k]).part[product[1]];  // exact
        chain[(k - step) / 16] += term;
      }
      sum += chain[0] + chain[1];
    }
  }
  return sum;
}

// sum over k of a[k] b[k], in slabs of `depth`, added to `c` (which does not exist if `fresh`).
inline float MatrixUnitSum(std::span<const float> a, std::span<const float> b, std::size_t depth,
                           bool fresh, float c) {
  std::size_t k0 = 0;
  do {
    const std::size_t count = std::min(a.size() - k0, depth);
    const float sum = MatrixUnitChain(a.subspan(k0, count), b.subspan(k0, count), 0);
    c = fresh ? sum : c + sum;
    fresh = false;
    k0 += count;
  } while (k0 < a.size());
  return c;
}

}  // namespace anchorhold::simd::testing
