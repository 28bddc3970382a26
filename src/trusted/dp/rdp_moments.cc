#include "trusted/dp/rdp_moments.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace anchorhold::dp {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// log(exp(x) - 1) for x > 0.
double LogExpm1(double x) { return x > 40 ? x : std::log(std::expm1(x)); }

// log(1 + exp(x)).
double Log1pExp(double x) { return x > 40 ? x : std::log1p(std::exp(x)); }

double LogSumExp(const std::vector<double>& terms) {
  const double top = *std::max_element(terms.begin(), terms.end());
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - top);
  return top + std::log(sum);
}

// log h(w) for h of the header, w = expm1(log_1pw). For small a w the closed form cancels and the
// binomial series is summed instead, sum_{k>=2} C(a,k) w^k: with |a w| < 0.1, 16 terms reach
// (|a w|^k / k!) / (|a w|^2 / 2) < 1e-25. Above that the closed form keeps all but two digits.
double LogExcess(double a, double w, double log_1pw) {
  if (std::abs(a * w) < 0.1 && std::abs(w) < 0.1) {
    double term = a * (a - 1) / 2;
    double sum = 0;
    for (int k = 2; k < 18; ++k) {
      sum += term;
      term *= w * (a - k) / (k + 1);
    }
    return w == 0 ? kMinusInfinity : 2 * std::log(std::abs(w)) + std::log(sum);
  }
  const double power = a * log_1pw;
  if (power < 30) return std::log(std::expm1(power) - a * w);
  // (1 + w)^a (1 - (1 + a w) / (1 + w)^a), where w itself may be beyond a double. Here w > 1, so
  // log(1 + a w) < log(a (1 + w)) and the bound is not attained for a > 1.
  const double log_linear = w < 1e100 ? std::log1p(a * w) : std::log(a) + log_1pw;
  return power + std::log1p(-std::exp(log_linear - power));
}

// log of density times h at t; the factor 1/sqrt(2 pi) is left out.
class Integrand {
 public:
  Integrand(double q, double s, double order) : q_(q), s_(s), order_(order) {}

  double operator()(double t) const {
    const double u = (t - 0.5 / s_) / s_;
    const double w = q_ * std::expm1(u);
    // Beyond exp(500), 1 - q is lost in q exp(u) anyway.
    const double log_1pw = u > 500 ? u + std::log(q_) : std::log1p(w);
    return LogExcess(order_, w, log_1pw) - 0.5 * t * t;
  }

 private:
  double q_;
  double s_;
  double order_;
};

}  // namespace

double LogMomentInteger(double q, double s, int order) {
  std::vector<double> terms;
  terms.reserve(static_cast<std::size_t>(order));
  const double log_q = std::log(q);
  const double log_1mq = std::log1p(-q);
  const double half_precision = 0.5 / (s * s);
  // In long double (64 bits of mantissa on x86-64): 4096 roundings of a number below 3000.
  long double log_binomial = std::log(static_cast<long double>(order));
  for (int k = 2; k <= order; ++k) {
    log_binomial += std::log(static_cast<long double>(order - k + 1) / k);
    const double exponent = static_cast<double>(k) * (k - 1) * half_precision;
    terms.push_back(static_cast<double>(log_binomial) + (order - k) * log_1mq + k * log_q +
                    LogExpm1(exponent));
  }
  return Log1pExp(LogSumExp(terms));
}

double LogMomentQuadrature(double q, double s, double order) {
  const Integrand integrand(q, s, order);
  // The log of h grows with slope 0 to max(a, 2) in u = t/s, so the integrand's peaks lie between 0
  // and max(a, 2)/s and fall like a Gaussian of width 1 or faster outside.
  const double low = -12;
  const double high = std::max(order, 2.0) / s + 12;
  const double scan_step = 0.25;
  double top = kMinusInfinity;
  for (double t = low; t <= high; t += scan_step) top = std::max(top, integrand(t));
  const double floor = top - 45;  // what is left out is below exp(-40) of the whole
  double from = low;
  double to = high;
  while (integrand(from + scan_step) < floor) from += scan_step;
  while (integrand(to - scan_step) < floor) to -= scan_step;

  // With step d the rule's relative error is about exp(y^2/2 - 2 pi y / d) for every y up to the
  // distance of the nearest singularity, pi s (where 1 + w = 0). d = min(s, 1) / 2 and
  // y = pi min(s, 1) give exp(-34) or less.
  const double step = std::min(s, 1.0) / 2;
  const double shift = top;  // keeps the sum within a double
  double sum = 0;
  for (double t = from; t <= to; t += step) sum += std::exp(integrand(t) - shift);
  const double log_excess =
      shift + std::log(sum * step) - 0.5 * std::log(2 * 3.14159265358979323846);
  return Log1pExp(log_excess);
}

}  // namespace anchorhold::dp
