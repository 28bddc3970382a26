#include "trusted/train/loss.h"

#include <cmath>
#include <string>
#include <type_traits>

#include "shared/base/check.h"
#include "trusted/train/loss_value.h"
#include "trusted/train/portable_math.h"

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

struct StandardMath {
  static double Exp(double x) { return std::exp(x); }
  static double Log(double x) { return std::log(x); }
  static double Log1p(double x) { return std::log1p(x); }
};
// Floats are the same bits on every system, and in compiled models.
template <typename T>
using MathFor = std::conditional_t<std::is_same_v<T, float>, PortableMath, StandardMath>;

template <typename T>
T CrossEntropy(const LossTerms& terms, std::span<const T> z, std::span<const std::int64_t> labels,
               std::span<T> dz) {
  AH_CHECK(!labels.empty() && z.size() % labels.size() == 0);
  const std::size_t classes = z.size() / labels.size();
  AH_CHECK(terms.class_weights.empty() || terms.class_weights.size() == classes);
  for (const std::int64_t label : labels) {
    AH_CHECK(terms.Ignores(label) || (label >= 0 && static_cast<std::size_t>(label) < classes));
  }
  return CrossEntropyOf<MathFor<T>>(terms, z, labels, dz);
}

template <typename T>
T BinaryCrossEntropy(const LossTerms& terms, std::span<const T> z, const Label& label,
                     std::span<T> dz) {
  AH_CHECK(label.targets.empty() ? z.size() == 1 && label.classes.size() == 1
                                 : label.targets.size() == z.size());
  const std::size_t weights = terms.positive_weights.size();
  AH_CHECK(weights <= 1 || weights == z.size());
  const float one = label.targets.empty() ? static_cast<float>(label.classes[0]) : 0.0F;
  const std::span<const float> targets = label.targets.empty() ? std::span(&one, 1) : label.targets;
  for (const float y : targets) AH_CHECK(y == 0.0F || y == 1.0F);
  return TargetLossOf<MathFor<T>>(terms, z, targets, dz);
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

LossTerms TermsOf(const LossOptions& loss) {
  LossTerms terms;
  terms.kind = loss.kind;
  terms.class_weights = loss.class_weights;
  terms.label_smoothing = loss.label_smoothing;
  terms.ignores = loss.ignore_index.has_value();
  terms.ignored = loss.ignore_index.value_or(0);
  terms.positive_weights = loss.positive_weights;
  terms.huber_delta = loss.huber_delta;
  return terms;
}

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
  const LossTerms terms = TermsOf(loss);
  switch (loss.kind) {
    case Loss::kCrossEntropy:
      return CrossEntropy(terms, z, label.classes, dz);
    case Loss::kBinaryCrossEntropy:
      return BinaryCrossEntropy(terms, z, label, dz);
    case Loss::kMeanSquaredError:
    case Loss::kMeanAbsoluteError:
    case Loss::kHuber:
      AH_CHECK(label.targets.size() == z.size());
      return TargetLossOf<MathFor<T>>(terms, z, label.targets, dz);
  }
  AH_CHECK(false);
  return T(0);  // not reached; the thread sanitizer's instrumentation hides that
}

template float LossAndSeed(const LossOptions&, std::span<const float>, const Label&,
                           std::span<float>);
template double LossAndSeed(const LossOptions&, std::span<const double>, const Label&,
                            std::span<double>);

}  // namespace anchorhold::train
