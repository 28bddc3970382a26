#include "trusted/kernels/reduce.h"

#include <cmath>
#include <type_traits>

#include "shared/base/check.h"
#include "trusted/kernels/walk.h"

namespace anchorhold::kernels {
namespace {

// Calls f(offset) for each point of the space, in row-major order.
template <typename F>
void ForEach(const IndexSpace& space, F f) {
  Walk(space, [&](std::int64_t at, std::int64_t, std::int64_t, std::int64_t n, std::int64_t stride,
                  std::int64_t) {
    for (std::int64_t i = 0; i < n; ++i) f(at + i * stride);
  });
}

// y[k] = combine of all x at k, from `first` on.
template <typename T, typename Sum, typename F>
void FoldWalk(const Reduction& reduction, const T* x, T* y, Sum first, F combine) {
  ForEach(reduction.kept, [&](std::int64_t at) {
    Sum sum = first;
    ForEach(reduction.reduced, [&](std::int64_t i) { sum = combine(sum, x[at + i]); });
    *y++ = static_cast<T>(sum);
  });
}

// The larger (or smaller) of two; a NaN is kept, and taken.
template <typename T, typename Before>
void Extremes(const Reduction& reduction, const T* x, T* y, Before before) {
  const auto is_nan = [](T v) {
    if constexpr (std::is_floating_point_v<T>) return std::isnan(v);
    return false;
  };
  ForEach(reduction.kept, [&](std::int64_t at) {
    T best = x[at];  // the first one is always there
    ForEach(reduction.reduced, [&](std::int64_t i) {
      const T v = x[at + i];
      if (before(v, best) || is_nan(v)) best = v;
    });
    *y++ = best;
  });
}

}  // namespace

Reduction ReduceTo(Dims x, Dims y) {
  AH_CHECK(x.size() == y.size() && x.size() <= kRankMax);
  std::array<std::int64_t, kRankMax> strides{};
  std::int64_t stride = 1;
  for (std::size_t k = x.size(); k-- > 0;) {
    strides[k] = stride;
    stride *= x[k];
  }
  Reduction reduction;
  for (std::size_t k = 0; k < x.size(); ++k) {
    IndexSpace& space = x[k] == y[k] ? reduction.kept : reduction.reduced;
    space.Add(x[k], strides[k], 0);
  }
  return reduction;
}

template <typename T>
void Fold(FoldOp op, const Reduction& reduction, const T* x, T* y) {
  switch (op) {
    case FoldOp::kMax:
      return Extremes(reduction, x, y, [](T a, T b) { return a > b; });
    case FoldOp::kMin:
      return Extremes(reduction, x, y, [](T a, T b) { return a < b; });
    case FoldOp::kProd:
      using Product = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
      return FoldWalk(reduction, x, y, Product{1},
                      [](Product product, T v) { return product * static_cast<Product>(v); });
  }
}

template <typename T>
void Norm(const Reduction& reduction, const T* x, T* y) {
  ForEach(reduction.kept, [&](std::int64_t at) {
    double sum = 0;
    ForEach(reduction.reduced, [&](std::int64_t i) {
      const double v = static_cast<double>(x[at + i]);
      sum += v * v;
    });
    *y++ = static_cast<T>(std::sqrt(sum));
  });
}

template <typename T>
void LogSumExp(const Reduction& reduction, const T* x, T* y) {
  Fold(FoldOp::kMax, reduction, x, y);
  ForEach(reduction.kept, [&](std::int64_t at) {
    const double largest = static_cast<double>(*y);
    if (std::isfinite(largest)) {  // else the result is it: infinite or NaN
      double sum = 0;
      ForEach(reduction.reduced,
              [&](std::int64_t i) { sum += std::exp(static_cast<double>(x[at + i]) - largest); });
      *y = static_cast<T>(largest + std::log(sum));
    }
    ++y;
  });
}

template <typename T>
void ProdGrad(const Reduction& reduction, const T* x, const T* g, T* dx) {
  ForEach(reduction.kept, [&](std::int64_t at) {
    double product = 1;  // of those that are not zero
    std::int64_t zeros = 0;
    ForEach(reduction.reduced, [&](std::int64_t i) {
      const double v = static_cast<double>(x[at + i]);
      if (v == 0) {
        ++zeros;
      } else {
        product *= v;
      }
    });
    const double gradient = static_cast<double>(*g++);
    ForEach(reduction.reduced, [&](std::int64_t i) {
      const double v = static_cast<double>(x[at + i]);
      double others = 0;
      if (v == 0 && zeros == 1) others = product;
      if (v != 0 && zeros == 0) others = product / v;
      dx[at + i] = static_cast<T>(gradient * others);
    });
  });
}

#define AH_INSTANTIATE(T) template void Fold(FoldOp, const Reduction&, const T*, T*);
AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
AH_INSTANTIATE(std::int64_t)
AH_INSTANTIATE(std::uint64_t)
#undef AH_INSTANTIATE

#define AH_INSTANTIATE(T)                                  \
  template void Norm(const Reduction&, const T*, T*);      \
  template void LogSumExp(const Reduction&, const T*, T*); \
  template void ProdGrad(const Reduction&, const T*, const T*, T*);
AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
