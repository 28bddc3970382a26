#include "trusted/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "shared/base/check.h"
#include "trusted/train/portable_math.h"

namespace anchorhold::train {
namespace {

struct NamedOptimizer {
  OptimizerKind kind;
  std::string_view name;
};
constexpr NamedOptimizer kOptimizers[] = {
    {OptimizerKind::kSgd, "sgd"},         {OptimizerKind::kAdam, "adam"},
    {OptimizerKind::kAdamW, "adamw"},     {OptimizerKind::kRmsProp, "rmsprop"},
    {OptimizerKind::kAdagrad, "adagrad"},
};

Status CheckPositive(const std::string& name, double value) {
  if (std::isfinite(value) && value > 0) return Ok();
  return InvalidInput(name + " must be a positive finite number; got " + std::to_string(value));
}

Status CheckNonNegative(const std::string& name, double value) {
  if (std::isfinite(value) && value >= 0) return Ok();
  return InvalidInput(name + " must be a finite number of at least 0; got " +
                      std::to_string(value));
}

Status CheckBelowOne(const std::string& name, double value) {
  if (value >= 0 && value < 1) return Ok();
  return InvalidInput(name + " must be at least 0 and below 1; got " + std::to_string(value));
}

}  // namespace

std::string_view OptimizerName(OptimizerKind kind) {
  for (const NamedOptimizer& named : kOptimizers) {
    if (named.kind == kind) return named.name;
  }
  return "unknown";
}

Result<OptimizerKind> ParseOptimizer(std::string_view name) {
  std::string known;
  for (const NamedOptimizer& named : kOptimizers) {
    if (named.name == name) return named.kind;
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  return InvalidInput("unknown optimizer \"" + std::string(name.substr(0, 40)) + "\"; known are " +
                      known);
}

OptimizerConfig DefaultsOf(OptimizerKind kind) {
  OptimizerConfig config;
  config.kind = kind;
  if (kind == OptimizerKind::kAdamW) config.weight_decay = 0.01;
  if (kind == OptimizerKind::kAdagrad) config.epsilon = 1e-10;
  return config;
}

Status ValidateOptimizer(const OptimizerConfig& config) {
  AH_RETURN_IF_ERROR(CheckPositive("learning rate", config.learning_rate));
  AH_RETURN_IF_ERROR(CheckNonNegative("weight decay", config.weight_decay));
  const std::string epsilon = "epsilon of " + std::string(OptimizerName(config.kind));
  switch (config.kind) {
    case OptimizerKind::kSgd:
      AH_RETURN_IF_ERROR(CheckBelowOne("momentum", config.momentum));
      if (config.nesterov && config.momentum == 0) {
        return InvalidInput("nesterov needs a momentum above 0");
      }
      return Ok();
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      AH_RETURN_IF_ERROR(CheckBelowOne("beta1", config.beta1));
      AH_RETURN_IF_ERROR(CheckBelowOne("beta2", config.beta2));
      return CheckPositive(epsilon, config.epsilon);
    case OptimizerKind::kRmsProp:
      AH_RETURN_IF_ERROR(CheckBelowOne("momentum", config.momentum));
      AH_RETURN_IF_ERROR(CheckBelowOne("alpha", config.alpha));
      return CheckPositive(epsilon, config.epsilon);
    case OptimizerKind::kAdagrad:
      AH_RETURN_IF_ERROR(CheckNonNegative("decay of the learning rate", config.lr_decay));
      AH_RETURN_IF_ERROR(CheckNonNegative("initial accumulator", config.initial_accumulator));
      return CheckPositive(epsilon, config.epsilon);
  }
  return InvalidInput("unknown kind of optimizer");
}

Result<Optimizer> Optimizer::Create(const OptimizerConfig& config, std::size_t parameter_count) {
  AH_RETURN_IF_ERROR(ValidateOptimizer(config));
  return Optimizer(config, parameter_count);
}

Optimizer::Optimizer(const OptimizerConfig& config, std::size_t parameter_count)
    : config_(config), kernels_(simd::SumKernelsFor(simd::BestTarget())) {
  const bool adam = config.kind == OptimizerKind::kAdam || config.kind == OptimizerKind::kAdamW;
  const bool rmsprop = config.kind == OptimizerKind::kRmsProp;
  const bool sgd = config.kind == OptimizerKind::kSgd;
  const bool velocity = (sgd || rmsprop) && config.momentum > 0;
  if (adam || velocity) first_.resize(parameter_count);
  if (!sgd) second_.resize(parameter_count);
  if (rmsprop && config.centered) mean_.resize(parameter_count);
  if (config.kind == OptimizerKind::kAdagrad) {
    std::fill(second_.begin(), second_.end(), static_cast<float>(config.initial_accumulator));
  }
}

void Optimizer::Step(std::span<float> parameters, std::span<const float> gradient,
                     double learning_rate) {
  AH_CHECK(first_.empty() || first_.size() == gradient.size());
  AH_CHECK(second_.empty() || second_.size() == gradient.size());
  Begin();
  Update(0, parameters, gradient, learning_rate);
}

void Optimizer::Update(std::size_t begin, std::span<float> parameters,
                       std::span<const float> gradient, double learning_rate, float share) {
  AH_CHECK(parameters.size() == gradient.size());
  AH_CHECK(first_.empty() || begin + gradient.size() <= first_.size());
  AH_CHECK(second_.empty() || begin + gradient.size() <= second_.size());
  const Range range{begin, parameters, gradient, share};
  switch (config_.kind) {
    case OptimizerKind::kSgd:
      return UpdateSgd(range, learning_rate);
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return UpdateAdam(range, learning_rate);
    case OptimizerKind::kRmsProp:
      return UpdateRmsProp(range, learning_rate);
    case OptimizerKind::kAdagrad:
      return UpdateAdagrad(range, learning_rate);
  }
}

void Optimizer::UpdateSgd(const Range& range, double rate) {
  const auto& [begin, parameters, gradient, share] = range;
  float* velocities = first_.empty() ? nullptr : first_.data() + begin;
  if (kernels_ != nullptr) {
    simd::SumKernels::Update update;
    update.share = share;
    update.rate = rate;
    update.decay = config_.weight_decay;
    update.momentum = config_.momentum;
    update.nesterov = config_.nesterov;
    kernels_->sgd(update, parameters.size(), gradient.data(), parameters.data(), velocities);
    return;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    double direction = range.Gradient(i) + config_.weight_decay * parameters[i];
    if (velocities != nullptr) {
      const double velocity = config_.momentum * velocities[i] + direction;
      velocities[i] = static_cast<float>(velocity);
      direction = config_.nesterov ? direction + config_.momentum * velocity : velocity;
    }
    parameters[i] = static_cast<float>(parameters[i] - rate * direction);
  }
}

void Optimizer::UpdateAdam(const Range& range, double rate) {
  const auto& [begin, parameters, gradient, share] = range;
  const double first_correction = 1 - PowerOf(config_.beta1, steps_done_);
  const double second_correction = 1 - PowerOf(config_.beta2, steps_done_);
  const bool decoupled = config_.kind == OptimizerKind::kAdamW;
  float* first = first_.data() + begin;
  float* second = second_.data() + begin;
  if (kernels_ != nullptr) {
    simd::SumKernels::Update update;
    update.share = share;
    update.rate = rate;
    update.decay = config_.weight_decay;
    update.beta1 = config_.beta1;
    update.beta2 = config_.beta2;
    update.epsilon = config_.epsilon;
    update.first_correction = first_correction;
    update.second_correction = second_correction;
    kernels_->adam(update, decoupled, parameters.size(), gradient.data(), parameters.data(), first,
                   second);
    return;
  }
  const double penalty = decoupled ? 0 : config_.weight_decay;
  const double kept = decoupled ? 1 - rate * config_.weight_decay : 1;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = range.Gradient(i) + penalty * parameters[i];
    const double m = config_.beta1 * first[i] + (1 - config_.beta1) * g;
    const double s = config_.beta2 * second[i] + (1 - config_.beta2) * g * g;
    first[i] = static_cast<float>(m);
    second[i] = static_cast<float>(s);
    const double change =
        (m / first_correction) / (std::sqrt(s / second_correction) + config_.epsilon);
    parameters[i] = static_cast<float>(kept * parameters[i] - rate * change);
  }
}

void Optimizer::UpdateRmsProp(const Range& range, double rate) {
  const std::size_t begin = range.begin;
  const std::span<float> parameters = range.parameters;
  const double alpha = config_.alpha;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = range.Gradient(i) + config_.weight_decay * parameters[i];
    const double s = alpha * second_[begin + i] + (1 - alpha) * g * g;
    second_[begin + i] = static_cast<float>(s);
    double variance = s;
    if (!mean_.empty()) {
      const double mean = alpha * mean_[begin + i] + (1 - alpha) * g;
      mean_[begin + i] = static_cast<float>(mean);
      // Below 0 by rounding alone; a NaN is kept.
      variance = s - mean * mean < 0 ? 0 : s - mean * mean;
    }
    double direction = g / (std::sqrt(variance) + config_.epsilon);
    if (!first_.empty()) {
      direction += config_.momentum * first_[begin + i];
      first_[begin + i] = static_cast<float>(direction);
    }
    parameters[i] = static_cast<float>(parameters[i] - rate * direction);
  }
}

void Optimizer::UpdateAdagrad(const Range& range, double rate) {
  const std::size_t begin = range.begin;
  const std::span<float> parameters = range.parameters;
  const double decayed = rate / (1 + static_cast<double>(steps_done_ - 1) * config_.lr_decay);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = range.Gradient(i) + config_.weight_decay * parameters[i];
    const double s = second_[begin + i] + g * g;
    second_[begin + i] = static_cast<float>(s);
    parameters[i] =
        static_cast<float>(parameters[i] - decayed * g / (std::sqrt(s) + config_.epsilon));
  }
}

}  // namespace anchorhold::train
