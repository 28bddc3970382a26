// The walk over an index space that the kernels over strided operands share (strided.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "trusted/kernels/strided.h"

namespace anchorhold::kernels {

// Calls inner(a, b, index, n, stride_a, stride_b) for each innermost run; `index` counts the points
// before the run in row-major order.
template <typename Inner>
void Walk(const IndexSpace& space, Inner inner) {
  if (space.rank == 0) {
    inner(std::int64_t{0}, std::int64_t{0}, std::int64_t{0}, std::int64_t{1}, std::int64_t{0},
          std::int64_t{0});
    return;
  }
  const std::size_t last = space.rank - 1;
  std::array<std::int64_t, kRankMax> i{};
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t index = 0;
  while (true) {
    inner(a, b, index, space.dims[last], space.a[last], space.b[last]);
    index += space.dims[last];
    std::size_t k = last;
    while (k-- > 0) {
      a += space.a[k];
      b += space.b[k];
      if (++i[k] < space.dims[k]) break;
      a -= space.a[k] * space.dims[k];
      b -= space.b[k] * space.dims[k];
      i[k] = 0;
    }
    if (k == static_cast<std::size_t>(-1)) return;
  }
}

}  // namespace anchorhold::kernels
