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
};

template <typename T>
T CrossEntropy(std::span<const T> z, std::int64_t class_index, std::span<T> dz) {
  AH_CHECK(class_index >= 0 && static_cast<std::size_t>(class_index) < z.size());
  const T max = *std::max_element(z.begin(), z.end());
  T sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    dz[j] = std::exp(z[j] - max);
    sum += dz[j];
  }
  for (T& d : dz) d /= sum;
  dz[static_cast<std::size_t>(class_index)] -= T(1);
  return max + std::log(sum) - z[static_cast<std::size_t>(class_index)];
}

template <typename T>
T BinaryCrossEntropy(T z, std::int64_t class_index, T& dz) {
  AH_CHECK(class_index == 0 || class_index == 1);
  const T y = static_cast<T>(class_index);
  const T e = std::exp(-std::abs(z));
  dz = (z >= T(0) ? T(1) : e) / (T(1) + e) - y;
  // max(z, 0) in a form that keeps a NaN.
  return (z < T(0) ? T(0) : z) + std::log1p(e) - y * z;
}

template <typename T>
T MeanSquaredError(std::span<const T> z, std::span<const float> targets, std::span<T> dz) {
  AH_CHECK(targets.size() == z.size());
  const T n = static_cast<T>(z.size());
  T sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    const T difference = z[j] - static_cast<T>(targets[j]);
    sum += difference * difference;
    dz[j] = T(2) * difference / n;
  }
  return sum / n;
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

template <typename T>
T LossAndSeed(Loss loss, std::span<const T> z, const Label& label, std::span<T> dz) {
  AH_CHECK(!z.empty() && z.size() == dz.size());
  switch (loss) {
    case Loss::kCrossEntropy:
      return CrossEntropy(z, label.class_index, dz);
    case Loss::kBinaryCrossEntropy:
      AH_CHECK(z.size() == 1);
      return BinaryCrossEntropy(z[0], label.class_index, dz[0]);
    case Loss::kMeanSquaredError:
      return MeanSquaredError(z, label.targets, dz);
  }
  AH_CHECK(false);
}

template float LossAndSeed(Loss, std::span<const float>, const Label&, std::span<float>);
template double LossAndSeed(Loss, std::span<const double>, const Label&, std::span<double>);

}  // namespace anchorhold::train
