#include "trusted/kernels/strided.h"

#include <algorithm>

#include "shared/base/check.h"
#include "trusted/kernels/walk.h"

namespace anchorhold::kernels {
namespace {

// Row-major strides of `shape` as it broadcasts to `out`: 0 where it is missing or 1.
std::array<std::int64_t, kRankMax> BroadcastStrides(Dims shape, Dims out) {
  AH_CHECK(shape.size() <= out.size() && out.size() <= kRankMax);
  std::array<std::int64_t, kRankMax> strides{};
  std::int64_t stride = 1;
  for (std::size_t k = shape.size(); k-- > 0;) {
    const std::size_t at = k + out.size() - shape.size();
    AH_CHECK(shape[k] == 1 || shape[k] == out[at]);
    strides[at] = shape[k] == 1 ? 0 : stride;
    stride *= shape[k];
  }
  return strides;
}

// Sum of x[0], x[stride], ... in 8 lanes.
template <typename T>
T SumRun(const T* x, std::int64_t n, std::int64_t stride) {
  constexpr std::int64_t kLanes = 8;
  T lanes[kLanes] = {};
  std::int64_t i = 0;
  if (stride == 1) {
    for (; i + kLanes <= n; i += kLanes) {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
    }
  }
  T sum = 0;
  for (const T lane : lanes) sum += lane;
  for (; i < n; ++i) sum += x[i * stride];
  return sum;
}

}  // namespace

void IndexSpace::Add(std::int64_t size, std::int64_t stride_a, std::int64_t stride_b) {
  if (size == 1) return;
  if (rank > 0) {
    const std::size_t outer = rank - 1;
    if (a[outer] == size * stride_a && b[outer] == size * stride_b) {
      dims[outer] *= size;
      a[outer] = stride_a;
      b[outer] = stride_b;
      return;
    }
  }
  AH_CHECK(rank < kRankMax);
  dims[rank] = size;
  a[rank] = stride_a;
  b[rank] = stride_b;
  ++rank;
}

IndexSpace Broadcast(Dims a, Dims b, Dims out) {
  const auto strides_a = BroadcastStrides(a, out);
  const auto strides_b = BroadcastStrides(b, out);
  IndexSpace space;
  for (std::size_t k = 0; k < out.size(); ++k) space.Add(out[k], strides_a[k], strides_b[k]);
  return space;
}

IndexSpace Permute(Dims x, Dims permutation) {
  AH_CHECK(x.size() == permutation.size() && x.size() <= kRankMax);
  const auto strides = BroadcastStrides(x, x);
  std::array<std::int64_t, kRankMax> out_strides{};
  std::int64_t stride = 1;
  for (std::size_t k = x.size(); k-- > 0;) {
    out_strides[k] = stride;
    stride *= x[static_cast<std::size_t>(permutation[k])];
  }
  IndexSpace space;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const auto from = static_cast<std::size_t>(permutation[k]);
    space.Add(x[from], strides[from], out_strides[k]);
  }
  return space;
}

template <typename T>
void CopyStrided(const IndexSpace& space, const T* x, T* y) {
  Walk(space, [&](std::int64_t from, std::int64_t to, std::int64_t, std::int64_t n,
                  std::int64_t stride_x, std::int64_t stride_y) {
    const T* source = x + from;
    T* target = y + to;
    if (stride_x == 1 && stride_y == 1) {
      std::copy(source, source + n, target);
    } else {
      for (std::int64_t i = 0; i < n; ++i) target[i * stride_y] = source[i * stride_x];
    }
  });
}

template <typename T>
void SumStrided(const IndexSpace& space, const T* x, T* y, std::size_t y_size) {
  std::fill(y, y + y_size, T(0));
  Walk(space, [&](std::int64_t from, std::int64_t to, std::int64_t, std::int64_t n,
                  std::int64_t stride_x, std::int64_t stride_y) {
    const T* source = x + from;
    T* target = y + to;
    if (stride_y == 0) {
      *target += SumRun(source, n, stride_x);
    } else if (stride_x == 1 && stride_y == 1) {
      for (std::int64_t i = 0; i < n; ++i) target[i] += source[i];
    } else {
      for (std::int64_t i = 0; i < n; ++i) target[i * stride_y] += source[i * stride_x];
    }
  });
}

#define AH_INSTANTIATE(T)                                     \
  template void CopyStrided(const IndexSpace&, const T*, T*); \
  template void SumStrided(const IndexSpace&, const T*, T*, std::size_t);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE
template void CopyStrided(const IndexSpace&, const std::int64_t*, std::int64_t*);

template <>
void SumStrided(const IndexSpace& space, const std::int64_t* x, std::int64_t* y,
                std::size_t y_size) {
  std::fill(y, y + y_size, 0);
  Walk(space, [&](std::int64_t from, std::int64_t to, std::int64_t, std::int64_t n,
                  std::int64_t stride_x, std::int64_t stride_y) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t& sum = y[to + i * stride_y];
      sum = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) +
                                      static_cast<std::uint64_t>(x[from + i * stride_x]));
    }
  });
}

}  // namespace anchorhold::kernels
