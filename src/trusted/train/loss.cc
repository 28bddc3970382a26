#include "trusted/train/loss.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "shared/base/check.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {
namespace {

struct NamedLoss {
  Loss loss;
  std::string_view name;
};
constexpr NamedLoss kLosses[] = {
    {Loss::kCrossEntropy, "cross-entropy"},
    {Loss::kBinaryCrossEntropy, "binary-cross-entropy"},
    {Loss::kMeanSquaredError, "mse"},
    {Loss::kMeanAbsoluteError, "l1"},
    {Loss::kHuber, "huber"},
};

// One position; `label` is within range. Writes the gradient of the position's own loss.
template <typename T>
T CrossEntropyAt(const LossOptions& options, std::span<const T> z, std::size_t label,
                 std::span<T> dz) {
  const auto weight = [&options](std::size_t c) {
    return options.class_weights.empty() ? T(1) : static_cast<T>(options.class_weights[c]);
  };
  const T max = *std::max_element(z.begin(), z.end());
  T sum = 0;
  for (std::size_t c = 0; c < z.size(); ++c) {
    dz[c] = std::exp(z[c] - max);
    sum += dz[c];
  }
  const T log_sum = max + std::log(sum);
  const T certain = static_cast<T>(1 - options.label_smoothing) * weight(label);
  const T spread = static_cast<T>(options.label_smoothing / static_cast<double>(z.size()));
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

template <typename T>
T CrossEntropy(const LossOptions& options, std::span<const T> z,
               std::span<const std::int64_t> labels, std::span<T> dz) {
  AH_CHECK(!labels.empty() && z.size() % labels.size() == 0);
  const std::size_t classes = z.size() / labels.size();
  AH_CHECK(options.class_weights.empty() || options.class_weights.size() == classes);
  std::size_t counted = 0;
  for (const std::int64_t label : labels) counted += label != options.ignore_index ? 1 : 0;
  const T share = T(1) / static_cast<T>(std::max<std::size_t>(counted, 1));
  T sum = 0;
  for (std::size_t p = 0; p < labels.size(); ++p) {
    const bool counts = labels[p] != options.ignore_index;
    const std::int64_t label = counts ? labels[p] : 0;
    AH_CHECK(label >= 0 && static_cast<std::size_t>(label) < classes);
    const std::span<T> seed = dz.subspan(p * classes, classes);
    const T loss = CrossEntropyAt(options, z.subspan(p * classes, classes),
                                  static_cast<std::size_t>(label), seed);
    sum += counts ? loss * share : T(0);
    for (T& d : seed) d = counts ? d * share : T(0);
  }
  return sum;
}

template <typename T>
T BinaryCrossEntropy(const LossOptions& options, std::span<const T> z, const Label& label,
                     std::span<T> dz) {
  AH_CHECK(label.targets.empty() ? z.size() == 1 && label.classes.size() == 1
                                 : label.targets.size() == z.size());
  const std::vector<double>& weights = options.positive_weights;
  AH_CHECK(weights.size() <= 1 || weights.size() == z.size());
  const T n = static_cast<T>(z.size());
  T sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    const T y =
        label.targets.empty() ? static_cast<T>(label.classes[0]) : static_cast<T>(label.targets[j]);
    AH_CHECK(y == T(0) || y == T(1));
    const T weight = weights.empty() ? T(1) : static_cast<T>(weights[weights.size() > 1 ? j : 0]);
    const T e = std::exp(-std::abs(z[j]));
    const T scale = weight * y + (T(1) - y);
    const T sigmoid = (z[j] >= T(0) ? T(1) : e) / (T(1) + e);
    dz[j] = scale * (sigmoid - y) / n;
    // softplus(z) - y z, with max(z, 0) in a form that keeps a NaN.
    sum += scale * ((z[j] < T(0) ? T(0) : z[j]) + std::log1p(e) - y * z[j]);
  }
  return sum / n;
}

template <typename T>
T RegressionTerm(const LossOptions& options, T difference, T& derivative) {
  const T size = std::abs(difference);
  switch (options.kind) {
    case Loss::kMeanAbsoluteError:
      derivative = static_cast<T>((difference > T(0)) - (difference < T(0)));
      return size;
    case Loss::kHuber: {
      const T delta = static_cast<T>(options.huber_delta);
      const bool outside = size > delta;
      derivative = outside ? std::copysign(delta, difference) : difference;
      return outside ? delta * (size - delta / T(2)) : difference * difference / T(2);
    }
    default:
      derivative = T(2) * difference;
      return difference * difference;
  }
}

template <typename T>
T Regression(const LossOptions& options, std::span<const T> z, std::span<const float> targets,
             std::span<T> dz) {
  AH_CHECK(targets.size() == z.size());
  const T n = static_cast<T>(z.size());
  T sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    T derivative = 0;
    sum += RegressionTerm(options, z[j] - static_cast<T>(targets[j]), derivative);
    dz[j] = derivative / n;
  }
  return sum / n;
}

Status CheckWeights(const char* what, const std::vector<double>& weights, bool zero_is_allowed) {
  if (weights.size() > kLossWeightsMax) {
    return LimitExceeded(std::string(what) + " are " + std::to_string(weights.size()) +
                         "; at most " + std::to_string(kLossWeightsMax) + " are taken");
  }
  bool all_zero = !weights.empty();
  for (const double weight : weights) {
    all_zero = all_zero && weight == 0;
    if (weight >= 0 && weight <= kLossWeightMax && (zero_is_allowed || weight > 0)) continue;
    return InvalidInput(std::string(what) + " must be " +
                        (zero_is_allowed ? "at least 0" : "above 0") + " and at most 1000000");
  }
  if (all_zero) return InvalidInput(std::string(what) + " must not all be 0");
  return Ok();
}

Error Foreign(const char* option, Loss owner, Loss loss) {
  return InvalidInput(std::string(option) + " belongs to the loss " + std::string(LossName(owner)) +
                      "; " + std::string(LossName(loss)) + " takes none");
}

}  // namespace

std::string_view LossName(Loss loss) {
  for (const NamedLoss& named : kLosses) {
    if (named.loss == loss) return named.name;
  }
  return "unknown";
}

Result<Loss> ParseLoss(std::string_view name) {
  std::string known;
  for (const NamedLoss& named : kLosses) {
    if (named.name == name) return named.loss;
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  return InvalidInput("unknown loss '" + std::string(name.substr(0, 64)) + "'; known are " + known);
}

Status ValidateLoss(const LossOptions& loss) {
  const auto owned_by = [&loss](const char* option, Loss owner, bool given) -> Status {
    if (given && loss.kind != owner) return Foreign(option, owner, loss.kind);
    return Ok();
  };
  if (LossName(loss.kind) == "unknown") return InvalidInput("unknown kind of loss");
  AH_RETURN_IF_ERROR(
      owned_by("a list of class weights", Loss::kCrossEntropy, !loss.class_weights.empty()));
  AH_RETURN_IF_ERROR(owned_by("label smoothing", Loss::kCrossEntropy, loss.label_smoothing != 0));
  AH_RETURN_IF_ERROR(
      owned_by("an ignored index", Loss::kCrossEntropy, loss.ignore_index.has_value()));
  AH_RETURN_IF_ERROR(owned_by("a weight of positive labels", Loss::kBinaryCrossEntropy,
                              !loss.positive_weights.empty()));
  AH_RETURN_IF_ERROR(CheckWeights("class weights", loss.class_weights, true));
  AH_RETURN_IF_ERROR(CheckWeights("weights of positive labels", loss.positive_weights, false));
  if (!(loss.label_smoothing >= 0 && loss.label_smoothing < 1)) {
    return InvalidInput("label smoothing must be at least 0 and below 1; got " +
                        std::to_string(loss.label_smoothing));
  }
  if (loss.kind == Loss::kHuber && !(loss.huber_delta > 0 && std::isfinite(loss.huber_delta))) {
    return InvalidInput("the delta of huber must be a positive finite number; got " +
                        std::to_string(loss.huber_delta));
  }
  return Ok();
}

template <typename T>
T LossAndSeed(const LossOptions& loss, std::span<const T> z, const Label& label, std::span<T> dz) {
  AH_CHECK(!z.empty() && z.size() == dz.size());
  switch (loss.kind) {
    case Loss::kCrossEntropy:
      return CrossEntropy(loss, z, label.classes, dz);
    case Loss::kBinaryCrossEntropy:
      return BinaryCrossEntropy(loss, z, label, dz);
    case Loss::kMeanSquaredError:
    case Loss::kMeanAbsoluteError:
    case Loss::kHuber:
      return Regression(loss, z, label.targets, dz);
  }
  AH_CHECK(false);
  return T(0);  // not reached; the thread sanitizer's instrumentation hides that
}

template float LossAndSeed(const LossOptions&, std::span<const float>, const Label&,
                           std::span<float>);
template double LossAndSeed(const LossOptions&, std::span<const double>, const Label&,
                            std::span<double>);

}  // namespace anchorhold::train
