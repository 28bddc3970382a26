#include "trusted/dp/rdp.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "trusted/dp/rdp_moments.h"

namespace anchorhold::dp {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kQuadratureNoiseMin = 0.05;

// Margin for adding the phases' curves and for the conversion: a few dozen roundings each.
constexpr double kSumMargin = 1e-12;

// Proposition 12 for one order. The margin is relative to each term, as they may cancel.
double EpsilonAtOrder(double r, double order, double log_delta) {
  if (!std::isfinite(r)) return kInfinity;
  const double a = std::log1p(-1.0 / order);
  const double b = -(log_delta + std::log(order)) / (order - 1.0);
  const double slack = kSumMargin * (r + std::abs(a) + std::abs(b));
  return std::max(0.0, r + a + b + slack);
}

Status CheckComposable(const PoissonSampledGaussian& event) {
  const double q = event.sampling_probability.value();
  if (!(q >= 0 && q <= 1)) return ValidateSamplingProbability(event.sampling_probability);
  const double noise = event.noise_multiplier.value();
  if (!(noise >= 0 && noise < kInfinity)) return ValidateNoiseMultiplier(event.noise_multiplier);
  if (event.steps != 0) return ValidateSteps(event.steps);
  return Ok();
}

}  // namespace

std::vector<double> RdpOrders() {
  std::vector<double> orders;
  for (const int hundredths : {1, 2, 3, 5, 7, 9}) orders.push_back(1.0 + hundredths / 100.0);
  for (int tenths = 11; tenths <= 109; ++tenths) orders.push_back(tenths / 10.0);
  int order = 11;
  for (; order <= 64; ++order) orders.push_back(order);
  for (order = 68; order < 2048; order += order / 16) orders.push_back(order);
  orders.push_back(2048);
  return orders;
}

double SampledGaussianRdp(SamplingProbability q, NoiseMultiplier noise, double order) {
  AH_CHECK(q.value() >= 0 && q.value() <= 1 && noise.value() >= 0 && order > 1 && order <= 4096);
  const double s = noise.value();
  if (q.value() == 0) return 0;
  if (s < 1e-100) return kInfinity;  // 1 / s^2 would leave a double's range
  if (q.value() == 1) return order / (2 * s * s) * (1 + kRdpMargin);
  const double next = std::ceil(order);
  double log_moment = 0;
  if (next == order) {
    log_moment = LogMomentInteger(q.value(), s, static_cast<int>(order));
  } else if (s < kQuadratureNoiseMin) {
    // r grows with the order (van Erven and Harremoes 2014, theorem 3).
    return SampledGaussianRdp(q, noise, next);
  } else {
    log_moment = LogMomentQuadrature(q.value(), s, order);
  }
  return log_moment / (order - 1) * (1 + kRdpMargin);
}

bool RdpAccountant::Supports(const DpEvent& event) {
  return std::holds_alternative<PoissonSampledGaussian>(event);
}

Status RdpAccountant::Add(const DpEvent& event) {
  const auto* step = std::get_if<PoissonSampledGaussian>(&event);
  if (step == nullptr) {
    return Unsupported("the accountant does not know this kind of privacy event");
  }
  AH_RETURN_IF_ERROR(CheckComposable(*step));
  if (step->steps == 0) return Ok();
  for (Phase& phase : phases_) {
    if (phase.q != step->sampling_probability || phase.noise != step->noise_multiplier) continue;
    if (phase.steps > std::numeric_limits<std::uint64_t>::max() - step->steps) {
      return LimitExceeded("too many steps to compose");
    }
    phase.steps += step->steps;
    return Ok();
  }
  Phase phase{step->sampling_probability, step->noise_multiplier, step->steps, {}};
  phase.curve.reserve(orders_.size());
  for (const double order : orders_) {
    phase.curve.push_back(SampledGaussianRdp(phase.q, phase.noise, order));
  }
  phases_.push_back(std::move(phase));
  return Ok();
}

Result<Epsilon> RdpAccountant::EpsilonAt(Delta delta) const {
  AH_RETURN_IF_ERROR(ValidateDelta(delta));
  const double log_delta = std::log(delta.value());
  double best = kInfinity;
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    double r = 0;
    for (const Phase& phase : phases_) r += phase.curve[i] * static_cast<double>(phase.steps);
    r *= 1 + kSumMargin;
    // Total variation: 1 - exp(-r) <= delta^2.
    if (-std::expm1(-r) <= delta.value() * delta.value() * (1 - kSumMargin)) return Epsilon(0);
    best = std::min(best, EpsilonAtOrder(r, orders_[i], log_delta));
  }
  return Epsilon(best);
}

Result<Epsilon> EpsilonOf(const DpEvent& event, Delta delta) {
  RdpAccountant accountant;
  AH_RETURN_IF_ERROR(accountant.Add(event));
  return accountant.EpsilonAt(delta);
}

}  // namespace anchorhold::dp
