#include "trusted/kernels/normalise.h"

#include <array>
#include <cmath>

namespace anchorhold::kernels {
namespace {

constexpr std::size_t kLanes = 8;

// The mean of term(0) .. term(n - 1), summed in a fixed number of lanes.
template <typename T, typename Term>
T Mean(std::size_t n, Term term) {
  std::array<T, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += term(i + k);
  }
  for (std::size_t k = 0; i < n; ++i, ++k) lanes[k] += term(i);
  T sum = 0;
  for (const T lane : lanes) sum += lane;
  return sum / static_cast<T>(n);
}

// y = (x - shift) * factor.
template <typename T>
struct RowStatistics {
  T shift = 0;
  T factor = 0;
};

template <typename T>
RowStatistics<T> Statistics(NormaliseMode mode, std::size_t n, T eps, const T* x) {
  RowStatistics<T> row;
  T divisor = 0;
  if (mode == NormaliseMode::kMeanAbsolute) {
    divisor = Mean<T>(n, [&](std::size_t i) { return std::abs(x[i]); }) + eps;
  } else {
    if (mode == NormaliseMode::kMeanVariance) {
      row.shift = Mean<T>(n, [&](std::size_t i) { return x[i]; });
    }
    const T shift = row.shift;
    divisor =
        std::sqrt(Mean<T>(n, [&](std::size_t i) { return (x[i] - shift) * (x[i] - shift); }) + eps);
  }
  row.factor = divisor == 0 ? T{0} : 1 / divisor;
  return row;
}

template <typename T>
T Sign(T x) {
  return static_cast<T>(x > 0) - static_cast<T>(x < 0);
}

}  // namespace

template <typename T>
void Normalise(NormaliseMode mode, const NormaliseShape& shape, T eps, const T* x, T* y) {
  const std::size_t n = shape.n;
  for (std::size_t row = 0; row < shape.rows; ++row, x += n, y += n) {
    const RowStatistics<T> s = Statistics(mode, n, eps, x);
    for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - s.shift) * s.factor;
  }
}

template <typename T>
void NormaliseGrad(NormaliseMode mode, const NormaliseShape& shape, T eps, const T* x, const T* g,
                   T* dx) {
  const std::size_t n = shape.n;
  for (std::size_t row = 0; row < shape.rows; ++row, x += n, g += n, dx += n) {
    const RowStatistics<T> s = Statistics(mode, n, eps, x);
    const auto y = [&](std::size_t i) { return (x[i] - s.shift) * s.factor; };
    const T along = Mean<T>(n, [&](std::size_t i) { return g[i] * y(i); });
    T mean = 0;
    if (mode == NormaliseMode::kMeanVariance) {
      mean = Mean<T>(n, [&](std::size_t i) { return g[i]; });
    }
    for (std::size_t i = 0; i < n; ++i) {
      const T direction = mode == NormaliseMode::kMeanAbsolute ? Sign(x[i]) : y(i);
      dx[i] = s.factor * (g[i] - mean - direction * along);
    }
  }
}

#define AH_INSTANTIATE(T)                                                         \
  template void Normalise(NormaliseMode, const NormaliseShape&, T, const T*, T*); \
  template void NormaliseGrad(NormaliseMode, const NormaliseShape&, T, const T*, const T*, T*);

AH_INSTANTIATE(float)
AH_INSTANTIATE(double)
#undef AH_INSTANTIATE

}  // namespace anchorhold::kernels
