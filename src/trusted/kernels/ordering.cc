#include "trusted/kernels/ordering.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

namespace anchorhold::kernels {
namespace {

// Calls line(offset, outer index * inner + inner index) for each line along the axis.
template <typename Line>
void ForEachLine(const AxisShape& shape, Line line) {
  for (std::size_t o = 0; o < shape.outer; ++o) {
    for (std::size_t i = 0; i < shape.inner; ++i) line(o * shape.n * shape.inner + i, o, i);
  }
}

template <typename E>
bool IsNan(E x) {
  if constexpr (std::is_floating_point_v<E>) {
    return std::isnan(x);
  } else {
    return false;
  }
}

// Whether a comes strictly before b; neither of two equal elements or of two NaNs does.
template <typename E>
bool Before(bool smallest, E a, E b) {
  if (IsNan(a) || IsNan(b)) return !IsNan(a) && IsNan(b);
  return smallest ? a < b : a > b;
}

template <typename E>
std::size_t First(const E* line, std::size_t n, std::size_t stride, bool smallest, bool last) {
  std::size_t best = 0;
  for (std::size_t j = 1; j < n; ++j) {
    const E a = line[j * stride];
    const E b = line[best * stride];
    if (Before(smallest, a, b) || (last && !Before(smallest, b, a))) best = j;
  }
  return best;
}

// a + b; integers wrap.
template <typename E>
E Sum(E a, E b) {
  if constexpr (std::is_integral_v<E>) {
    return static_cast<E>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

}  // namespace

template <typename E>
void ArgExtreme(const AxisShape& shape, bool smallest, bool last, const E* x, std::int64_t* y) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t o, std::size_t i) {
    y[o * shape.inner + i] =
        static_cast<std::int64_t>(First(x + offset, shape.n, shape.inner, smallest, last));
  });
}

template <typename E>
void TopKIndices(const AxisShape& shape, std::size_t k, bool smallest, const E* x,
                 std::int64_t* y) {
  std::vector<std::size_t> order(shape.n);
  const auto end_of_top = order.begin() + static_cast<std::ptrdiff_t>(k);
  ForEachLine(shape, [&](std::size_t offset, std::size_t o, std::size_t i) {
    const E* line = x + offset;
    for (std::size_t j = 0; j < shape.n; ++j) order[j] = j;
    std::partial_sort(order.begin(), end_of_top, order.end(), [&](std::size_t a, std::size_t b) {
      const E left = line[a * shape.inner];
      const E right = line[b * shape.inner];
      if (Before(smallest, left, right)) return true;
      return !Before(smallest, right, left) && a < b;
    });
    for (std::size_t j = 0; j < k; ++j) {
      y[(o * k + j) * shape.inner + i] = static_cast<std::int64_t>(order[j]);
    }
  });
}

template <typename E>
void Hardmax(const AxisShape& shape, const E* x, E* y) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t, std::size_t) {
    const std::size_t best = First(x + offset, shape.n, shape.inner, false, false);
    for (std::size_t j = 0; j < shape.n; ++j) {
      y[offset + j * shape.inner] = static_cast<E>(j == best);
    }
  });
}

template <typename E>
void CumSum(const AxisShape& shape, bool exclusive, bool reverse, const E* x, E* y) {
  ForEachLine(shape, [&](std::size_t offset, std::size_t, std::size_t) {
    E sum = 0;
    for (std::size_t j = 0; j < shape.n; ++j) {
      const std::size_t at = offset + (reverse ? shape.n - 1 - j : j) * shape.inner;
      const E next = Sum(sum, x[at]);
      y[at] = exclusive ? sum : next;
      sum = next;
    }
  });
}

template <typename E>
void Triangle(const TriangleShape& shape, bool upper, std::int64_t k, const E* x, E* y) {
  // Beyond the matrix's own size, a diagonal's number makes no difference.
  const auto rows = static_cast<std::int64_t>(shape.rows);
  const auto columns = static_cast<std::int64_t>(shape.columns);
  const std::int64_t diagonal = std::clamp(k, -rows, columns);
  for (std::size_t m = 0; m < shape.count; ++m) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column, ++x, ++y) {
        const std::int64_t at = column - row;
        const bool kept = upper ? at >= diagonal : at <= diagonal;
        *y = kept ? *x : E{0};
      }
    }
  }
}

#define AH_INSTANTIATE(E)                                                                  \
  template void ArgExtreme(const AxisShape&, bool, bool, const E*, std::int64_t*);         \
  template void TopKIndices(const AxisShape&, std::size_t, bool, const E*, std::int64_t*); \
  template void Hardmax(const AxisShape&, const E*, E*);                                   \
  template void CumSum(const AxisShape&, bool, bool, const E*, E*);                        \
  template void Triangle(const TriangleShape&, bool, std::int64_t, const E*, E*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
AH_INSTANTIATE(std::int64_t)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
