// The series of simd/gaussian.h and simd/gaussian_screen-inl.h from their definition.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace anchorhold::dp::internal {

// The modified Bessel function I_k(x) for a small x.
inline long double Bessel(int k, long double x) {
  long double term = 1;
  for (int i = 1; i <= k; ++i) term *= x / 2 / static_cast<long double>(i);
  long double sum = 0;
  for (int i = 1; i < 30; ++i) {
    sum += term;
    term *= x * x / 4 / static_cast<long double>(i * (i + k));
  }
  return sum;
}

// The coefficients by powers of f of I_0(b) + 2 sum_k sign^k I_k(b) T_k(2 f + shift), b = ln(2) /
// 2, up to `degree`, which is e^(sign b (2 f + shift)) nearly; at least 1.
inline std::vector<long double> SeriesByPowers(int degree, int sign, long double shift) {
  const long double b = std::log(2.0L) / 2;
  const auto size = static_cast<std::size_t>(degree) + 1;
  std::vector<std::vector<long double>> chebyshev = {{1}, {shift, 2}};  // T_k(2 f + shift)
  for (std::size_t k = 2; k < size; ++k) {
    std::vector<long double> next(k + 1, 0);
    for (std::size_t i = 0; i < k; ++i) {
      next[i] += 2 * shift * chebyshev[k - 1][i];
      next[i + 1] += 4 * chebyshev[k - 1][i];
    }
    for (std::size_t i = 0; i + 1 < k; ++i) next[i] -= chebyshev[k - 2][i];
    chebyshev.push_back(next);
  }
  std::vector<long double> sum(size, 0);
  for (int k = 0; k <= degree; ++k) {
    const long double factor = (k == 0 ? 1 : 2) * (k % 2 == 0 ? 1 : sign) * Bessel(k, b);
    const auto& polynomial = chebyshev[static_cast<std::size_t>(k)];
    for (std::size_t i = 0; i < polynomial.size(); ++i) sum[i] += factor * polynomial[i];
  }
  return sum;
}

// What is left out, at most, wherever |2 f + shift| <= 1.
inline long double LeftOutOfSeries(int degree) {
  long double sum = 0;
  for (int k = degree + 1; k < 20; ++k) sum += 2 * Bessel(k, std::log(2.0L) / 2);
  return sum;
}

}  // namespace anchorhold::dp::internal
