// The Renyi-DP accountant of the Poisson-subsampled Gaussian.
//
// Mironov, Talwar, Zhang 2019, "Renyi Differential Privacy of the Sampled Gaussian Mechanism"
// (arXiv:1908.10530), sections 3.1 to 3.3: one step at sampling probability q and noise multiplier
// s satisfies (a, r(a))-RDP under "add or remove one unit", for every order a > 1, with
//
//   r(a) = log(A) / (a - 1),   A = E_{x ~ N(0, s^2)} [ ((1 - q) + q exp((2x - 1) / (2 s^2)))^a ].
//
// Their Theorem 5: this direction (unit present against unit absent) is the larger of the two.
// Steps compose by adding r. Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential
// Privacy" (arXiv:2004.00010), Proposition 12: (a, r)-RDP implies (epsilon, delta)-DP with
//
//   epsilon = r + log(1 - 1/a) - log(delta a) / (a - 1),
//
// and the accountant takes the least over its orders. It also uses that no distinguisher gains more
// than the total variation distance, TV^2 <= 1 - exp(-KL) <= 1 - exp(-r) (Bretagnolle and Huber
// 1979): where that is at most delta^2, epsilon is 0.
//
// Discrete noise. The product adds whole numbers with noise of the discrete Gaussian (event.h).
// For an integer order, expanding the power turns A into sums of E[exp(k <z, v> / S^2)], and for
// whole k v_i each factor E[exp(m z / S^2)] = exp(m^2 / (2 S^2)) holds exactly, the sum over Z
// being invariant under z -> z + m. So integer orders are the same formula with equality. For a
// fractional order the sum over Z replaces an integral of an analytic function. The power has its
// branch points where Im <z, v> = pi S^2, so by Poisson summation sum and integral differ by a
// factor within 1 +- 4 d exp(-pi^2 S s) for d coordinates: with S >= 2^18 and s >= 2^-6 (clip.h)
// that is nothing a double could hold, far inside the margin below. Theorem 5 needs a reflection
// that swaps the two noise distributions; z -> v - z maps Z^d to itself.
//
// Rounding: every value of r is multiplied by 1 + kRdpMargin, which covers the error of summing
// (integer orders: about 1e-12) and of quadrature (fractional orders: about 1e-11, see
// rdp_test.cc); epsilon is never rounded down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trusted/dp/event.h"

namespace anchorhold::dp {

inline constexpr double kRdpMargin = 1e-9;

// The orders that the accountant minimises over: 1.01 to 1.09, 1.1 to 10.9 in steps of 0.1, all
// integers from 11 to 64, then integers growing by about 1/16 up to 2048.
std::vector<double> RdpOrders();

// r(order) of one step, rounded up as said. Preconditions: 0 <= q <= 1, noise >= 0, 1 < order <=
// 4096. q = 0: 0. q = 1: order / (2 noise^2). noise = 0 (and q > 0): infinity. A fractional order
// with noise below 0.05 gets an upper bound: the value of the next integer order.
double SampledGaussianRdp(SamplingProbability q, NoiseMultiplier noise, double order);

class RdpAccountant {
 public:
  RdpAccountant() : orders_(RdpOrders()) {}

  // Whether the accountant can account for events of this kind.
  static bool Supports(const DpEvent& event);

  // Composes one more event. Unlike ValidateEvent, it takes the limiting cases q = 0, noise = 0 and
  // steps = 0 for what they are. kUnsupported for an event that Supports refuses.
  Status Add(const DpEvent& event);

  // An upper bound on the epsilon of everything added; infinity if there is none.
  Result<Epsilon> EpsilonAt(Delta delta) const;

 private:
  struct Phase {
    SamplingProbability q;
    NoiseMultiplier noise;
    std::uint64_t steps = 0;
    std::vector<double> curve;  // r of one step at each order
  };

  std::vector<double> orders_;
  std::vector<Phase> phases_;  // events of equal q and noise share a phase
};

// The epsilon of one event alone.
Result<Epsilon> EpsilonOf(const DpEvent& event, Delta delta);

}  // namespace anchorhold::dp
