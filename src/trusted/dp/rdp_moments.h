// The two ways to compute log A of rdp.h. Both compute A - 1 as a sum of terms that are not
// negative, so that nothing cancels however small q is:
//
// integer a:  A - 1 = sum_{k=2..a} C(a,k) (1-q)^(a-k) q^k (exp((k^2 - k) / (2 s^2)) - 1)
//   the binomial sum of Mironov, Talwar, Zhang (section 3.3) less the sum of the plain binomial
//   distribution, which is 1; the terms k = 0 and 1 vanish.
// any a > 1:  A - 1 = E_{t ~ N(0,1)} [ h(w) ],  w = q (exp(t/s - 1/(2 s^2)) - 1) > -1,
//             h(w) = (1 + w)^a - 1 - a w  >= 0  (Bernoulli's inequality; E[w] = 0).
#pragma once

namespace anchorhold::dp {

// Preconditions: 0 < q < 1, s > 0, 2 <= order <= 4096.
double LogMomentInteger(double q, double s, int order);

// Trapezoid rule on the real line, which converges exponentially for analytic integrands
// (Trefethen and Weideman 2014). Preconditions: 0 < q < 1, s >= 0.05, 1 < order <= 4096.
double LogMomentQuadrature(double q, double s, double order);

}  // namespace anchorhold::dp
