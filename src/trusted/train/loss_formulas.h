// The losses' arithmetic (formulas in loss.h and loss_value.h), for programs with a standard
// library and for those without (src/client/runtime): Math says where exp, log and log1p come from.
// Nothing here allocates or checks; callers see to it that labels fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace anchorhold::train {

enum class Loss : unsigned char {
  kCrossEntropy = 1,
  kBinaryCrossEntropy = 2,
  kMeanSquaredError = 3,
  kMeanAbsoluteError = 4,
  kHuber = 5,
};

// LossOptions (loss.h), without memory of its own.
struct LossTerms {
  Loss kind = Loss::kCrossEntropy;
  std::span<const double> class_weights{};
  double label_smoothing = 0;
  bool ignores = false;
  std::int64_t ignored = 0;
  std::span<const double> positive_weights{};
  double huber_delta = 1;

  bool Ignores(std::int64_t label) const { return ignores && label == ignored; }
};

// One position; `label` is within range. Writes the gradient of the position's own loss.
template <typename Math, typename T>
T CrossEntropyAt(const LossTerms& terms, std::span<const T> z, std::size_t label, std::span<T> dz) {
  const auto weight = [&terms](std::size_t c) {
    return terms.class_weights.empty() ? T(1) : static_cast<T>(terms.class_weights[c]);
  };
  T max = z[0];
  for (const T each : z) max = max < each ? each : max;
  T sum = 0;
  for (std::size_t c = 0; c < z.size(); ++c) {
    dz[c] = Math::Exp(z[c] - max);
    sum += dz[c];
  }
  const T log_sum = max + Math::Log(sum);
  const T certain = static_cast<T>(1 - terms.label_smoothing) * weight(label);
  const T spread = static_cast<T>(terms.label_smoothing / static_cast<double>(z.size()));
  T loss = certain * (log_sum - z[label]);
  T total = certain;
  if (spread > T(0)) {
    for (std::size_t c = 0; c < z.size(); ++c) {
      loss += spread * weight(c) * (log_sum - z[c]);
      total += spread * weight(c);
    }
  }
  for (std::size_t c = 0; c < z.size(); ++c) {
    dz[c] = total * (dz[c] / sum) - (spread > T(0) ? spread * weight(c) : T(0));
  }
  dz[label] -= certain;
  return loss;
}

// labels: one for each position; z holds as many classes for each.
template <typename Math, typename T>
T CrossEntropyOf(const LossTerms& terms, std::span<const T> z, std::span<const std::int64_t> labels,
                 std::span<T> dz) {
  const std::size_t classes = z.size() / labels.size();
  std::size_t counted = 0;
  for (const std::int64_t label : labels) counted += terms.Ignores(label) ? 0 : 1;
  const T share = T(1) / static_cast<T>(counted > 1 ? counted : 1);
  T sum = 0;
  for (std::size_t p = 0; p < labels.size(); ++p) {
    const bool counts = !terms.Ignores(labels[p]);
    const auto label = static_cast<std::size_t>(counts ? labels[p] : 0);
    const std::span<T> seed = dz.subspan(p * classes, classes);
    const T loss = CrossEntropyAt<Math>(terms, z.subspan(p * classes, classes), label, seed);
    sum += counts ? loss * share : T(0);
    for (T& d : seed) d = counts ? d * share : T(0);
  }
  return sum;
}

// One of `n` labels, y being 0 or 1.
template <typename Math, typename T>
T BinaryCrossEntropyTerm(const LossTerms& terms, std::size_t j, T n, T z, T y, T& derivative) {
  const std::span<const double> weights = terms.positive_weights;
  const T weight = weights.empty() ? T(1) : static_cast<T>(weights[weights.size() > 1 ? j : 0]);
  const T e = Math::Exp(z < T(0) ? z : -z);
  const T scale = weight * y + (T(1) - y);
  const T sigmoid = (z >= T(0) ? T(1) : e) / (T(1) + e);
  derivative = scale * (sigmoid - y) / n;
  // softplus(z) - y z, with max(z, 0) in a form that keeps a NaN.
  return scale * ((z < T(0) ? T(0) : z) + Math::Log1p(e) - y * z);
}

template <typename T>
T RegressionTerm(const LossTerms& terms, T difference, T& derivative) {
  const T size = difference < T(0) ? -difference : difference;
  switch (terms.kind) {
    case Loss::kMeanAbsoluteError:
      derivative = static_cast<T>((difference > T(0)) - (difference < T(0)));
      return size;
    case Loss::kHuber: {
      const T delta = static_cast<T>(terms.huber_delta);
      const bool outside = size > delta;
      derivative = outside ? (difference < T(0) ? -delta : delta) : difference;
      return outside ? delta * (size - delta / T(2)) : difference * difference / T(2);
    }
    default:
      derivative = T(2) * difference;
      return difference * difference;
  }
}

// The losses whose labels are as many numbers as predictions: all but cross-entropy.
template <typename Math, typename T>
T TargetLossOf(const LossTerms& terms, std::span<const T> z, std::span<const float> targets,
               std::span<T> dz) {
  const T n = static_cast<T>(z.size());
  T sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    const T y = static_cast<T>(targets[j]);
    if (terms.kind == Loss::kBinaryCrossEntropy) {
      sum += BinaryCrossEntropyTerm<Math>(terms, j, n, z[j], y, dz[j]);
    } else {
      T derivative = 0;
      sum += RegressionTerm(terms, z[j] - y, derivative);
      dz[j] = derivative / n;
    }
  }
  return sum / n;
}

}  // namespace anchorhold::train
